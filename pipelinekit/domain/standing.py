"""How a run stands, in words: what has ended, what executes, what waits and for what; why it ended as it did."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.domain.runs import RunRecord, RunStatus, StepRecord, StepStatus
from pipelinekit.domain.texts import counted

NAMED = 3  # steps of one kind that are named


def standing(run: RunRecord, steps: Sequence[StepRecord], waits: str = "") -> str:
    """How a run stands, in one line; `waits` is why limits hold it back, or its steps can begin nowhere."""
    if run.failure is not None:
        return run.failure.message.partition("\n")[0]
    ended = sum(step.status.final for step in steps)
    if run.status in (RunStatus.NOT_STARTED, RunStatus.QUEUED):
        if run.started_at is None:
            return f"waits: {waits}" if waits else "no driver has taken it yet"
        words = f"it has lost its driver, and waits for another; {ended} of {counted(len(steps), 'known step')} ended"
        return f"{words}; {waits}" if waits else words
    if run.status is RunStatus.CANCELED:
        return "it was canceled"
    if not run.graph:
        return "" if run.status.final else "its process logs to it"
    if run.status.final:
        return _counts(steps) or "no steps"
    parts = ["it is being canceled"] if run.status is RunStatus.CANCEL_REQUESTED else []
    parts.append(f"{ended} of {counted(len(steps), 'known step')} ended")
    if running := [step.name for step in steps if step.status is StepStatus.RUNNING]:
        parts.append(f"{_named(running)} {'runs' if len(running) == 1 else 'run'}")
    waiting = [step for step in steps if step.status is StepStatus.QUEUED]
    parts += [f"{step.name} {step.note}" for step in waiting if step.note][:NAMED]
    if queued := [step.name for step in waiting if not step.note]:
        parts.append(f"{_named(queued)} {'waits' if len(queued) == 1 else 'wait'} for room")
    return "; ".join([*parts, waits] if waits else parts)


def _counts(steps: Sequence[StepRecord]) -> str:
    counts = {status: sum(step.status is status for step in steps) for status in StepStatus}
    words = [f"{count} {str(status).lower()}" for status, count in counts.items() if count]
    return f"{counted(len(steps), 'step')}: {', '.join(words)}" if words else ""


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
