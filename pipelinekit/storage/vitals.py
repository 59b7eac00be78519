"""How a workspace is, from its database; and what has happened, counted where it happens."""

from __future__ import annotations

from pipelinekit.domain.vitals import OpenRuns, Vitals
from pipelinekit.ports import Clock
from pipelinekit.ports.servers import ServerRecords
from pipelinekit.storage.database import Database


class SQLVitals:
    """Implements `ports.VitalRecords` on a database."""

    def __init__(self, database: Database, servers: ServerRecords, clock: Clock) -> None:
        self._database = database
        self._servers = servers
        self._clock = clock

    def read(self) -> Vitals:
        """How it is now."""
        read, now = self._database.read, self._clock.now()
        totals: dict[str, dict[str, float]] = {}
        for row in read("all_totals"):
            totals.setdefault(row["name"], {})[row["label"]] = row["value"]
        pending = read("pending_counts", (now,))[0]
        return Vitals(
            now,
            {row["status"]: OpenRuns(row["runs"], row["oldest"], row["driven"]) for row in read("open_run_counts")},
            {row["status"]: row["steps"] for row in read("open_step_counts")},
            totals,
            pending["ticks"],
            pending["oldest"],
            tuple(self._servers.alive()),
            int(read("records_size")[0]["bytes"]),
        )
