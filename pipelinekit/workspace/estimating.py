"""How long runs will still take, from what is recorded of earlier executions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pipelinekit.classes import frozen
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.runs import RunRecord, RunStatus, StepRecord
from pipelinekit.engine.estimating import Estimate, at_once, estimate, what_is_left
from pipelinekit.ports import Clock, Documents, ReuseRecords
from pipelinekit.wire.graphs import parse_graph

MOST_KNOWN = 16  # runs whose graphs are kept at hand
LOOK_SECONDS = 10.0  # between two looks at what executions took


@frozen
class Known:
    """What is known of a run: its graph, and seconds of an execution by node, as they were at some time."""

    graph: Graph
    by_name: Mapping[int, float]
    times: Mapping[int, float]
    at: float


class Estimator:
    """Estimates of runs that are under way. `slots` tells how many cores a compute target has; 0 where nobody knows.

    Whoever watches a run asks again and again: what takes long to find out is kept for a while.
    """

    def __init__(self, documents: Documents, reuse: ReuseRecords, clock: Clock, slots: Callable[[str], float]) -> None:
        self._documents = documents
        self._reuse = reuse
        self._clock = clock
        self._slots = slots
        self._known: dict[str, Known] = {}

    def estimate(self, run: RunRecord, steps: Sequence[StepRecord]) -> Estimate | None:
        """How long a run will still take, whose step runs stand so; None where nothing is known, or it does not run."""
        if run.status is not RunStatus.RUNNING or not run.graph:
            return None
        known = self._find(run)
        if known is None:
            return None
        left = what_is_left(known.graph, steps, {**known.by_name, **known.times}, self._clock.now())
        return estimate(left, self._slots(run.options.compute) or max(at_once(steps), 1))

    def _find(self, run: RunRecord) -> Known | None:
        known, now = self._known.pop(run.id, None), self._clock.now()
        if known is None:
            found = self._documents.get([run.graph])
            if run.graph not in found:
                return None
            graph = parse_graph(found[run.graph], f"the graph of run {run.id}")
            known = Known(graph, self._by_name(run, graph), self._times(graph), now)
        elif abs(now - known.at) > LOOK_SECONDS:
            known = Known(known.graph, known.by_name, self._times(known.graph), now)
        self._known[run.id] = known
        while len(self._known) > MOST_KNOWN:
            self._known.pop(next(iter(self._known)))
        return known

    def _times(self, graph: Graph) -> Mapping[int, float]:
        """Seconds of an execution, by node: what the same step, as it is written now, took before."""
        digests = [step.definition.digest() for step in graph.steps]
        means = self._reuse.definitions(set(digests))
        found = ((position, means.get(digests[node.step])) for position, node in enumerate(graph.nodes))
        return {position: seconds for position, seconds in found if seconds is not None}

    def _by_name(self, run: RunRecord, graph: Graph) -> Mapping[int, float]:
        """The same by the steps of these names in earlier runs of the pipeline, however they were written."""
        names = {f"{node.name}[0]" if node.each else node.name: place for place, node in enumerate(graph.nodes)}
        earlier = self._reuse.previous(run.pipeline, names, before=run.id)
        return {names[name]: step.seconds for name, step in earlier.items() if step.seconds}
