"""How long a run will still take, from how long its steps took before. Pure, and honest about what is not known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from pipelinekit.classes import frozen
from pipelinekit.domain.graphs import Graph, predecessors
from pipelinekit.domain.runs import StepRecord, StepStatus


@frozen
class Estimate:
    """Seconds that a run will still take; at least so many, where it is not `whole`: not of every step it is known."""

    seconds: float
    whole: bool = True

    def __str__(self) -> str:
        return f"{'about' if self.whole else 'at least'} {_rounded(self.seconds)} left"


@frozen
class Left:
    """A node of which something is left to do: `seconds` for each execution, by how many cores it asks for.

    An execution of which nothing is known is in `unknown`.
    """

    executions: tuple[float, ...] = ()
    unknown: int = 0
    after: tuple[int, ...] = ()
    cpu: float = 1.0


def estimate(left: Mapping[int, Left], slots: float) -> Estimate | None:
    """How long all this takes on so many cores, each node behind those that it comes after; None if nothing is known.

    It is the longer one of two times: of all work, shared by all cores, and of the longest path.
    """
    known = [seconds for item in left.values() for seconds in item.executions]
    if not known:
        return None
    cores = max(slots, 1.0)
    work = sum(sum(item.executions) * min(item.cpu, cores) for item in left.values()) / cores
    ends: dict[int, float] = {}
    for position in sorted(left):  # what comes before has a lower position
        item = left[position]
        begin = max((ends.get(earlier, 0.0) for earlier in item.after), default=0.0)
        ends[position] = begin + max(item.executions, default=0.0)
    return Estimate(max(work, *ends.values()), not any(item.unknown for item in left.values()))


def what_is_left(
    graph: Graph, steps: Iterable[StepRecord], known: Mapping[int, float], now: float
) -> Mapping[int, Left]:
    """What of a run is left to do, by node, where step runs stand so. `known` are seconds of an execution, by node.

    Of a step that runs what it has run already is taken off; once it takes longer than before nothing is known of it.
    """
    records: dict[int, list[StepRecord]] = defaultdict(list)
    for step in steps:
        records[step.node].append(step)
    found: dict[int, Left] = {}
    for position, node in enumerate(graph.nodes):
        told = records.get(position, [])
        still = [step for step in told if not step.status.final]
        if told and not still:
            continue
        expected = [_expected(step, known.get(position), now) for step in still] or [known.get(position)]
        times = tuple(seconds for seconds in expected if seconds is not None)
        unknown = len(expected) - len(times) + (bool(node.each) and not told)  # nobody knows how many there will be
        before = tuple(sorted(predecessors(node)))
        options = graph.steps[node.step].options
        found[position] = Left(times, unknown, before, options.resources.cpu * options.nodes)
    return found


def at_once(steps: Sequence[StepRecord]) -> int:
    """How many steps run now."""
    return sum(step.status is StepStatus.RUNNING for step in steps)


def _expected(step: StepRecord, seconds: float | None, now: float) -> float | None:
    if seconds is None or step.status is not StepStatus.RUNNING or step.started_at is None:
        return seconds
    left = seconds - max(now - step.started_at, 0.0)
    return left if left > 0 else None


def _rounded(seconds: float) -> str:
    """Not more digits than such a guess is worth."""
    if seconds < 60:
        return f"{max(round(seconds), 1)} s" if seconds < 10 else f"{round(seconds / 5) * 5} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 600:
        hours, rest = divmod(round(minutes / 10) * 10, 60)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{round(minutes / 60)} h"
