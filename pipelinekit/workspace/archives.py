"""Zip files that come from elsewhere: looked through as a whole before anything in them is used.

Nothing is ever written under a name that such a file gives. An archive that is more than a list of plain files, that
hides what it holds, or that would swell to many times its size is refused. What is read from it is counted.
"""

from __future__ import annotations

import itertools
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from pipelinekit.errors import IntegrityError, NotFoundError

MOST_ENTRIES = 100_000
LONGEST_LIST = 16 * 2**20  # bytes of the list of entries, which is read at once
FREELY = 512 * 2**20  # bytes that an archive may hold whatever its size
RATIO = 100  # beyond that: how many times its size
LONGEST_TEXT = 64 * 2**20
_HINT = "take the file from whoever exported it, as it was"
_TAIL = 22 + 65_535
_ENTRY_HEAD = 30
_FAULTY = (zipfile.BadZipFile, KeyError, OSError, EOFError, ValueError, RuntimeError, zlib.error)


class Archive:
    """A zip file whose entries are all allowed. Raises IntegrityError for what is none."""

    def __init__(self, path: Path, is_allowed: Callable[[str], bool]) -> None:
        self.path = path
        if not path.is_file():
            raise NotFoundError(f"there is no file {str(path)!r}")
        with self._told():
            self._refuse_long_list()
            self._file = zipfile.ZipFile(path)
        if why := self._fault(is_allowed):
            self._file.close()
            raise IntegrityError(f"{path} is not taken: {why}", hint=_HINT)

    @property
    def comment(self) -> bytes:
        """The archive's comment."""
        return self._file.comment

    @property
    def size(self) -> int:
        """Bytes of all that it holds."""
        return sum(entry.file_size for entry in self._file.infolist())

    def text(self, name: str) -> bytes:
        """All bytes of an entry that is to be short."""
        with self._told():
            if self._file.getinfo(name).file_size > LONGEST_TEXT:
                raise IntegrityError(f"{self.path} is not taken: its {name} is too long", hint=_HINT)
            return self._file.read(name)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """The bytes of an entry as a stream, which ends where the archive says that it does."""
        with self._told(), self._file.open(name) as stream:
            yield cast("BinaryIO", stream)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _refuse_long_list(self) -> None:
        """Look at how long the list of entries is said to be, before it is read as a whole."""
        with self.path.open("rb") as stream:
            end = stream.seek(0, 2)
            stream.seek(max(end - _TAIL, 0))
            tail = stream.read()
        at = tail.rfind(b"PK\5\6")
        if at < 0 or len(tail) < at + 22:
            raise zipfile.BadZipFile("it is no zip file")
        entries, length = struct.unpack_from("<HI", tail, at + 10)
        large = tail.rfind(b"PK\6\6", 0, at)
        if 0xFFFF in (entries, length >> 16) and large >= 0:
            entries, length = struct.unpack_from("<QQ", tail, large + 32)
        if entries > MOST_ENTRIES or length > LONGEST_LIST:
            raise IntegrityError(f"{self.path} is not taken: it lists more than {MOST_ENTRIES} entries", hint=_HINT)

    def _fault(self, is_allowed: Callable[[str], bool]) -> str:
        entries = sorted(self._file.infolist(), key=lambda entry: entry.header_offset)
        names = {entry.filename for entry in entries}
        if len(entries) > MOST_ENTRIES:
            return f"it lists more than {MOST_ENTRIES} entries"
        if len(names) < len(entries):
            return "it holds two entries of one name"
        for entry in entries:
            if entry.orig_filename != entry.filename or not is_allowed(entry.filename):
                return f"its entry {entry.orig_filename!r} does not belong there"
            if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
                return f"its entry {entry.filename!r} is no plain file"
            if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                return f"its entry {entry.filename!r} is encrypted or packed in a way that is not read"
        ends = [entry.header_offset + _ENTRY_HEAD + entry.compress_size for entry in entries]
        if any(end > after.header_offset for end, after in zip(ends, itertools.islice(entries, 1, None), strict=False)):
            return "its entries overlap"
        if is_swollen(self.size, self.path.stat().st_size):
            return f"it would swell to {self.size} bytes, more than {RATIO} times its size"
        return ""

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except _FAULTY as error:
            raise IntegrityError(
                f"{self.path} is no run that was exported, or is damaged: {error}", hint="export the run again"
            ) from error


def is_swollen(held: int, size: int) -> bool:
    """Whether an archive of that size that holds so much would be refused."""
    return held > FREELY and held > RATIO * size
