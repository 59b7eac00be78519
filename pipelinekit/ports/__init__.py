"""The outside world: what the engine's performers need, and nothing of how it is done. Here is what every run needs.

What looks after a workspace stands in `upkeep`, what is told of runs in `facts`.
Each protocol has an implementation in `storage`, `compute` or `workspace` and a twin in `testing`; one contract suite
runs against all of them. `bootstrap` alone names implementations.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from pipelinekit.domain.runs import (
    CarriedRecord,
    Completion,
    Failure,
    RunRecord,
    RunStatus,
    StepRecord,
    StepStatus,
)
from pipelinekit.domain.values import StoredValue
from pipelinekit.typed import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    # nouns of what executes: a run in which nothing is new needs none
    from pipelinekit.domain.accounting import Kept
    from pipelinekit.domain.attempts import Attempt, AttemptEvent, LogChunk


class Clock(Protocol):
    """Time, as far as it is written down or waited for."""

    def now(self) -> float:
        """Seconds since 1970, UTC."""


class RunRecords(Protocol):
    """Runs and their step runs, for whoever submits and looks."""

    def create(self, run: RunRecord, properties: Mapping[str, str] | None = None) -> RunRecord:
        """Record a new run with its properties, and have it told.

        Returns it with its number in the experiment, which is created on first use.
        """

    def get(self, run: str) -> RunRecord:
        """The run of this id, or the only one whose id begins so. Raises NotFoundError, UsageError if several do."""

    def steps(self, run: str) -> Sequence[StepRecord]:
        """Step runs recorded so far, with the outputs and failure of each; reused ones show the original's outputs."""

    def changes(self, run: str) -> Sequence[tuple[float, Sequence[tuple[str, str]]]]:
        """When step runs changed, by name, and to which status: as it was recorded, in its order."""

    def waits(self, run: str = "") -> Mapping[str, str]:
        """Why runs wait: those that are queued and limits hold back, and running ones whose steps can begin nowhere.

        `run` counts as queued, too.
        """

    def request_cancel(self, run: str) -> RunRecord:
        """Ask the run's driver to end it; a run without a driver is canceled at once. Final runs stay as they are."""


class DriverRecords(Protocol):
    """A run's record for the driver that holds its lease. Every call checks the lease and raises LeaseLostError."""

    def take(self, run: str, owner: str) -> RunRecord:
        """Take the lease if the run is open and nobody alive holds it; the epoch grows. Raises LeaseLostError."""

    def renew(self, run: str, epoch: int) -> bool:
        """Keep the lease; True when somebody asked for the run to be canceled."""

    def record(
        self, run: str, epoch: int, changes: Sequence[StepRecord], completions: Sequence[Completion] = ()
    ) -> None:
        """Write step runs and accepted completions in one transaction, with one event.

        A completion becomes reusable only if its key is claimed by this run under this epoch; the claim ends with it.
        """

    def failed(self, run: str) -> Mapping[str, Sequence[tuple[str, str]]]:
        """How attempts of steps failed that were recorded as queued again: by step, kind and words of each."""

    def finish(
        self, run: str, epoch: int, status: RunStatus, outputs: Mapping[str, StoredValue], failure: Failure | None
    ) -> None:
        """End the run; its claims end with it."""

    def hold(self, run: str, owner: str) -> bool:
        """Wait with a queued run for its turn, so that nobody else drives it; whether it is to be canceled.

        To be called again within the time of a lease. Raises LeaseLostError when another drives it, or it has ended.
        """

    def tell_waits(self, run: str, epoch: int, why: str) -> None:
        """Tell what steps wait for at compute targets that can take none of them; nothing, once they wait no more."""

    def leave(self, run: str, owner: str) -> None:
        """Wait with it no longer."""

    def put_back(self, run: str, epoch: int) -> None:
        """Queue a run again that was taken just now, before its turn; one that is to be canceled stays."""

    def hand_back(self, run: str, epoch: int) -> None:
        """Queue a detached run again, for another driver to take up; what it had claimed is free."""

    def unattended(self, patience: float, most: int | None = None, *, ends: bool = False) -> bool:
        """Whether `recover` has something to do; cheap to ask."""

    def recover(self, patience: float, most: int | None = None, *, ends: bool = False) -> Sequence[str]:
        """Deal with runs that nobody drives, and return those that wait for a driver now, each to one caller only.

        Of runs whose driver is known to be dead, a detached one is queued again, as long as one of its last few drivers
        brought a result; one that was to be canceled is; any other has failed. A detached run that was queued longer
        than `patience` seconds ago waits for a driver, too. Of those that wait, `most` are returned, as far as limits
        let them go: by priority, then the oldest first. One that has waited longer than it may is canceled. Before them
        come those that were to be canceled while something of them may be at work, which only a driver can end; who
        says that it `ends` them gets some also where it takes no more.
        """


