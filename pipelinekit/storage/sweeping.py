"""Upkeep of the blobs in a local folder: listing, re-reading, setting aside, and removal that no use is lost to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from pipelinekit.domain.digests import PREFIX, digest_bytes, digest_stream
from pipelinekit.domain.upkeep import BlobEntry, Leftover
from pipelinekit.errors import IntegrityError
from pipelinekit.storage.blobs import held, place_of, used_at

AT_ONCE = 200  # blobs removed under one hold of the lock, which writers wait for
_FOLDER = re.compile(r"[0-9a-f]{2}")
_NAME = re.compile(r"[0-9a-f]{30}")


class FolderSweeper:
    """Implements `ports.BlobUpkeep` on the folder of `storage.blobs.FolderBlobs`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def blobs(self) -> Iterator[BlobEntry]:
        """Every blob in the store."""
        for path, state in self._files():
            if _FOLDER.fullmatch(path.parent.name) and _NAME.fullmatch(path.name) and path.parent.parent == self.folder:
                yield BlobEntry(f"{PREFIX}{path.parent.name}{path.name}", state.st_size, used_at(state))

    def remove(self, digests: Iterable[str], before: float) -> list[str]:
        """Remove blobs that were last used before a time, and not meanwhile; which were removed."""
        removed = []
        waiting = sorted(set(digests))
        for start in range(0, len(waiting), AT_ONCE):
            with held(self.folder, exclusive=True):
                for digest in waiting[start : start + AT_ONCE]:
                    place = place_of(self.folder, digest)
                    with suppress(FileNotFoundError):
                        if used_at(place.stat()) < before:
                            place.unlink()
                            removed.append(digest)
        return removed

    def verify(self, digest: str) -> str:
        """Read a blob anew: empty when it is whole, else `missing` or `damaged`. Is no use of it."""
        place = place_of(self.folder, digest)
        try:
            with os.fdopen(_open_unseen(place), "rb") as stream:
                found, _ = digest_stream(stream)
        except FileNotFoundError:
            return "missing"
        except OSError:
            return "damaged"  # a disk that cannot read it has lost it
        return "" if found == digest else "damaged"

    def read(self, digest: str) -> bytes:
        """A blob's bytes, verified. Is no use of it. Raises IntegrityError."""
        try:
            with os.fdopen(_open_unseen(place_of(self.folder, digest)), "rb") as stream:
                data = stream.read()
        except FileNotFoundError:
            raise IntegrityError(f"blob {digest} is not in the store at {self.folder}", digest=digest) from None
        if digest_bytes(data) != digest:
            raise IntegrityError(f"blob {digest} is damaged", digest=digest)
        return data

    def discard(self, digest: str) -> None:
        """Set a blob aside, where it is no longer found."""
        aside = self.folder / "damaged"
        aside.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            os.replace(place_of(self.folder, digest), aside / digest.removeprefix(PREFIX))

    def leftovers(self) -> Iterator[Leftover]:
        """Files that are no blobs: half-written ones, damaged ones that were set aside, and others."""
        for path, state in self._files():
            relative = path.relative_to(self.folder)
            first = relative.parts[0]
            is_blob = len(relative.parts) == 2 and _FOLDER.fullmatch(first) and _NAME.fullmatch(path.name)
            if not is_blob:
                kind = {"staging": "half-written", "damaged": "set aside"}.get(first, "foreign")
                yield Leftover(kind, str(relative), state.st_size, _written_at(kind, state))

    def remove_leftover(self, leftover: Leftover, before: float) -> bool:
        """Remove such a file if it was last written before a time; whether it was."""
        path = self.folder / leftover.path
        try:
            state = path.lstat()
            if _written_at(leftover.kind, state) >= before:
                return False
            path.unlink()
        except FileNotFoundError:
            return False
        return True

    def set_aside(self, leftover: Leftover) -> None:
        """Put a file that does not belong here where damaged blobs are."""
        aside = self.folder / "damaged"
        aside.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            os.replace(self.folder / leftover.path, aside / leftover.path.replace("/", "_"))

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        stack = [self.folder]
        while stack:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(Path(entry.path))
                        continue
                    with suppress(FileNotFoundError):
                        yield Path(entry.path), entry.stat(follow_symlinks=False)


def _written_at(kind: str, state: os.stat_result) -> float:
    """When a file was last written, or, for one that was set aside, when that was done."""
    return state.st_mtime if kind == "half-written" else max(state.st_mtime, state.st_ctime)


def _open_unseen(path: Path) -> int:
    """Open a file to read it without that counting as a use, where the system grants it."""
    flags = os.O_RDONLY | os.O_CLOEXEC
    try:
        return os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:
        return os.open(path, flags)
