"""Secrets: what is kept of them, and what seals it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    from pipelinekit.domain.secrets import Sealed, Secret
else:
    Protocol = object


class SecretRecords(Protocol):
    """Secrets as they are kept: of each the newest version, with its value sealed by `SecretKeys`."""

    def put(self, name: str, by: str, seal: Callable[[int, Mapping[str, Sealed]], str]) -> Secret:
        """Keep a new version of a secret; the one before is dropped, and no number is ever given twice.

        `seal` is called with that version and all that is sealed, while nobody else writes; it gives the sealed value.
        """

    def delete(self, name: str, by: str) -> None:
        """Drop a secret. Raises NotFoundError."""

    def list(self) -> Sequence[Secret]:
        """The secrets that users name, by name and without their values."""

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
