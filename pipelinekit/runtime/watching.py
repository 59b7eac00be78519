"""Schedules that wait for data: each look at it, and the ticks of a change that has settled.

The cursor moves with the ticks that a change makes, by compare-and-set on the schedule: a listing is answered once, and
what comes back after something else is a change again. The run is given the listing that was seen, so that what
triggered it is what it reads.
"""

from __future__ import annotations

from pipelinekit.classes import replace
from pipelinekit.domain.data_changes import DataChange, Listing, parameters_of
from pipelinekit.domain.schedules import Schedule, Tick
from pipelinekit.engine.watching import Change, is_time, observe
from pipelinekit.errors import UsageError
from pipelinekit.ports.schedules import ScheduleRecords, Watcher

APART = 1e-5  # seconds between the instants of two files of one change: each has its own in the ledger


def watch(
    schedule: Schedule, trigger: DataChange, watcher: Watcher | None, records: ScheduleRecords, now: float
) -> None:
    """Look at the data of a schedule if it is time, and write down what has come of it."""
    spec = schedule.spec
    if (spec.start is not None and now < spec.start) or (spec.end is not None and now >= spec.end):
        return
    if not is_time(trigger, schedule.cursor, now):
        return
    if watcher is None:
        raise UsageError(f"{trigger} is watched by nobody", hint="serve the schedules where its data can be reached")
    listing = watcher.look(trigger)
    cursor, change = observe(trigger, schedule.cursor, listing, now)
    ticks = [] if change is None else _ticks(schedule, trigger, watcher, listing, change, now)
    mark = max([schedule.high_water, *(tick.due for tick in ticks)])
    records.change(replace(schedule, cursor=cursor, high_water=mark), ticks=ticks)


def _ticks(
    schedule: Schedule, trigger: DataChange, watcher: Watcher, listing: Listing, change: Change, now: float
) -> list[Tick]:
    """A tick for a change, or for each file of it; all later than whatever was due before."""
    values = (
        [watcher.value(trigger, listing, path) for path in change.files]
        if trigger.each_file
        else [watcher.value(trigger, listing) if trigger.parameter else None]
    )
    first = max(now, schedule.high_water + APART)
    return [
        Tick(
            schedule.id,
            schedule.spec_version,
            first + APART * number,
            now,
            not_before=now,
            parameters=parameters_of(trigger, value),
        )
        for number, value in enumerate(values)
    ]
