"""A store and a cache in memory: the twins of what `storage` keeps in files."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import BinaryIO

from pipelinekit.domain.attempts import ABSENT
from pipelinekit.domain.digests import PREFIX, digest_bytes, is_digest
from pipelinekit.domain.upkeep import BlobEntry, Leftover
from pipelinekit.errors import IntegrityError, StorageError
from pipelinekit.ports import Clock
from pipelinekit.testing.clock import HandClock


class MemoryBlobs:
    """Twin of `storage.blobs.FolderBlobs`. Blobs can be damaged on purpose with `damage`."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.contents: dict[str, bytes] = {}
        self.used: dict[str, float] = {}
        self._clock = clock or HandClock()
        self._folder = Path(tempfile.mkdtemp(prefix="pipelinekit-blobs-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def put(self, source: BinaryIO | bytes) -> tuple[str, int]:
        """Store bytes."""
        data = source if isinstance(source, bytes) else source.read()
        digest = digest_bytes(data)
        self.contents.setdefault(digest, data)
        self.used[digest] = self._clock.now()
        return digest, len(data)

    def put_file(self, path: Path, *, move: bool = False) -> tuple[str, int]:
        """Store a file's bytes."""
        return self.put_files([path], move=move)[0]

    def put_files(self, paths: Sequence[Path], *, move: bool = False) -> list[tuple[str, int]]:
        """Store the bytes of files."""
        try:
            found = [self.put(path.read_bytes()) for path in paths]
        except OSError as error:
            raise StorageError(f"a blob could not be written: {error.strerror}") from error
        for path in paths if move else ():
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
        wanted = set(digests)
        self.used.update(dict.fromkeys(wanted & self.contents.keys(), self._clock.now()))
        return wanted - self.contents.keys()

    def discard(self, digest: str) -> None:
        """Remove a blob."""
        self.contents.pop(digest, None)

    def damage(self, digest: str) -> None:
        """Change the bytes of a blob behind the store's back."""
        self.contents[digest] = self.contents[digest] + b"!"


class MemorySweeper:
    """Twin of `storage.sweeping.FolderSweeper`."""

    def __init__(self, blobs: MemoryBlobs) -> None:
        self._blobs = blobs
        self.files: dict[str, Leftover] = {}

    def blobs(self) -> Iterator[BlobEntry]:
        """Every blob."""
        for digest, data in self._blobs.contents.items():
            yield BlobEntry(digest, len(data), self._blobs.used[digest])

    def remove(self, digests: Iterable[str], before: float) -> list[str]:
        """Remove blobs that were last used before a time."""
        old = {digest for digest in digests if digest in self._blobs.contents and self._blobs.used[digest] < before}
        for digest in old:
            del self._blobs.contents[digest]
        return sorted(old)

    def read(self, digest: str) -> bytes:
        """A blob's bytes, verified."""
        if why := self.verify(digest):
            raise IntegrityError(f"blob {digest} is {why}", digest=digest)
        return self._blobs.contents[digest]

    def verify(self, digest: str) -> str:
        """Whether a blob is whole."""
        if digest not in self._blobs.contents:
            return "missing"
        return "" if digest_bytes(self._blobs.contents[digest]) == digest else "damaged"

    def discard(self, digest: str) -> None:
        """Remove a blob."""
        self._blobs.discard(digest)

    def leftovers(self) -> Iterator[Leftover]:
        """What a test has put there."""
        yield from list(self.files.values())

    def remove_leftover(self, leftover: Leftover, before: float) -> bool:
        """Remove a file that was written before a time."""
        return leftover.used_at < before and self.files.pop(leftover.path, None) is not None

    def set_aside(self, leftover: Leftover) -> None:
        """Put a foreign file aside."""
        found = self.files.pop(leftover.path)
        self.files[f"damaged/{found.path}"] = Leftover("set aside", f"damaged/{found.path}", found.size, found.used_at)


class MemoryFolders:
    """Twin of `storage.leftovers.HomeSweeper`: there are no folders."""

    def leftovers(
        self,
        sources: Set[str],  # noqa: ARG002 - the port's
        before: float,  # noqa: ARG002 - the port's
        environments: Set[str] = frozenset(),  # noqa: ARG002 - the port's
    ) -> Iterator[Leftover]:
        """Nothing."""
        return iter(())

    def forget_source(self, snapshot: str) -> None:
        """Nothing."""

    def take_away(self, leftover: Leftover) -> None:
        """Nothing."""

    def empty(self) -> None:
        """Nothing."""


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
        return {symbol: self.now.get(symbol, ABSENT) for symbol in symbols}
