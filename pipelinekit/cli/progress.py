"""Watching a run: live where somebody looks, plain lines where nobody does, and a summary at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.runs import DIFFERENT, EQUAL, RunRecord, RunStatus, StepRecord, StepStatus
from pipelinekit.domain.texts import counted, seconds_text
from pipelinekit.late import late
from pipelinekit.runtime.carrying import NOTHING, Carried
from pipelinekit.typed import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelinekit.cli import live, output
    from pipelinekit.domain.attempts import LogChunk
else:
    live = late("pipelinekit.cli.live")
    output = late("pipelinekit.cli.output")

NOTED = 5  # so many notes of steps are told at the end of a run
LISTED = 20  # so many changes of one kind at once are told one by one; more are counted
_ONE_BY_ONE = (StepStatus.COMPLETED, StepStatus.FAILED)
_COUNTED = (StepStatus.REUSED, StepStatus.SKIPPED, StepStatus.CANCELED)


class Quiet:
    """Says nothing."""

    def begun(self, *_: Any) -> None:
        """Nothing."""

    carried = changed = logged = waits = waiting = begun

    def close(self) -> None:
        """Nothing."""


class Progress:
    """Chooses how to show progress: live once a step must execute and standard error is a terminal, else by lines."""

    def __init__(self, wants_live: bool, left: Callable[[str], str] | None = None) -> None:
        """`left` says how long the run of an id will still take."""
        self._left = left
        self._wants_live = wants_live and sys.stderr.isatty()
        self._live: live.LiveProgress | None = None
        self._run: RunRecord | None = None
        self._graph: Graph | None = None
        self._earlier: list[StepRecord] = []
        self._steps: dict[str, StepRecord] = {}
        self._carried = NOTHING
        self._read_carried: Callable[[], Sequence[StepRecord]] = tuple

    def begun(self, run: RunRecord, graph: Graph) -> None:
        """Say which run this is."""
        self._run, self._graph = run, graph
        print(f"run {run.id}  {run.pipeline}  (experiment {run.experiment}, number {run.number})", file=sys.stderr)

    def carried(self, carried: Carried, read: Callable[[], Sequence[StepRecord]]) -> None:
        """Show what was carried over: step by step where it is little, else in numbers."""
        if sum(carried.counts.values()) <= LISTED:
            self.changed(read())
            return
        self._carried, self._read_carried = carried, read
        lines = [f"{status!s:<9} {count} steps" for status, count in carried.counts.items()]
        print("\n".join(lines), file=sys.stderr)

    def changed(self, changes: Sequence[StepRecord]) -> None:
        """Show changes."""
        self._steps.update((change.name, change) for change in changes)
        if self._live is None and self._wants_live and self._graph is not None:
            if any(change.status is StepStatus.QUEUED for change in changes):
                earlier = [*self._read_carried(), *self._earlier]
                self._live = live.LiveProgress(self._graph, earlier, self._run.id if self._run else "", self._left)
            else:
                self._earlier.extend(changes)
                return
        if self._live is not None:
            self._live.changed(changes)
        else:
            _print_changes(changes)

    @property
    def steps(self) -> list[StepRecord]:
        """The steps that changed as they stand, in the order of the graph."""
        return sorted(self._steps.values(), key=lambda step: (step.node, step.element, step.name))

    def summary(self, run: RunRecord) -> list[str]:
        """What came of the run, for people."""
        return _summary_lines(run, self.steps, self._carried)

    def logged(self, chunks: Sequence[LogChunk]) -> None:
        """Logs are kept, and shown by `runs logs`."""

    def waits(self, why: str) -> None:
        """Say what steps wait for at compute targets that can take none of them."""
        if self._live is not None:
            self._live.waits(why)
        elif why and self._run is not None:
            print(f"run {self._run.id} waits: {why}", file=sys.stderr)

    def waiting(self) -> None:
        """Keep the clock of the live display going."""
        if self._live is not None:
            self._live.tick()

    def close(self) -> None:
        """Give the terminal back."""
        if self._live is not None:
            self._live.close()


def _print_changes(changes: Sequence[StepRecord]) -> None:
    lines = _one_by_one([change for change in changes if change.status in _ONE_BY_ONE])
    for status in _COUNTED:
        of_kind = [change for change in changes if change.status is status]
        if len(of_kind) > LISTED:
            lines.append(f"{status!s:<9} {len(of_kind)} steps")
        else:
            lines.extend(change_line(change) for change in of_kind)
    waiting = (change for change in changes if change.note and change.status is StepStatus.QUEUED)
    lines.extend(f"{'Waiting':<9} {change.name}  {change.note}" for change in waiting)
    if lines:
        print("\n".join(lines), file=sys.stderr)


def _one_by_one(changes: Sequence[StepRecord]) -> list[str]:
    """A line for each, but for elements of a mapped step that have completed in great number."""
    elements: dict[int, list[StepRecord]] = {}
    for change in changes:
        if _is_counted(change):
            elements.setdefault(change.node, []).append(change)
    many = {node: found for node, found in elements.items() if len(found) > LISTED}
    lines = [change_line(change) for change in changes if not (_is_counted(change) and change.node in many)]
    for found in many.values():
        name, seconds = found[0].name.rpartition("[")[0], sum(change.seconds for change in found)
        reasons = {output.reasons_text(change.reasons) for change in found}
        why = f"  ({reasons.pop()})" if len(reasons) == 1 else ""
        lines.append(f"{StepStatus.COMPLETED!s:<9} {name}: {len(found)} elements  {seconds_text(seconds)}{why}")
    return lines


def _is_counted(change: StepRecord) -> bool:
    return change.element >= 0 and change.status is StepStatus.COMPLETED


def change_line(change: StepRecord) -> str:
    """One change in one line: what became of a step, how long it took, and why."""
    head = f"{change.status!s:<9} {change.name}"
    match change.status:
        case StepStatus.COMPLETED:
            return f"{head}  {seconds_text(change.seconds)}  ({output.reasons_text(change.reasons)})"
        case StepStatus.FAILED:
            return f"{head}  {first_line(change)}"
        case StepStatus.REUSED:
            return f"{head}  from run {change.original_run}"
        case _:
            return f"{head}  {change.note}".rstrip()


def first_line(failed: StepRecord) -> str:
    """The first line of what a failed step says."""
    lines = failed.failure.message.splitlines() if failed.failure else []
    return (lines[0] + (" …" if len(lines) > 1 else "")) if lines else ""


def _summary_lines(run: RunRecord, steps: Sequence[StepRecord], carried: Carried) -> list[str]:
    statuses, reused = [step.status for step in steps], StepStatus.REUSED
    counts = {status: carried.counts.get(status, 0) + statuses.count(status) for status in StepStatus}
    number = sum(counts.values())
    saved = carried.seconds + sum(step.seconds for step in steps if step.status is reused)
    took = (run.ended_at or run.created_at) - run.created_at
    words = [f"{count} {str(status).lower()}" for status, count in counts.items() if count]
    lines = [f"run {run.id} {run.status} in {seconds_text(took)}: {', '.join([counted(number, 'step'), *words])}"]
    if counts[StepStatus.REUSED]:
        everything = counts[StepStatus.REUSED] == number
        lines.append(f"{'everything was reused; ' if everything else ''}reuse saved {seconds_text(saved)} of work")
    lines.extend(_noted_lines(steps))
    if run.status is RunStatus.FAILED or run.failure is not None:
        lines.extend(failure_lines(run, steps))
    return lines


def _noted_lines(steps: Sequence[StepRecord]) -> list[str]:
    """What repeated executions showed, and what executions read that no key named."""
    equal = sum(step.verified == EQUAL for step in steps)
    lines = [f"{counted(equal, 'step')} executed again with equal outputs"] if equal else []
    noted = [step for step in steps if step.note and step.status is StepStatus.COMPLETED and step.verified != EQUAL]
    told = [f"step {step.name!r}: {step.note}" + _consequence(step) for step in noted]
    return lines + told[:NOTED] + ([f"and {len(told) - NOTED} more steps with notes"] if len(told) > NOTED else [])


def _consequence(step: StepRecord) -> str:
    return "; it will not be reused" if step.verified == DIFFERENT else ""


def failure_lines(run: RunRecord, steps: Sequence[StepRecord]) -> list[str]:
    """The root cause of a failed run, with the author's part of the traceback, and what to do next."""
    failed = [step for step in steps if step.status is StepStatus.FAILED]
    lines: list[str] = []
    for step in failed[:3]:
        failure = step.failure
        if failure is None:
            continue
        lines.append(f"step {step.name!r} failed: {failure.message}")
        if failure.traceback:
            if failure.signal or failure.exit_code is not None:
                lines.append("  it wrote last:")
            lines.extend(f"    {line}" for line in failure.traceback.rstrip().splitlines()[-15:])
        if failure.hint:
            lines.append(f"  hint: {failure.hint}")
    if not failed and run.failure is not None:
        lines.append(f"{run.failure.message}")
        if run.failure.hint:
            lines.append(f"  hint: {run.failure.hint}")
    if len(failed) > 3:
        lines.append(f"and {len(failed) - 3} more steps failed")
    if any(step.attempt for step in failed):
        lines.append(f"see all that it wrote: pipelinekit runs logs {run.id} {failed[0].name}")
    return lines
