"""Digests of files on this machine, remembered by their state, so that unchanged files are not read again."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from pipelinekit.domain.digests import digest_stream
from pipelinekit.typed import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pipelinekit.ports import Cache

Place = TypeVar("Place", str, Path)

SPACE = "files"
SETTLED_NANOSECONDS = 50_000_000  # a file changed more recently may change again within one tick of its clock


class FileDigests:
    """Digests files by content. A file counts as unchanged while its size, times, inode and device stay the same."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def digests(self, files: Mapping[Place, os.stat_result]) -> dict[Place, str]:
        """The digest of each file, whose state is given as it was found."""
        kept = self._cache.get(SPACE, map(str, files))
        found: dict[Place, str] = {}
        fresh: dict[str, str] = {}
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
        self._cache.put(SPACE, fresh)
        return found


def _mark(state: os.stat_result) -> str:
    return f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {state.st_ino} {state.st_dev} "
