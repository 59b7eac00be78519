"""How source folders differed from their commits, in the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelinekit.storage.database import Database
from pipelinekit.wire.values import dumps, loads


class SQLChanges:
    """Implements `ports.ChangeRecords` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, run: str, changes: Mapping[str, Any]) -> None:
        """Keep what was found of a run, if the run is there."""
        self._database.write("keep_changes", (dumps(dict(changes)), run))

    def get(self, run: str) -> Mapping[str, Any] | None:
        """What was found of a run."""
        rows = self._database.read("get_changes", (run,))
        return dict(loads(rows[0]["body"])) if rows else None
