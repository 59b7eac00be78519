"""Attempts: one execution of a step as it is handed to a compute target, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelinekit.classes import field, frozen
from pipelinekit.domain.runs import Failure
from pipelinekit.domain.steps import Port, Resources
from pipelinekit.domain.values import StoredValue

if TYPE_CHECKING:
    from pipelinekit.domain.metrics import Entry

ABSENT = "absent"  # stands for the digest of an undeclared file that is not there
OUTDATED = "outdated"  # stands for that of a file that is not, or was not always, what the executing process imported


@frozen
class Task:
    """What all attempts of one step have in common.

    `snapshot` is the tree that the code is imported from. `lock` names the built environment, empty for the worker's
    own; `base` is what that one stands on, and `environment` what people call it. `packages` are the versions that
    the code was keyed with, and that the worker must have. `variables` are set in the step's process. `known` are the
    files of the snapshot that the key takes care of, `*` for all. `secrets` are names of those that it is given, with
    the versions that it was keyed with, `ANY_VERSION` for what is not keyed; values are never in here. With
    `dask_client` its code gets a client of the cluster that it runs on. It is executed by one process on each of so
    many `nodes`.
    """

    kind: str
    entry: str
    snapshot: str
    input_ports: tuple[Port, ...]
    outputs: tuple[Port, ...]
    arguments: tuple[Any, ...] = ()
    timeout: float = 0.0
    resources: Resources = field(default_factory=Resources)
    compute: str = ""
    python: str = ""
    packages: tuple[tuple[str, str], ...] = ()
    lock: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    known: tuple[str, ...] = ()
    base: str = ""
    environment: str = ""
    secrets: Mapping[str, int] = field(default_factory=dict)
    dask_client: bool = False
    nodes: int = 1

    @property
    def has_environment(self) -> bool:
        """Whether the step runs in an environment that was declared for it."""
        return bool(self.lock or self.base)


@frozen
class Rank:
    """Which process this is of an attempt that has `count` of them, and where they find that of number 0.

    `address` is of its node, `port` free there; they are empty until all have a place. An attempt whose processes did
    not come together is sent again, for another `round`.
    """

    number: int
    count: int
    round: int = 0
    address: str = ""
    port: int = 0

    @property
    def variables(self) -> dict[str, str]:
        """What is set in its process, by the names that PyTorch and others go by."""
        return {
            "RANK": str(self.number),
            "WORLD_SIZE": str(self.count),
            "LOCAL_RANK": "0",
            "LOCAL_WORLD_SIZE": "1",
            "NODE_RANK": str(self.number),
            "MASTER_ADDR": self.address,
            "MASTER_PORT": str(self.port),
        }


@frozen
class Attempt:
    """Everything that a worker needs to execute a step once; it carries digests, never data or code.

    Of what waits for room, attempts of a run with a higher `priority` go first; `idle` ones, which only execute again
    what there is already, go last. One on several nodes is executed as so many attempts, each with its `rank`. One that
    `outlives` its driver goes on where that is gone: whoever drives the run next asks for it again by an attempt that
    `continues`.
    """

    run: str
    step: str
    number: int
    task: Task
    inputs: Mapping[str, StoredValue]
    priority: int = 0
    idle: bool = False
    rank: Rank | None = None
    outlives: bool = False
    continues: bool = False

    @property
    def id(self) -> str:
        """Unique in the workspace; what has a rank is known to compute targets only."""
        whole = attempt_id(self.run, self.step, self.number)
        return whole if self.rank is None else f"{whole}#{self.rank.round}.{self.rank.number}"

    @property
    def is_helper(self) -> bool:
        """Whether its outputs are nobody's: those of rank 0 are the step's."""
        return self.rank is not None and self.rank.number > 0


@frozen
class AttemptStarted:
    """The step's process began the attempt at `at`."""

    attempt: str
    at: float


@frozen
class AttemptEnded:
    """The attempt ended at `at` after `seconds` of execution: with outputs, or with a failure.

    `damaged` names input blobs that were missing or not what their digest says. `observed` are files that were opened
    and that the key does not name, as `file:PATH`, with the digests of their content; `hosts` were connected to.
    """

    attempt: str
    at: float
    seconds: float
    outputs: Mapping[str, StoredValue] = field(default_factory=dict)
    failure: Failure | None = None
    damaged: tuple[str, ...] = ()
    observed: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()


@frozen
class LogChunk:
    """Text that an attempt wrote to `stdout` or `stderr`, in the order of `sequence`."""

    attempt: str
    stream: str
    text: str


@frozen
class Told:
    """What an attempt's code told of its run: metrics, tags, files and children, in their order."""

    attempt: str
    entries: tuple[Entry, ...]


@frozen
class RankCame:
    """A rank has a place on a node; with an address and a port that is free there, it is ready to begin."""

    attempt: str
    node: str
    address: str = ""
    port: int = 0


AttemptEvent = AttemptStarted | AttemptEnded | LogChunk | Told


def attempt_id(run: str, step: str, number: int) -> str:
    """The id of an attempt."""
    return f"{run}/{step}/{number}"


def is_rank(attempt: str) -> bool:
    """Whether an id is that of one rank of an attempt."""
    return "#" in attempt.rpartition("/")[2]


def split_id(attempt: str) -> tuple[str, str, int]:
    """Run, step and number of an attempt's id. Step names may contain `/`; run ids never do."""
    run, _, rest = attempt.partition("/")
    step, _, number = rest.rpartition("/")
    return run, step, int(number)
