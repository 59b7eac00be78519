"""What becomes of the instants of a schedule: which are made up after a while away, and which wait for open runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from enum import StrEnum

from pipelinekit.classes import frozen, replace
from pipelinekit.domain.digests import digest
from pipelinekit.domain.schedules import DUE, Disposition, Policies, Schedule, Tick, TickRange
from pipelinekit.engine.recurrence import Timetable
from pipelinekit.engine.walls import iso

LOOKED_AT = 50_000  # instants at once: a schedule for every minute has them in a month
GRACE_SECONDS = 60.0  # by which an instant may be late where none is made up
_OLD = "it was older than what is made up"
_LATE = "it passed while nobody looked, and none is made up"
_MORE = "it passed while nobody looked, and more passed than are made up"
_MANY = f"more than {LOOKED_AT} instants passed while nobody looked; the first of them are left out"


@frozen
class Plan:
    """What is to be written of the instants that have passed: all until `high_water`, which are `whole` if no more."""

    ticks: tuple[Tick, ...]
    ranges: tuple[TickRange, ...]
    high_water: float
    whole: bool = True


class Verdict(StrEnum):
    """What is to be done with a pending tick."""

    FIRE = "fire"
    WAIT = "wait"
    SKIP = "skip"
    CANCEL = "cancel"  # the open runs; the tick waits for their end


class _Passed:
    """Instants that are made up for one reason or another, gathered without keeping each."""

    def __init__(self, disposition: Disposition, reason: str) -> None:
        self.disposition = disposition
        self.reason = reason
        self.first = self.last = 0.0
        self.count = 0

    def add(self, due: float) -> None:
        """One more, later than those before."""
        self.first = self.first if self.count else due
        self.last = due
        self.count += 1


def plan(schedule: Schedule, timetable: Timetable, now: float, zone_version: str = "") -> Plan:
    """Give each instant since the high-water mark a tick that is pending, or a disposition."""
    policies = schedule.spec.policies
    cutoff = now - policies.catch_up_within if policies.catch_up_within else float("-inf")
    old = _Passed(Disposition.SKIPPED_MISFIRE, _OLD)
    left_out = _Passed(Disposition.SKIPPED_MISFIRE, _LATE if policies.catch_up == "none" else _MORE)
    made_up: deque[float] = deque()
    most = {"latest": 1, "all": policies.catch_up_bound}.get(policies.catch_up, LOOKED_AT)
    looked_at, last = 0, schedule.high_water
    for due in timetable.between(schedule.high_water, now):
        looked_at, last = looked_at + 1, due
        if due < cutoff:
            old.add(due)
        elif policies.catch_up == "none" and due < now - GRACE_SECONDS:
            left_out.add(due)
        else:
            made_up.append(due)
            if len(made_up) > most:
                left_out.add(made_up.popleft())
        if looked_at == LOOKED_AT:
            return _too_many(schedule, timetable, now)
    if policies.catch_up == "latest" and made_up:
        left_out.disposition = Disposition.COALESCED
        left_out.reason = f"the run that was due at {iso(timetable.zone, made_up[-1])} stands for it"
    ticks = [_tick(schedule, due, now, zone_version) for due in made_up]
    decided, ranges = _written(schedule, (old, left_out), now, zone_version)
    return Plan((*decided, *ticks), ranges, last)


def unaccounted(schedule: Schedule, timetable: Timetable, now: float, reason: str) -> Plan:
    """All instants since the high-water mark as void for a reason: nothing of this version comes due any more."""
    void = _Passed(Disposition.VOIDED, reason)
    for due in timetable.between(schedule.high_water, now):
        void.add(due)
    ticks, ranges = _written(schedule, (void,), now, "")
    return Plan(ticks, ranges, max(schedule.high_water, now))


def verdicts(policies: Policies, waiting: Sequence[Tick], open_runs: int) -> list[tuple[Tick, Verdict, str]]:
    """What is to be done with pending ticks of a schedule, in their order, while so many of its runs are open."""
    found: list[tuple[Tick, Verdict, str]] = []
    queued = 0
    for index, tick in enumerate(waiting):
        newer = len(waiting) - index - 1
        if policies.overlap == "cancel_other" and newer:
            found.append((tick, Verdict.SKIP, f"a later instant is due ({newer} of them)"))
        elif policies.overlap == "allow" or not open_runs:
            found.append((tick, Verdict.FIRE, ""))
            open_runs += 1
        elif policies.overlap == "cancel_other":
            found.append((tick, Verdict.CANCEL, ""))
        elif queued < {"queue_one": 1, "queue_all": policies.queue_bound}.get(policies.overlap, 0):
            found.append((tick, Verdict.WAIT, ""))
            queued += 1
        else:
            found.append((tick, Verdict.SKIP, _overlap_reason(policies)))
    return found


def not_before(schedule: Schedule, due: float) -> float:
    """When a run may start that is due at an instant: put off by the jitter, always alike."""
    if not schedule.spec.policies.jitter:
        return due
    hexadecimal = digest(f"{schedule.id} {due!r}").rpartition(":")[2]
    return due + int(hexadecimal[:12], 16) / 16**12 * schedule.spec.policies.jitter


def _overlap_reason(policies: Policies) -> str:
    if policies.overlap == "skip":
        return "a run of the schedule was open"
    return (
        f"a run of the schedule was open, and {'one' if policies.overlap == 'queue_one' else 'enough'} waited already"
    )


def _too_many(schedule: Schedule, timetable: Timetable, now: float) -> Plan:
    """Leave the first of very many instants out; what follows them is planned next."""
    many = _Passed(Disposition.SKIPPED_MISFIRE, _MANY)
    for due in timetable.between(schedule.high_water, now):
        many.add(due)
        if many.count == LOOKED_AT:
            break
    ticks, ranges = _written(schedule, (many,), now, "")
    return Plan(ticks, ranges, many.last, whole=False)


def _tick(schedule: Schedule, due: float, now: float, zone_version: str) -> Tick:
    start = not_before(schedule, due)
    return Tick(schedule.id, schedule.spec_version, due, now, DUE, not_before=start, zone_version=zone_version)


def _written(
    schedule: Schedule, passed: Iterable[_Passed], now: float, zone_version: str
) -> tuple[tuple[Tick, ...], tuple[TickRange, ...]]:
    """A tick for what is one instant, a range for more."""
    ticks, ranges = [], []
    for item in passed:
        if item.count == 1:
            tick = _tick(schedule, item.first, now, zone_version)
            ticks.append(
                replace(tick, disposition=item.disposition, reason=item.reason, not_before=item.first, decided_at=now)
            )
        elif item.count:
            ranges.append(
                TickRange(
                    schedule.id, schedule.spec_version, item.first, item.last, item.count, item.disposition,
                    item.reason, now,
                )
            )  # fmt: skip
    return tuple(ticks), tuple(ranges)
