"""What differs between two graphs: their steps, how these are connected, and what these are made of."""

from __future__ import annotations

from collections.abc import Mapping

from pipelinekit.domain.graphs import (
    Binding,
    Condition,
    DictOf,
    FirstOf,
    Graph,
    ListOf,
    Literal,
    Node,
    OutputRef,
    ParameterRef,
)
from pipelinekit.domain.runs import Reason
from pipelinekit.domain.types import shorten
from pipelinekit.domain.version_differences import StepDifference
from pipelinekit.engine.explain import Identity, difference

ADDED, REMOVED, CHANGED = "added", "removed", "changed"


def step_differences(before: Graph, after: Graph) -> list[StepDifference]:
    """Steps that differ, in the order of the later graph; those that are gone come last."""
    old = {node.name: node for node in before.nodes}
    new = {node.name: node for node in after.nodes}
    found = []
    for name, node in new.items():
        if name not in old:
            found.append(StepDifference(name, ADDED))
        elif reasons := _reasons(before, old[name], after, node):
            found.append(StepDifference(name, CHANGED, tuple(reasons)))
    return [*found, *(StepDifference(name, REMOVED) for name in old if name not in new)]


def _reasons(before: Graph, old: Node, after: Graph, new: Node) -> list[Reason]:
    """Why a step is another: what it is made of, where its inputs come from, when it runs, and how."""
    earlier, later = before.step_of(old), after.step_of(new)
    was = Identity({}, earlier.definition.document(), earlier.definition.places())
    reasons = difference(was, Identity({}, later.definition.document(), later.definition.places()))
    reasons += _texts("input", "input", _inputs(before, old), _inputs(after, new))
    reasons += _texts("condition", "condition", _conditions(before, old), _conditions(after, new))
    return reasons + _texts("option", "option", _options(earlier.options), _options(later.options))


def _texts(cause: str, noun: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[Reason]:
    found = []
    for name in dict.fromkeys([*old, *new]):
        left, right = old.get(name, ""), new.get(name, "")
        if left != right:
            words = f"{noun} {name!r} is {right or 'gone'}, and was {left or 'not there'}"
            found.append(Reason(cause, words, name, before=left, after=right))
    return found


def _inputs(graph: Graph, node: Node) -> dict[str, str]:
    found = {name: binding_text(graph, binding) for name, binding in node.inputs.items()}
    if node.each:
        found["each of"] = ", ".join(node.each)
    if node.after:
        found["after"] = ", ".join(graph.nodes[position].name for position in node.after)
    return found


def _conditions(graph: Graph, node: Node) -> dict[str, str]:
    def text(condition: Condition) -> str:
        side = binding_text(graph, condition.subject)
        whole = side if condition.op == "is" else f"{side} {condition.op} {binding_text(graph, condition.other)}"
        return f"not ({whole})" if condition.negated else whole

    return {str(number): text(condition) for number, condition in enumerate(node.conditions, 1)}


def _options(options: object) -> dict[str, str]:
    names = getattr(type(options), "__match_args__", ())
    return {name: shorten(getattr(options, name)) for name in names}


def binding_text(graph: Graph, binding: Binding) -> str:
    """Where a value comes from, in words."""
    match binding:
        case Literal(value=value):
            return shorten(value)
        case ParameterRef(name=name):
            return f"parameter {name}"
        case OutputRef(node=node, output=output):
            return f"{graph.nodes[node].name}.{output}"
        case ListOf(items=items):
            return f"[{', '.join(binding_text(graph, item) for item in items)}]"
        case FirstOf(items=items):
            return f"the first of {', '.join(binding_text(graph, item) for item in items)}"
        case DictOf(entries=entries):
            return f"{{{', '.join(f'{key}: {binding_text(graph, item)}' for key, item in entries)}}}"
