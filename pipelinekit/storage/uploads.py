"""Blobs that come in parts: what has come of them is kept until they are whole, and told to whoever goes on."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from pipelinekit.domain.digests import PREFIX, is_digest
from pipelinekit.errors import ConflictError, IntegrityError, StorageError, UsageError
from pipelinekit.ports import Blobs
from pipelinekit.storage.leftovers import UPLOADS

PART = "part"
SPARE_BYTES = 64 << 20  # of the disk that are left for others


class FolderUploads:
    """Implements `ports.uploads.Uploads` on a folder beside the store. Each sender has parts of their own."""

    def __init__(self, home: Path, blobs: Blobs) -> None:
        self._folder = home / UPLOADS
        self._blobs = blobs

    def store(self, blobs: Iterable[tuple[str, memoryview]]) -> int:
        """Store whole blobs."""
        wanted, places = [], []
        with _telling(), self._scratch() as folder:
            for number, (digest, data) in enumerate(blobs):
                places.append(folder / str(number))
                places[-1].write_bytes(data)
                wanted.append(digest)
            stored = self._blobs.put_files(places, move=True)
        _check(wanted, [digest for digest, _ in stored])
        return len(wanted)

    def parts(self, sender: str, digests: Iterable[str]) -> Mapping[str, int]:
        """How many bytes have come of blobs that are not whole."""
        found = {}
        for digest in digests:
            with suppress(FileNotFoundError):
                found[digest] = (self._place(sender, digest) / PART).stat().st_size
        return found

    def append(self, sender: str, digest: str, size: int, begin: int, data: bytes) -> int:
        """Add a part to a blob of this size; how many bytes there are now."""
        if begin + len(data) > size:
            raise UsageError(f"a part until byte {begin + len(data)} is none of a blob of {size} bytes")
        folder = self._place(sender, digest)
        with _telling():
            folder.mkdir(parents=True, exist_ok=True)
            self._check_space(size - begin)
            with (folder / PART).open("ab", buffering=0) as stream:
                there = _add(stream, digest, begin, data)
            os.utime(folder)
        if there >= size:
            self._finish(folder, digest)
        return there

    def _finish(self, folder: Path, digest: str) -> None:
        """Store a blob that is whole; what was said to have another digest is thrown away."""
        try:
            found, _ = self._blobs.put_file(folder / PART, move=True)
            _check([digest], [found])
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _place(self, sender: str, digest: str) -> Path:
        if not is_digest(digest):
            raise UsageError(f"{digest!r} is no digest")
        return self._folder / f"{sender}-{digest.removeprefix(PREFIX)}"

    def _check_space(self, size: int) -> None:
        if size > shutil.disk_usage(self._folder).free - SPARE_BYTES:
            raise StorageError(f"the server's disk has no room for {size} bytes", hint="free space on it")

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        folder = self._folder / f"pack-{os.urandom(8).hex()}"
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _add(stream: FileIO, digest: str, begin: int, data: bytes) -> int:
    """Append what is new of a part, or nothing; how many bytes there are then."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConflictError(f"another part of blob {digest} is coming", hint="send one after the other") from None
    there = os.fstat(stream.fileno()).st_size
    if begin > there:
        raise ConflictError(f"{there} bytes of blob {digest} are there", hint="go on behind them")
    new = memoryview(data)[there - begin :]
    try:
        while new:
            new = new[stream.write(new) :]
    except OSError:
        stream.truncate(there)
        raise
    return max(there, begin + len(data))


@contextmanager
def _telling() -> Iterator[None]:
    """What the file system refuses, in words."""
    try:
        yield
    except OSError as error:
        hint = "free space on it" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise StorageError(f"the server's disk refuses what was sent: {error.strerror}", hint=hint) from error


def _check(wanted: Sequence[str], found: Sequence[str]) -> None:
    if wrong := [f"{one} is {other}" for one, other in zip(wanted, found, strict=True) if one != other]:
        raise IntegrityError(
            f"what came is not what was said: {'; '.join(wrong[:3])}",
            hint="send it again, when nothing writes to the files",
        )
