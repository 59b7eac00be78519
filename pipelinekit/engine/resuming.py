"""Taking a run up again whose driver died: what has ended stands as it is recorded, and is not decided again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipelinekit.domain.graphs import predecessors
from pipelinekit.domain.runs import StepRecord, StepStatus
from pipelinekit.engine.work import State, Work, broken_cause


class Recorded:
    """The step runs of a run as an earlier driver left them, with how attempts `failed`, by step."""

    def __init__(
        self, records: Iterable[StepRecord], works: list[Work], failed: Mapping[str, Sequence[tuple[str, str]]]
    ) -> None:
        self._failed = failed
        self._records = {record.name: record for record in records}
        self._works = works
        self._broken = _broken_nodes(self._records.values(), works)
        self._mapped = {record.node for record in self._records.values() if record.element >= 0}

    def stand(self, work: Work) -> bool:
        """Let a work stand as it is recorded, if it has ended; whether it has.

        One that has not goes on counting: its next attempt has another number than those that were begun, and what is
        recorded of those that failed counts as before. One that the driver took with it has not failed.
        """
        record = self._records.pop(work.name, None)
        if record is None:
            return False
        work.attempt = record.attempt
        if not record.status.final:
            work.left = record.attempt > 0 and (record.failure is None or record.failure.is_lost)
            work.failed = tuple(self._failed.get(work.name, ()))
            return False
        work.state, work.status, work.note = State.DONE, record.status, record.note
        work.key, work.outputs, work.original = record.key, record.outputs, (record.original_run, record.original_step)
        work.reasons, work.failure, work.verified = record.reasons, record.failure, record.verified
        work.started_at, work.ended_at, work.seconds = record.started_at, record.ended_at, record.seconds
        work.broken = record.status in _BROKEN or (record.status is StepStatus.SKIPPED and self._is_broken(work))
        if work.mapped and record.status is StepStatus.COMPLETED:
            work.children = []  # there was nothing to map over
        return True

    def has_elements(self, work: Work) -> bool:
        """Whether this stands for elements that are recorded, each for itself, and that were not come to again."""
        return work.mapped and work.position in self._mapped

    def _is_broken(self, work: Work) -> bool:
        """Whether a step was skipped because of something before it that did not complete."""
        if work.parent is not None:
            return bool(broken_cause(work, self._works))
        return work.position in self._broken


_BROKEN = (StepStatus.FAILED, StepStatus.CANCELED)


def _broken_nodes(records: Iterable[StepRecord], works: list[Work]) -> set[int]:
    """Nodes that did not complete, or were skipped because of one that did not; told without their elements."""
    rows = [(record.node, record.status) for record in records]
    broken = {node for node, status in rows if status in _BROKEN}
    for position in sorted({node for node, status in rows if status is StepStatus.SKIPPED}):
        if broken & predecessors(works[position].node):
            broken.add(position)
    return broken