class ReuseRecords(Protocol):
    """Completions by key, and claims on keys: at most one live claim and one reusable completion for each."""

    def find(self, keys: Iterable[str]) -> Mapping[str, Completion]:
        """The reusable completion of each key that has one."""

    def claim(
        self, run: str, epoch: int, keys: Mapping[str, str], forced: frozenset[str]
    ) -> tuple[Sequence[str], Mapping[str, str], Mapping[str, Completion]]:
        """Claim keys by step: (granted steps, steps whose key a live run holds with its name, steps just completed).

        A claim whose run has ended or lost its lease is taken over. `forced` steps are never answered by a completion.
        """

    def release(self, run: str, epoch: int, keys: Sequence[str]) -> None:
        """Give claims up without a result."""

    def kept(self) -> Sequence[Kept]:
        """All completions that may be reused, oldest first."""

    def revoke(self, keys: Sequence[str], why: str) -> int:
        """Make the completions of these keys unusable, for this reason; how many there were."""

    def revoked(self, keys: Iterable[str]) -> Mapping[str, str]:
        """Why completions of these keys were revoked: of each key the newest reason, if there is one."""

    def observe(self, definition: str, files: Sequence[str]) -> None:
        """Remember that an execution of this definition opened these files (`file:PATH`), and no other undeclared."""

    def observed(self, definitions: Iterable[str]) -> Mapping[str, Sequence[tuple[str, ...]]]:
        """The sets of files that executions of each of these definitions opened; none for most."""

    def previous(self, pipeline: str, steps: Iterable[str], before: str = "") -> Mapping[str, StepRecord]:
        """The newest step run of each name in this pipeline that was completed or reused, whatever its key.

        `before` counts only runs submitted before that one. Outputs are left out.
        """

    def definitions(self, definitions: Iterable[str]) -> Mapping[str, float]:
        """Which of these definitions have completed before, with the mean seconds of their newest executions."""


class CarryRecords(Protocol):
    """What a run may take over from the newest completed run of its pipeline; to be used inside one batch."""

    def earlier(self, run: RunRecord) -> RunRecord | None:
        """The newest completed run of the same pipeline that was submitted before.

        From here on nobody else writes until the end of the batch: no result is taken back that was just looked at.
        """

    def spent(self, run: str) -> tuple[set[int], Mapping[int, Sequence[StoredValue]]]:
        """Nodes of a completed run with a result that may no longer be reused; outputs of others that name blobs."""

    def carry(
        self, run: str, epoch: int, earlier: str, but: Collection[int] = ()
    ) -> tuple[Mapping[StepStatus, int], float]:
        """Record the step runs of an earlier run as reused (or skipped) by this one, with one event.

        Those of the nodes at the positions in `but` are left out. Returns how many step runs there are of each status,
        and the seconds that executing them had taken. Raises LeaseLostError.
        """

    def carried(self, run: str) -> Sequence[CarriedRecord]:
        """What was carried over, with outputs, in the order of nodes and elements."""


