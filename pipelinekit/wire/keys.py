"""Key and definition documents as records keep them: the keyed part, and beside it what helps to explain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelinekit.domain.graphs import CompiledStep, Definition
from pipelinekit.domain.types import shorten
from pipelinekit.domain.values import StoredValue
from pipelinekit.wire.values import dumps


def key_text(document: Mapping[str, Any], inputs: Mapping[str, StoredValue], origins: Mapping[str, str]) -> str:
    """A key document with short texts of its small inputs, and where they came from."""
    shown = {port: show(value) for port, value in inputs.items()}
    return dumps({"key": document, "shown": shown, "origins": dict(origins)})


def definition_text(step: CompiledStep) -> str:
    """A definition with the places of its code, and the snapshot that holds it."""
    return dumps(definition_body(step.definition, step.snapshot))


def definition_body(definition: Definition, snapshot: str) -> dict[str, Any]:
    """The same as JSON data."""
    return {"definition": definition.document(), "places": definition.places(), "snapshot": snapshot}


def show(value: StoredValue) -> str:
    """A short text of a stored value."""
    if value.is_inline:
        return shorten(value.inline)
    if value.format == "list" and all(item.is_inline for item in value.items):
        return shorten([item.inline for item in value.items])
    return f"{value.format} {value.digest[5:17]}"
