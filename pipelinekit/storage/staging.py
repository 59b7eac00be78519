"""Files on their way into a store's folder: under temporary names, until they are whole and synced."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import FileIO
from itertools import chain
from pathlib import Path

from pipelinekit.domain.digests import Hasher, digest_stream
from pipelinekit.typed import BinaryIO

BLOCK = 2**20  # bytes copied at a time
READ_ONLY = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH
UNSUPPORTED = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


class Staging:
    """Some files that are to be stored together.

    When the block ends, their temporary names are gone; if it ends well, files that were taken over are gone, too.
    """

    def __init__(self, folder: Path) -> None:
        self.digests: dict[Path, str] = {}  # of the files that are here and whole
        self._folder = folder
        self._names: list[Path] = []
        self._taken: list[Path] = []

    def __enter__(self) -> Staging:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for name in self._names if kind else self._names + self._taken:
            name.unlink(missing_ok=True)

    def copy(self, source: BinaryIO | FileIO) -> tuple[str, int]:
        """Write what a stream holds; digest and size."""
        place = self._new_name()
        hasher = Hasher()
        with place.open("xb") as target:
            expected = os.fstat(source.fileno()).st_size if isinstance(source, FileIO) else 0
            _reserve(target.fileno(), expected)
            for block in _blocks(source):
                hasher.update(block)
                target.write(block)
            if hasher.size < expected:  # it became shorter meanwhile
                target.truncate()
        return self._whole(place, hasher.digest()), hasher.size

    def copy_file(self, path: Path) -> tuple[str, int]:
        """Write what a file holds; digest and size."""
        with path.open("rb", buffering=0) as stream:
            return self.copy(stream)

    def take(self, path: Path) -> tuple[str, int]:
        """Take a file over by giving it a second name here, or copy it where it cannot have one; digest and size."""
        self._taken.append(path)
        place = self._new_name()
        with path.open("rb", buffering=0) as stream:
            try:
                os.utime(path)  # a step may have left any time on its file, and by that it would be swept
                os.link(path, place)
            except OSError:
                return self.copy(stream)
            digest, size = digest_stream(stream)
        return self._whole(place, digest), size

    def sync(self) -> None:
        """Make the bytes of all files last. The disk has them all to write before the first is waited for."""
        handles: list[int] = []
        try:
            for place in self.digests:
                handles.append(os.open(place, os.O_RDONLY))
                if len(self.digests) > 1:
                    _start_writing(handles[-1])
            for handle in handles:
                os.fsync(handle)
        finally:
            for handle in handles:
                os.close(handle)

    def _new_name(self) -> Path:
        place = self._folder / os.urandom(8).hex()
        self._names.append(place)
        return place

    def _whole(self, place: Path, digest: str) -> str:
        os.chmod(place, READ_ONLY)
        self.digests[place] = digest
        return digest


def sync_names(names: Iterable[Path]) -> None:
    """Make new names in their folders last; those that cannot be made to are taken back: nobody is to rely on them."""
    folders: dict[Path, list[Path]] = {}
    for name in names:
        folders.setdefault(name.parent, []).append(name)
    try:
        for folder in list(folders):
            _sync(folder)
            del folders[folder]
    except OSError:
        for name in chain.from_iterable(folders.values()):
            with suppress(OSError):
                name.rmdir() if name.is_dir() else name.unlink()
        raise


def _reserve(handle: int, size: int) -> None:
    """Have the disk find room for a file of several blocks before it is copied: less work than block by block."""
    if size > BLOCK and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(handle, 0, size)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise


def _start_writing(handle: int) -> None:
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)  # Linux begins to write; what is not written yet stays


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _blocks(source: BinaryIO | FileIO) -> Iterator[bytes | memoryview]:
    """What a stream holds, in blocks. A file is read into one place, which is new with every block of other streams."""
    if isinstance(source, FileIO):
        place = memoryview(bytearray(min(BLOCK, os.fstat(source.fileno()).st_size + 1)))
        while count := source.readinto(place):
            yield place[:count]
    else:
        while block := source.read(BLOCK):
            yield block
