"""Runs and step runs: their records, their statuses, and which status may follow which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase

from pipelinekit.classes import field, frozen
from pipelinekit.domain.types import PathRef
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import UsageError
from pipelinekit.typed import Any


class RunStatus(StrEnum):
    """Where a run stands. The last three are final."""

    NOT_STARTED = "NotStarted"
    QUEUED = "Queued"
    RUNNING = "Running"
    CANCEL_REQUESTED = "CancelRequested"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def final(self) -> bool:
        """Whether the run has ended."""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED)


MAY_WAIT = (RunStatus.QUEUED, RunStatus.RUNNING)  # for their turn, or for a compute target that can take no step


class StepStatus(StrEnum):
    """Where a step run stands.

    NotStarted: its inputs are not final. Queued: it waits for a slot, for a retry or for another run that executes the
    same key. Running: its process executes it. Completed, Reused, Failed, Canceled, Skipped are final; Skipped means
    that its branch was not taken, or that what it depends on did not complete.
    """

    NOT_STARTED = "NotStarted"
    QUEUED = "Queued"
    RUNNING = "Running"
    COMPLETED = "Completed"
    REUSED = "Reused"
    FAILED = "Failed"
    CANCELED = "Canceled"
    SKIPPED = "Skipped"

    @property
    def final(self) -> bool:
        """Whether the step run has ended."""
        return self in _FINAL

    @property
    def good(self) -> bool:
        """Whether the step's outputs are there."""
        return self in _GOOD


TRACEPARENT = "traceparent"  # the header of a request, and the detail of its run, that say which trace it is part of
PIPELINE, INTERACTIVE, CHILD = "pipeline", "interactive", "child"  # kinds of runs
KINDS = (PIPELINE, INTERACTIVE, CHILD)
EQUAL = "equal"  # what a repeated execution showed
DIFFERENT = "different"
MOST_PRIORITY = 1000  # and least, below 0
NEWEST_EXECUTIONS = 20  # of a definition, whose seconds tell what the next may take
_GOOD = (StepStatus.COMPLETED, StepStatus.REUSED)
_FINAL = (*_GOOD, StepStatus.FAILED, StepStatus.CANCELED, StepStatus.SKIPPED)  # found there sooner than in a set
FINAL_STEPS = frozenset(_FINAL)


def worst_status(statuses: Iterable[StepStatus]) -> StepStatus:
    """What a mapped step is shown as: the least happy status among those of its elements."""
    order = (StepStatus.FAILED, StepStatus.CANCELED, StepStatus.SKIPPED, StepStatus.COMPLETED, StepStatus.REUSED)
    return min(statuses, key=order.index)


@frozen
class RunOptions:
    """How a run is to be carried out.

    `regenerate` holds patterns of step names that must execute whatever was kept (`*` for all). `compute` names where
    steps run unless a step says otherwise: `local`, `in-process` or the address of a Dask scheduler. `verify` is the
    share of hits, 0 to 1, that are executed again and compared; with `check` every step is executed twice. A run that
    has taken `max_seconds` is canceled, as is one that has waited for its turn for `max_queue_seconds`; 0 means that it
    may take as long as it takes. Of runs that wait, one with a higher `priority` goes first.
    """

    regenerate: tuple[str, ...] = ()
    continue_on_step_failure: bool = False
    compute: str = "local"
    verify: float = 0.0
    check: bool = False
    max_seconds: float = 0.0
    priority: int = 0
    max_queue_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.max_seconds < 0:
            raise UsageError(f"a run cannot take {self.max_seconds:g} seconds at most", hint="give seconds > 0")
        if self.max_queue_seconds < 0:
            words = f"a run cannot be queued for {self.max_queue_seconds:g} seconds at most"
            raise UsageError(words, hint="give seconds > 0")
        check_priority(self.priority)
        if not 0.0 <= self.verify <= 1.0:
            raise UsageError(f"a share of {self.verify} cannot be verified", hint="give a number from 0 to 1")

    def regenerates(self, step: str, node: str) -> bool:
        """Whether a new result of this step (of that node, whose elements have names of their own) was asked for."""
        if not self.regenerate:
            return False
        return any(fnmatchcase(step, pattern) or fnmatchcase(node, pattern) for pattern in self.regenerate)


