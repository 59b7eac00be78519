"""Source folders and built environments in a node's own folder: how much room they may take, and which go first.

Several workers may share such a folder. Whoever has a step process in an entry holds its lock, which the system takes
back when he dies; an entry goes only under the lock alone. In the workspace's folder clean-up decides, by the records.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pipelinekit.classes import frozen
from pipelinekit.compute.environments import FOLDER as ENVIRONMENTS
from pipelinekit.compute.sources import FOLDER as SOURCES

BYTECODE = "pycache"
USES = "uses"
TRASH = "trash"
RECENT_SECONDS = 60.0  # an entry that was used so lately stays: somebody is about to begin with it
STALE_SECONDS = 86400.0  # after which what was begun beside the entries is nobody's any more
LEFT = 0.9  # share of the budget that is used after a removal, so that the next is not due at once


@frozen
class _Entry:
    used_at: float
    path: Path
    size: int


class NodeCache:
    """Keeps the entries below `home` within a budget of bytes; 0 for no limit."""

    def __init__(self, home: Path, budget: int = 0, clock: Callable[[], float] = time.time) -> None:
        self._home = home
        self._budget = budget
        self._clock = clock
        self._sizes: dict[tuple[str, int], int] = {}
        self._lock = threading.Lock()

    def hold(self, source: Path, python: str) -> Hold:
        """Use a source folder and the environment of an interpreter, until the hold is let go of.

        They need not be there yet. Interpreters of other places are nobody's here.
        """
        hold, environment = Hold(), Path(python).parent.parent
        if self._budget:
            hold.add(source, self._shared(source))
            if environment.parent == self._home / ENVIRONMENTS:
                hold.add(environment, self._shared(environment))
        return hold

    def trim(self) -> None:
        """Remove the entries that were used longest ago, if there is more than the budget allows, but none in use."""
        if not self._budget:
            return
        with self._lock, suppress(OSError), self._alone(self._home / USES / ".trim"):
            entries = sorted(self._entries(), key=lambda entry: entry.used_at)
            over = sum(entry.size for entry in entries) - self._budget
            if over > 0:
                over += int(self._budget * (1 - LEFT))
            for entry in entries:
                if over > 0 and self._clock() - entry.used_at > RECENT_SECONDS and self._remove(entry):
                    over -= entry.size
            shutil.rmtree(self._home / TRASH, ignore_errors=True)

    # -- entries -----------------------------------------------------------------------------------------------------

    def _entries(self) -> Iterator[_Entry]:
        for name in (SOURCES, ENVIRONMENTS):
            with suppress(FileNotFoundError), os.scandir(self._home / name) as found:
                for item in found:
                    if item.is_dir(follow_symlinks=False):
                        state, path = item.stat(follow_symlinks=False), Path(item.path)
                        if not item.name.startswith("."):
                            yield _Entry(state.st_mtime, path, self._size(path, state.st_ino))
                        elif self._clock() - state.st_mtime > STALE_SECONDS:  # whoever built it has died
                            shutil.rmtree(path, ignore_errors=True)

    def _size(self, folder: Path, inode: int) -> int:
        """Bytes of an entry, which stays as it is; looked for once. Links into the copies of blobs count, too."""
        key = (str(folder), inode)
        if key not in self._sizes:
            self._sizes[key] = sum(
                os.lstat(os.path.join(parent, name)).st_size for parent, _, names in os.walk(folder) for name in names
            )
        return self._sizes[key]

    def _remove(self, entry: _Entry) -> bool:
        """Move an entry away, and the bytecode of a source folder with it, unless it is in use; whether it went."""
        with suppress(OSError), ExitStack() as locks:
            locks.enter_context(self._alone(self._use_of(entry.path)))
            if entry.path.parent.name == ENVIRONMENTS:  # whoever builds has this one
                locks.enter_context(self._alone(entry.path.with_name(f".{entry.path.name}.lock")))
            if entry.path.stat().st_mtime > entry.used_at:
                return False
            trash = self._home / TRASH
            trash.mkdir(exist_ok=True)
            os.rename(entry.path, Path(tempfile.mkdtemp(dir=trash)) / entry.path.name)
            with suppress(FileNotFoundError):
                bytecode = self._home / BYTECODE / entry.path.relative_to(entry.path.anchor)
                os.rename(bytecode, Path(tempfile.mkdtemp(dir=trash)) / entry.path.name)
            self._use_of(entry.path).unlink()
            return True
        return False

    # -- locks -------------------------------------------------------------------------------------------------------

    def _use_of(self, entry: Path) -> Path:
        return self._home / USES / f"{entry.parent.name}-{entry.name}"

    def _shared(self, entry: Path) -> int:
        while True:
            handle = _opened(place := self._use_of(entry))
            fcntl.flock(handle, fcntl.LOCK_SH)
            with suppress(FileNotFoundError):
                if os.stat(place).st_ino == os.fstat(handle).st_ino:
                    break
            os.close(handle)  # of an entry that has just gone, whose next lock is another file
        with suppress(OSError):
            os.utime(entry)
        return handle

    @contextmanager
    def _alone(self, place: Path) -> Iterator[None]:
        """Hold a lock alone. Raises BlockingIOError where somebody else has it."""
        handle = _opened(place)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(handle)


class Hold:
    """Entries that somebody uses."""

    def __init__(self) -> None:
        self._held: list[tuple[Path, int]] = []

    def add(self, entry: Path, handle: int) -> None:
        """Take over the handle of an entry's lock."""
        self._held.append((entry, handle))

    def let_go(self) -> None:
        """The entries were used until now, and are no longer."""
        held: Sequence[tuple[Path, int]] = self._held
        self._held = []
        for entry, handle in held:
            with suppress(OSError):
                os.utime(entry)
            os.close(handle)


def _opened(place: Path) -> int:
    place.parent.mkdir(parents=True, exist_ok=True)
    return os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
