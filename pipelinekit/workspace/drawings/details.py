"""What is told of a shape to whoever looks closer: what became of it, and what the graph says of it.

Pairs of a short name and words, for a page's card or a tooltip; knows no colours and escapes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipelinekit.domain.graphs import Graph, sources
from pipelinekit.domain.runs import StepRecord, StepStatus
from pipelinekit.workspace.drawings.words import binding_words, condition_words

LISTED = 5  # so many reasons, names or failed elements are told one by one


def happened(records: Sequence[StepRecord]) -> Iterable[tuple[str, str]]:
    """What became of these executions."""
    if len(records) > 1:
        broken = [record for record in records if record.failure is not None and not record.status.good]
        for record in broken[:LISTED]:
            yield record.name, record.failure.message if record.failure else ""
        if len(broken) > LISTED:
            yield "", f"and {len(broken) - LISTED:,} more"
        return
    for record in records:
        if record.failure is not None and not record.status.good:
            yield "failed", record.failure.message
            if record.failure.hint:
                yield "hint", record.failure.hint
        if record.note:
            yield "note", record.note
        if record.status is StepStatus.REUSED:
            yield "reused from", f"run {record.original_run}, step {record.original_step}"
        for reason in record.reasons[:LISTED]:
            yield "because", reason.message
        if len(record.reasons) > LISTED:
            yield "", f"and {len(record.reasons) - LISTED:,} more reasons"
        if record.attempt > 1:
            yield "attempts", str(record.attempt)


def about(graph: Graph, nodes: Sequence[int]) -> Iterable[tuple[str, str]]:
    """What the graph says of these nodes."""
    node = graph.nodes[nodes[0]]
    step = graph.step_of(node)
    if len(nodes) > 1:
        names = [graph.nodes[position].name for position in nodes[:LISTED]]
        yield "stands for", ", ".join(names) + (f" and {len(nodes) - LISTED:,} more" if len(nodes) > LISTED else "")
    for condition in node.conditions:
        yield "only if", condition_words(condition, graph)
    for port, binding in node.inputs.items():
        yield ("each" if port in node.each else "input"), f"{port} ← {binding_words(binding, graph)}"
    for name, binding in graph.outputs:
        if not set(nodes).isdisjoint(sources(binding)):
            yield "returned as", name
    yield {"python": "function"}.get(step.definition.kind, step.definition.kind), step.definition.entry
    if node.file:
        yield "called at", f"{node.file}:{node.line}"
