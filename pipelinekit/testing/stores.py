"""A store and a cache in memory: the twins of what `storage` keeps in files."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from pipelinekit.domain.digests import PREFIX, digest_bytes, is_digest
from pipelinekit.errors import IntegrityError


class MemoryBlobs:
    """Twin of `storage.blobs.FolderBlobs`. Blobs can be damaged on purpose with `damage`."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="pipelinekit-blobs-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def put(self, source: BinaryIO | bytes) -> tuple[str, int]:
        """Store bytes."""
        data = source if isinstance(source, bytes) else source.read()
        digest = digest_bytes(data)
        self.contents.setdefault(digest, data)
        return digest, len(data)

    def put_file(self, path: Path, *, move: bool = False) -> tuple[str, int]:
        """Store a file's bytes."""
        found = self.put(path.read_bytes())
        if move:
            path.unlink()
        return found

    def path(self, digest: str) -> Path:
        """A file with the blob's bytes."""
        data = self.read(digest)
        place = Path(self._folder, digest.removeprefix(PREFIX))
        place.write_bytes(data)
        return place

    def read(self, digest: str) -> bytes:
        """The blob's bytes, verified."""
        if not is_digest(digest):
            raise IntegrityError(f"{digest!r} is not a digest")
        if digest not in self.contents:
            raise IntegrityError(f"blob {digest} is not in the store", digest=digest)
        data = self.contents[digest]
        if digest_bytes(data) != digest:
            del self.contents[digest]
            raise IntegrityError(f"blob {digest} is damaged", digest=digest)
        return data

    def missing(self, digests: Iterable[str]) -> set[str]:
        """Which of these are not in the store."""
        return {digest for digest in digests if digest not in self.contents}

    def discard(self, digest: str) -> None:
        """Remove a blob."""
        self.contents.pop(digest, None)

    def damage(self, digest: str) -> None:
        """Change the bytes of a blob behind the store's back."""
        self.contents[digest] = self.contents[digest] + b"!"


class MemoryCache:
    """Twin of `storage.cache.FileCache`."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], str] = {}

    def get(self, space: str, keys: Iterable[str]) -> Mapping[str, str]:
        """The texts kept under these keys."""
        return {key: self._kept[space, key] for key in keys if (space, key) in self._kept}

    def put(self, space: str, items: Mapping[str, str]) -> None:
        """Keep texts by key."""
        self._kept.update(((space, key), body) for key, body in items.items())


class MemoryFiles:
    """Twin of `workspace.observing.ObservedFiles`: digests by `file:PATH`."""

    def __init__(self, digests: Mapping[str, str] | None = None) -> None:
        self.now = dict(digests or {})

    def digests(self, snapshot: str, symbols: Iterable[str]) -> Mapping[str, str]:  # noqa: ARG002 - the port's
        """The digest of each file."""
        return {symbol: self.now.get(symbol, "absent") for symbol in symbols}
