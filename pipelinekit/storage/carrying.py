"""What a run takes over from an earlier one, in the database: rows are copied where they lie."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from pipelinekit.domain.runs import CarriedRecord, RunRecord, StepStatus
from pipelinekit.domain.values import StoredValue
from pipelinekit.storage.database import Database
from pipelinekit.storage.runs import add_event, run_record
from pipelinekit.typed import TYPE_CHECKING
from pipelinekit.wire.values import dumps, loads, values_from_json

if TYPE_CHECKING:
    from pipelinekit.ports import Clock


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
        self, run: str, epoch: int, earlier: str, but: Collection[int] = ()
    ) -> tuple[Mapping[StepStatus, int], float]:
        """Copy step runs of an earlier run. The event names that one, and the nodes that were left out."""
        database, now = self._database, self._clock.now()
        with database.transaction():
            left_out = sorted(but)
            database.write("carry_steps", (run, now, earlier, dumps(left_out)))
            add_event(database, run, epoch, now, {"carried": earlier, **({"but": left_out} if left_out else {})})
            row = database.read("carried_counts", (run,))[0]
        counts = {StepStatus.REUSED: row["steps"] - row["skipped"], StepStatus.SKIPPED: row["skipped"]}
        return {status: count for status, count in counts.items() if count}, row["seconds"]

    def carried(self, run: str) -> Sequence[CarriedRecord]:
        """What was carried over, with outputs."""
        rows = self._database.read("carried_steps", (run,))
        outputs = loads(f"[{','.join(row['outputs'] or '{}' for row in rows)}]")  # one text is read faster than many
        return [
            CarriedRecord(
                row["node"],
                row["element"],
                StepStatus(row["status"]),
                values_from_json(document),
                (row["original_run"], row["original_step"]),
            )
            for row, document in zip(rows, outputs, strict=True)
        ]
