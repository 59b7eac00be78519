"""The upkeep of a workspace: what its records name, what may go, and what was found to be wrong."""

from __future__ import annotations

from collections.abc import Mapping

from pipelinekit.classes import field, frozen
from pipelinekit.domain.runs import RunStatus, StepStatus
from pipelinekit.domain.values import StoredValue

DAY = 86400.0
GRACE_SECONDS = DAY
SHORTEST_GRACE = 3600.0  # a run must have been submitted, with all its inputs, in less

Place = tuple[str, str]  # a run and a step of it


@frozen
class RetentionPolicy:
    """What clean-up may remove, beside what nothing refers to; None for what it may not.

    A run is kept when it is younger than `keep_days`, or among the newest `keep_runs` of its pipeline; without both
    every run is. `unused_days` and `max_size` (bytes) take reusable results that no kept run shows. Blobs used within
    `grace` seconds always stay.
    """

    keep_days: float | None = None
    keep_runs: int | None = None
    unused_days: float | None = None
    max_size: int | None = None
    grace: float = GRACE_SECONDS


@frozen
class RunEntry:
    """A run as upkeep sees it. Of a run that was `removed` only results that are still needed are there."""

    id: str
    pipeline: str
    graph: str
    status: RunStatus
    created_at: float
    values: tuple[StoredValue, ...] = ()
    pinned: bool = False
    removed: bool = False


@frozen
class StepEntry:
    """A step run: `shown` is the place whose outputs it shows, its own or that of the original."""

    run: str
    step: str
    status: StepStatus
    key: str
    shown: Place
    attempt: int = 0


@frozen
class CompletionEntry:
    """A completion: `used_at` is when it was made or last reused; a `doomed_at` one waits to be removed."""

    run: str
    step: str
    attempt: int
    key: str
    definition: str
    outputs: tuple[StoredValue, ...]
    seconds: float
    used_at: float
    reusable: bool
    doomed_at: float | None = None

    @property
    def place(self) -> Place:
        """The run and step that made it."""
        return self.run, self.step


@frozen
class ClaimEntry:
    """A claim on a key; its epoch and that of its run."""

    key: str
    run: str
    step: str
    epoch: int
    run_epoch: int | None
    status: RunStatus | None


@frozen
class EventEntry:
    """One event of a run: its number, the step runs that changed, and the status that the run ended with, if it did."""

    sequence: int
    steps: tuple[tuple[str, str], ...] = ()
    ended: str = ""


@frozen
class History:
    """The events of a run in the order of their numbers, and how many the run has counted."""

    counted: int
    events: tuple[EventEntry, ...]


@frozen
class Inventory:
    """Everything in the records that names something else, as it was at one moment.

    `compiled` are graphs that were compiled to documents, with their times; `losses` are blobs known to be lost;
    `published` are the graphs of published pipelines and of drafts, each with the values that it holds.
    """

    runs: Mapping[str, RunEntry]
    steps: tuple[StepEntry, ...]
    completions: tuple[CompletionEntry, ...]
    compiled: Mapping[str, float] = field(default_factory=dict)
    claims: tuple[ClaimEntry, ...] = ()
    losses: frozenset[str] = frozenset()
    published: tuple[tuple[str, tuple[StoredValue, ...]], ...] = ()


@frozen
class Removal:
    """What is to be done to the records.

    `removed` runs vanish from lists; `erased` ones leave no row. `stays` are the places whose step run and log stay of
    removed runs that are not erased. `revoked` completions are not reused any more, `doomed` ones go when no run that
    might have found them is open, `deleted` ones go now.
    """

    removed: tuple[str, ...] = ()
    erased: tuple[str, ...] = ()
    stays: frozenset[Place] = frozenset()
    revoked: tuple[CompletionEntry, ...] = ()
    doomed: tuple[CompletionEntry, ...] = ()
    deleted: tuple[CompletionEntry, ...] = ()
    graphs: tuple[str, ...] = ()


@frozen
class BlobEntry:
    """A blob in the store, and when it was last stored, looked for or read."""

    digest: str
    size: int
    used_at: float


@frozen
class Leftover:
    """A file or folder that belongs to nothing any more: its place below the workspace, its bytes, its time."""

    kind: str
    path: str
    size: int
    used_at: float


@frozen
class StoreFault:
    """Something wrong in a workspace: which rule is broken, by which object, in what way, and what to do.

    `repair` says what `--repair` does about it; empty where nothing can be done. A `note` is worth knowing, and no
    fault.
    """

    rule: str
    object: str
    message: str
    hint: str = ""
    repair: str = ""
    note: bool = False


@frozen
class Freed:
    """One kind of thing that went, or would go. `seconds` is what it took to compute it."""

    kind: str
    count: int
    size: int = 0
    seconds: float = 0.0


@frozen
class Collection:
    """What a clean-up did, or would do.

    `kept` and `young` count blobs: those that are needed, and those that nothing names but that were used too lately.
    `over` is by how many bytes the store exceeds its budget; `waits_for` is the open run that keeps younger things.
    """

    freed: tuple[Freed, ...]
    kept: Freed
    young: Freed
    runs: tuple[str, ...] = ()
    over: int = 0
    waits_for: str = ""
