"""Schedules in YAML files, for people to write.

The fields are those of the JSON form, with `name`, `description` and `tags` beside them; they may stand in a section
`Schedule`. Times such as `09:30` and dates stay the text that they are: YAML's own reading of them surprises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelinekit.domain.schedules import Schedule
from pipelinekit.errors import ScheduleError, UsageError
from pipelinekit.late import late
from pipelinekit.wire.schedules import spec_to_json

if TYPE_CHECKING:
    import yaml
else:
    yaml = late("yaml")

SECTION = "Schedule"
_PLAIN = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}  # what is read as something else than text


def read_schedule(text: str) -> dict[str, Any]:
    """The document in a YAML file. Raises ScheduleError where it is none."""
    _check_library()
    try:
        found = yaml.load(text, Loader=_loader())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ScheduleError(f"this is no YAML that can be read: {error}", hint="see the guide for an example") from None
    if isinstance(found, Mapping) and set(found) == {SECTION}:
        found = found[SECTION]
    if not isinstance(found, Mapping) or not all(isinstance(key, str) for key in found):
        raise ScheduleError("a file with a schedule holds fields and their values", hint="such as 'cron: 0 6 * * *'")
    return dict(found)


def write_schedule(schedule: Schedule) -> str:
    """A schedule as a YAML file that `read_schedule` reads."""
    _check_library()
    document: dict[str, Any] = {"name": schedule.name, **spec_to_json(schedule.spec)}
    if schedule.description:
        document["description"] = schedule.description
    if schedule.tags:
        document["tags"] = dict(schedule.tags)
    text: str = yaml.dump(document, Dumper=_dumper(), sort_keys=False, allow_unicode=True, default_flow_style=False)
    return text


def _check_library() -> None:
    try:
        _ = yaml.YAMLError
    except ImportError:
        hint = "install 'pipelinekit[environments]', or give the schedule as JSON"
        raise UsageError("YAML is read by the package pyyaml, which is not installed", hint=hint) from None


def _loader() -> Any:
    """A loader that knows plain values only, and refuses a key that is there twice."""

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Made here, since YAML is loaded late."""

        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - shared on purpose

        def compose_node(self, parent: Any, index: Any) -> Any:
            """A node; none may stand for another, or for many."""
            if self.check_event(yaml.AliasEvent):
                raise ValueError("aliases (*) are not read")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            """A mapping; a key twice is an error."""
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            if twice := sorted({str(key) for key in keys if keys.count(key) > 1}):
                raise ValueError(f"{', '.join(twice)} stands there twice")
            return super().construct_mapping(node, deep)

    return _with_plain_values(Loader)


def _dumper() -> Any:
    """A dumper that quotes what the loader would not take for text."""

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]
        """Made here, since YAML is loaded late."""

        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - shared on purpose

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the parent's
            """Equal values are written twice."""
            return True

    return _with_plain_values(Dumper)


def _with_plain_values(kind: Any) -> Any:
    for tag, pattern in _PLAIN.items():
        kind.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), None)
    return kind
