"""Key and definition documents as records keep them: the keyed part, and beside it what helps to explain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from pipelinekit.domain.graphs import CompiledStep, Definition
from pipelinekit.domain.types import shorten
from pipelinekit.domain.values import StoredValue, plain
from pipelinekit.wire.values import dumps

_SHORT = frozenset({int, float, bool})  # shown as they are
PARTS = 100  # of lists and dicts with more parts, only the whole is told apart


def key_text(document: Mapping[str, Any], inputs: Mapping[str, StoredValue], origins: Mapping[str, str]) -> str:
    """A key document with short texts of its inputs and of the parts of composed ones, and where they came from."""
    shown: dict[str, str] = {}
    parts: dict[str, Any] = {}
    for port, value in inputs.items():
        if type(value.inline) in _SHORT:
            shown[port] = shorten(value.inline)
            continue
        shown[port] = show(value)
        if found := _parts(value):
            parts[port] = found
    return dumps({"key": document, "shown": shown, "parts": parts, "origins": origins})


def _parts(value: StoredValue) -> dict[str, list[str]]:
    """Digest and short text of each part of a list or dict, by its place; empty when there are none, or too many."""
    if value.is_inline and type(value.inline) not in (dict, list, tuple):
        return {}
    found = {place: [item.digest, show(item)] for place, item in islice(_leaves(value, ""), PARTS + 1) if place}
    return found if len(found) <= PARTS else {}


def _leaves(value: StoredValue, place: str) -> Iterator[tuple[str, StoredValue]]:
    inner = value.inline if value.is_inline else None
    if isinstance(inner, dict):
        entries = ((f"{place}[{key!r}]", plain(item)) for key, item in inner.items())
    elif isinstance(inner, list | tuple):
        entries = ((f"{place}[{position}]", plain(item)) for position, item in enumerate(inner))
    elif value.format in ("list", "dict"):
        keys = value.keys or range(len(value.items))
        entries = ((f"{place}[{key!r}]", item) for key, item in zip(keys, value.items, strict=True))
    else:
        yield place, value
        return
    for inside, item in entries:
        yield from _leaves(item, inside)


def definition_text(step: CompiledStep) -> str:
    """A definition with the places of its code, and the snapshot that holds it."""
    return dumps(definition_body(step.definition, step.snapshot))


def definition_body(definition: Definition, snapshot: str) -> dict[str, Any]:
    """The same as JSON data."""
    return {"definition": definition.document(), "places": definition.places(), "snapshot": snapshot}


def show(value: StoredValue) -> str:
    """A short text of a stored value."""
    if value.is_at_hand:
        return shorten(value.data())
    return f"{value.format} {value.digest[5:17]}"
