"""How long runs will still take, from what is recorded of earlier executions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.runs import RunRecord, RunStatus, StepRecord
from pipelinekit.engine.estimating import Estimate, at_once, estimate, what_is_left
from pipelinekit.ports import Clock, Documents, ReuseRecords
from pipelinekit.wire.graphs import parse_graph


class Estimator:
    """Estimates of runs that are under way. `slots` tells how many cores a compute target has; 0 where nobody knows."""

    def __init__(self, documents: Documents, reuse: ReuseRecords, clock: Clock, slots: Callable[[str], float]) -> None:
        self._documents = documents
        self._reuse = reuse
        self._clock = clock
        self._slots = slots
        self._known: tuple[str, Graph | None, Mapping[int, float]] = (
            "",
            None,
            {},
        )  # of the run that was asked for last

    def estimate(self, run: RunRecord, steps: Sequence[StepRecord]) -> Estimate | None:
        """How long a run will still take, whose step runs stand so; None where nothing is known, or it does not run."""
        if run.status is not RunStatus.RUNNING or not run.graph:
            return None
        graph = self._graph(run)
        if graph is None:
            return None
        left = what_is_left(graph, steps, self._times(graph), self._clock.now())
        return estimate(left, self._slots(run.options.compute) or max(at_once(steps), 1))

    def _graph(self, run: RunRecord) -> Graph | None:
        if self._known[0] != run.id:
            found = self._documents.get([run.graph])
            graph = parse_graph(found[run.graph], f"the graph of run {run.id}") if run.graph in found else None
            self._known = run.id, graph, self._by_name(run, graph) if graph else {}
        return self._known[1]

    def _times(self, graph: Graph) -> Mapping[int, float]:
        """Seconds of an execution, by node: of the same step as it is written, or else of its name as it was before."""
        digests = [step.definition.digest() for step in graph.steps]
        means = self._reuse.definitions(set(digests))
        same = {
            position: means[digests[node.step]]
            for position, node in enumerate(graph.nodes)
            if digests[node.step] in means
        }
        return {**self._known[2], **same}

    def _by_name(self, run: RunRecord, graph: Graph) -> Mapping[int, float]:
        names = {f"{node.name}[0]" if node.each else node.name: place for place, node in enumerate(graph.nodes)}
        earlier = self._reuse.previous(run.pipeline, names, before=run.id)
        return {names[name]: step.seconds for name, step in earlier.items() if step.seconds}
