"""Snapshots on the machine where steps run: brought here once, kept by digest."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelinekit.domain.digests import PREFIX, digest_stream
from pipelinekit.domain.snapshots import Tree
from pipelinekit.formats.paths import place_folder
from pipelinekit.ports import Blobs

FOLDER = "snapshots"

Marks = dict[str, tuple[int, ...]]  # by a file's path: what changes when it does


def source_folder(home: Path, snapshot: str) -> Path:
    """Where a snapshot's files lie below `home`."""
    return home / FOLDER / (snapshot.removeprefix(PREFIX) or "empty")


def bring_snapshot(home: Path, snapshot: str, blobs: Blobs) -> Path:
    """The folder with a snapshot's files below `home`; whole or not there, however many ask for it at once."""
    folder = source_folder(home, snapshot)
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".staged-"))
    try:
        if snapshot:
            place_folder(snapshot, staged, blobs)
        os.rename(staged, folder)
    except OSError:
        if not folder.is_dir():  # else somebody else was first
            raise
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return folder


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Bring and look at source folders as the only one of this machine who does."""
    (home / FOLDER).mkdir(parents=True, exist_ok=True)
    with (home / FOLDER / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def marks_of(folder: Path) -> Marks:
    """Every file of a source folder with what changes when it does; bytecode comes and goes."""
    found: Marks = {}
    stack = [(str(folder), "")]
    while stack:
        place, prefix = stack.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != "__pycache__":
                        stack.append((entry.path, f"{prefix}{entry.name}/"))
                else:
                    state = entry.stat(follow_symlinks=False)
                    found[prefix + entry.name] = (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
    return found


def is_whole(folder: Path, tree: Tree) -> bool:
    """Whether a folder has the files of a tree and no others, by their digests."""
    wanted = {entry.path: entry.digest for entry in tree.entries}
    try:
        return marks_of(folder).keys() == wanted.keys() and all(
            _digest(folder / path) == digest for path, digest in wanted.items()
        )
    except OSError:  # what cannot be read is damaged
        return False


def set_aside(folder: Path) -> None:
    """Take a damaged source folder away; who has files of it open keeps them."""
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".staged-"))
    os.rename(folder, aside / folder.name)
    shutil.rmtree(aside, ignore_errors=True)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return digest_stream(stream)[0]
