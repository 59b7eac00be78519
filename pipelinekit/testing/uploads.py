"""Blobs that come from elsewhere, in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pipelinekit.domain.digests import digest_bytes
from pipelinekit.errors import ConflictError, IntegrityError, UsageError
from pipelinekit.ports import Blobs


class MemoryUploads:
    """Implements `ports.uploads.Uploads`."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._parts: dict[tuple[str, str], bytes] = {}

    def store(self, blobs: Iterable[tuple[str, memoryview]]) -> int:
        """Store whole blobs."""
        found = [(digest, bytes(data)) for digest, data in blobs]
        stored = [self._blobs.put(data)[0] for _, data in found]
        if stored != [digest for digest, _ in found]:
            raise IntegrityError("what came is not what was said")
        return len(found)

    def parts(self, sender: str, digests: Iterable[str]) -> Mapping[str, int]:
        """How many bytes have come."""
        return {digest: len(self._parts[sender, digest]) for digest in digests if (sender, digest) in self._parts}

    def append(self, sender: str, digest: str, size: int, begin: int, data: bytes) -> int:
        """Add a part to a blob."""
        if begin + len(data) > size:
            raise UsageError("the part is none of the blob")
        there = self._parts.get((sender, digest), b"")
        if begin > len(there):
            raise ConflictError(f"{len(there)} bytes are there")
        whole = there + data[len(there) - begin :]
        if len(whole) < size:
            self._parts[sender, digest] = whole
            return len(whole)
        self._parts.pop((sender, digest), None)
        if digest_bytes(whole) != digest:
            raise IntegrityError("what came is not what was said")
        self._blobs.put(whole)
        return len(whole)
