"""Which instants are due: rules of schedules against the clocks of a zone, daylight saving time included.

Three rules decide what changes of clocks do:

- Who follows the time that passes (minutes, hours, and cron expressions with a wildcard for minute or hour) is due
  whenever it is its turn: twice where clocks show a time twice, and never at a time that they jump over.
- Who names times of day is due once a day for each: at the first instant after a jump over it, and at the first of two.
- A schedule may ask for something else (`Policies.gap` and `Policies.repeat`).
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, tzinfo
from heapq import heappop, heappush
from itertools import count, islice, product

from pipelinekit.classes import frozen
from pipelinekit.domain.data_changes import DataChange
from pipelinekit.domain.schedules import WEEK_DAYS, Cron, Recurrence, ScheduleSpec, spec_faults
from pipelinekit.engine.cron import cron_fields
from pipelinekit.engine.walls import (
    DAY,
    MINUTE,
    after_gap,
    change_between,
    instants_of,
    iso,
    offset_at,
    wall_at,
    wall_text,
)
from pipelinekit.errors import Fault, ScheduleError

EPOCH = date(1970, 1, 1).toordinal()
LONGEST_YEARS = 45  # between two days of any rule: 29 February on a certain day of the week needs up to 40
FARTHEST = 16 * 3600  # that any zone's clocks are ahead of UTC
LAST_DAY = date(9990, 1, 1).toordinal() - EPOCH
_STEPS = {"Minute": MINUTE, "Hour": 60 * MINUTE}


@frozen
class Preview:
    """An instant to come, as clocks of the zone show it, and what is to be said of it where they change."""

    due: float
    shown: str
    note: str = ""


class Timetable:
    """The instants at which a schedule is due, in order. `created_at` counts where it has no start."""

    def __init__(self, spec: ScheduleSpec, zone: tzinfo, created_at: float) -> None:
        self.spec = spec
        self.zone = zone
        self._anchor = anchor_of(spec, created_at)
        self._times = _times(spec, wall_at(zone, self._anchor) % DAY)

    def after(self, instant: float) -> Iterator[float]:
        """All instants after this one, one by one. Raises ScheduleError should one not be later than the one before."""
        last = float("-inf")
        begins = self.spec.start is not None or isinstance(self.spec.trigger, Recurrence)
        next_second = int(instant // 1) + 1
        first = self._anchor if begins else next_second
        for due in self._from(max(next_second, first)):
            if due <= instant or due < first:
                continue
            if self.spec.end is not None and due >= self.spec.end:
                return
            if due <= last:
                raise ScheduleError(
                    f"the rule gave {iso(self.zone, due)} after {iso(self.zone, last)}",
                    hint="this is a fault of pipelinekit, or of the zone's rules on this machine",
                )
            last = due
            yield float(due)

    def between(self, after: float, until: float) -> Iterator[float]:
        """Those after an instant that are not later than another."""
        for due in self.after(after):
            if due > until:
                return
            yield due

    def preview(self, after: float, most: int) -> list[Preview]:
        """The next instants, with what changes of clocks do to them."""
        found: list[Preview] = []
        before = int(after)
        for due in islice(self.after(after), most):
            found.append(Preview(due, iso(self.zone, due), self._note(before, int(due))))
            before = int(due)
        return found

    def _from(self, instant: int) -> Iterator[int]:
        """Instants that are due from about this one on."""
        trigger = self.spec.trigger
        if isinstance(trigger, DataChange):
            return iter(())
        if isinstance(trigger, Recurrence) and trigger.follows_elapsed_time:
            step = _STEPS[trigger.frequency] * trigger.interval
            behind = max(instant - self._anchor, 0)
            return count(self._anchor + -(-behind // step) * step, step)
        return self._by_days(instant)

    def _by_days(self, instant: int) -> Iterator[int]:
        """Instants of rules that name days; those of two days may lie among each other where clocks are set back."""
        waiting: list[int] = []
        last = None
        for day in self._days((instant + offset_at(self.zone, instant)) // DAY - 2):
            while waiting and waiting[0] < day * DAY - FARTHEST:
                due = heappop(waiting)
                if due != last:
                    yield due
                last = due
            for due in self._instants_on(day):
                heappush(waiting, due)
        while waiting:
            due = heappop(waiting)
            if due != last:
                yield due
            last = due

    def _days(self, first: int) -> Iterator[int]:
        """Days of the rule, counted from 1970, from one on."""
        trigger = self.spec.trigger
        if isinstance(trigger, Cron):
            return _cron_days(trigger.expression, first)
        if isinstance(trigger, DataChange):
            return iter(())
        return _recurring_days(trigger, wall_at(self.zone, self._anchor) // DAY, first)

    def _instants_on(self, day: int) -> Iterator[int]:
        """Instants that belong to the times of one day; two times may have one instant in common."""
        midnight = day * DAY
        ahead = offset_at(self.zone, midnight - DAY)
        if ahead == offset_at(self.zone, midnight + 2 * DAY):
            yield from (midnight + time - ahead for time in self._times)
            return
        follows = self.spec.trigger.follows_elapsed_time
        gap = self.spec.policies.gap or ("skip" if follows else "after")
        repeat = self.spec.policies.repeat or ("both" if follows else "first")
        for time in self._times:
            found = instants_of(self.zone, midnight + time)
            if not found and gap == "after":
                yield after_gap(self.zone, midnight + time)
            elif len(found) < 2 or repeat == "both":
                yield from found
            else:
                yield found[0] if repeat == "first" else found[1]

    def _note(self, before: int, due: int) -> str:
        """What is to be said of an instant that follows another."""
        notes = []
        old, new = offset_at(self.zone, before), offset_at(self.zone, due)
        if old != new:
            at = change_between(self.zone, before, due)
            way = "forward" if new > old else "back"
            notes.append(f"clocks went {way} by {_span(abs(new - old))} at {wall_text(at + old)}")
        wall = due + new
        if not self.spec.trigger.follows_elapsed_time and wall % DAY not in self._times:
            notes.append("the time of day that is asked for was jumped over")
        if len(both := instants_of(self.zone, wall)) > 1:
            notes.append(f"the {'first' if due == both[0] else 'second'} of two times that clocks show this")
        return "; ".join(notes)


def anchor_of(spec: ScheduleSpec, created_at: float) -> int:
    """The instant that recurrences are counted from: the start, or the minute in which the schedule was made."""
    return int(created_at // MINUTE) * MINUTE if spec.start is None else int(spec.start)


def first_mark(spec: ScheduleSpec, created_at: float) -> float:
    """The high-water mark of a new schedule: nothing is made up that was due before it was there.

    A plain recurrence without a start begins with its own making.
    """
    if spec.start is None and isinstance(spec.trigger, Recurrence) and spec.trigger.is_plain:
        return float(anchor_of(spec, created_at) - 1)
    return created_at


def rule_faults(spec: ScheduleSpec, zone: tzinfo | None, created_at: float) -> list[Fault]:
    """Everything that is wrong with what a schedule says; without a zone, as far as it can be told."""
    faults = spec_faults(spec)
    if isinstance(spec.trigger, Cron):
        try:
            cron_fields(spec.trigger.expression)
        except ScheduleError as error:
            faults.append(Fault(error.message, hint=error.hint))
    if not faults and zone is not None and not isinstance(spec.trigger, DataChange):
        timetable = Timetable(spec, zone, created_at)
        if next(timetable.after(first_mark(spec, created_at)), None) is None:
            ending = "before its end" if spec.end is not None else "at all"
            faults.append(Fault(f"the schedule would never fire {ending}", hint="give days that there are"))
    return faults


def _times(spec: ScheduleSpec, anchor: int) -> tuple[int, ...]:
    """The times of day of a rule in seconds, ascending; `anchor` is that of the start."""
    trigger = spec.trigger
    if isinstance(trigger, DataChange):
        return ()
    if isinstance(trigger, Cron):
        fields = cron_fields(trigger.expression)
        return tuple(hour * 3600 + minute * MINUTE for hour, minute in product(fields.hours, fields.minutes))
    if trigger.time_of_day:
        hour, minute = trigger.time_of_day.split(":")
        return (int(hour) * 3600 + int(minute) * MINUTE,)
    if trigger.hours or trigger.minutes:
        hours = trigger.hours or (anchor // 3600,)
        minutes = trigger.minutes or (0,)
        return tuple(sorted({hour * 3600 + minute * MINUTE for hour, minute in product(hours, minutes)}))
    return (anchor,)


def _cron_days(expression: str, first: int) -> Iterator[int]:
    fields = cron_fields(expression)
    day, last = first, first
    while day - last < LONGEST_YEARS * 366 and day < LAST_DAY:
        found = date.fromordinal(day + EPOCH)
        if found.month not in fields.months:
            day += monthrange(found.year, found.month)[1] - found.day + 1
            continue
        if fields.has(found):
            yield day
            last = day
        day += 1


def _recurring_days(rule: Recurrence, anchor: int, first: int) -> Iterator[int]:
    if rule.frequency == "Month":
        yield from (day for day in _monthly_days(rule, anchor, first) if day >= first)
        return
    if rule.frequency == "Day":
        begin = anchor + -(-max(first - anchor, 0) // rule.interval) * rule.interval
        yield from range(begin, LAST_DAY, rule.interval)
        return
    week = anchor - _week_day(anchor)  # weeks begin with Monday, and are counted from the one of the start
    span = 7 * rule.interval
    days = sorted({WEEK_DAYS.index(name) for name in rule.week_days} or {_week_day(anchor)})
    for monday in range(week + max(first - week, 0) // span * span, LAST_DAY, span):
        yield from (monday + day for day in days if monday + day >= first)


def _monthly_days(rule: Recurrence, anchor: int, first: int) -> Iterator[int]:
    begun = date.fromordinal(anchor + EPOCH)
    wanted = date.fromordinal(max(first, anchor) + EPOCH)
    behind = (wanted.year - begun.year) * 12 + wanted.month - begun.month
    last = None
    for months in count(behind // rule.interval * rule.interval, rule.interval):
        year, month = divmod(begun.year * 12 + begun.month - 1 + months, 12)
        if year >= 9990 or (last is not None and year - last > 400):
            return
        length = monthrange(year, month + 1)[1]
        if begun.day <= length or rule.missing_day == "last":
            last = year
            yield date(year, month + 1, min(begun.day, length)).toordinal() - EPOCH


def _week_day(day: int) -> int:
    """The day of the week of a day counted from 1970; Monday is 0."""
    return (day + 3) % 7


def _span(seconds: int) -> str:
    hours, minutes = divmod(seconds // MINUTE, 60)
    return " ".join([*([f"{hours} h"] if hours else []), *([f"{minutes} min"] if minutes else [])])
