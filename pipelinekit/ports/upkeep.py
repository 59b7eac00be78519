"""What looks after a workspace: clean-up, checks, accounts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    from pipelinekit.domain.accounting import StepUse
    from pipelinekit.domain.upkeep import BlobEntry, History, Inventory, Leftover, Place, Removal
else:
    Protocol = object


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

    def leftovers(self, sources: Set[str], before: float, environments: Set[str] = frozenset()) -> Iterator[Leftover]:
        """Folders that nobody needs: `source folder`, `scratch folder` and `built environment`.

        Snapshots among `sources` are needed, and places among `environments`. Only what was last written, or used if
        it is an environment, before a time.
        """

    def forget_source(self, snapshot: str) -> None:
        """Take the folder of a snapshot away: its files may share their bytes with damaged blobs."""

    def take_away(self, leftover: Leftover) -> None:
        """Move a folder to where nobody looks for it, at once."""

    def empty(self) -> None:
        """Delete what was taken away."""
