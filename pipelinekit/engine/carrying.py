"""Carrying over: which steps of a run stand as they stood in an earlier run of the same pipeline.

A step is carried when it is written as it was, when what it takes in is carried or equal, and when the result that the
earlier run used is still the one that its key leads to. Then its inputs have the same content, so that its key is the
same, and a look-up would find that very result: by induction along the graph, nothing is decided otherwise than one
look-up after the other would decide it. What cannot be told so is left to the orchestrator.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set

from pipelinekit.classes import frozen
from pipelinekit.domain.graphs import (
    Binding,
    CompiledStep,
    DictOf,
    FirstOf,
    Graph,
    ListOf,
    Literal,
    Node,
    OutputRef,
    ParameterRef,
    predecessors,
)
from pipelinekit.domain.runs import StepStatus
from pipelinekit.domain.types import PathRef
from pipelinekit.domain.values import StoredValue


@frozen
class CarriedStep:
    """A step that was carried over: how it stands, and what it gives."""

    status: StepStatus
    outputs: Mapping[str, StoredValue]
    original: tuple[str, str] = ("", "")


@frozen
class Changes:
    """What differs from the earlier run apart from how nodes are written: parameters and paths by what they name.

    `nodes` are positions whose results may no longer be reused.
    """

    parameters: Set[str]
    paths: Set[PathRef]
    nodes: Collection[int]

    def __bool__(self) -> bool:
        return bool(self.parameters or self.paths or self.nodes)


def may_be_carried(
    step: CompiledStep, definition: str, earlier: CompiledStep | None, observed: Collection[str]
) -> bool:
    """Whether the uses of a step can be told by comparing: its identity is what it was, and its results do not age.

    `definition` is the digest of the step's definition. `observed` are definitions whose executions opened undeclared
    files, which count as they are now.
    """
    return (
        earlier is not None
        and step.options.allow_reuse
        and not step.options.max_age
        and definition not in observed
        and (step is earlier or (step.inputs == earlier.inputs and definition == earlier.definition.digest()))
    )


def carried_nodes(
    graph: Graph, steps: Sequence[bool], now: Sequence[str], earlier: Sequence[str], changes: Changes
) -> list[bool]:
    """For each node of a graph whether it is carried over.

    `steps` says it of the steps that nodes use, by position. `now` and `earlier` are both graphs' nodes as text.
    """
    kept: list[bool] = []
    for position, node in enumerate(graph.nodes):
        kept.append(
            steps[node.step]
            and position < len(earlier)
            and position not in changes.nodes
            and _is_written_the_same(now[position], earlier[position])
            and _takes_in_the_same(node, kept, changes)
        )
    return kept


def _is_written_the_same(now: str, earlier: str) -> bool:
    return now == earlier or _without_place(now) == _without_place(earlier)


def _without_place(line: str) -> str:
    """A node's text without the place where it was called."""
    head, mark, rest = line.partition('"at":[')
    return head + rest.partition("],")[2] if mark else line


def _takes_in_the_same(node: Node, kept: list[bool], changes: Changes) -> bool:
    for binding in node.inputs.values():
        if type(binding) is OutputRef:
            if not kept[binding.node]:
                return False
        elif type(binding) is Literal and type(binding.value) is not PathRef:
            continue  # as most are
        elif not _is_equal(binding, kept, changes):
            return False
    if node.after or node.conditions:
        conditions = (side for condition in node.conditions for side in condition.sides)
        return all(kept[earlier] for earlier in predecessors(node)) and all(
            _is_equal(side, kept, changes) for side in conditions
        )
    return True


def _is_equal(binding: Binding, kept: list[bool], changes: Changes) -> bool:
    """Whether a binding that is written as it was has the value that it had."""
    match binding:
        case Literal(value=value):
            return type(value) is not PathRef or value not in changes.paths
        case OutputRef(node=node):
            return kept[node]
        case ParameterRef(name=name):
            return name not in changes.parameters
        case ListOf(items=items) | FirstOf(items=items):
            return all(_is_equal(item, kept, changes) for item in items)
        case DictOf(entries=entries):
            return all(_is_equal(item, kept, changes) for _, item in entries)
