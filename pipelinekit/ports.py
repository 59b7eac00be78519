"""The outside world on one page: what the engine's performers need, and nothing of how it is done.

Each protocol has an implementation in `storage`, `compute` or `workspace` and a twin in `testing`; one contract suite
runs against all of them. `bootstrap` alone names implementations.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

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

if TYPE_CHECKING:
    from typing import Protocol

    # nouns of what executes and of what looks after a workspace: a run in which nothing is new needs none
    from pipelinekit.domain.accounting import Kept, StepUse
    from pipelinekit.domain.attempts import Attempt, AttemptEvent, LogChunk
    from pipelinekit.domain.secrets import Sealed, Secret
    from pipelinekit.domain.upkeep import BlobEntry, History, Inventory, Leftover, Place, Removal
else:
    Protocol = object  # who implements one is told by type checkers; a class of `typing` costs three times as much

NOTED_SECONDS = 30.0  # a use of a blob so soon after another need not be noted again
SLACK_SECONDS = 2 * NOTED_SECONDS  # by so much a noted use may be older than the use itself; clocks are coarse, too


class Clock(Protocol):
    """Time, as far as it is written down or waited for."""

    def now(self) -> float:
        """Seconds since 1970, UTC."""


class RunRecords(Protocol):
    """Runs and their step runs, for whoever submits and looks."""

    def create(self, run: RunRecord) -> RunRecord:
        """Record a new run; returns it with its number in the experiment, which is created on first use."""

    def get(self, run: str) -> RunRecord:
        """The run of this id, or the only one whose id begins so. Raises NotFoundError, UsageError if several do."""

    def list(
        self, *, experiment: str = "", status: RunStatus | None = None, before: str = "", limit: int = 50
    ) -> Sequence[RunRecord]:
        """Runs, newest first; `before` continues a list after the run of that id."""

    def steps(self, run: str) -> Sequence[StepRecord]:
        """Step runs recorded so far, with the outputs and failure of each; reused ones show the original's outputs."""

    def request_cancel(self, run: str) -> RunRecord:
        """Ask the run's driver to end it; a run without a driver is canceled at once. Final runs stay as they are."""

    def experiments(self) -> Sequence[tuple[str, int, float]]:
        """Name, number of runs and time of the newest run of each experiment."""


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

    def finish(
        self, run: str, epoch: int, status: RunStatus, outputs: Mapping[str, StoredValue], failure: Failure | None
    ) -> None:
        """End the run; its claims end with it."""

    def recover(self) -> Sequence[str]:
        """Fail the runs whose driver is known to be dead, and return their ids."""


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


class UpkeepRecords(Protocol):
    """The records as a whole, for whoever cleans and checks them."""

    def pin(self, run: str, *, pinned: bool) -> None:
        """Keep a run whatever the policy says, or no longer. Raises NotFoundError."""

    def keep_compiled(self, graph: str) -> None:
        """Note that the graph of this digest was compiled to a document, which may be submitted later."""

    def inventory(self) -> Inventory:
        """Everything that names something else, at one moment. Inside a batch nothing changes until its end."""

    def documents(self) -> Mapping[str, int]:
        """The digest and length of every document."""

    def logs(self) -> Mapping[Place, int]:
        """The length of the log of every step that wrote one."""

    def remove(self, removal: Removal, documents: Iterable[str]) -> None:
        """Do what was decided, and delete documents, all or nothing."""

    def histories(self) -> Mapping[str, History]:
        """The events of every run that is not removed."""

    def damages(self) -> Sequence[str]:
        """What the database itself finds wrong with its file, in its words."""

    def end_claims(self, keys: Iterable[str]) -> None:
        """End claims, whoever holds them."""

    def lose(self, blobs: Iterable[str]) -> None:
        """Note that blobs are lost for good, so that it is known."""

    def regain(self, blobs: Iterable[str]) -> None:
        """Note that blobs that were lost are there again."""


class AccountRecords(Protocol):
    """What reuse saved and what executions cost."""

    def uses(self, since: float) -> Sequence[StepUse]:
        """Step runs that were reused or executed, of runs that are there and were submitted since a time."""


