"""Source folders, scratch folders and built environments that nobody needs: taken away in one step, then deleted."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Set
from contextlib import suppress
from pathlib import Path

from pipelinekit.domain.digests import PREFIX
from pipelinekit.domain.upkeep import Leftover

SOURCES = "snapshots"
SCRATCH = "scratch"
ENVIRONMENTS = "environments"
UPLOADS = "uploads"
BYTECODE = "pycache"
TRASH = "trash"


class HomeSweeper:
    """Implements `ports.FolderUpkeep` on a workspace folder."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def leftovers(self, sources: Set[str], before: float, environments: Set[str] = frozenset()) -> Iterator[Leftover]:
        """Folders that nobody needs."""
        used = {snapshot.removeprefix(PREFIX) for snapshot in sources}
        for path in _folders(self._home / SOURCES):
            at = path.stat().st_mtime
            if path.name not in used and at < before:
                yield Leftover("source folder", f"{SOURCES}/{path.name}", _size(path), at)
        for path in _folders(self._home / SCRATCH):
            at = path.stat().st_mtime
            if path.name.isdigit() and _is_dead(path.name) and at < before:
                yield Leftover("scratch folder", f"{SCRATCH}/{path.name}", _size(path), at)
        for path in _folders(self._home / ENVIRONMENTS):
            at = path.stat().st_mtime
            if path.name not in environments and at < before:
                yield Leftover("built environment", f"{ENVIRONMENTS}/{path.name}", _size(path), at)

        for path in _folders(self._home / UPLOADS):
            at = path.stat().st_mtime
            if at < before:
                yield Leftover("unfinished upload", f"{UPLOADS}/{path.name}", _size(path), at)

    def forget_source(self, snapshot: str) -> None:
        """Take the folder of a snapshot away."""
        name = snapshot.removeprefix(PREFIX)
        self.take_away(Leftover("source folder", f"{SOURCES}/{name}", 0, 0.0))

    def take_away(self, leftover: Leftover) -> None:
        """Move a folder to the trash, and the bytecode of a source folder with it."""
        path = self._home / leftover.path
        if leftover.kind == "built environment":
            self._take_environment(path, leftover.used_at)
            return
        places = [path]
        if leftover.kind == "source folder":
            places.append(self._home / BYTECODE / path.relative_to(path.anchor))
        trash = self._home / TRASH
        trash.mkdir(exist_ok=True)
        for place in places:
            with suppress(FileNotFoundError):
                os.rename(place, Path(tempfile.mkdtemp(dir=trash)) / place.name)

    def _take_environment(self, path: Path, used_at: float) -> None:
        """Move a built environment away, unless somebody builds it or has used it meanwhile."""
        trash = self._home / TRASH
        trash.mkdir(exist_ok=True)
        with path.with_name(f".{path.name}.lock").open("w") as stream, suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_mtime <= used_at:
                os.rename(path, Path(tempfile.mkdtemp(dir=trash)) / path.name)

    def empty(self) -> None:
        """Delete the trash."""
        trash = self._home / TRASH
        for path in trash.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                with suppress(OSError):
                    path.chmod(0o700)  # a step may have left a folder that may not be written to
        shutil.rmtree(trash, ignore_errors=True)


def _folders(parent: Path) -> list[Path]:
    try:
        return sorted(path for path in parent.iterdir() if path.is_dir())
    except FileNotFoundError:
        return []


def _is_dead(pid: str) -> bool:
    return Path("/proc").is_dir() and not Path("/proc", pid).exists()


def _size(folder: Path) -> int:
    """Bytes that go with a folder; files that are links into the store take none."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                state = os.lstat(os.path.join(parent, name))
                size += state.st_size if state.st_nlink == 1 else 0
    return size
