"""Files that steps opened without declaring them, as they are now."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipelinekit.domain.attempts import ABSENT
from pipelinekit.domain.snapshots import Tree, parse_manifest
from pipelinekit.errors import IntegrityError
from pipelinekit.ports import Blobs, Cache
from pipelinekit.workspace.files import FileDigests


class ObservedFiles:
    """Digests of such files: those of a source folder by its snapshot, others where they lie on this machine.

    `trees` are snapshots that are not in the store.
    """

    def __init__(self, blobs: Blobs, cache: Cache, trees: Iterable[Tree] = ()) -> None:
        self._blobs = blobs
        self._digests = FileDigests(cache)
        self._trees = {tree.digest(): _by_path(tree) for tree in trees}

    def digests(self, snapshot: str, symbols: Iterable[str]) -> Mapping[str, str]:
        """The digest of each `file:PATH`; `absent` where there is no such file."""
        paths = {symbol: symbol.partition(":")[2] for symbol in symbols}
        elsewhere = self._elsewhere(path for path in paths.values() if os.path.isabs(path))
        inside = self._tree(snapshot) if any(not os.path.isabs(path) for path in paths.values()) else {}
        return {symbol: elsewhere.get(path) or inside.get(path, ABSENT) for symbol, path in paths.items()}

    def _tree(self, snapshot: str) -> Mapping[str, str]:
        if snapshot not in self._trees:
            try:
                self._trees[snapshot] = _by_path(parse_manifest(self._blobs.read(snapshot)))
            except IntegrityError:
                return {}
        return self._trees[snapshot]

    def _elsewhere(self, paths: Iterable[str]) -> Mapping[str, str]:
        states = {}
        for path in paths:
            try:
                state = os.stat(path)
            except OSError:
                continue
            if stat.S_ISREG(state.st_mode) and os.access(path, os.R_OK):
                states[Path(path)] = state
        return {str(path): digest for path, digest in self._digests.digests(states).items()} if states else {}


def _by_path(tree: Tree) -> Mapping[str, str]:
    return {entry.path: entry.digest for entry in tree.entries}
