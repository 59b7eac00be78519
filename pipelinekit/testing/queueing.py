"""Runs that wait, in memory: the twin of `storage.queueing` and `storage.recovery`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipelinekit.classes import replace
from pipelinekit.domain.queueing import Limits, OpenRun, check_limit, limited
from pipelinekit.domain.runs import PIPELINE, Failure, RunRecord, RunStatus
from pipelinekit.engine.queueing import held_back, in_turn
from pipelinekit.errors import LeaseLostError

if TYPE_CHECKING:
    from pipelinekit.testing.records import MemoryState

AGAIN_SECONDS = 30.0
MOST_FRUITLESS = 3
ENDED_AT_ONCE = 2
_WAITING = (RunStatus.NOT_STARTED, RunStatus.QUEUED)


class MemoryRunLimits:
    """Twin of `storage.queueing.SQLRunLimits`."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def set(self, kind: str, name: str, most: int) -> None:
        """Limit runs; 0 for no limit."""
        rest = {key: value for key, value in self._state.limits.items() if key != limited(kind, name)}
        self._state.limits = {**rest, **({limited(kind, name): most} if check_limit(most) else {})}

    def all(self) -> Limits:
        """All limits."""
        return dict(self._state.limits)


def waits(state: MemoryState, run: str = "") -> Mapping[str, str]:
    """Why runs wait that limits hold back, or whose steps can begin nowhere."""
    told = {
        name: why
        for name, (epoch, why) in state.waiting_for.items()
        if why and name != run and (state.runs[name].status, state.runs[name].epoch) == (RunStatus.RUNNING, epoch)
    }
    return {**told, **held_back(_line(state, run), state.limits)}


