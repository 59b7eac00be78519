"""`pipelinekit schedules`: endpoints and published pipelines that run by themselves, at times or when data changes."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import tzinfo
from pathlib import Path

from pipelinekit.bootstrap import Services
from pipelinekit.cli.ending import Ending, on_signals
from pipelinekit.cli.output import print_json, table, time_text
from pipelinekit.cli.schedule_words import add_schedule_arguments, schedule_words, trigger_text
from pipelinekit.cli.servers import open_services, refuse_at_server
from pipelinekit.cli.verbs import Verb, add_verbs
from pipelinekit.domain.schedules import Backfill, ScheduleState, Tick, TickRange
from pipelinekit.domain.texts import counted
from pipelinekit.engine.walls import iso
from pipelinekit.errors import PipelinekitError, UsageError
from pipelinekit.wire.schedule_files import read_schedule, write_schedule
from pipelinekit.wire.schedules import backfill_document, history_document, schedule_document, tick_document
from pipelinekit.workspace.schedules import PREVIEWED, ScheduleHandle, preview_document

ROWS = 20
NOTHING_BEGAN = "looked once, no run begins: nothing is due or may start, or a server sees to the schedules"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `schedules`."""
    add_verbs(parser, VERBS)


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    if arguments.verb == "run":
        refuse_at_server(f"schedules {arguments.verb}")
    return VERBS[arguments.verb][2](arguments, open_services(create=False))


