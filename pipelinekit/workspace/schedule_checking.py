"""Rule I7 of the checks: every instant that was due has one disposition, and each that fired has one run of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from pipelinekit.domain.data_changes import DataChange
from pipelinekit.domain.schedules import DUE, SCHEDULE, Disposition, Schedule, Tick, TickRange
from pipelinekit.domain.texts import counted
from pipelinekit.domain.upkeep import StoreFault
from pipelinekit.engine.recurrence import Timetable, first_mark
from pipelinekit.engine.walls import iso
from pipelinekit.errors import PipelinekitError
from pipelinekit.ports.schedules import ScheduleRecords, Zones

RULE = "I7"
ALL = 10_000_000  # ticks or ranges of one schedule, which are all read
SHOWN = 3  # instants that a message names
HALF = 0.5  # seconds: rules name whole ones
_HINT = "the records were changed by hand, or restored in part; a copy of them tells what stood there"

RunsOf = Callable[[str], Iterable[str]]  # ids of the runs that say that they are of a schedule


def schedule_faults(records: ScheduleRecords, zones: Zones, runs_of: RunsOf) -> list[StoreFault]:
    """What is wrong with the ledger of schedules, deleted ones included."""
    return [
        StoreFault(RULE, f"schedule {schedule.name!r} ({schedule.id})", words, _HINT)
        for schedule in records.list(deleted=True)
        for words in _faults(schedule, records, zones, runs_of)
    ]


def _faults(schedule: Schedule, records: ScheduleRecords, zones: Zones, runs_of: RunsOf) -> Iterator[str]:
    ticks, ranges = records.history(schedule.id, ALL)
    due = [tick for tick in ticks if tick.origin == DUE]
    yield from _run_faults(ticks, set(runs_of(schedule.id)))
    for instant, count in Counter(tick.due for tick in due).items():
        if count > 1:
            yield f"the instant {instant:.6f} has {count} dispositions"
    if late := [tick.due for tick in due if tick.due > schedule.high_water]:
        yield f"{counted(len(late), 'instant')} after all that was looked at ({schedule.high_water:.6f}) came due"
    if not isinstance(schedule.spec.trigger, DataChange):
        try:
            yield from _instant_faults(schedule, due, ranges, zones)
        except PipelinekitError:  # a rule or a zone that leads nowhere: the ticker says so
            return


def _run_faults(ticks: Sequence[Tick], runs: set[str]) -> Iterator[str]:
    """Each tick that fired has a run which is of no other tick, and each run has such a tick."""
    fired = [tick for tick in ticks if tick.disposition is Disposition.FIRED]
    for tick in fired:
        if not tick.run:
            yield f"the instant {tick.due:.6f} fired without a run"
    for run, count in Counter(tick.run for tick in fired if tick.run).items():
        if count > 1:
            yield f"run {run} is of {count} instants"
    for run in sorted(runs - {tick.run for tick in fired}):
        yield f"run {run} says by its property {SCHEDULE!r} that it is of this schedule, which knows nothing of it"


def _instant_faults(
    schedule: Schedule, due: Sequence[Tick], ranges: Sequence[TickRange], zones: Zones
) -> Iterator[str]:
    """Instants of the schedule's present version, by its rule: none is left out, none is told of twice.

    Of earlier versions what they said is not kept. Where the rules of time zones have changed since, nothing can be
    told.
    """
    mine = [tick for tick in due if tick.spec_version == schedule.spec_version]
    spans = [item for item in ranges if item.spec_version == schedule.spec_version]
    zone, edition = zones.find(schedule.spec.zone), zones.version()
    if any(tick.zone_version not in ("", edition) for tick in mine):
        return
    begin = first_mark(schedule.spec, schedule.created_at)
    if schedule.spec_version > 1:
        begin = min([*(tick.due for tick in mine), *(item.first for item in spans)], default=schedule.high_water) - HALF
    timetable = Timetable(schedule.spec, zone, schedule.created_at)
    single = {tick.due for tick in mine}
    left_out, twice, inside = [], [], Counter[float]()
    for instant in timetable.between(begin, schedule.high_water):
        holding = [item for item in spans if item.first <= instant <= item.last]
        inside.update(item.first for item in holding)
        places = len(holding) + (instant in single)
        if places == 0:
            left_out.append(instant)
        elif places > 1:
            twice.append(instant)
    for found, words in ((left_out, "was due and has no disposition"), (twice, "has several dispositions")):
        if found:
            named = ", ".join(iso(zone, instant) for instant in found[:SHOWN])
            yield f"{counted(len(found), 'instant')} of its rule {words}: {named}{' …' if len(found) > SHOWN else ''}"
    for item in spans:
        if inside[item.first] != item.count:
            yield (
                f"{counted(item.count, 'instant')} from {iso(zone, item.first)} to {iso(zone, item.last)} are told of, "
                f"and its rule has {inside[item.first]} there"
            )
