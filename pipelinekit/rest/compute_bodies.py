"""What requests may send of compute targets, and of where their nodes run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from pipelinekit.rest.bodies import Body


class ComputeDescription(Body):
    """What is said of a compute target."""

    description: str = ""
    tags: dict[str, str] = Field(default_factory=dict)


class OnProcesses(Body):
    """Nodes are processes on the server's machine."""

    kind: Literal["processes"] = "processes"


class OnHosts(Body):
    """Nodes are processes on hosts that are reached by SSH."""

    kind: Literal["ssh"]
    hosts: list[str] = Field(max_length=1000, description="each as [USER@]HOST[:PORT]")
    user: str = ""
    port: int = 22
    key_secret: str = Field("", description="the secret that holds the private key")
    known_hosts: str = Field("", max_length=1_000_000, description="the text of such a file")
    python: str = ""
    folder: str = ""
    scheduler_host: str = ""


class OnBatchSystem(Body):
    """Nodes are jobs of a batch system."""

    kind: Literal["batch"]
    system: str
    queue: str = ""
    account: str = ""
    walltime: str = ""
    directives: list[str] = Field(default_factory=list)
    prologue: list[str] = Field(default_factory=list)
    python: str = ""
    folder: str = ""
    shared_folder: str = ""
    log_folder: str = ""
    scheduler_host: str = ""


class OnKubernetes(Body):
    """Nodes are pods."""

    kind: Literal["kubernetes"]
    image: str
    scheduler_host: str
    namespace: str = "default"
    context: str = ""
    python: str = ""
    folder: str = ""
    pod: dict[str, Any] = Field(default_factory=dict)


NodeProvider = Annotated[
    OnProcesses | OnHosts | OnBatchSystem | OnKubernetes,
    Field(discriminator="kind", description="where nodes run; on the server's machine by default"),
]


class NewInstance(ComputeDescription):
    """One machine for several steps at once, which is to be registered and started."""

    name: str
    cores: int | None = None
    memory: int | str = 0
    resources: dict[str, float] = Field(default_factory=dict)
    idle_seconds_before_shutdown: float | str = 0.0
    provider: NodeProvider = OnProcesses()


class NewCluster(ComputeDescription):
    """A cluster, which is to be made and started."""

    name: str
    max_nodes: int | None = Field(None, description="by default as many as there are hosts by SSH")
    min_nodes: int = 0
    idle_seconds_before_scaledown: float | str = 1800.0
    cores: int = 1
    memory: int | str = 0
    resources: dict[str, float] = Field(default_factory=dict)
    provider: NodeProvider = OnProcesses()
    dashboard: bool = Field(False, description="serve Dask's own pages on the server's machine, to that machine")


class NewAttachment(ComputeDescription):
    """A Dask cluster that runs elsewhere, which is to be given a name."""

    name: str
    address: str
    secrets: dict[str, str] = Field(default_factory=dict)
    allow_plain: bool = False
    skip_validation: bool = False


class ComputeChange(Body):
    """What is to change of a compute target; what is not given stays."""

    description: str | None = None
    tags: dict[str, str] | None = None
    address: str | None = None
    secrets: dict[str, str] | None = None
    allow_plain: bool | None = None
    min_nodes: int | None = None
    max_nodes: int | None = None
    idle_seconds_before_scaledown: float | str | None = None
    idle_seconds_before_shutdown: float | str | None = None
    dashboard: bool | None = None
    max_runs: int | None = Field(None, description="so many runs are under way on it at once; 0 for no limit")