def _schedule(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("schedule", metavar="NAME", help="the schedule's name, or its id")


def _create(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.schedules.create(arguments.name, **schedule_words(arguments))
    return _say(arguments, services, handle, "is made")


def _load_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a YAML file that says a schedule; - for standard input")
    parser.add_argument("--replace", action="store_true", help="change the schedule of this name, if there is one")


def _load(arguments: argparse.Namespace, services: Services) -> int:
    try:
        text = sys.stdin.read() if arguments.file == "-" else Path(arguments.file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        words = f"{arguments.file!r} cannot be read: {getattr(error, 'strerror', '') or error}"
        raise UsageError(words, hint="name a YAML file that says a schedule") from None
    handle = services.schedules.load(read_schedule(text), replace=arguments.replace)
    return _say(arguments, services, handle, "is as the file says")


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--active", action="store_true", help="only those that are enabled")
    parser.add_argument("--endpoint", default="", metavar="NAME", help="only those that run this endpoint")
    parser.add_argument("--pipeline", default="", metavar="ID", help="only those that run this published pipeline")
    parser.add_argument("--deleted", action="store_true", help="deleted ones, too")


def _list(arguments: argparse.Namespace, services: Services) -> int:
    found = services.schedules.list(
        active_only=arguments.active,
        endpoint=arguments.endpoint,
        pipeline=arguments.pipeline,
        deleted=arguments.deleted,
    )
    if arguments.json:
        served = services.are_schedules_served()
        print_json({"schedules": [schedule_document(item.record) for item in found], "served": served})
        return 0
    rows = [
        (item.name, str(item.state), trigger_text(item.record.spec.trigger), str(item.record.spec.target), _next(item))
        for item in found
    ]
    print(table(rows, ("schedule", "state", "rule", "runs", "next")) if rows else "no schedules")
    if any(item.state is ScheduleState.ACTIVE for item in found):
        _say_unserved(services)
    return 0


def _next(handle: ScheduleHandle) -> str:
    if handle.state is not ScheduleState.ACTIVE:
        return "-"
    try:
        found = handle.preview(1)
    except PipelinekitError:  # a rule that leads nowhere: the ticker says so
        return "-"
    return found[0].shown if found else "-"


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    _schedule(parser)
    parser.add_argument("--yaml", action="store_true", help="as a YAML file that 'load' reads")


def _show(arguments: argparse.Namespace, services: Services) -> int:
    record = services.schedules.get(arguments.schedule).record
    spec = record.spec
    if arguments.yaml:
        print(write_schedule(record), end="")
        return 0
    if arguments.json:
        print_json(schedule_document(record))
        return 0
    zone = services.zones.find(spec.zone)
    policies = spec.policies
    rows = [
        ("schedule", record.name),
        ("id", record.id),
        ("state", str(record.state) + (f": {record.trouble}" if record.trouble else "")),
        ("rule", trigger_text(spec.trigger)),
        ("zone", spec.zone),
        ("runs", str(spec.target)),
        ("experiment", spec.experiment),
        *([("start", iso(zone, spec.start))] if spec.start is not None else []),
        *([("end", iso(zone, spec.end))] if spec.end is not None else []),
        *((f"  {name}", str(value)) for name, value in spec.parameters.items()),
        ("overlap", policies.overlap),
        ("catch up", policies.catch_up),
        *([("notify", ", ".join(spec.notify))] if spec.notify else []),
        *([("description", record.description)] if record.description else []),
        *((f"  {key}", value) for key, value in record.tags.items()),
        ("version", f"{record.spec_version}, changed {time_text(record.updated_at)}"),
    ]
    print(table(rows))
    return 0


def _history_arguments(parser: argparse.ArgumentParser) -> None:
    _schedule(parser)
    parser.add_argument("--limit", type=int, default=ROWS, metavar="N", help=f"the newest N instants ({ROWS})")


def _history(arguments: argparse.Namespace, services: Services) -> int:
    if arguments.limit < 1:
        raise UsageError(f"{arguments.limit} instants cannot be shown", hint="ask for 1 or more")
    handle = services.schedules.get(arguments.schedule)
    ticks, ranges = handle.history(arguments.limit)
    if arguments.json:
        print_json(history_document(handle.record, ticks, ranges))
        return 0
    zone = services.zones.find(handle.record.spec.zone)
    rows = [(tick.due, _tick_row(zone, tick)) for tick in ticks] + [
        (item.last, _range_row(zone, item)) for item in ranges
    ]
    rows.sort(key=lambda row: row[0], reverse=True)
    shown = [row for _, row in rows[: arguments.limit]]
    header = ("due", "origin", "became", "run", "ended", "reason")
    print(table(shown, header) if shown else "nothing was due yet")
    return 0


def _tick_row(zone: tzinfo, tick: Tick) -> tuple[str, ...]:
    ended = str(tick.outcome) if tick.outcome is not None else "-"
    return iso(zone, tick.due), tick.origin or "due", str(tick.disposition), tick.run or "-", ended, tick.reason


def _range_row(zone: tzinfo, found: TickRange) -> tuple[str, ...]:
    reason = f"{counted(found.count, 'instant')} since {iso(zone, found.first)}: {found.reason}"
    return iso(zone, found.last), "due", str(found.disposition), "-", "-", reason


def _preview_arguments(parser: argparse.ArgumentParser) -> None:
    _schedule(parser)
    parser.add_argument("--count", type=int, default=PREVIEWED, metavar="N", help=f"so many instants ({PREVIEWED})")


def _preview(arguments: argparse.Namespace, services: Services) -> int:
    if arguments.count < 1:
        raise UsageError(f"{arguments.count} instants cannot be shown", hint="ask for 1 or more")
    handle = services.schedules.get(arguments.schedule)
    found = handle.preview(arguments.count)
    if arguments.json:
        print_json(preview_document(handle.record, found))
        return 0
    print(table([(item.shown, item.note) for item in found], ("due", "")) if found else "nothing comes due")
    return 0


def _enable_arguments(parser: argparse.ArgumentParser) -> None:
    _schedule(parser)
    parser.add_argument("--replay", action="store_true", help="make up for what passed meanwhile, as --catch-up says")


def _enable(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.schedules.enable(arguments.schedule, replay=arguments.replay)
    return _say(arguments, services, handle, "is enabled")


def _disable(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.schedules.disable(arguments.schedule)
    return _say(arguments, services, handle, "is disabled: nothing comes due; runs that are open go on")


def _run_now(arguments: argparse.Namespace, services: Services) -> int:
    tick = services.schedules.run_now(arguments.schedule)
    handle = services.schedules.get(arguments.schedule)
    if arguments.json:
        print_json({"schedule": handle.id, "name": handle.name, **tick_document(tick)})
        return 0
    print(f"schedule {handle.name!r} starts a run as soon as the schedules are looked at")
    _say_unserved(services)
    return 0


def _backfill_arguments(parser: argparse.ArgumentParser) -> None:
    _schedule(parser)
    parser.add_argument("since", metavar="SINCE", help="as its clocks show it: 2026-01-31T09:30")
    parser.add_argument("until", metavar="UNTIL", help="the last instant that counts")
    parser.add_argument("--all", action="store_true", help="instants that a run was started for, too")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="so many runs open at a time (1)")


def _backfill(arguments: argparse.Namespace, services: Services) -> int:
    made = services.schedules.backfill(
        arguments.schedule, arguments.since, arguments.until, missing_only=not arguments.all, at_once=arguments.at_once
    )
    handle = services.schedules.get(arguments.schedule)
    ticks = _ticks_of(handle, made)
    if arguments.json:
        print_json({"schedule": handle.id, "name": handle.name, **backfill_document(made, ticks)})
        return 0
    print(f"schedule {handle.name!r} makes up for {counted(len(ticks), 'instant')} ({made.origin})")
    _say_unserved(services)
    return 0


def _ticks_of(handle: ScheduleHandle, backfill: Backfill) -> list[Tick]:
    return [tick for tick in handle.pending() if tick.origin == backfill.origin]


def _delete(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.schedules.get(arguments.schedule)
    services.schedules.delete(arguments.schedule)
    return _say(
        arguments, services, services.schedules.get(handle.id), f"is deleted; its history stays under {handle.id}"
    )


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="look once, start what is due, and end")


def _run(arguments: argparse.Namespace, services: Services) -> int:
    if arguments.once:
        return _look_once(services, as_json=arguments.json)
    ended = Ending()
    on_signals(ended.set)
    _tell(f"seeing to the schedules of {services.home.parent}; ctrl-C to end")
    services.serve_schedules(ended, _tell)
    _tell("ended")
    return 0


def _look_once(services: Services, *, as_json: bool) -> int:
    """Start what is due, and say which runs these are."""
    runs: list[str] = []

    def drive(run: str) -> None:
        services.launch(run)
        runs.append(run)

    looking = services.ticker(_tell, drive=drive)
    looking.turn()
    looking.release()
    if as_json:
        print_json({"looked": True, "runs": runs})
    else:
        print("\n".join(f"run {run} begins" for run in runs) or NOTHING_BEGAN)
    return 0


def _tell(words: str) -> None:
    print(f"{time_text(time.time())}  {words}", file=sys.stderr, flush=True)


def _say(arguments: argparse.Namespace, services: Services, handle: ScheduleHandle, words: str) -> int:
    if arguments.json:
        print_json(schedule_document(handle.record))
        return 0
    following = _next(handle)
    coming = f"; it is due next at {following}" if following != "-" else ""
    print(f"schedule {handle.name!r} {words}{coming}")
    if handle.state is ScheduleState.ACTIVE:
        _say_unserved(services)
    return 0


def _say_unserved(services: Services) -> None:
    """Say that nobody makes runs of schedules, where that is so."""
    if not services.are_schedules_served():
        print("note: nobody sees to the schedules now; 'pipelinekit serve' or 'schedules run' does", file=sys.stderr)


VERBS: dict[str, Verb] = {
    "create": ("have an endpoint or a published pipeline run by itself", add_schedule_arguments, _create),
    "load": ("make a schedule that a YAML file says", _load_arguments, _load),
    "list": ("the schedules, and when each is due next", _list_arguments, _list),
    "show": ("what one of them says", _show_arguments, _show),
    "history": ("what became of its instants", _history_arguments, _history),
    "preview": ("its next instants, with what changes of clocks do to them", _preview_arguments, _preview),
    "enable": ("have instants come due again", _enable_arguments, _enable),
    "disable": ("have nothing come due any more", _schedule, _disable),
    "run-now": ("have a run started, whatever is due or open", _schedule, _run_now),
    "backfill": ("have runs started for instants of the past", _backfill_arguments, _backfill),
    "delete": ("disable it for good, and free its name", _schedule, _delete),
    "run": ("make runs of what is due, in this process, until it is told to end", _run_arguments, _run),
}
