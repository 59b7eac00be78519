"""Compute targets: where steps run, by name."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pipelinekit.classes import field, frozen
from pipelinekit.domain.names import IN_PROCESS, LOCAL, check_name
from pipelinekit.domain.providers import BATCH, BatchSystem, Processes, Provider, SSHHosts
from pipelinekit.domain.texts import counted
from pipelinekit.errors import UsageError

BUILT_IN = (LOCAL, IN_PROCESS)
ATTACHED, CLUSTER, INSTANCE = "attached", "cluster", "instance"
ADDRESSES = ("tcp://", "tls://", "inproc://")  # of Dask schedulers
CREDENTIALS = ("ca", "cert", "key")  # what a connection with TLS takes from secrets, each as PEM text
IDLE_SECONDS = 1800.0  # after which a node that nothing needs is given back, unless a cluster says otherwise
TOLD_ERRORS = 3  # of a cluster, that a run which waits for it tells
RESERVED = ("cpu", "memory")  # resources of a node that follow from its cores and memory


@frozen
class Attached:
    """A Dask cluster that runs elsewhere, by the address of its scheduler.

    `secrets` says for each of `ca`, `cert` and `key` which secret of the workspace holds it. With `allow_plain` the
    scheduler may be on another machine without TLS.
    """

    address: str
    secrets: Mapping[str, str] = field(default_factory=dict)
    allow_plain: bool = False

    def __post_init__(self) -> None:
        check_address(self.address, allow_plain=self.allow_plain)
        _check_credentials(self.secrets, self.address)


@frozen
class Cluster:
    """A Dask cluster of the workspace's own, which grows from `min_nodes` to `max_nodes` as work is queued.

    A node is a process with so many `cores`, at most so many bytes of `memory` (0 for its share of the machine), and
    named `resources`, such as `{"gpu": 1}`; the `provider` says where. One that nothing needs is given back after
    `idle_seconds_before_scaledown`. With `dashboard` Dask's own pages are served on this machine, to this machine.
    """

    max_nodes: int
    min_nodes: int = 0
    idle_seconds_before_scaledown: float = IDLE_SECONDS
    cores: int = 1
    memory: int = 0
    resources: Mapping[str, float] = field(default_factory=dict)
    provider: Provider = Processes()
    dashboard: bool = False

    def __post_init__(self) -> None:
        wrong = [
            *([f"max_nodes {self.max_nodes!r} is no number of nodes"] if not _is_count(self.max_nodes, 1) else []),
            *([f"min_nodes {self.min_nodes!r} is no number of nodes"] if not _is_count(self.min_nodes, 0) else []),
            *_node_faults(self),
        ]
        if not wrong and self.min_nodes > self.max_nodes:
            wrong.append(f"min_nodes {self.min_nodes} is more than max_nodes {self.max_nodes}")
        if self.idle_seconds_before_scaledown < 0:
            wrong.append(f"idle_seconds_before_scaledown {self.idle_seconds_before_scaledown:g} is less than 0")
        if wrong:
            raise UsageError("such a cluster there cannot be: " + "; ".join(wrong), hint="0 <= min_nodes <= max_nodes")

    @property
    def node_resources(self) -> dict[str, float]:
        """What steps can ask of a node, by name."""
        memory = {"memory": float(self.memory)} if self.memory else {}
        return {"cpu": float(self.cores), **memory, **self.resources}


@frozen
class Instance:
    """One machine, for several steps at once: this one, or one that is reached by SSH.

    It is started and stopped by hand. With `idle_seconds_before_shutdown` it stops by itself once it has had nothing to
    do for so long; 0 is never. A run that uses it starts it again.
    """

    cores: int
    memory: int = 0
    resources: Mapping[str, float] = field(default_factory=dict)
    idle_seconds_before_shutdown: float = 0.0
    provider: Provider = Processes()

    def __post_init__(self) -> None:
        wrong = _node_faults(self)
        if self.idle_seconds_before_shutdown < 0:
            wrong.append(f"idle_seconds_before_shutdown {self.idle_seconds_before_shutdown:g} is less than 0")
        if isinstance(self.provider, SSHHosts):
            wrong += ["an instance is one host"] if len(self.provider.hosts) > 1 else []
        elif not isinstance(self.provider, Processes):
            wrong.append(f"it cannot be provided by {self.provider}: it is this machine, or a host by SSH")
        if wrong:
            raise UsageError("such an instance there cannot be: " + "; ".join(wrong))

    @property
    def cluster(self) -> Cluster:
        """The cluster of one node that it is while it is started."""
        return Cluster(1, 1, 0.0, self.cores, self.memory, self.resources, self.provider)


def _node_faults(defined: Cluster | Instance) -> list[str]:
    return [
        *([f"cores {defined.cores!r} is no number of cores"] if not _is_count(defined.cores, 1) else []),
        *(f"{name} {amount!r} is no amount" for name, amount in defined.resources.items() if not amount > 0),
        *(f"resource {name!r} follows from cores and memory" for name in defined.resources if name in RESERVED),
        *(
            []
            if defined.memory or defined.provider.kind != BATCH
            else ["a batch system must be told the memory of a node"]
        ),
        *defined.provider.faults(),
    ]


Definition = Attached | Cluster | Instance


@frozen
class ComputeTarget:
    """A registered compute target."""

    name: str
    definition: Definition
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: float = 0.0

    @property
    def kind(self) -> str:
        """`attached`, `cluster` or `instance`."""
        return _KINDS[type(self.definition)]

    @property
    def cluster(self) -> Cluster | None:
        """What the workspace itself keeps of it; None where it is attached."""
        if isinstance(self.definition, Instance):
            return self.definition.cluster
        return self.definition if isinstance(self.definition, Cluster) else None

    def __post_init__(self) -> None:
        check_compute_name(self.name)


_KINDS: dict[type[Definition], str] = {Attached: ATTACHED, Cluster: CLUSTER, Instance: INSTANCE}


@frozen
class Node:
    """A worker of a cluster. `memory` is in bytes; `resources` are what it declares for steps to ask for."""

    name: str
    address: str
    cores: int
    memory: int
    resources: Mapping[str, float]
    running: int  # messages with attempts that it is at work on


@frozen
class Keeping:
    """What the keeper of a cluster says of it: where its scheduler is, and its nodes.

    `software` are versions which drivers must have, too. `target` is how many nodes there are to be.
    """

    address: str
    software: Mapping[str, str]
    target: int = 0
    nodes: Sequence[Mapping[str, Any]] = ()
    host: str = ""
    dashboard: str = ""
    errors: Sequence[str] = ()

    @property
    def is_steady(self) -> bool:
        """Whether there are as many nodes as there are to be."""
        return len(self.nodes) == self.target


@frozen
class KeeperState:
    """The keeper of a cluster: whether one is `wanted` and at work (`alive`), and what it said last."""

    wanted: bool = False
    alive: bool = False
    said: Keeping | None = None


def why_fewer(target: ComputeTarget, state: KeeperState, there: int, needed: int) -> str:
    """Why a cluster of the workspace's own has fewer nodes than a step needs, as its keeper tells; what to do about it.

    It follows the target's name in a sentence.
    """
    name, said = target.name, state.said
    if not state.wanted:
        return f"is stopped; 'pipelinekit computes start {name}' starts it"
    if said is None:
        return "is being started" if state.alive else "has lost the process that kept it, which is started again"
    words = "has no node" if not there else f"has {counted(there, 'node')} of {needed} that a step asks for"
    words += f"; {said.target} {'is' if said.target == 1 else 'are'} to be there"
    if said.errors:
        more = f"; and {len(said.errors) - TOLD_ERRORS} more" if len(said.errors) > TOLD_ERRORS else ""
        return f"{words}: {'; '.join(said.errors[:TOLD_ERRORS])}{more} (see 'pipelinekit computes show {name}')"
    provider = target.cluster.provider if target.cluster else None
    if isinstance(provider, BatchSystem):
        return f"{words}, and what was submitted to {provider.system} has not begun: its own list of jobs says why"
    return f"{words}, and none has come yet" if not there else f"{words}, and no more have come yet"


def check_compute_name(name: str) -> str:
    """The name, if it may name a compute target; raise UsageError otherwise."""
    if str(name).lower() in BUILT_IN:
        raise UsageError(f"compute target name {name!r} is reserved", hint="every workspace has it; choose another")
    return check_name("compute target", name)


def is_address(text: str) -> bool:
    """Whether a target is given by the address of a Dask scheduler, and not by name."""
    return text.startswith(ADDRESSES)


def check_address(address: str, *, allow_plain: bool = False) -> str:
    """The address of a Dask scheduler, if it may be one; raise UsageError otherwise.

    Beyond this machine a connection without TLS has to be allowed: whoever can reach the scheduler runs code on it.
    """
    if address.startswith("inproc://"):
        return address
    host = _host(address)
    if not host:
        raise UsageError(
            f"{address!r} is not the address of a Dask scheduler", hint="write it as tls://HOST:PORT or tcp://HOST:PORT"
        )
    if address.startswith("tcp://") and not allow_plain and not _is_loopback(host):
        raise UsageError(
            f"the connection to {address} would be neither encrypted nor protected",
            hint="use TLS (tls://), or attach it with allow_plain=True (--allow-plain) if you trust the whole network",
        )
    return address


def _host(address: str) -> str:
    """The host of a scheduler's address; empty where it is none."""
    try:
        parts = urlsplit(address)
        whole = is_address(address) and parts.port and address == f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        return ""
    return (parts.hostname or "") if whole and "@" not in parts.netloc else ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_count(number: object, least: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= least


def _check_credentials(secrets: Mapping[str, str], address: str) -> None:
    for name in secrets:
        if name not in CREDENTIALS:
            raise UsageError(f"a compute target takes no secret {name!r}", hint=f"there are: {', '.join(CREDENTIALS)}")
    if secrets and not address.startswith("tls://"):
        raise UsageError(f"certificates are for TLS, and {address} is without", hint="write tls://HOST:PORT")
    if secrets and (missing := [name for name in CREDENTIALS if name not in secrets]):
        raise UsageError(
            f"certificates are incomplete without {', '.join(missing)}",
            hint="name the secrets that hold the authority's certificate (ca), your own (cert) and its key (key)",
        )
