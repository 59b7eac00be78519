"""Event logs of runs in memory: the twin of what `storage.run_events` reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipelinekit.domain.run_events import Progress, RunEvent
from pipelinekit.testing.records import MemoryState

_OTHERS = ("driver", "status")  # what else the twin's events tell, by their first word


class MemoryRunEvents:
    """Twin of `storage.run_events.SQLRunEvents`."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def after(self, run: str, sequence: int, limit: int) -> Sequence[RunEvent]:
        """So many events at most that follow the one of this number."""
        told = zip(self._state.moments.get(run, ()), self._state.events.get(run, ()), strict=True)
        events = [_event(number, at, body) for number, (at, body) in enumerate(told, start=1)]
        return events[sequence : sequence + limit]

    def progress(self, runs: Iterable[str]) -> Mapping[str, Progress]:
        """How far these runs are."""
        found = {run: self._state.runs[run] for run in runs if run in self._state.runs}
        return {run: Progress(len(self._state.events.get(run, ())), item.status.final) for run, item in found.items()}


def _event(number: int, at: float, body: Sequence[tuple[str, str]]) -> RunEvent:
    if body and body[0][0] in _OTHERS:
        return RunEvent(number, at, tuple(body[1:]), body[0][1] if body[0][0] == "status" else "")
    return RunEvent(number, at, tuple(body))
