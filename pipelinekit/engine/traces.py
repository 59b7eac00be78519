"""A run as spans, from what is recorded when it has ended: the run, its steps, the phases of what was executed.

Ids follow from the run's, so that whoever tells of a run twice tells the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.classes import replace
from pipelinekit.domain.digests import encode, strong_digest
from pipelinekit.domain.durations import Changes, Durations, is_executed, step_durations
from pipelinekit.domain.runs import TRACEPARENT, RunRecord, RunStatus, StepRecord, StepStatus
from pipelinekit.domain.traces import Span, TraceContext, Value, read_traceparent

MOST_STEPS = 2000  # that are told of one run: those that were executed come first
SHORTEST = 0.0005  # seconds from which on a phase is told


def run_spans(run: RunRecord, steps: Sequence[StepRecord], changes: Changes) -> list[Span]:
    """The spans of a run that has ended, each behind its parent."""
    above = read_traceparent(str(run.details.get(TRACEPARENT, "")))
    trace = above.trace if above else _id(32, run.id)
    context = TraceContext(trace, _id(16, trace, run.id), above.sampled if above else True)
    told = sorted(steps, key=lambda step: not is_executed(step))[:MOST_STEPS]
    ended = run.ended_at if run.ended_at is not None else run.created_at
    failed = run.status is RunStatus.FAILED
    failure = run.failure.message if failed and run.failure else ""
    whole = Span(
        f"run {run.pipeline}",
        context,
        above.span if above else "",
        run.created_at,
        max(ended, run.created_at),
        attributes=_run_attributes(run, steps, len(told)),
        failed=failed,
        failure=failure,
    )
    durations = step_durations(told, changes)
    spans = [whole]
    if run.started_at is not None:
        spans += _phase(whole, run.id, "queued", run.created_at, run.started_at)
    for step in told:
        spans += _step_spans(whole, step, durations.get(step.name))
    return spans


def _run_attributes(run: RunRecord, steps: Sequence[StepRecord], told: int) -> dict[str, Value]:
    found: dict[str, Value] = {
        "pipelinekit.run.id": run.id,
        "pipelinekit.run.status": str(run.status),
        "pipelinekit.pipeline": run.pipeline,
        "pipelinekit.experiment": run.experiment,
        "pipelinekit.steps.executed": sum(is_executed(step) for step in steps),
        "pipelinekit.steps.reused": sum(step.status is StepStatus.REUSED for step in steps),
    }
    if told < len(steps):
        found["pipelinekit.steps.untold"] = len(steps) - told
    return found


def _step_spans(run: Span, step: StepRecord, took: Durations | None) -> list[Span]:
    """A step with its phases; of one that was not executed, the moment at which that was clear."""
    ended = step.ended_at if step.ended_at is not None else run.ended
    began = step.started_at if took and step.started_at is not None else ended
    first = began - took.queued if took else began
    attributes: dict[str, Value] = {
        "pipelinekit.run.id": step.run,
        "pipelinekit.step.name": step.name,
        "pipelinekit.step.status": str(step.status),
        "pipelinekit.step.reused": step.status is StepStatus.REUSED,
    }
    if took:
        attributes["pipelinekit.step.attempts"] = step.attempt
    if step.original_run:
        attributes["pipelinekit.step.original_run"] = step.original_run
    if step.failure:
        attributes["pipelinekit.step.failure.kind"] = step.failure.kind
    failed = step.status is StepStatus.FAILED
    whole = Span(
        f"step {step.name}",
        replace(run.context, span=_id(16, run.context.trace, step.run, step.name)),
        run.context.span,
        first,
        max(ended, first),
        attributes=attributes,
        failed=failed,
        failure=step.failure.message if failed and step.failure else "",
    )
    if not took:
        return [whole]
    called = min(began + took.prepare, whole.ended)
    return [
        whole,
        *_phase(whole, step.run, "queued", first, began),
        *_phase(whole, step.run, "prepare", began, called),
        *_phase(whole, step.run, "run", called, whole.ended),
    ]


def _phase(of: Span, run: str, name: str, began: float, ended: float) -> list[Span]:
    """A phase of something; nothing where it took no time."""
    if ended - began < SHORTEST:
        return []
    context = replace(of.context, span=_id(16, of.context.trace, run, of.context.span, name))
    return [Span(name, context, of.context.span, began, ended, attributes={"pipelinekit.run.id": run})]


def _id(length: int, *parts: str) -> str:
    """An id that follows from these, and is not nothing."""
    return strong_digest(encode(["trace", *parts])).rpartition(":")[2][: length - 1] + "1"