class Documents(Protocol):
    """Small JSON documents by digest: graphs, definitions, key documents. Written once, never changed."""

    def put(self, documents: Mapping[str, str]) -> None:
        """Keep documents by digest; those that are there already stay."""

    def get(self, digests: Iterable[str]) -> Mapping[str, str]:
        """The documents that are there."""


class LogRecords(Protocol):
    """What attempts wrote, while they run and after."""

    def append(self, chunks: Sequence[LogChunk], at: float) -> None:
        """Keep chunks in their order. Beyond the limit per attempt a mark is kept and the rest dropped."""

    def read(self, run: str, step: str, after: int = 0) -> Sequence[tuple[int, LogChunk]]:
        """Chunks of one step with their positions, those after position `after` only."""


class Blobs(Protocol):
    """Content-addressed bytes. A blob is visible only when it is whole, and every read verifies it."""

    def put(self, source: BinaryIO | bytes) -> tuple[str, int]:
        """Store bytes; their digest and size."""

    def put_file(self, path: Path, *, move: bool = False) -> tuple[str, int]:
        """Store a file's bytes; with `move` the file is taken over where that saves a copy."""

    def put_files(self, paths: Sequence[Path], *, move: bool = False) -> list[tuple[str, int]]:
        """The same for many files, in less time; their digests and sizes in this order.

        When it fails, some of them may be stored. None that was to be moved is lost.
        """

    def path(self, digest: str) -> Path:
        """A local file with the blob's bytes, verified, not to be written to. Raises IntegrityError."""

    def read(self, digest: str) -> bytes:
        """The blob's bytes, verified. Raises IntegrityError."""

    def missing(self, digests: Iterable[str]) -> set[str]:
        """Which of these are not in the store. Does not read them.

        The others count as used now: clean-up leaves them alone for its grace period.
        """

    def discard(self, digest: str) -> None:
        """Remove a blob, or set it aside when it is damaged."""


class Transfer(Protocol):
    """Carries blobs between a store elsewhere and a local folder, where step processes read and write them."""

    def bring(self, digests: Iterable[str]) -> Mapping[str, str]:
        """Make blobs lie in the folder, verified; of those that cannot be had, why. Raises StorageError."""

    def take(self, digests: Collection[str]) -> None:
        """Store what lies in the folder; when this returns it is stored for good. Raises StorageError."""


class Files(Protocol):
    """Files that steps opened without declaring them, as they are now."""

    def digests(self, snapshot: str, symbols: Iterable[str]) -> Mapping[str, str]:
        """The digest of each `file:PATH`, relative ones in this snapshot; `absent` where there is no such file."""


class Cache(Protocol):
    """What this machine remembers to be fast. Losing it loses time only."""

    def get(self, space: str, keys: Iterable[str]) -> Mapping[str, str]:
        """The texts kept under these keys."""

    def put(self, space: str, items: Mapping[str, str]) -> None:
        """Keep texts by key, replacing older ones."""


class Compute(Protocol):
    """A compute target: executes attempts and tells what happens to them through the sink it was made with."""

    def start(self, attempts: Sequence[Attempt]) -> None:
        """Queue attempts. Each ends with exactly one `AttemptEnded`, whatever happens. Returns at once."""

    def stop(self, attempts: Sequence[str]) -> None:
        """Stop queued or running attempts, by id; they end with a failure of kind `canceled`."""

    def advance(self) -> bool:
        """Do a piece of work in the caller's own thread, where the target works so; False when there is none."""

    def waiting(self) -> int:
        """How many attempts are queued and not handed on yet."""

    def trouble(self) -> str:
        """What keeps attempts from beginning that is no want of room, such as nodes that do not come; else empty.

        It follows the target's name in a sentence. It may take seconds, and is called in a thread of its own.
        """

    def close(self, *, now: bool = False) -> None:
        """Stop everything and free the target's resources; with `now` without grace."""


Sink = Callable[["AttemptEvent"], None]
