"""How a schedule is said on the command line, and how its rule is told there."""

from __future__ import annotations

import argparse
import re
from typing import Any

from pipelinekit.cli.parameters import split_parameters
from pipelinekit.domain.data_changes import DataChange
from pipelinekit.domain.run_queries import parse_tag
from pipelinekit.domain.schedules import (
    CATCH_UPS,
    FREQUENCIES,
    OVERLAPS,
    WEEK_DAYS,
    Cron,
    Policies,
    Recurrence,
    Trigger,
)
from pipelinekit.domain.steps import parse_duration
from pipelinekit.domain.types import DATASET, DATASTORE
from pipelinekit.errors import UsageError

_EVERY = re.compile(r"(?:(\d+)\s+)?([A-Za-z]+?)s?")


def add_schedule_arguments(parser: argparse.ArgumentParser) -> None:
    """What a schedule says."""
    parser.add_argument("name", metavar="NAME", help="the schedule's name")
    rule = parser.add_mutually_exclusive_group(required=True)
    rule.add_argument(
        "--cron", metavar="EXPRESSION", help="minute, hour, day of month, month, day of week; '0 6 * * *'"
    )
    rule.add_argument("--every", metavar="TIMES", help="day, '15 minutes', '2 weeks'")
    rule.add_argument("--watch", metavar="DATA", help="when datastore:NAME/PATH or dataset:NAME changes")
    parser.add_argument("--at", default="", metavar="HH:MM", help="with --every: the time of day")
    parser.add_argument("--on", default="", metavar="DAYS", help="with --every week: Monday,Friday")
    parser.add_argument(
        "--into", default="", metavar="NAME", help="with --watch: the parameter that gets what was seen"
    )
    parser.add_argument("--poll", metavar="DURATION", help="with --watch: time between two looks; 5m")
    parser.add_argument("--settle", metavar="DURATION", help="with --watch: for so long nothing more changed; 1m")
    parser.add_argument("--each-file", action="store_true", help="with --watch: a run for each new or changed file")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--endpoint", default="", metavar="NAME", help="the pipeline endpoint whose default is run")
    target.add_argument("--pipeline", default="", metavar="ID", help="the published pipeline that is run")
    parser.add_argument("--experiment", required=True, metavar="NAME", help="the experiment that its runs belong to")
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter; may hold {{due}}, {{due_date}}, {{previous_success}}",
    )
    parser.add_argument("--zone", default="UTC", metavar="ZONE", help="whose clocks count, such as Europe/Berlin; UTC")
    parser.add_argument("--start", metavar="TIME", help="from when, as its clocks show it: 2026-01-31T09:30")
    parser.add_argument("--end", metavar="TIME", help="until when")
    _add_policies(parser)
    parser.add_argument("--notify", action="append", default=[], metavar="WHO", help="told of runs that failed; again")
    parser.add_argument("--description", default="", metavar="TEXT", help="what it is for")
    parser.add_argument("--tag", action="append", metavar="KEY[=VALUE]", help="a tag; again for more")
    parser.add_argument("--disabled", action="store_true", help="nothing comes due until it is enabled")


def _add_policies(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--overlap", choices=OVERLAPS, default="skip", help="what becomes of an instant while a run is open; skip"
    )
    parser.add_argument(
        "--catch-up", choices=CATCH_UPS, default="latest", help="which instants nobody looked at are made up; latest"
    )
    parser.add_argument("--jitter", metavar="DURATION", help="put each start off by up to so long")
    parser.add_argument(
        "--continue-on-step-failure", action="store_true", help="after a failure skip only what depends on it"
    )
    parser.add_argument(
        "--priority", type=int, default=0, metavar="NUMBER", help="of runs that wait, one with a higher goes first; 0"
    )


def schedule_words(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the words say, as `ScheduleCollection.create` takes it. Raises UsageError."""
    return {
        "trigger": _trigger(arguments),
        "endpoint": arguments.endpoint,
        "pipeline": arguments.pipeline,
        "experiment": arguments.experiment,
        "zone": arguments.zone,
        "start": arguments.start,
        "end": arguments.end,
        "policies": Policies(
            arguments.overlap, catch_up=arguments.catch_up, jitter=_seconds(arguments.jitter, Policies().jitter)
        ),
        "parameters": split_parameters(arguments.parameter),
        "continue_on_step_failure": arguments.continue_on_step_failure,
        "notify": tuple(arguments.notify),
        "priority": arguments.priority,
        "description": arguments.description,
        "tags": {key: value or "" for key, value in map(parse_tag, arguments.tag or ())},
        "enabled": not arguments.disabled,
    }


def trigger_text(trigger: Trigger) -> str:
    """A rule in words."""
    if isinstance(trigger, Cron):
        return f"cron {trigger.expression}"
    if isinstance(trigger, DataChange):
        return f"when {trigger} changes"
    unit = trigger.frequency.lower()
    words = [f"every {unit}" if trigger.interval == 1 else f"every {trigger.interval} {unit}s"]
    if trigger.week_days:
        words.append(f"on {', '.join(trigger.week_days)}")
    if trigger.time_of_day:
        words.append(f"at {trigger.time_of_day}")
    elif trigger.hours or trigger.minutes:
        hours, minutes = trigger.hours or ("*",), trigger.minutes or (0,)
        words.append("at " + ", ".join(f"{hour:>02}:{minute:02}" for hour in hours for minute in minutes))
    return " ".join(words)


def _trigger(arguments: argparse.Namespace) -> str | Recurrence | DataChange:
    for word, given in (("--at", arguments.at), ("--on", arguments.on)):
        if given and not arguments.every:
            raise UsageError(f"{word} is for --every", hint="leave it out, or give the rule with --every")
    for word in ("into", "poll", "settle", "each_file"):
        if getattr(arguments, word) and not arguments.watch:
            raise UsageError(f"--{word.replace('_', '-')} is for --watch", hint="name what is watched with --watch")
    if arguments.watch:
        return _data_change(arguments)
    return arguments.cron if arguments.cron is not None else _recurrence(arguments)


def _recurrence(arguments: argparse.Namespace) -> Recurrence:
    found = _EVERY.fullmatch(arguments.every.strip())
    frequency = found[2].capitalize() if found else ""
    if found is None or frequency not in FREQUENCIES:
        units = ", ".join(item.lower() for item in FREQUENCIES)
        raise UsageError(
            f"--every {arguments.every!r} is no rule", hint=f"write it as '2 weeks' or 'day'; there are: {units}"
        )
    names = [day.strip().capitalize() for day in arguments.on.split(",") if day.strip()]
    days = tuple(next((full for full in WEEK_DAYS if len(day) >= 3 and full.startswith(day)), day) for day in names)
    return Recurrence(frequency, int(found[1] or 1), week_days=days, time_of_day=arguments.at)


def _data_change(arguments: argparse.Namespace) -> DataChange:
    watched, usual = arguments.watch, DataChange()
    datastore = path = dataset = ""
    if watched.startswith(DATASTORE):
        datastore, _, path = watched.removeprefix(DATASTORE).partition("/")
    elif watched.startswith(DATASET):
        dataset = watched.removeprefix(DATASET)
    else:
        raise UsageError(f"--watch {watched!r} names no data", hint=f"write {DATASTORE}NAME/PATH or {DATASET}NAME")
    return DataChange(
        datastore,
        path.strip("/"),
        dataset,
        arguments.into,
        _seconds(arguments.poll, usual.poll),
        _seconds(arguments.settle, usual.settle),
        arguments.each_file,
    )


def _seconds(text: str | None, usual: float) -> float:
    return usual if text is None else float(parse_duration(text) or 0.0)