class SecretRecords(Protocol):
    """Secrets as they are kept: of each the newest version, with its value sealed by `SecretKeys`."""

    def put(self, name: str, by: str, seal: Callable[[int, Mapping[str, Sealed]], str]) -> Secret:
        """Keep a new version of a secret; the one before is dropped, and no number is ever given twice.

        `seal` is called with that version and all that is sealed, while nobody else writes; it gives the sealed value.
        """

    def delete(self, name: str, by: str) -> None:
        """Drop a secret. Raises NotFoundError."""

    def list(self) -> Sequence[Secret]:
        """All secrets by name, without their values."""

    def versions(self, names: Iterable[str]) -> Mapping[str, int]:
        """The version of each of these secrets that is there."""

    def sealed(self) -> Mapping[str, Sealed]:
        """The sealed value of every secret."""

    def reseal(self, change: Callable[[Mapping[str, Sealed]], Mapping[str, str]]) -> None:
        """Give sealed values other seals, all or nothing; `change` is called while nobody else writes."""


class SecretKeys(Protocol):
    """The keys that values are sealed with; kept apart from the records. Raises StorageError, which says what to do."""

    def make(self) -> None:
        """Make the first key, if there is none."""

    def seal(self, name: str, version: int, value: str) -> str:
        """A value that only these keys open, and only as that version of that secret."""

    def open(self, name: str, sealed: Sealed) -> str:
        """The value that was sealed."""

    def add(self) -> None:
        """Make a new key, which seals from now on; what others have sealed can still be opened."""

    def retire(self, sealed: Mapping[str, Sealed]) -> int:
        """Drop all keys but the newest, if it opens all of these; how many older ones there are still."""


class Blobs(Protocol):
    """Content-addressed bytes. A blob is visible only when it is whole, and every read verifies it."""

    def put(self, source: BinaryIO | bytes) -> tuple[str, int]:
        """Store bytes; their digest and size."""

    def put_file(self, path: Path, *, move: bool = False) -> tuple[str, int]:
        """Store a file's bytes; with `move` the file is taken over where that saves a copy."""

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


class Files(Protocol):
    """Files that steps opened without declaring them, as they are now."""

    def digests(self, snapshot: str, symbols: Iterable[str]) -> Mapping[str, str]:
        """The digest of each `file:PATH`, relative ones in this snapshot; `absent` where there is no such file."""


class BlobUpkeep(Protocol):
    """The store as a whole, for whoever cleans and checks it."""

    def blobs(self) -> Iterator[BlobEntry]:
        """Every blob in the store."""

    def remove(self, digests: Iterable[str], before: float) -> list[str]:
        """Remove blobs that were last used before a time, and not meanwhile; which were removed."""

    def read(self, digest: str) -> bytes:
        """A blob's bytes, verified. Is no use of it. Raises IntegrityError."""

    def verify(self, digest: str) -> str:
        """Read a blob anew: empty when it is whole, else `missing` or `damaged`. Is no use of it."""

    def discard(self, digest: str) -> None:
        """Set a blob aside, where it is no longer found."""

    def leftovers(self) -> Iterator[Leftover]:
        """Files that are no blobs: `half-written` ones, `set aside` ones, and `foreign` ones."""

    def remove_leftover(self, leftover: Leftover, before: float) -> bool:
        """Remove such a file if it was last written before a time; whether it was."""

    def set_aside(self, leftover: Leftover) -> None:
        """Put a foreign file where damaged blobs are."""


class FolderUpkeep(Protocol):
    """What runs leave in the workspace folder beside records and blobs, and is made again when it is needed."""

    def leftovers(self, sources: Set[str], before: float) -> Iterator[Leftover]:
        """Folders that nobody needs: `source folder` (of snapshots that are not among `sources`) and `scratch folder`.

        Only what was last written before a time.
        """

    def forget_source(self, snapshot: str) -> None:
        """Take the folder of a snapshot away: its files may share their bytes with damaged blobs."""

    def take_away(self, leftover: Leftover) -> None:
        """Move a folder to where nobody looks for it, at once."""

    def empty(self) -> None:
        """Delete what was taken away."""


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

    def close(self, *, now: bool = False) -> None:
        """Stop everything and free the target's resources; with `now` without grace."""


Sink = Callable[["AttemptEvent"], None]
