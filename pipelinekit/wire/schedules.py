"""Schedules as the documents that records keep and people's programs read and write.

A document names its `schema`; one without is of the first. What has its default is left out when it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipelinekit.domain.data_changes import Cursor, DataChange
from pipelinekit.domain.runs import RunStatus, check_priority
from pipelinekit.domain.schedules import (
    DUE,
    Backfill,
    Cron,
    Disposition,
    Policies,
    Recurrence,
    Schedule,
    ScheduleSpec,
    ScheduleState,
    Target,
    Tick,
    TickRange,
    Trigger,
)
from pipelinekit.errors import Fault, ScheduleError, UsageError
from pipelinekit.wire.values import plain_from_json, plain_to_json

SCHEMA = 1
_TRIGGERS = ("cron", "recurrence", "data_change")
_TARGETS = ("endpoint", "pipeline")
_LISTS = ("hours", "minutes", "week_days", "notify")
_KEYS = ("schema", *_TRIGGERS, *_TARGETS, "experiment", "zone", "start", "end", "policies", "parameters",
         "continue_on_step_failure", "notify", "priority")  # fmt: skip


def spec_to_json(spec: ScheduleSpec) -> dict[str, Any]:
    """What a schedule says as JSON data."""
    document: dict[str, Any] = {"schema": SCHEMA, **_trigger_to_json(spec.trigger), **_written(spec.target, Target())}
    document["experiment"] = spec.experiment
    document["zone"] = spec.zone
    if spec.start is not None:
        document["start"] = spec.start
    if spec.end is not None:
        document["end"] = spec.end
    if policies := _written(spec.policies, Policies()):
        document["policies"] = policies
    if spec.parameters:
        document["parameters"] = {name: plain_to_json(value) for name, value in spec.parameters.items()}
    if spec.continue_on_step_failure:
        document["continue_on_step_failure"] = True
    if spec.notify:
        document["notify"] = list(spec.notify)
    if spec.priority:
        document["priority"] = spec.priority
    return document


def spec_from_json(document: Mapping[str, Any]) -> ScheduleSpec:
    """What a schedule says, of JSON data that anybody may have written. Raises ScheduleError with all faults of form.

    Whether it makes sense is told by `engine.recurrence.rule_faults`.
    """
    faults = [*_shape_faults(document)]
    if faults:
        raise ScheduleError("this is no schedule", faults=faults, hint="'pipelinekit schedules show NAME --json'")
    rule = document.get("recurrence", {})
    trigger: Trigger
    if "data_change" in document:
        trigger = DataChange(**document["data_change"])
    else:
        trigger = Cron(document["cron"]) if "cron" in document else Recurrence(**_tuples(rule))
    return ScheduleSpec(
        trigger,
        Target(document.get("endpoint", ""), document.get("pipeline", "")),
        document["experiment"],
        document.get("zone", "UTC"),
        document.get("start"),
        document.get("end"),
        Policies(**document.get("policies", {})),
        {name: plain_from_json(value) for name, value in document.get("parameters", {}).items()},
        document.get("continue_on_step_failure", False),
        tuple(document.get("notify", ())),
        document.get("priority", 0),
    )


def cursor_to_json(cursor: Cursor) -> dict[str, Any]:
    """How far a schedule has come with its data."""
    return _written(cursor, Cursor())


def cursor_from_json(document: Mapping[str, Any]) -> Cursor:
    """How far a schedule had come."""
    return Cursor(**document)


def schedule_document(schedule: Schedule) -> dict[str, Any]:
    """A schedule as it stands."""
    return {
        "id": schedule.id,
        "name": schedule.name,
        "state": str(schedule.state),
        **spec_to_json(schedule.spec),
        "spec_version": schedule.spec_version,
        "description": schedule.description,
        "tags": dict(schedule.tags),
        "created_at": schedule.created_at,
        "updated_at": schedule.updated_at,
        "high_water": schedule.high_water,
        "trouble": schedule.trouble,
    }


def tick_document(tick: Tick) -> dict[str, Any]:
    """What became of one instant."""
    return {
        "due": tick.due,
        "spec_version": tick.spec_version,
        "origin": tick.origin or "due",
        "disposition": str(tick.disposition),
        "run": tick.run,
        "reason": tick.reason,
        "not_before": tick.not_before,
        "planned_at": tick.planned_at,
        "decided_at": tick.decided_at,
        "parameters": {name: plain_to_json(value) for name, value in tick.parameters.items()},
        "outcome": None if tick.outcome is None else str(tick.outcome),
        "zone_version": tick.zone_version,
    }


def range_document(found: TickRange) -> dict[str, Any]:
    """What became of several instants."""
    return {
        "first": found.first,
        "last": found.last,
        "count": found.count,
        "spec_version": found.spec_version,
        "disposition": str(found.disposition),
        "reason": found.reason,
        "decided_at": found.decided_at,
    }


def history_document(schedule: Schedule, ticks: Iterable[Tick], ranges: Iterable[TickRange]) -> dict[str, Any]:
    """What became of the instants of a schedule, the newest first."""
    entries = [(tick.due, tick_document(tick)) for tick in ticks]
    entries += [(found.last, range_document(found)) for found in ranges]
    entries.sort(key=lambda entry: entry[0], reverse=True)
    return {"schema": SCHEMA, "schedule": schedule.id, "name": schedule.name, "history": [body for _, body in entries]}


def backfill_document(backfill: Backfill, ticks: Sequence[Tick]) -> dict[str, Any]:
    """A backfill with how many of its instants have which disposition."""
    counts = {str(item): sum(tick.disposition is item for tick in ticks) for item in Disposition}
    return {
        "number": backfill.number,
        "since": backfill.since,
        "until": backfill.until,
        "missing_only": backfill.missing_only,
        "at_once": backfill.at_once,
        "created_at": backfill.created_at,
        "instants": {name: count for name, count in counts.items() if count},
    }


def new_document(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a new or changed schedule is to say, by the words of `ScheduleCollection.create`, as a server takes it."""
    words = ("endpoint", "pipeline", "experiment", "zone", "description", "continue_on_step_failure", "enabled", "name")
    document = {name: given[name] for name in words if given.get(name) not in (None, "")}
    trigger = given["trigger"]
    document.update(_trigger_to_json(Cron(trigger) if isinstance(trigger, str) else trigger))
    for name in ("start", "end"):
        if (moment := given.get(name)) is not None:
            document[name] = moment if isinstance(moment, int | float | str) else moment.isoformat()
    if policies := _written(given.get("policies") or Policies(), Policies()):
        document["policies"] = policies
    if given.get("parameters"):
        document["parameters"] = {name: plain_to_json(value) for name, value in given["parameters"].items()}
    if given.get("notify"):
        document["notify"] = list(given["notify"])
    if given.get("priority"):
        document["priority"] = given["priority"]
    if given.get("tags") is not None:
        document["tags"] = {key: str(value) for key, value in given["tags"].items()}
    return document


