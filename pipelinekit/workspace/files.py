"""Digests of files on this machine, remembered by their state, so that unchanged files are not read again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipelinekit.domain.digests import digest_bytes, digest_stream
from pipelinekit.typed import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pipelinekit.ports import Cache

Place = TypeVar("Place", str, Path)

SPACE, FOLDERS = "files", "folders of files"
SETTLED_NANOSECONDS = 50_000_000  # a file changed more recently may change again within one tick of its clock


class FileDigests:
    """Digests files by content. A file counts as unchanged while its size, times, inode and device stay the same."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def digests(self, files: Mapping[Place, os.stat_result]) -> dict[Place, str]:
        """The digest of each file, whose state is given as it was found."""
        return self._told(files)[0]

    def digests_by_folder(self, files: Mapping[str, os.stat_result]) -> dict[str, str]:
        """The same for many files, by their paths: of a folder in which none has changed one look-up tells them all."""
        folders: dict[str, list[str]] = {}
        for path in files:
            folders.setdefault(path.rpartition("/")[0], []).append(path)
        marks = {folder: _mark_of_all(paths, files) for folder, paths in folders.items()}
        kept = self._cache.get(FOLDERS, folders)
        found: dict[str, str] = {}
        changed: dict[str, list[str]] = {}
        for folder, paths in folders.items():
            mark, *digests = kept.get(folder, "").split(" ")
            if mark == marks[folder]:
                found.update(zip(paths, digests, strict=True))
            else:
                changed[folder] = paths
        told, doubtful = self._told({path: files[path] for paths in changed.values() for path in paths})
        fresh = {
            folder: " ".join([marks[folder], *(told[path] for path in paths)])
            for folder, paths in changed.items()
            if doubtful.isdisjoint(paths)
        }
        self._cache.put(FOLDERS, fresh)
        return found | told

    def _told(self, files: Mapping[Place, os.stat_result]) -> tuple[dict[Place, str], set[Place]]:
        """The digest of each file, and the files of which it may not be remembered."""
        kept = self._cache.get(SPACE, map(str, files))
        found: dict[Place, str] = {}
        fresh: dict[str, str] = {}
        doubtful: set[Place] = set()
        now = time.time_ns()
        for path, state in files.items():
            mark = _mark(state)
            entry = kept.get(str(path), "")
            if entry.startswith(mark):
                found[path] = entry[len(mark) :]
                continue
            with open(path, "rb") as stream:
                digest, _ = digest_stream(stream)
                after = os.fstat(stream.fileno())
            found[path] = digest
            if _mark(after) == mark and now - max(state.st_mtime_ns, state.st_ctime_ns) > SETTLED_NANOSECONDS:
                fresh[str(path)] = mark + digest
            else:
                doubtful.add(path)
        self._cache.put(SPACE, fresh)
        return found, doubtful


def _mark_of_all(paths: Iterable[str], files: Mapping[str, os.stat_result]) -> str:
    text = "\0".join([f"{path}\0{_mark(files[path])}" for path in paths])  # no path holds a zero
    return digest_bytes(text.encode("utf-8", "surrogatepass"))


def _mark(state: os.stat_result) -> str:
    return f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {state.st_ino} {state.st_dev} "
