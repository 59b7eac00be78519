"""How a workspace is, in memory: the twin of what `storage.vitals` reads from a database."""

from __future__ import annotations

from collections import Counter

from pipelinekit.domain.runs import CHILD
from pipelinekit.domain.schedules import Disposition
from pipelinekit.domain.vitals import OpenRuns, Vitals
from pipelinekit.ports.servers import ServerRecords
from pipelinekit.testing.records import MemoryState
from pipelinekit.testing.schedules import MemoryLedger


class MemoryVitals:
    """Twin of `storage.vitals.SQLVitals`."""

    def __init__(self, state: MemoryState, ledger: MemoryLedger, servers: ServerRecords) -> None:
        self._state = state
        self._ledger = ledger
        self._servers = servers

    def read(self) -> Vitals:
        """How it is now."""
        state, now = self._state, self._state.clock.now()
        totals: dict[str, dict[str, float]] = {}
        for (name, label), value in {**state.totals, **self._ledger.totals}.items():
            totals.setdefault(name, {})[label] = value
        open_runs = [run for run in state.runs.values() if not run.status.final]
        by_status: dict[str, OpenRuns] = {}
        for run in open_runs:
            if run.kind != CHILD:
                known = by_status.get(str(run.status), OpenRuns(0, run.created_at, 0))
                oldest = min(known.oldest, run.created_at)
                by_status[str(run.status)] = OpenRuns(known.count + 1, oldest, known.driven + bool(run.owner))
        steps = Counter(
            str(step.status)
            for run in open_runs
            for step in state.steps.get(run.id, {}).values()
            if not step.status.final
        )
        due = [
            tick.due
            for tick in self._ledger.ticks.values()
            if tick.disposition is Disposition.PENDING and tick.not_before <= now
        ]
        servers = tuple(self._servers.alive())
        return Vitals(now, by_status, dict(steps), totals, len(due), min(due, default=None), servers, 0)