def check_priority(priority: int) -> int:
    """The priority of a run, if it may be one. Raises UsageError."""
    if type(priority) is not int or abs(priority) > MOST_PRIORITY:
        raise UsageError(
            f"{priority!r} is not the priority of a run",
            hint=f"give a whole number from {-MOST_PRIORITY} to {MOST_PRIORITY}; 0 is usual, a higher one goes first",
        )
    return priority


@frozen
class Failure:
    """Why a step or a run did not complete.

    `kind` is `user` (the step's own code), `timeout`, `memory`, `scratch` (its working folder grew too large), `lost`
    (its process or worker vanished), `node` (its node died while it was executed), `queue` (it waited for room as long
    as it might), `poison` (so many nodes died that it must be the reason), `storage` (the store is full, away or
    read-only), `input`, `environment`, `output` or `internal`. `types` are the class names of the exception, most
    derived first. `traceback` has the frames of the author's code only.
    """

    kind: str
    message: str
    types: tuple[str, ...] = ()
    traceback: str = ""
    hint: str = ""
    exit_code: int | None = None
    signal: str = ""
    peak_memory: int = 0

    @property
    def is_lost(self) -> bool:
        """Whether no more is known than that nobody hears of the attempt: it may be at work still."""
        return self.kind == "lost"


@frozen
class Reason:
    """Why a step ran, or may not be reused: one cause, in words and in fields.

    `cause` is one of `first run`, `code`, `input`, `parameter`, `package`, `python`, `variable`, `environment`,
    `outputs`, `arguments`, `cache version`, `regenerate`, `reuse off`, `missing output`, `upstream`, `invalidated`,
    `expired`, `verify`, `undeclared`, `secret`.
    """

    cause: str
    message: str
    name: str = ""
    file: str = ""
    line: int = 0
    before: str = ""
    after: str = ""


@frozen
class StepRecord:
    """The record of one step in one run. Times are seconds since 1970, UTC; `seconds` is what the execution took.

    A reused step run names the run and the step whose outputs it shows; `seconds` is then what that execution took.
    `element` is the position of an element of a mapped step, -1 for other steps. `verified` is `equal` or `different`
    where it was executed again to be compared. `claim` is the key that it was claimed under, where it is filed under
    another one.
    """

    run: str
    name: str
    node: int
    status: StepStatus
    key: str = ""
    attempt: int = 0
    original_run: str = ""
    original_step: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    seconds: float = 0.0
    outputs: Mapping[str, StoredValue] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    failure: Failure | None = None
    note: str = ""
    element: int = -1
    verified: str = ""
    claim: str = ""


@frozen
class RunRecord:
    """The record of one execution of a graph. `number` counts within the experiment; times as in `StepRecord`.

    A `pinned` run is never removed by clean-up, nor anything that it names. Of a `removed` run only those results are
    left that others reuse. `kind` is `pipeline`, `interactive` (a script or notebook that logs as it goes; no graph) or
    `child` (made by the code of a step, or of an interactive run: `parent_step` of the run `parent`). A `detached` run
    goes on without whoever submitted it: where its driver dies, another takes it up again.
    """

    id: str
    number: int
    experiment: str
    pipeline: str
    graph: str
    status: RunStatus
    created_at: float
    arguments: Mapping[str, StoredValue] = field(default_factory=dict)
    paths: Mapping[PathRef, StoredValue] = field(default_factory=dict)
    outputs: Mapping[str, StoredValue] = field(default_factory=dict)
    options: RunOptions = field(default_factory=RunOptions)
    started_at: float | None = None
    ended_at: float | None = None
    owner: str = ""
    epoch: int = 0
    cancel_requested: bool = False
    failure: Failure | None = None
    source: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    pinned: bool = False
    removed: bool = False
    kind: str = PIPELINE
    parent: str = ""
    parent_step: str = ""
    display_name: str = ""
    description: str = ""
    detached: bool = False


@frozen
class Completion:
    """An accepted result of one step execution, under its key: what reuse hands out.

    `claim` is the key that was claimed for it, where that is another one.
    """

    key: str
    run: str
    step: str
    outputs: Mapping[str, StoredValue]
    seconds: float = 0.0
    attempt: int = 1
    definition: str = ""
    created_at: float = 0.0
    claim: str = ""


@frozen
class CarriedRecord:
    """A step run that was carried over from an earlier run; `original` names run and step whose outputs it shows."""

    node: int
    element: int
    status: StepStatus
    outputs: Mapping[str, StoredValue]
    original: tuple[str, str]