class MemoryQueueing:
    """The part of the twin of `storage.runs.SQLDriving` that sees to runs which nobody drives."""

    _state: MemoryState

    def hold(self, run: str, owner: str) -> bool:
        """Keep a place among the runs that wait."""
        record = self._state.runs[run]
        if record.status not in _WAITING or record.owner not in ("", owner):
            raise LeaseLostError(f"run {run} has ended, or is driven by another process")
        self._state.runs[run] = replace(record, owner=owner)
        return record.cancel_requested

    def tell_waits(self, run: str, epoch: int, why: str) -> None:
        """Tell what steps of the run wait for."""
        self._state.leased(run, epoch)
        self._state.waiting_for = {**self._state.waiting_for, run: (epoch, why)}

    def leave(self, run: str, owner: str) -> None:
        """Give the place back."""
        record = self._state.runs[run]
        if record.status in _WAITING and record.owner == owner:
            self._state.runs[run] = replace(record, owner="")
            self._state.offered = {**self._state.offered, run: 0.0}

    def put_back(self, run: str, epoch: int) -> None:
        """Queue a run again that was taken before its turn."""
        record = self._state.runs[run]
        if record.epoch == epoch and record.status is RunStatus.RUNNING:
            begun = record.started_at if self._state.steps.get(run) else None
            queued = replace(record, status=RunStatus.QUEUED, owner="", epoch=epoch + 1, started_at=begun)
            self._state.runs[run] = queued
            self._state.fruitless = {**self._state.fruitless, run: self._state.fruitless[run] - 1}
            self._state.offered = {**self._state.offered, run: 0.0}

    def unattended(self, patience: float, most: int | None = None, *, ends: bool = False) -> bool:
        """Whether `recover` has something to do."""
        return bool(self._lost()) or bool(self._chosen(patience, most, ends=ends))

    def recover(self, patience: float, most: int | None = None, *, ends: bool = False) -> Sequence[str]:
        """End or queue again what dead drivers left."""
        state = self._state
        for record in self._lost():
            fruitless = state.fruitless.get(record.id, 0)
            if _is_overdue(state, record):
                self._end_overdue(record)
            elif self._must_be_ended(record):
                self._queue_again(record, RunStatus.CANCEL_REQUESTED)
            elif record.cancel_requested:
                self._end(record, RunStatus.CANCELED, None)
            elif record.detached and record.status in _WAITING:
                self.leave(record.id, record.owner)
            elif record.detached and fruitless < MOST_FRUITLESS:
                state.tell(record.id, [("status", str(RunStatus.QUEUED))])
                self._queue_again(record, RunStatus.QUEUED)
            else:
                self._end(record, RunStatus.FAILED, Failure("lost", "the process that drove this run died"))
        chosen = self._chosen(patience, most, ends=ends)
        state.offered = {**state.offered, **dict.fromkeys(chosen, state.clock.now())}
        return chosen

    def _must_be_ended(self, record: RunRecord) -> bool:
        """Whether a driver must see that nothing of the run is at work any more, before it is canceled."""
        is_begun = record.cancel_requested and record.detached and self._state.has_begun(record.id)
        return is_begun and self._state.fruitless.get(record.id, 0) < MOST_FRUITLESS

    def _queue_again(self, record: RunRecord, status: RunStatus) -> None:
        self._state.runs[record.id] = replace(record, status=status, owner="", epoch=record.epoch + 1)
        self._state.offered = {**self._state.offered, record.id: 0.0}
        self._drop_claims(record.id)

    def _lost(self) -> list[RunRecord]:
        state = self._state
        found = [record for record in state.runs.values() if not record.status.final]
        return [record for record in found if _is_overdue(state, record) or record.owner in state.dead]

    def _chosen(self, patience: float, most: int | None, *, ends: bool) -> list[str]:
        ending, waiting = self._due(patience)
        return [*ending, *waiting][:most] or (ending[:ENDED_AT_ONCE] if ends else [])

    def _due(self, patience: float) -> tuple[list[str], list[str]]:
        state = self._state
        waiting: set[str] = set()
        for run, record in state.runs.items():
            told = state.offered.get(run, 0.0)
            late = abs(state.clock.now() - (told or record.created_at)) >= (AGAIN_SECONDS if told else patience)
            if record.kind == PIPELINE and not record.status.final and record.detached and not record.owner:
                waiting.update({run} if late or (not told and record.epoch > 0) else ())
        ending = [run for run in waiting if state.runs[run].status is RunStatus.CANCEL_REQUESTED]
        ending.sort(key=lambda run: (-state.runs[run].options.priority, run))
        return ending, [run for run in in_turn(_line(state), state.limits) if run in waiting]

    def _end_overdue(self, record: RunRecord) -> None:
        why = waits(self._state).get(record.id, "no driver has taken it")
        words = f"the run had waited {record.options.max_queue_seconds:g} s for its turn, as long as it may: {why}"
        self._end(record, RunStatus.CANCELED, Failure("timeout", words))

    def _end(self, record: RunRecord, status: RunStatus, failure: Failure | None) -> None:
        state = self._state
        ended = state.end_steps(record.id, is_canceled=record.cancel_requested)
        if record.status not in _WAITING:
            state.tell(record.id, [("status", str(status)), *ended])
        state.runs[record.id] = replace(
            record, status=status, failure=failure, ended_at=state.clock.now(), owner="", epoch=record.epoch + 1
        )
        state.count_ended(record.id)
        self._drop_claims(record.id)

    def _drop_claims(self, run: str) -> None:
        self._state.claims = {key: claim for key, claim in self._state.claims.items() if claim[0] != run}


def _line(state: MemoryState, asked: str = "") -> list[OpenRun]:
    return [
        OpenRun(run, record.experiment, record.options.compute, record.options.priority, run != asked and goes)
        for run, record in state.runs.items()
        if record.kind == PIPELINE and not record.status.final
        if record.owner or record.status is not RunStatus.CANCEL_REQUESTED
        for goes in [record.status not in _WAITING or _was_told(state, record)]
    ]


def _was_told(state: MemoryState, record: RunRecord) -> bool:
    told = state.offered.get(record.id, 0.0)
    return not record.owner and told > 0 and abs(state.clock.now() - told) < AGAIN_SECONDS


def _is_overdue(state: MemoryState, record: RunRecord) -> bool:
    longest = record.options.max_queue_seconds
    waits = record.status in _WAITING and record.started_at is None
    return waits and 0 < longest <= state.clock.now() - record.created_at
