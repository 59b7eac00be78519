"""What a run takes over from an earlier one, in the database: rows are copied where they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.domain.runs import CarriedRecord, RunRecord, StepStatus
from pipelinekit.domain.values import StoredValue
from pipelinekit.ports import Clock
from pipelinekit.storage.database import Database
from pipelinekit.storage.runs import add_event, run_record
from pipelinekit.wire.values import loads, values_from_json


class SQLCarrying:
    """Implements `ports.CarryRecords` on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def earlier(self, run: RunRecord) -> RunRecord | None:
        """The newest completed run of the same pipeline that was submitted before; takes the write lock."""
        self._database.lock()
        rows = self._database.read("completed_before", (run.pipeline, run.id))
        return run_record(rows[0]) if rows else None

    def spent(self, run: str) -> tuple[set[int], Mapping[int, Sequence[StoredValue]]]:
        """Nodes with results that may no longer be reused, and outputs that name blobs."""
        spent: set[int] = set()
        named: dict[int, list[StoredValue]] = {}
        for row in self._database.read("spent_steps", (run,)):
            if row["outputs"] is None:
                spent.add(row["node"])
            else:
                named.setdefault(row["node"], []).extend(values_from_json(loads(row["outputs"])).values())
        return spent, named

    def carry(
        self, run: str, epoch: int, earlier: str, nodes: Sequence[tuple[str, bool]] | None = None
    ) -> tuple[Mapping[StepStatus, int], float]:
        """Copy step runs of an earlier run. The event of a whole run names that one, of a part every step."""
        database, now = self._database, self._clock.now()
        with database.transaction():
            if nodes is None:
                database.write("carry_run", (run, now, earlier))
                told: dict[str, Any] = {"carried": earlier}
            else:
                parts = [part for name, mapped in nodes for part in _parts(name, mapped=mapped)]
                database.write_many("carry_steps", [(run, now, earlier, *part) for part in parts])
                rows = database.read("statuses_of_run", (run,))
                told = {"carried": earlier, "steps": [[row["step"], row["status"]] for row in rows]}
            add_event(database, run, epoch, now, told)
            groups = database.read("steps_by_status", (run,))
        seconds = sum(row["seconds"] for row in groups if row["status"] == StepStatus.REUSED.value)
        return {StepStatus(row["status"]): row["count"] for row in groups}, seconds

    def carried(self, run: str) -> Sequence[CarriedRecord]:
        """What was carried over, with outputs."""
        return [
            CarriedRecord(
                row["node"],
                row["element"],
                StepStatus(row["status"]),
                values_from_json(loads(row["outputs"])) if row["outputs"] else {},
                (row["original_run"], row["original_step"]),
            )
            for row in self._database.read("carried_steps", (run,))
        ]


def _parts(name: str, *, mapped: bool) -> list[tuple[str, str]]:
    """The first and last step run of a node by name: itself, and if it is mapped its elements, `name[0]` and so on."""
    return [(name, name), (f"{name}[", f"{name}]")] if mapped else [(name, name)]