def schedule_from_document(document: Mapping[str, Any]) -> Schedule:
    """A schedule from its document."""
    spec = spec_from_json({name: document[name] for name in _KEYS if name in document})
    return Schedule(
        document["id"],
        document["name"],
        spec,
        document["high_water"],
        document["created_at"],
        document["updated_at"],
        ScheduleState(document["state"]),
        document["spec_version"],
        description=document["description"],
        tags=document["tags"],
        trouble=document["trouble"],
    )


def tick_from_document(schedule: str, document: Mapping[str, Any]) -> Tick:
    """What became of one instant, from its document."""
    return Tick(
        schedule,
        document["spec_version"],
        document["due"],
        document["planned_at"],
        DUE if document["origin"] == "due" else document["origin"],
        Disposition(document["disposition"]),
        document["run"],
        document["reason"],
        document["not_before"],
        document["decided_at"],
        {name: plain_from_json(value) for name, value in document["parameters"].items()},
        None if document["outcome"] is None else RunStatus(document["outcome"]),
        document["zone_version"],
    )


def range_from_document(schedule: str, document: Mapping[str, Any]) -> TickRange:
    """What became of several instants, from its document."""
    return TickRange(
        schedule,
        document["spec_version"],
        document["first"],
        document["last"],
        document["count"],
        Disposition(document["disposition"]),
        document["reason"],
        document["decided_at"],
    )


def backfill_from_document(schedule: str, document: Mapping[str, Any]) -> Backfill:
    """A backfill from its document."""
    names = ("number", "since", "until", "missing_only", "at_once", "created_at")
    return Backfill(schedule, *(document[name] for name in names))


