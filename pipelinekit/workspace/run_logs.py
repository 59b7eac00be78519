"""Logs of a run: as a whole, and as they appear."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipelinekit.domain.runs import PIPELINE, RunRecord, StepRecord
from pipelinekit.ports import LogRecords
from pipelinekit.workspace.runs import log_place


class RunLogs:
    """What a run and its steps wrote. Each call of `new` gives what has come since the one before."""

    def __init__(self, logs: LogRecords, run: RunRecord, step: str = "") -> None:
        self._logs = logs
        self._run = run
        self._step = step
        self._seen: dict[tuple[str, str], int] = {}

    def new(self, steps: Iterable[StepRecord]) -> Iterator[tuple[str, str]]:
        """Names of steps, and what they wrote; the run itself has an empty name (only one without steps writes)."""
        if self._run.kind != PIPELINE and not self._step:
            yield from (("", text) for text in self._texts((self._run.id, "")))
        for step in steps:
            if self._step in ("", step.name):
                yield from ((step.name, text) for text in self._texts(log_place(step)))

    def _texts(self, place: tuple[str, str]) -> Iterator[str]:
        for position, chunk in self._logs.read(*place, self._seen.get(place, 0)):
            self._seen[place] = position
            yield chunk.text


def with_headings(told: Iterable[tuple[str, str]], last: str = "") -> Iterator[str]:
    """Texts with a line before whatever another step than the `last` one wrote."""
    for step, text in told:
        if step != last:
            yield f"==> {step}\n"
            last = step
        yield text
