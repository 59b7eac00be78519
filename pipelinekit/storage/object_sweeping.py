"""Upkeep of the blobs in an object store: listing, re-reading, setting aside, and removal that no use is lost to.

A removal condemns blobs, then looks who has noted a use of them, then removes the rest (`storage.object_uses`). It
compares times of the store's clock only.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator

from pipelinekit.domain.digests import PREFIX, Hasher, digest_bytes
from pipelinekit.domain.upkeep import BlobEntry, Leftover
from pipelinekit.errors import IntegrityError, NotFoundError
from pipelinekit.storage.object_blobs import name_of, states
from pipelinekit.storage.object_owners import OWNERS, Owners
from pipelinekit.storage.object_uses import CONDEMNED, NOTES, SENTENCE_SECONDS, Uses
from pipelinekit.storage.objects import ObjectStore

AT_ONCE = 1000  # blobs removed under one condemnation, which users wait for
UPLOAD = "upload "  # what the place of an unfinished upload begins with
_BLOB = re.compile(r"([0-9a-f]{2})/([0-9a-f]{30})")


class ObjectSweeper:
    """Implements `ports.BlobUpkeep` on an object store."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        clock: Callable[[], float] = time.time,
        ticking: Callable[[], float] = time.monotonic,
        uses: Uses | None = None,
        owners: Owners | None = None,
    ) -> None:
        self.store = store
        self.uses = uses or Uses(store, clock)
        self._owners = owners
        self._ticking = ticking

    def blobs(self) -> Iterator[BlobEntry]:
        """Every blob in the store."""
        noted = self.uses.times()
        for name, state in self.store.walk():
            if match := _BLOB.fullmatch(name):
                digest = f"{PREFIX}{match[1]}{match[2]}"
                yield BlobEntry(digest, state.size, max(state.modified, noted.get(digest, 0.0)))

    def remove(self, digests: Iterable[str], before: float) -> list[str]:
        """Remove blobs that were last used before a time, and not meanwhile; which were removed."""
        removed: list[str] = []
        waiting = sorted(set(digests))
        if self._owners is not None and waiting:
            self._owners.check_alone()
        for start in range(0, len(waiting), AT_ONCE):
            removed += self._remove(waiting[start : start + AT_ONCE], before)
        if waiting:
            self.uses.forget(before)
        return removed

    def _remove(self, digests: list[str], before: float) -> list[str]:
        began = self._ticking()
        with self.uses.condemning(digests) as ahead:
            limit = before + ahead
            used = self.uses.since(limit)
            found = states(self.store, [digest for digest in digests if digest not in used])
            going = [digest for digest, state in found.items() if state.modified < limit]
            if not going or self._ticking() - began > SENTENCE_SECONDS:
                return []
            self.store.remove([name_of(digest) for digest in going])
            left = states(self.store, going)
        return [digest for digest in going if digest not in left]

    def verify(self, digest: str) -> str:
        """Read a blob anew: empty when it is whole, else `missing` or `damaged`. Is no use of it."""
        hasher = Hasher()
        reader = self.store.reader(name_of(digest))
        try:
            while block := reader.read():
                hasher.update(block)
        except NotFoundError:
            return "missing"
        finally:
            reader.close()
        return "" if hasher.digest() == digest else "damaged"

    def read(self, digest: str) -> bytes:
        """A blob's bytes, verified. Is no use of it. Raises IntegrityError."""
        blocks = []
        reader = self.store.reader(name_of(digest))
        try:
            while block := reader.read():
                blocks.append(block)
        except NotFoundError:
            raise IntegrityError(f"blob {digest} is not in the store {self.store}", digest=digest) from None
        finally:
            reader.close()
        data = b"".join(blocks)
        if digest_bytes(data) != digest:
            raise IntegrityError(f"blob {digest} is damaged in the store {self.store}", digest=digest)
        return data

    def discard(self, digest: str) -> None:
        """Set a blob aside, where it is no longer found."""
        self.store.set_aside(name_of(digest))

    def leftovers(self) -> Iterator[Leftover]:
        """Objects that are no blobs: uploads and condemnations that nobody ended, damaged blobs, and others."""
        for name, state in self.store.walk():
            first = name.partition("/")[0]
            if first not in (NOTES, OWNERS) and not _BLOB.fullmatch(name):
                kind = {CONDEMNED: "half-written", "damaged": "set aside"}.get(first, "foreign")
                yield Leftover(kind, name, state.size, state.modified)
        for name, number, began in self.store.uploads():
            yield Leftover("half-written", f"{UPLOAD}{number} {name}", 0, began)

    def remove_leftover(self, leftover: Leftover, before: float) -> bool:
        """Remove such an object if it was last written before a time; whether it was."""
        if leftover.path.startswith(UPLOAD):
            number, _, name = leftover.path.removeprefix(UPLOAD).partition(" ")
            if leftover.used_at >= before:
                return False
            self.store.end_upload(name, number)
            return True
        state = self.store.stat(leftover.path)
        if state is None or state.modified >= before:
            return False
        self.store.remove([leftover.path])
        return True

    def set_aside(self, leftover: Leftover) -> None:
        """Put an object that does not belong here where damaged blobs are."""
        self.store.set_aside(leftover.path, "damaged/" + leftover.path.replace("/", "_"))
