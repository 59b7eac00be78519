"""Schedules: what is to run when, and what became of each instant at which it was due.

Instants are seconds since 1970, UTC: two instants may show one time on a clock that is set back, and are two all the
same. Which instants are due is told by `engine.recurrence`; here is what a schedule says, and what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from pipelinekit.classes import field, frozen
from pipelinekit.domain.data_changes import Cursor, DataChange, data_change_faults
from pipelinekit.domain.names import check_name
from pipelinekit.domain.runs import RunStatus, check_priority
from pipelinekit.domain.templates import template_faults
from pipelinekit.errors import Fault, UsageError
from pipelinekit.typed import Any

FREQUENCIES = ("Minute", "Hour", "Day", "Week", "Month")
WEEK_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MISSING_DAYS = ("last", "skip")
OVERLAPS = ("skip", "queue_one", "queue_all", "cancel_other", "allow")
CATCH_UPS = ("latest", "none", "all")
GAPS = ("after", "skip")
REPEATS = ("first", "second", "both")
LONGEST_INTERVAL = 1_000_000
MOST_BACKFILLED = 1000  # instants that one backfill may have
SCHEDULE, SCHEDULE_DUE = "schedule", "schedule_due"  # properties of runs: the schedule's id, and the instant in UTC
DUE, MANUAL = "", "manual"  # origins of ticks; those of backfills are `backfill-1`, `backfill-2`, …
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class ScheduleState(StrEnum):
    """Whether instants come due. What is deleted is kept for its history, and its name is free."""

    ACTIVE = "Active"
    DISABLED = "Disabled"
    DELETED = "Deleted"


class Disposition(StrEnum):
    """What became of an instant at which a run was due. All but the first are final."""

    PENDING = "Pending"
    FIRED = "Fired"
    SKIPPED_OVERLAP = "SkippedOverlap"
    SKIPPED_MISFIRE = "SkippedMisfire"
    COALESCED = "Coalesced"
    DUPLICATE = "Duplicate"
    VOIDED = "Voided"
    ERROR = "Error"


@frozen
class Cron:
    """A cron expression of five fields: minute, hour, day of month, month, day of week; or `@daily` and the like."""

    expression: str

    @property
    def follows_elapsed_time(self) -> bool:
        """Whether minute or hour is a wildcard: such rules go by the time that passes, not by what clocks show."""
        fields = self.expression.split()
        return self.expression.strip().lower() == "@hourly" or any(part.startswith(("*", "?")) for part in fields[:2])


@frozen
class Recurrence:
    """Every so many minutes, hours, days, weeks or months, counted from the schedule's start.

    `hours` and `minutes` are for days and weeks, `week_days` (whole English names) for weeks; `time_of_day` (`hh:mm`)
    stands for one hour and minute. Where a month has no such day, `missing_day` takes its `last`, or leaves it out
    (`skip`).
    """

    frequency: str
    interval: int = 1
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    week_days: tuple[str, ...] = ()
    time_of_day: str = ""
    missing_day: str = "last"

    @property
    def follows_elapsed_time(self) -> bool:
        """Whether it goes by the time that passes, not by what clocks show."""
        return self.frequency in ("Minute", "Hour")

    @property
    def is_plain(self) -> bool:
        """Whether it says nothing but how often: its start is then its first instant."""
        return not (self.hours or self.minutes or self.week_days or self.time_of_day)


Trigger = Cron | Recurrence | DataChange


@frozen
class Policies:
    """What is done where instants and runs do not go one after the other.

    `overlap`: while a run of the schedule is open, the next is skipped (`skip`), waits (`queue_one`; `queue_all` for at
    most `queue_bound` of them), makes the open one end first (`cancel_other`), or starts beside it (`allow`).
    `catch_up`: of instants that passed while nobody looked, the latest stands for all (`latest`), none is made up
    (`none`), or all are, at most `catch_up_bound` (`all`). Those that are older than `catch_up_within` seconds are not
    made up; 0 is no such limit.
    `gap`: a time that clocks jump over is made up at the first instant after the jump (`after`), or left out (`skip`).
    `repeat`: of a time that clocks show twice, the `first`, the `second` or `both` count. Left empty, times of day are
    made up after a jump and count once, and rules with a wildcard for minute or hour follow the time that passes.
    `jitter`: each start is put off by up to so many seconds, always the same for one instant.
    """

    overlap: str = "skip"
    queue_bound: int = 100
    catch_up: str = "latest"
    catch_up_bound: int = 100
    catch_up_within: float = 0.0
    gap: str = ""
    repeat: str = ""
    jitter: float = 0.0


@frozen
class Target:
    """What is run: a pipeline endpoint by name, whose default version counts at firing, or a published pipeline."""

    endpoint: str = ""
    pipeline: str = ""

    def __str__(self) -> str:
        return f"endpoint {self.endpoint!r}" if self.endpoint else f"published pipeline {self.pipeline}"


@frozen
class ScheduleSpec:
    """What a schedule says. A change of it is a new version, and what the old one has still pending is void.

    `start` and `end` are instants; the latter is not due any more. `parameters` may hold templates, see
    `domain.templates`. `notify` says who is told of a run that failed. Of runs that wait, one with a higher `priority`
    goes first.
    """

    trigger: Trigger
    target: Target
    experiment: str
    zone: str = "UTC"
    start: float | None = None
    end: float | None = None
    policies: Policies = field(default_factory=Policies)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    continue_on_step_failure: bool = False
    notify: tuple[str, ...] = ()
    priority: int = 0

    def __post_init__(self) -> None:
        check_priority(self.priority)


@frozen
class Schedule:
    """A schedule as it stands.

    All that was due until `high_water` has a disposition or is pending; it never moves back. `version` grows with every
    change, `spec_version` with changes of the spec. `trouble` says why it was disabled, if nobody did so.
    `cursor` is how far one has come that watches data.
    """

    id: str
    name: str
    spec: ScheduleSpec
    high_water: float
    created_at: float
    updated_at: float
    state: ScheduleState = ScheduleState.ACTIVE
    spec_version: int = 1
    version: int = 1
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""
    cursor: Cursor = field(default_factory=Cursor)

    def __post_init__(self) -> None:
        check_name("schedule", self.name)


@frozen
class Glance:
    """What can be seen of a schedule without reading it: whether it changed, and what of its ledger is not settled."""

    id: str
    version: int
    pending: bool
    open: bool


@frozen
class Tick:
    """One instant of a schedule, and what became of it.

    `run` is the run that it started, or whose duplicate it would have been. It is not decided before `not_before`.
    `parameters` are those that the run was given. `outcome` is how the run ended; None as long as it has not.
    `zone_version` names the rules of time zones that it was computed with.
    """

    schedule: str
    spec_version: int
    due: float
    planned_at: float
    origin: str = DUE
    disposition: Disposition = Disposition.PENDING
    run: str = ""
    reason: str = ""
    not_before: float = 0.0
    decided_at: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    outcome: RunStatus | None = None
    zone_version: str = ""

    @property
    def key(self) -> tuple[str, int, float, str]:
        """What tells it apart from every other."""
        return self.schedule, self.spec_version, self.due, self.origin


@frozen
class TickRange:
    """Instants that have one disposition for one reason: all that were due from the first to the last of them."""

    schedule: str
    spec_version: int
    first: float
    last: float
    count: int
    disposition: Disposition
    reason: str
    decided_at: float


@frozen
class Backfill:
    """Runs for instants of the past, at most `at_once` open at a time; with `missing_only` where none was started."""

    schedule: str
    number: int
    since: float
    until: float
    missing_only: bool
    at_once: int
    created_at: float

    @property
    def origin(self) -> str:
        """The origin of its ticks."""
        return f"backfill-{self.number}"


def spec_faults(spec: ScheduleSpec) -> list[Fault]:
    """Everything that is wrong with what a schedule says, as far as it can be told without its rule and its zone."""
    faults = [Fault(message, hint=hint) for message, hint in _spec_faults(spec)]
    if isinstance(spec.trigger, Recurrence):
        faults += [Fault(message, hint=hint) for message, hint in _recurrence_faults(spec.trigger)]
    if isinstance(spec.trigger, DataChange):
        faults += [Fault(message, hint=hint) for message, hint in data_change_faults(spec.trigger)]
    faults += [Fault(message, hint=hint) for message, hint in _policy_faults(spec.policies, spec.trigger)]
    return faults + template_faults(spec.parameters)


_Found = Iterator[tuple[str, str]]


def _spec_faults(spec: ScheduleSpec) -> _Found:
    if bool(spec.target.endpoint) == bool(spec.target.pipeline):
        yield "a schedule runs one thing", "name either a pipeline endpoint or a published pipeline"
    try:
        check_name("experiment", spec.experiment)
    except UsageError as error:
        yield error.message, error.hint
    if spec.start is not None and spec.end is not None and spec.end <= spec.start:
        yield "the schedule ends before it starts", "give an end after the start"
    names: Sequence[object] = spec.notify
    for name in names:
        if not isinstance(name, str) or not name.strip():
            yield f"{name!r} cannot be notified", "name who is to be told as text"


def _recurrence_faults(rule: Recurrence) -> _Found:
    if rule.frequency not in FREQUENCIES:
        yield f"frequency {rule.frequency!r} is unknown", f"there are: {', '.join(FREQUENCIES)}"
        return
    if not _is_count(rule.interval) or rule.interval > LONGEST_INTERVAL:
        yield f"interval {rule.interval!r} is no number of times", f"give a whole number from 1 to {LONGEST_INTERVAL}"
    for name, given, count in (
        ("hours", rule.hours, 24),
        ("minutes", rule.minutes, 60),
        ("week_days", rule.week_days, 7),
    ):
        if len(given) > count:
            yield f"there are {len(given)} {name}", f"name each once: there are {count}"
            return
    for name, values, most in (("hours", rule.hours, 23), ("minutes", rule.minutes, 59)):
        if values and rule.frequency not in ("Day", "Week"):
            yield f"{name} are not for frequency {rule.frequency}", "they are for Day and Week"
        if values and rule.time_of_day:
            yield f"{name} and time_of_day exclude each other", "give one of them"
        for value in values:
            if not _is_count(value, 0) or value > most:
                yield f"{value!r} is not one of the {name}", f"they are whole numbers from 0 to {most}"
    if rule.week_days and rule.frequency != "Week":
        yield f"week days are not for frequency {rule.frequency}", "they are for Week"
    for day in rule.week_days:
        if day not in WEEK_DAYS:
            yield f"{day!r} is no day of the week", f"there are: {', '.join(WEEK_DAYS)}"
    if rule.time_of_day and rule.follows_elapsed_time:
        yield f"time_of_day is not for frequency {rule.frequency}", "it is for Day, Week and Month"
    if rule.time_of_day and not _CLOCK.fullmatch(str(rule.time_of_day)):
        yield f"time_of_day {rule.time_of_day!r} is no time of day", "write hh:mm, such as 09:30"
    if rule.missing_day not in MISSING_DAYS:
        yield f"missing_day {rule.missing_day!r} is unknown", f"there are: {', '.join(MISSING_DAYS)}"


def _policy_faults(policies: Policies, trigger: Trigger) -> _Found:
    for name, value, known in (
        ("overlap", policies.overlap, OVERLAPS),
        ("catch_up", policies.catch_up, CATCH_UPS),
        ("gap", policies.gap, ("", *GAPS)),
        ("repeat", policies.repeat, ("", *REPEATS)),
    ):
        if value not in known:
            yield f"{name} {value!r} is unknown", f"there are: {', '.join(filter(None, known))}"
    for name, count in (("queue_bound", policies.queue_bound), ("catch_up_bound", policies.catch_up_bound)):
        if not _is_count(count):
            yield f"{name} {count!r} is no number of runs", "give a whole number from 1"
    for name, seconds in (("catch_up_within", policies.catch_up_within), ("jitter", policies.jitter)):
        if not 0 <= seconds < float("inf"):
            yield f"{name} {seconds!r} is no time", "give seconds from 0"
    if (policies.gap or policies.repeat) and not isinstance(trigger, Cron) and trigger.follows_elapsed_time:
        yield "gap and repeat are for times of day", "leave them out: clocks do not matter to this schedule"


def _is_count(number: object, least: int = 1) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= least


def check_backfill(since: float, until: float, at_once: int, found: Sequence[float]) -> None:
    """Raise UsageError for a backfill that there cannot be; `found` are the instants that it would have."""
    if until <= since:
        raise UsageError("a backfill ends after it starts", hint="give a range from the earlier to the later instant")
    if not _is_count(at_once):
        raise UsageError(f"{at_once!r} is no number of runs at once", hint="give a whole number from 1")
    if not found:
        raise UsageError("nothing is to be run in this range", hint="'schedules history' shows what was run when")
    if len(found) > MOST_BACKFILLED:
        raise UsageError(
            f"more than {MOST_BACKFILLED} instants were due in this range", hint="backfill it in several parts"
        )