def _trigger_to_json(trigger: Trigger) -> dict[str, Any]:
    if isinstance(trigger, Cron):
        return {"cron": trigger.expression}
    if isinstance(trigger, DataChange):
        return {"data_change": _written(trigger, DataChange())}
    return {"recurrence": {"frequency": trigger.frequency, **_written(trigger, Recurrence(trigger.frequency))}}


def _written(value: Any, default: Any) -> dict[str, Any]:
    """Fields of a value that differ from their defaults."""
    found = {name: getattr(value, name) for name in value.__match_args__}
    return {
        name: list(item) if isinstance(item, tuple) else item
        for name, item in found.items()
        if item != getattr(default, name)
    }


def _tuples(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(item) if name in _LISTS else item for name, item in document.items()}


def _shape_faults(document: Mapping[str, Any]) -> list[Fault]:
    faults = [] if document.get("schema", SCHEMA) == SCHEMA else [
        Fault(f"schema {document['schema']!r} is unknown", hint=f"this release reads schema {SCHEMA}")
    ]  # fmt: skip
    faults += _unknown("a schedule", document, _KEYS)
    if len(found := [name for name in _TRIGGERS if name in document]) != 1:
        given = " and ".join(found) or "none"
        faults.append(
            Fault(f"a schedule has one rule, and {given} was given", hint="give cron, recurrence or data_change")
        )
    if "experiment" not in document:
        faults.append(Fault("a schedule needs an experiment", hint="name the experiment that its runs belong to"))
    for name, kind, word in _TYPES:
        if name in document and (not isinstance(document[name], kind) or isinstance(document[name], bool)):
            faults.append(Fault(f"{name} {document[name]!r} is no {word}", hint=f"give a {word}"))
    if not isinstance(document.get("continue_on_step_failure", False), bool):
        faults.append(Fault("continue_on_step_failure is true or false", hint="give one of them"))
    try:
        check_priority(document.get("priority", 0))
    except UsageError as error:
        faults.append(Fault(error.message, hint=error.hint))
    if isinstance(recurrence := document.get("recurrence"), Mapping):
        faults += _unknown("a recurrence", recurrence, Recurrence.__match_args__)
        if "frequency" not in recurrence:
            faults.append(Fault("a recurrence needs a frequency", hint="such as Day"))
        faults += [
            Fault(f"{name} {recurrence[name]!r} is no list", hint="give a list")
            for name in _LISTS
            if name in recurrence and not isinstance(recurrence[name], list | tuple)
        ]
    if isinstance(watched := document.get("data_change"), Mapping):
        faults += _kind_faults("a data_change", watched, DataChange())
    if isinstance(policies := document.get("policies"), Mapping):
        faults += _kind_faults("policies", policies, Policies())
    return faults


def _kind_faults(what: str, document: Mapping[str, Any], default: Any) -> list[Fault]:
    """Fields that there are not, and values of another kind than the default of their field."""
    known: Sequence[str] = default.__match_args__
    faults = _unknown(what, document, known)
    for name in known:
        usual, value = getattr(default, name), document.get(name, getattr(default, name))
        kinds: Any = (int, float) if isinstance(usual, float) else type(usual)
        if not isinstance(value, kinds) or isinstance(value, bool) != isinstance(usual, bool):
            faults.append(Fault(f"{name} {value!r} is of the wrong kind", hint=f"such as {usual!r}"))
    return faults


def _unknown(what: str, document: Mapping[str, Any], known: Sequence[str]) -> list[Fault]:
    return [
        Fault(f"{what} has no {name!r}", hint=f"there are: {', '.join(known)}")
        for name in document
        if name not in known
    ]


_TYPES: Sequence[tuple[str, Any, str]] = (
    ("cron", str, "text"),
    ("recurrence", Mapping, "mapping"),
    ("data_change", Mapping, "mapping"),
    ("endpoint", str, "text"),
    ("pipeline", str, "text"),
    ("experiment", str, "text"),
    ("zone", str, "text"),
    ("start", int | float, "instant in seconds since 1970"),
    ("end", int | float, "instant in seconds since 1970"),
    ("policies", Mapping, "mapping"),
    ("parameters", Mapping, "mapping"),
    ("notify", list | tuple, "list"),
)
