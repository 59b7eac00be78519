"""Values of parameters that are filled in when a schedule fires.

`{{due}}` is the instant at which the run was due, as a time of the schedule's zone (`2026-03-29T03:00:00+02:00`);
`{{due_date}}` is its date there; `{{previous_success}}` is the due time of the newest earlier run that completed, and
empty where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pipelinekit.errors import Fault
from pipelinekit.typed import Any

TEMPLATES = ("due", "due_date", "previous_success")
_TEMPLATE = re.compile(
    r"\{\{((?:[^{}]|\{(?!\{)|\}(?!\}))*+)\}\}"
)  # no further one begins inside: else long texts take long


def render(parameters: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Parameters with their templates filled in, however deep they stand in lists and mappings."""
    return {name: _rendered(value, values) for name, value in parameters.items()}


def template_faults(parameters: Mapping[str, Any]) -> list[Fault]:
    """A fault for each template that there is not."""
    hint = f"there are: {', '.join('{{' + name + '}}' for name in TEMPLATES)}"
    return [
        Fault(f"parameter {name!r} has a template {{{{{found}}}}}, which there is not", hint=hint)
        for name, value in parameters.items()
        for text in _texts(value)
        for found in _TEMPLATE.findall(text)
        if found.strip() not in TEMPLATES
    ]


def uses(parameters: Mapping[str, Any], template: str) -> bool:
    """Whether some parameter has this template."""
    return any(
        found.strip() == template
        for value in parameters.values()
        for text in _texts(value)
        for found in _TEMPLATE.findall(text)
    )


def _rendered(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _TEMPLATE.sub(lambda found: values[found[1].strip()], value)
    if isinstance(value, list | tuple):
        return [_rendered(item, values) for item in value]
    if isinstance(value, dict):
        return {key: _rendered(item, values) for key, item in value.items()}
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
