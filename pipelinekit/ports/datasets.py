"""Where data lies, and what is registered of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from typing import Protocol

    from pipelinekit.domain.datasets import DatasetUse, DatasetVersion
    from pipelinekit.domain.datastores import Datastore, StoreFile
    from pipelinekit.domain.values import StoredValue
else:
    Protocol = object


class DatastoreRecords(Protocol):
    """Datastores by name, whose case does not count."""

    def put(self, store: Datastore, *, overwrite: bool = False) -> None:
        """Keep a datastore. Raises ConflictError when the name is taken, unless it is to be overwritten."""

    def get(self, name: str) -> Datastore:
        """The datastore of that name. Raises NotFoundError."""

    def list(self) -> Sequence[Datastore]:
        """All of them, by name."""

    def remove(self, name: str) -> None:
        """Forget a datastore. Raises NotFoundError."""

    def set_default(self, name: str) -> None:
        """Make it the one that is used where none is named. Raises NotFoundError."""


class Store(Protocol):
    """The files of one datastore, by paths below its root. Never gives or takes a file outside of it."""

    def check(self) -> None:
        """Raise StorageError when it cannot be reached, or does not take its credentials."""

    def files(self, path: str) -> Iterable[StoreFile]:
        """The file at a path, or every file below a folder (the root where it is empty); none where nothing is."""

    def read(self, path: str) -> BinaryIO:
        """The bytes of a file, to be closed. Raises NotFoundError."""

    def write(self, path: str, source: Path) -> None:
        """Put a local file there, in place of what is. Raises UsageError where nothing can be written."""

    def local(self, path: str) -> Path | None:
        """The file itself, where it lies on this machine."""


class SecretValues(Protocol):
    """Values of the workspace's secrets."""

    def get(self, name: str) -> str:
        """The value of a secret. Raises NotFoundError."""


class DatasetRecords(Protocol):
    """Versions of datasets, and which runs used them."""

    def add(self, version: DatasetVersion, *, grow: bool = False) -> DatasetVersion:
        """Record a new version under the next number of its name; that number is never given again.

        Raises ConflictError when the name has versions, unless it is to `grow`; and when the same definition with the
        same content is registered already, telling as what (fields `name` and `version`).
        """

    def get(self, name: str, version: int = 0) -> DatasetVersion:
        """A version with its files; 0 for the newest. Raises NotFoundError."""

    def list(self, name: str = "") -> Sequence[DatasetVersion]:
        """All versions, of one name or of all, by name and newest first; without their files."""

    def update(self, version: DatasetVersion) -> None:
        """Write description, tags, types and profile of a version. Raises NotFoundError."""

    def remove(self, name: str, version: int = 0) -> int:
        """Forget a version, or all with 0; how many. Raises NotFoundError."""

    def use(self, uses: Iterable[DatasetUse]) -> None:
        """Note that runs used versions; what is noted already stays."""

    def uses(self, *, run: str = "", name: str = "", version: int = 0) -> Sequence[DatasetUse]:
        """Uses by runs that are not removed: of one run, of one dataset, of one version of it; newest first."""

    def values(self) -> tuple[set[str], Sequence[StoredValue]]:
        """Digests of the files of all versions, and the values of those that came out of runs."""
