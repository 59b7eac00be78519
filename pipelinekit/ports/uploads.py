"""Blobs that come from elsewhere, as they are received."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Protocol
else:
    Protocol = object


class Uploads(Protocol):
    """Blobs on their way into the store. Nothing is in it under a digest that it has not."""

    def store(self, blobs: Iterable[tuple[str, memoryview]]) -> int:
        """Store whole blobs; how many. Raises IntegrityError where one has another digest, and StorageError."""

    def parts(self, sender: str, digests: Iterable[str]) -> Mapping[str, int]:
        """How many bytes have come of blobs of this sender that are not whole; others are left out."""

    def append(self, sender: str, digest: str, size: int, begin: int, data: bytes) -> int:
        """Add a part to a blob of this size, from byte `begin` on; how many bytes there are now.

        What is there already is not taken again. A blob that is whole is stored. Raises ConflictError where bytes
        before the part have not come, IntegrityError where the whole has another digest, UsageError and StorageError.
        """
