"""Words of drawings: bindings and conditions in short, and texts cut to a width.

Knows neither pictures nor terminals; callers escape what these functions return.
"""

from __future__ import annotations

import json
import unicodedata

from pipelinekit.domain.graphs import (
    Binding,
    Condition,
    DictOf,
    FirstOf,
    Graph,
    ListOf,
    Literal,
    OutputRef,
    ParameterRef,
)
from pipelinekit.domain.types import PathRef

SHORT = 40  # characters of a value that are shown
NOT = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def binding_words(binding: Binding, graph: Graph) -> str:
    """Where a value comes from: a step's output, a parameter, or the value itself."""
    match binding:
        case OutputRef(node=node, output=output):
            source = graph.nodes[node]
            several = len(graph.step_of(source).outputs) > 1
            return f"{source.name}.{output}" if several else source.name
        case ParameterRef(name=name):
            return f"parameter {name}"
        case Literal(value=value):
            return value_words(value)
        case ListOf(items=items):
            return _few("[", [binding_words(item, graph) for item in items[:3]], len(items), "]")
        case DictOf(entries=entries):
            words = [f"{key}: {binding_words(item, graph)}" for key, item in entries[:3]]
            return _few("{", words, len(entries), "}")
        case FirstOf(items=items):
            return _few("first of ", [binding_words(item, graph) for item in items[:3]], len(items), "")


def _few(begin: str, words: list[str], count: int, end: str) -> str:
    more = [f"… {count - len(words)} more"] if count > len(words) else []
    return begin + ", ".join([*words, *more]) + end


def value_words(value: object) -> str:
    """Plain data, or a path, in short."""
    if isinstance(value, PathRef):
        return value.path
    try:
        return cut(json.dumps(value, ensure_ascii=False), SHORT)
    except (TypeError, ValueError):
        return cut(str(value), SHORT)


def condition_words(condition: Condition, graph: Graph) -> str:
    """A condition as it would be written: `accuracy > 0.8`."""
    subject = binding_words(condition.subject, graph)
    if condition.op == "is":
        return f"not {subject}" if condition.negated else subject
    sign = NOT[condition.op] if condition.negated else condition.op
    return f"{subject} {sign} {binding_words(condition.other, graph)}"


def columns(text: str) -> int:
    """How many columns a text takes where all letters are equally wide; East Asian ones take two, marks above none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def cut(text: str, width: int, *, middle: bool = False) -> str:
    """The text in at most `width` columns, with `…` for what is left out: at the end, or in the middle."""
    if columns(text) <= width:
        return text
    room = max(width - 1, 0)
    tail = ""
    if middle:
        tail = _fitting(text[::-1], room // 2)[::-1]
        room -= columns(tail)
    return f"{_fitting(text, room)}…{tail}"


def _fitting(text: str, width: int) -> str:
    """As much of the beginning of a text as fits."""
    used = 0
    for index, letter in enumerate(text):
        used += columns(letter)
        if used > width:
            return text[:index]
    return text
