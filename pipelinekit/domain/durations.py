"""Where the time of runs and steps went: phase by phase, from what is recorded of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipelinekit.classes import frozen
from pipelinekit.domain.runs import RunRecord, StepRecord, StepStatus

Changes = Sequence[tuple[float, Sequence[tuple[str, str]]]]  # when step runs changed, by name, to which status


@frozen
class Durations:
    """Seconds by phase.

    Of a step: `queued` until an attempt of it began (all its attempts, retries and waiting for others included),
    `prepare` until its code was called (environment, process, inputs), `run` while that ran; the last two of its last
    attempt. Of a run: `queued` until a driver took it, `prepare` until the code of the first step was called, `run`
    until its end.
    """

    queued: float = 0.0
    prepare: float = 0.0
    run: float = 0.0

    def document(self) -> dict[str, float]:
        """As JSON data."""
        return {"queued": round(self.queued, 6), "prepare": round(self.prepare, 6), "run": round(self.run, 6)}


def is_executed(step: StepRecord) -> bool:
    """Whether this run executed the step, so that there is something to tell."""
    return step.attempt > 0 and step.started_at is not None and step.status is not StepStatus.REUSED


def step_durations(steps: Sequence[StepRecord], changes: Changes) -> dict[str, Durations]:
    """Durations of the steps that were executed, by name."""
    executed = {step.name: step for step in steps if is_executed(step)}
    queued = _queued(executed, changes)
    return {name: Durations(queued.get(name, 0.0), _prepared(step), _ran(step)) for name, step in executed.items()}


def run_durations(run: RunRecord, steps: Mapping[str, Durations], begun: Sequence[StepRecord]) -> Durations:
    """Durations of a run whose steps took these."""
    if run.started_at is None:
        return Durations()
    called = [step.started_at + steps[step.name].prepare for step in begun if step.started_at and step.name in steps]
    prepare = max(min(called) - run.started_at, 0.0) if called else 0.0
    ran = run.ended_at - run.started_at - prepare if run.ended_at is not None else 0.0
    return Durations(max(run.started_at - run.created_at, 0.0), prepare, max(ran, 0.0))


def _prepared(step: StepRecord) -> float:
    """What of an attempt was not its code's. Clocks of several machines may differ: it is never less than nothing."""
    if step.started_at is None or step.ended_at is None:
        return 0.0
    return max(step.ended_at - step.started_at - _ran(step), 0.0)


def _ran(step: StepRecord) -> float:
    """What of an attempt was its code's. Of one that ended with its driver nobody has told: all of it is taken so."""
    if step.started_at is None or step.ended_at is None:
        return 0.0
    if step.status is StepStatus.CANCELED and not step.seconds:
        return max(step.ended_at - step.started_at, 0.0)
    return step.seconds


def _queued(steps: Mapping[str, StepRecord], changes: Changes) -> dict[str, float]:
    """Seconds in the queue by step. A beginning that is recorded with the end only has a time of its own."""
    found: dict[str, float] = {}
    since: dict[str, float] = {}
    for at, changed in changes:
        for name, status in changed:
            if name not in steps:
                continue
            if status == StepStatus.QUEUED:
                since.setdefault(name, at)
            elif (begin := since.pop(name, None)) is not None:
                started = steps[name].started_at
                end = started if started is not None and begin <= started <= at else at
                found[name] = found.get(name, 0.0) + end - begin
    return found
