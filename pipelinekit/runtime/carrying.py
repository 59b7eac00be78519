"""What a run takes over from the newest completed run of its pipeline, before anything is decided step by step.

A run in which nothing changed is carried over as a whole, by one statement; `engine.carrying` says why that is sound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from pipelinekit.classes import field, frozen
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.runs import CarriedRecord, RunRecord, StepStatus, worst_status
from pipelinekit.domain.steps import Port
from pipelinekit.domain.values import StoredValue, list_of
from pipelinekit.engine.carrying import CarriedStep, Changes, carried_nodes, may_be_carried
from pipelinekit.runtime.completeness import incomplete
from pipelinekit.typed import TYPE_CHECKING, TypeVar
from pipelinekit.wire.graphs import node_lines, parse_graph

if TYPE_CHECKING:
    from pipelinekit.ports import Blobs, CarryRecords, Documents, ReuseRecords

Name = TypeVar("Name")


@frozen
class Carried:
    """What was carried over: how many step runs of each status, and the seconds that executing them had taken.

    `outputs` are the run's where the whole of it was carried, else None; `steps` are then the carried nodes. A run that
    `is_same` has graph and inputs of the earlier one, too: it names nothing that was not named before.
    """

    counts: Mapping[StepStatus, int] = field(default_factory=dict)
    seconds: float = 0.0
    outputs: Mapping[str, StoredValue] | None = None
    steps: Mapping[int, CarriedStep] = field(default_factory=dict)
    is_same: bool = False


NOTHING = Carried()


def carry_over(
    run: RunRecord, graph: Graph, carrying: CarryRecords, reuse: ReuseRecords, documents: Documents, blobs: Blobs
) -> Carried:
    """Take over what stands as it stood. To be called in a transaction, before anything of the run is recorded."""
    options = run.options
    if options.regenerate or options.verify or options.check:
        return NOTHING  # every step has to be looked at
    earlier = carrying.earlier(run)
    if earlier is None:
        return NOTHING
    written = _Written.of(run, graph, earlier, documents)
    if written is None:
        return NOTHING
    definitions = [step.definition.digest() for step in graph.steps]
    observed = reuse.observed(definitions)
    found = zip_longest(graph.steps, definitions, written.earlier.steps[: len(graph.steps)])
    steps = [may_be_carried(step, digest, other, observed) for step, digest, other in found]
    changes = Changes(
        _differing(run.arguments, earlier.arguments),
        _differing(run.paths, earlier.paths),
        _spent_nodes(carrying, earlier.id, blobs),
    )
    if run.graph == earlier.graph and all(steps) and not changes:
        kept = [True] * len(graph.nodes)
    else:
        kept = carried_nodes(graph, steps, written.now, written.then, changes)
    if not any(kept):
        return NOTHING
    if all(kept) and len(kept) == len(written.then) and written.gives_the_same(graph, changes):
        counts, seconds = carrying.carry(run.id, run.epoch, earlier.id)
        return Carried(counts, seconds, earlier.outputs, is_same=run.graph == earlier.graph)
    left_out = [position for position, stays in enumerate(kept) if not stays]
    left_out += range(len(kept), len(written.then))
    counts, seconds = carrying.carry(run.id, run.epoch, earlier.id, left_out)
    return Carried(counts, seconds, None, _carried_steps(graph, kept, carrying.carried(run.id)))


@frozen
class _Written:
    """Both graphs as they are written: the earlier one without its nodes, and the text of each node of both."""

    earlier: Graph
    now: Sequence[str]
    then: Sequence[str]

    @classmethod
    def of(cls, run: RunRecord, graph: Graph, earlier: RunRecord, documents: Documents) -> _Written | None:
        """None when clean-up has taken the earlier graph."""
        if run.graph == earlier.graph:
            lines = [""] * len(graph.nodes)
            return cls(graph, lines, lines)
        texts = documents.get([run.graph, earlier.graph])
        if len(texts) < 2:
            return None
        frame, then = node_lines(texts[earlier.graph])
        return cls(parse_graph(frame, f"the graph of run {earlier.id}"), node_lines(texts[run.graph])[1], then)

    def gives_the_same(self, graph: Graph, changes: Changes) -> bool:
        """Whether the pipeline returns what the earlier one did, if all its steps are carried."""
        return graph.outputs == self.earlier.outputs and not (changes.parameters or changes.paths)


def _differing(now: Mapping[Name, StoredValue], then: Mapping[Name, StoredValue]) -> set[Name]:
    return {name for name, value in now.items() if name not in then or then[name].digest != value.digest}


def _spent_nodes(carrying: CarryRecords, run: str, blobs: Blobs) -> set[int]:
    """Nodes of a run with a result that may no longer be reused, or that names a blob which is gone."""
    spent, named = carrying.spent(run)
    return {*spent, *incomplete(named, blobs)}


def _carried_steps(graph: Graph, kept: Sequence[bool], records: Sequence[CarriedRecord]) -> dict[int, CarriedStep]:
    """The carried nodes by position; a mapped one gives the lists of what its elements give."""
    rows: dict[int, list[CarriedRecord]] = {}
    for record in records:
        rows.setdefault(record.node, []).append(record)
    found = {}
    for position, (node, stays) in enumerate(zip(graph.nodes, kept, strict=True)):
        if not stays:
            continue
        first = rows[position][0]
        if first.element < 0:
            found[position] = CarriedStep(first.status, first.outputs, first.original)
        else:
            outputs = _lists(graph.step_of(node).outputs, rows[position])
            found[position] = CarriedStep(worst_status(row.status for row in rows[position]), outputs)
    return found


def _lists(ports: Sequence[Port], rows: Sequence[CarriedRecord]) -> dict[str, StoredValue]:
    """What the elements of a mapped step give, by port; elements that were skipped leave the lists."""
    return {port.name: list_of(row.outputs[port.name] for row in rows if port.name in row.outputs) for port in ports}
