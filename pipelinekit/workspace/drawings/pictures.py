"""Drawings of graphs and runs: what is to be drawn, as shapes and arrows that every kind of picture is made from.

Elements of a mapped step are one shape with counts. In a crowded graph, nodes that are alike are one shape as well: the
same step, fed by the same kinds of steps, as a loop in a pipeline makes them. Knows neither coordinates nor colours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pipelinekit.classes import field, frozen, replace
from pipelinekit.domain.graphs import Binding, DictOf, FirstOf, Graph, ListOf, Literal, Node, OutputRef
from pipelinekit.domain.runs import RunRecord, StepRecord, StepStatus
from pipelinekit.domain.texts import STATUS_MARKS, seconds_text
from pipelinekit.workspace.drawings.alike import alike, common_name, unnumbered
from pipelinekit.workspace.drawings.details import about, happened
from pipelinekit.workspace.drawings.words import condition_words

CROWDED = 120  # from so many nodes on, those that are alike are drawn as one
UNKNOWN_MARK = "○"  # of a graph that is not a run
WORDS = {status: re.sub(r"(?<=.)([A-Z])", r" \1", str(status)).lower() for status in StepStatus}


@frozen
class Shape:
    """One box: a node, or several that are alike.

    `many` is the number of executions as people write it (`×12`, `×n`), empty for a single one. `counts` has executions
    by status, and is empty when there is no run. `ports` are the outputs, where there are several to tell apart.
    """

    name: str
    scope: tuple[str, ...]
    nodes: tuple[int, ...]
    many: str = ""
    counts: Mapping[StepStatus, int] = field(default_factory=dict)
    seconds: float = 0.0
    why: str = ""
    conditions: tuple[str, ...] = ()
    place: str = ""
    ports: tuple[str, ...] = ()
    details: tuple[tuple[str, str], ...] = ()

    @property
    def status(self) -> StepStatus | None:
        """The status that speaks for the shape; None when there is no run."""
        return next((status for status in STATUS_MARKS if self.counts.get(status)), None)

    @property
    def mark(self) -> str:
        """The mark of the status."""
        return STATUS_MARKS[self.status] if self.status else UNKNOWN_MARK

    @property
    def full_name(self) -> str:
        """The name with its scopes."""
        return "/".join((*self.scope, self.name))

    @property
    def result(self) -> str:
        """What became of it and how long it took; empty when there is no run."""
        if self.status is None:
            return ""
        if self.many:
            return counts_words(self.counts)
        took = f" · {seconds_text(self.seconds)}" if self.seconds and self.status is not StepStatus.REUSED else ""
        saved = f" · saved {seconds_text(self.seconds)}" if self.seconds and self.status is StepStatus.REUSED else ""
        return f"{WORDS[self.status]}{took}{saved}"


@frozen
class Arrow:
    """A link between two shapes: `data`, `condition` or `order`; `port` is an output of a source that has ports."""

    source: int
    target: int
    port: str = ""
    kind: str = "data"


@frozen
class Picture:
    """All that is to be drawn. `merged` says whether nodes that are alike are drawn as one."""

    name: str
    subtitle: str
    shapes: tuple[Shape, ...]
    arrows: tuple[Arrow, ...]
    counts: Mapping[StepStatus, int]
    merged: bool = False


def make_picture(
    graph: Graph, steps: Sequence[StepRecord] | None = None, run: RunRecord | None = None, *, merge: bool | None = None
) -> Picture:
    """The picture of a graph, or of a run when `steps` are given.

    `merge` draws nodes that are alike as one; when not said, it is done in a crowded graph.
    """
    if merge is None:
        merge = len(graph.nodes) > CROWDED
    members = alike(graph) if merge else [[position] for position in range(len(graph.nodes))]
    records = _by_node(steps) if steps is not None else None
    shapes = tuple(_shape(graph, nodes, records) for nodes in members)
    return Picture(
        graph.name,
        _subtitle(graph, shapes, run),
        shapes,
        tuple(_arrows(graph, members, shapes)),
        _sum(shape.counts for shape in shapes),
        merge,
    )


def counts_words(counts: Mapping[StepStatus, int]) -> str:
    """Counts by status in words."""
    return ", ".join(f"{counts[status]:,} {WORDS[status]}" for status in STATUS_MARKS if counts.get(status))


def _subtitle(graph: Graph, shapes: Sequence[Shape], run: RunRecord | None) -> str:
    if run is None:
        parts = [f"{len(graph.nodes):,} step{'s' * (len(graph.nodes) != 1)}"]
    else:
        took = (run.ended_at or run.created_at) - run.created_at
        parts = [f"run {run.id}", str(run.status).lower()]
        parts += [seconds_text(took)] if run.ended_at else []
        parts += [f"{run.experiment} #{run.number}"]
    if len(shapes) < len(graph.nodes):
        parts.append(f"{len(graph.nodes):,} steps drawn as {len(shapes):,}: those that are alike are one")
    return " · ".join(parts)


def _sum(counts: Iterable[Mapping[StepStatus, int]]) -> dict[StepStatus, int]:
    total: dict[StepStatus, int] = {}
    for item in counts:
        for status, count in item.items():
            total[status] = total.get(status, 0) + count
    return total


# -- shapes ------------------------------------------------------------------------------------------------------------


def _by_node(steps: Sequence[StepRecord]) -> dict[int, list[StepRecord]]:
    """Records by node; the record of a mapped step itself counts only while it has no elements."""
    found: dict[int, list[StepRecord]] = {}
    for step in steps:
        found.setdefault(step.node, []).append(step)
    for node, records in found.items():
        elements = [record for record in records if record.element >= 0]
        found[node] = elements or records
    return found


def _shape(graph: Graph, nodes: Sequence[int], by_node: Mapping[int, Sequence[StepRecord]] | None) -> Shape:
    node = graph.nodes[nodes[0]]
    *scope, name = node.name.split("/")
    if len(nodes) > 1:
        name, scope = common_name(graph, nodes), list(map(unnumbered, scope))
    conditions = tuple(condition_words(condition, graph) for condition in node.conditions)
    outputs = graph.step_of(node).outputs
    shape = Shape(
        name,
        tuple(scope),
        tuple(nodes),
        conditions=conditions,
        place=f"{node.file}:{node.line}" if node.file else "",
        ports=tuple(port.name for port in outputs) if len(outputs) > 1 else (),
    )
    if by_node is None:
        many = _many(node, len(nodes), None)
        return replace(shape, many=many, details=tuple(about(graph, nodes)))
    found = [by_node.get(position, ()) for position in nodes]
    records = [record for group in found for record in group]
    counts = _sum({record.status: 1} for record in records)
    if missing := sum(not group for group in found):
        counts[StepStatus.NOT_STARTED] = counts.get(StepStatus.NOT_STARTED, 0) + missing
    elements = any(record.element >= 0 for record in records)
    return replace(
        shape,
        many=_many(node, len(nodes), sum(counts.values()) if elements else None),
        counts=counts,
        seconds=sum(record.seconds for record in records),
        why=_why(records),
        details=(*happened(records), *about(graph, nodes)),
    )


def _many(node: Node, nodes: int, executions: int | None) -> str:
    """How many executions a shape stands for, as it is written."""
    if executions is not None:
        return f"×{executions:,}"
    each = ""
    if node.each:
        binding = node.inputs.get(node.each[0])
        known = len(binding.items) if isinstance(binding, ListOf) else None
        if isinstance(binding, Literal) and isinstance(binding.value, list):
            known = len(binding.value)
        each = "×n" if known is None else f"×{known:,}"
    return (f"×{nodes:,}" if nodes > 1 else "") + each


def _why(records: Sequence[StepRecord]) -> str:
    """The one line that says most: a failure, else why something was skipped or canceled, else why something ran."""
    if records and all(record.status is StepStatus.REUSED for record in records):
        origins = {record.original_run for record in records}
        return f"from run {origins.pop()}" if len(origins) == 1 else f"from {len(origins):,} runs"
    for status in STATUS_MARKS:
        for record in records:
            if record.status is not status:
                continue
            if record.failure is not None and not status.good:
                return record.failure.message
            if record.note:
                return record.note
            if record.reasons:
                more = f" (+{len(record.reasons) - 1})" if len(record.reasons) > 1 else ""
                return record.reasons[0].message + more
    return ""


# -- arrows ------------------------------------------------------------------------------------------------------------


def _arrows(graph: Graph, members: Sequence[Sequence[int]], shapes: Sequence[Shape]) -> Iterable[Arrow]:
    """Links between shapes, each once; links of mere order only where nothing else implies them."""
    home = {position: index for index, nodes in enumerate(members) for position in nodes}
    found: dict[tuple[int, int, str], str] = {}
    order: set[tuple[int, int]] = set()
    for position, node in enumerate(graph.nodes):
        target = home[position]
        bindings = [("data", binding) for binding in node.inputs.values()]
        bindings += [("condition", side) for condition in node.conditions for side in condition.sides]
        for kind, binding in bindings:
            for source, output in _origins(binding):
                port = output if output in shapes[home[source]].ports else ""
                found.setdefault((home[source], target, port), kind)
        order.update((home[earlier], target) for earlier in node.after)
    linked = {(source, target) for source, target, _ in found}
    yield from (Arrow(*ends, kind) for ends, kind in found.items())
    yield from (Arrow(*ends, "", "order") for ends in _needed(linked, order - linked, len(members)))


def _origins(binding: Binding) -> Iterable[tuple[int, str]]:
    """Nodes and outputs that a binding takes its value from."""
    match binding:
        case OutputRef(node=node, output=output):
            yield node, output
        case ListOf(items=items) | FirstOf(items=items):
            for item in items:
                yield from _origins(item)
        case DictOf(entries=entries):
            for _, item in entries:
                yield from _origins(item)


def _needed(linked: set[tuple[int, int]], order: set[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """Links of order that no other way through the graph implies."""
    if not order:
        return []
    before: list[set[int]] = [set() for _ in range(count)]
    for source, target in linked | order:
        before[target].add(source)
    above = [0] * count  # all that comes before a shape, as bits
    for target in range(count):
        for source in before[target]:
            above[target] |= above[source] | 1 << source
    return sorted(
        (source, target)
        for source, target in order
        if not any(above[other] >> source & 1 for other in before[target] if other != source)
    )
