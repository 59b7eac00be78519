"""When the steps of a run waited, were prepared and ran, and which of them its end waited for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pipelinekit.classes import frozen
from pipelinekit.domain.durations import Durations, is_executed
from pipelinekit.domain.graphs import Graph, Node, OutputRef, predecessors
from pipelinekit.domain.runs import RunRecord, StepRecord, StepStatus


@frozen
class Bar:
    """An executed step: when it began to wait, its last attempt began, its code was called, and it ended.

    Times are seconds since the run was submitted. `is_critical` says that the end of the run waited for it.
    """

    name: str
    status: StepStatus
    since: float
    begun: float
    called: float
    ended: float
    is_critical: bool


@frozen
class Timeline:
    """The executed steps in the order in which they began to wait; `others` counts the rest by status."""

    seconds: float
    bars: tuple[Bar, ...]
    others: Mapping[StepStatus, int]

    def shown(self, most: int) -> tuple[Bar, ...]:
        """At most so many bars: those of the critical path, and the longest of the rest."""
        if len(self.bars) <= most:
            return self.bars
        ranked = sorted(self.bars, key=lambda bar: (not bar.is_critical, bar.since - bar.ended))
        kept = set(map(id, ranked[:most]))
        return tuple(bar for bar in self.bars if id(bar) in kept)


def timeline(
    run: RunRecord, graph: Graph, steps: Sequence[StepRecord], durations: Mapping[str, Durations], now: float
) -> Timeline:
    """The timeline of a run as it stands; what still runs has run until `now`."""
    executed = [step for step in steps if is_executed(step)]
    critical = set(critical_path(graph, executed, now))
    bars = [_bar(step, durations[step.name], run.created_at, now, step.name in critical) for step in executed]
    others = Counter(step.status for step in steps if not is_executed(step))
    ended = run.ended_at if run.ended_at is not None else now
    last = max([ended - run.created_at, *(bar.ended for bar in bars)])
    return Timeline(last, tuple(sorted(bars, key=lambda bar: (bar.since, bar.begun))), others)


def _bar(step: StepRecord, found: Durations, origin: float, now: float, is_critical: bool) -> Bar:
    assert step.started_at is not None
    begun = step.started_at - origin
    ended = (now if step.ended_at is None else step.ended_at) - origin
    return Bar(
        step.name,
        step.status,
        max(begun - found.queued, 0.0),
        begun,
        min(begun + found.prepare, ended),
        max(ended, begun),
        is_critical,
    )


def critical_path(graph: Graph, executed: Sequence[StepRecord], now: float) -> list[str]:
    """The names of the executed steps that the end of the run waited for, one after the other."""

    def ended(step: StepRecord) -> float:
        return now if step.ended_at is None else step.ended_at

    of_node: dict[int, list[StepRecord]] = {}
    for step in executed:
        of_node.setdefault(step.node, []).append(step)
    path: list[StepRecord] = []
    before: Iterable[StepRecord] = executed
    while found := list(before):
        path.append(max(found, key=ended))
        before = _before(path[-1], graph, of_node)
    return [step.name for step in reversed(path)]


def _before(step: StepRecord, graph: Graph, of_node: Mapping[int, list[StepRecord]]) -> Iterable[StepRecord]:
    """The executed steps that a step waited for; through those that were not executed, which took no time."""
    node = graph.nodes[step.node]
    waiting, seen = sorted(predecessors(node)), set()
    while waiting:
        position = waiting.pop()
        if position in seen:
            continue
        seen.add(position)
        rows = of_node.get(position)
        if rows is None:
            waiting.extend(predecessors(graph.nodes[position]))
        elif _is_shared(node, position):
            yield from (row for row in rows if row.element in (step.element, -1))
        else:
            yield from rows


def _is_shared(node: Node, position: int) -> bool:
    """Whether a mapped step takes in what that node gives element by element."""
    bindings = [node.inputs[port] for port in node.each]
    return any(isinstance(binding, OutputRef) and binding.node == position for binding in bindings)
