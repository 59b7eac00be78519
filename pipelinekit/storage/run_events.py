"""The event logs of runs, in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipelinekit.domain.run_events import Progress, RunEvent
from pipelinekit.domain.runs import RunStatus, StepStatus
from pipelinekit.storage.database import Database
from pipelinekit.wire.values import loads


class SQLRunEvents:
    """Implements `ports.RunEventRecords` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, run: str, sequence: int, limit: int) -> Sequence[RunEvent]:
        """So many events at most that follow the one of this number."""
        rows = self._database.read("events_after", (run, sequence, limit))
        return [self._event(run, row["sequence"], row["at"], loads(row["body"])) for row in rows]

    def progress(self, runs: Iterable[str]) -> Mapping[str, Progress]:
        """How far these runs are."""
        rows = self._database.read_keys("progress_of_runs", runs)
        return {row["id"]: Progress(row["events"], RunStatus(row["status"]).final) for row in rows}

    def _event(self, run: str, sequence: int, at: float, body: dict[str, Any]) -> RunEvent:
        steps = self._carried(run, body.get("but", ())) if "carried" in body else body.get("steps", ())
        return RunEvent(sequence, at, tuple((name, status) for name, status in steps), body.get("status", ""))

    def _carried(self, run: str, but: Iterable[int]) -> list[tuple[str, str]]:
        """What carrying over told of the steps of a run: that they are reused, or skipped for good."""
        skipped, left_out = StepStatus.SKIPPED.value, set(but)
        return [
            (row["step"], skipped if row["status"] == skipped else StepStatus.REUSED.value)
            for row in self._database.read("statuses_of_run", (run,))
            if row["node"] not in left_out
        ]
