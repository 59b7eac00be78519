"""Changes of source folders in memory: the twin of what `storage.changes` keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelinekit.testing.records import MemoryState


class MemoryChanges:
    """Twin of `storage.changes.SQLChanges`."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def keep(self, run: str, changes: Mapping[str, Any]) -> None:
        """Keep what was found of a run, if the run is there."""
        if run in self._state.runs and run not in self._state.removed:
            self._state.changes = {**self._state.changes, run: dict(changes)}

    def get(self, run: str) -> Mapping[str, Any] | None:
        """What was found of a run."""
        return self._state.changes.get(run)
