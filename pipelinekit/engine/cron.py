"""Cron expressions as sets of values. croniter reads them; which instants are due is decided in `engine.recurrence`."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date
from functools import cache

from pipelinekit.classes import frozen
from pipelinekit.domain.texts import counted
from pipelinekit.errors import ScheduleError
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import croniter
else:
    croniter = late("croniter")

ALIASES = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
LONGEST = 1000  # characters of an expression
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DAYS = "sun|mon|tue|wed|thu|fri|sat"
_SIGNS = r"[0-9*,/?-]"
_FIELDS = (
    ("minute", 60, re.compile(rf"{_SIGNS}+")),
    ("hour", 24, re.compile(rf"{_SIGNS}+")),
    ("day of month", 31, re.compile(rf"({_SIGNS}|l\b)+")),
    ("month", 12, re.compile(rf"({_SIGNS}|{_MONTHS})+")),
    ("day of week", 7, re.compile(rf"({_SIGNS}|l|#|{_DAYS})+")),
)  # with how many values each can have; all that croniter would read beyond is refused: seconds, years, H, R, W
_HINT = "write five fields: minute, hour, day of month, month, day of week; such as '30 6 * * mon-fri'"


@frozen
class CronFields:
    """The values of a cron expression. Days of the week count from Sunday, 0.

    `days` and `week_days` are None where any will do; if both are given, a day of either will do. `last_day` stands for
    the last of each month; `nth` says which days of the week of a month count: 1 to 5, or 0 for the last.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: frozenset[int]
    days: frozenset[int] | None
    last_day: bool
    week_days: frozenset[int] | None
    nth: tuple[tuple[int, frozenset[int]], ...]

    def has(self, day: date) -> bool:
        """Whether this day is one of those."""
        if day.month not in self.months:
            return False
        if self.days is None and self.week_days is None:
            return True
        return self._has_day(day) or self._has_week_day(day)

    def _has_day(self, day: date) -> bool:
        if self.days is None:
            return False
        return day.day in self.days or (self.last_day and day.day == monthrange(day.year, day.month)[1])

    def _has_week_day(self, day: date) -> bool:
        if self.week_days is None:
            return False
        week_day = day.isoweekday() % 7
        if week_day not in self.week_days:
            return False
        wanted = dict(self.nth).get(week_day)
        if wanted is None:
            return True
        is_last = day.day + 7 > monthrange(day.year, day.month)[1]
        return (day.day - 1) // 7 + 1 in wanted or (0 in wanted and is_last)


@cache
def cron_fields(expression: object) -> CronFields:
    """The values of an expression. Raises ScheduleError for what is none, or would not say what it seems to."""
    text = expression.strip().lower() if isinstance(expression, str) else ""
    if len(text) > LONGEST:
        words = f"a cron expression may have {LONGEST} characters, and this one has {len(text)}"
        raise ScheduleError(words, hint=_HINT)
    if text not in ALIASES:
        _check_fields(text.split(), expression)
    try:
        found, nth = croniter.croniter.expand(text)
    except (ValueError, KeyError, IndexError, TypeError) as error:  # croniter's own errors are ValueErrors
        raise ScheduleError(f"{expression!r} is no cron expression: {error}", hint=_HINT) from None
    minutes, hours, days, months, week_days = found
    return CronFields(
        tuple(_values(minutes, range(60))),
        tuple(_values(hours, range(24))),
        frozenset(_values(months, range(1, 13))),
        None if days == ["*"] else frozenset(value for value in days if value != "l"),
        "l" in days,
        None if week_days == ["*"] else frozenset(int(value) for value in week_days),
        tuple(sorted((day, frozenset(0 if n == "l" else int(n) for n in which)) for day, which in nth.items())),
    )


def _check_fields(fields: list[str], expression: object) -> None:
    if len(fields) != 5:
        raise ScheduleError(f"{expression!r} is no cron expression: it has {counted(len(fields), 'field')}", hint=_HINT)
    for text, (name, count, pattern) in zip(fields, _FIELDS, strict=True):
        if not pattern.fullmatch(text):
            raise ScheduleError(f"{expression!r} is no cron expression: {text!r} is no {name}", hint=_HINT)
        for step in re.findall(r"/(\d+)", text):
            if int(step) >= count:
                raise ScheduleError(
                    f"{expression!r} is no cron expression: {name} has {count} values, and no step of {step}",
                    hint="a step begins anew with each hour, day, month or week; for longer ones use a recurrence",
                )


def _values(found: list[Any], whole: range) -> list[int]:
    return list(whole) if found == ["*"] else sorted(int(value) for value in found)
