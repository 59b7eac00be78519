"""Which runs are asked for: conditions, order, and where in the list to go on."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any

from pipelinekit.classes import field, frozen
from pipelinekit.domain.runs import RunStatus
from pipelinekit.errors import UsageError

PARAMETER, METRIC = "parameter", "metric"
COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
_CONDITION = re.compile(r"(parameter|param|metric)\.(.+?)\s*(<=|>=|!=|==|=|<|>)\s*(.*)")
_SORT = re.compile(r"(parameter|param|metric)\.(.+)")


@frozen
class Condition:
    """A parameter or metric of a run, compared with a value: as numbers where `value` is one, else as texts.

    A run without that parameter or metric does not fulfil it.
    """

    of: str
    name: str
    op: str
    value: float | str


@frozen
class RunQuery:
    """Runs that fulfil all conditions; the newest first, or sorted by a parameter or metric that is a number.

    `tags` and `properties` with the value None ask for one whatever its value. `kind` is one of `domain.runs.KINDS`.
    `after` is the id of the run that the list goes on behind. Child runs are left out, unless `children` or `kind` asks
    for them.
    """

    experiment: str = ""
    pipeline: str = ""
    statuses: tuple[RunStatus, ...] = ()
    kind: str = ""
    tags: Mapping[str, str | None] = field(default_factory=dict)
    properties: Mapping[str, str | None] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    since: float | None = None
    until: float | None = None
    sort: tuple[str, str] = ("", "")
    ascending: bool = False
    children: bool = False
    after: str = ""
    limit: int = 50


def parse_condition(text: str) -> Condition:
    """A condition as people write it: `metric.loss<0.3`, `param.rate=0.1`. Raises UsageError."""
    match = _CONDITION.fullmatch(text.strip())
    if match is None or match[4].startswith(("<", ">", "=", "!")):
        raise UsageError(f"condition {text!r} cannot be read", hint="write 'metric.loss<0.3' or 'param.model=tree'")
    of, name, op, value = match.groups()
    return Condition(METRIC if of == "metric" else PARAMETER, name, "=" if op == "==" else op, _number(value))


def parse_sort(text: str) -> tuple[str, str]:
    """What to sort by as people write it: `metric.loss`, `param.rate`; nothing for time. Raises UsageError."""
    if text in ("", "time"):
        return "", ""
    match = _SORT.fullmatch(text)
    if match is None:
        raise UsageError(f"runs cannot be sorted by {text!r}", hint="give 'metric.NAME', 'param.NAME' or 'time'")
    return METRIC if match[1] == "metric" else PARAMETER, match[2]


def parse_tag(text: str) -> tuple[str, str | None]:
    """A tag as people write it: `KEY` or `KEY=VALUE`."""
    key, equals, value = text.partition("=")
    return key, value if equals else None


def check_time(when: object) -> float | None:
    """A time in seconds since 1970; it may be given as a `datetime`, of this place if it names none. UsageError."""
    if isinstance(when, datetime.datetime):
        return when.timestamp()
    if when is None or (isinstance(when, int | float) and not isinstance(when, bool)):
        return when
    raise UsageError(f"{when!r} is no time", hint="give a datetime, or seconds since 1970")


def check_limit(limit: object) -> int:
    """The most runs that a list may have. Raises UsageError."""
    if not isinstance(limit, int) or limit < 1:
        raise UsageError(f"a list cannot have at most {limit!r} runs", hint="give a limit of 1 or more")
    return limit


def check_pairs(what: str, pairs: object) -> dict[Any, Any]:
    """Tags or properties by key; nothing where None is given. Raises UsageError."""
    if not isinstance(pairs, Mapping | None):
        raise UsageError(f"{what} cannot be {pairs!r}", hint=f"give them by key: {what}={{'key': 'value'}}")
    return dict(pairs or {})


def has_tags(found: Mapping[str, str], wanted: Mapping[str, str | None]) -> bool:
    """Whether all wanted tags are among those found; one with the value None may have any."""
    return all(key in found and value in (None, found[key]) for key, value in wanted.items())


def holds(condition: Condition, number: float | None, text: str) -> bool:
    """Whether a value, as number (None where it is none) and as text, fulfils a condition."""
    left: Any = number if isinstance(condition.value, float) else text
    right: Any = condition.value
    if left is None:
        return condition.op == "!="
    found: bool = {
        "=": left == right,
        "!=": left != right,
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }[condition.op]
    return found


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
