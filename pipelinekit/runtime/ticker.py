"""The ticker: makes runs of schedules when they are due, and gives every instant its one disposition.

It keeps nothing that is not in the records. What it plans is written by compare-and-set on the schedule's version; a
tick is fired in the transaction that records its run. So it may be killed at any moment, and two of them may be at
work at once: the lease that they share only spares work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import tzinfo

from pipelinekit.classes import frozen, replace
from pipelinekit.domain.data_changes import DataChange
from pipelinekit.domain.runs import RunStatus
from pipelinekit.domain.schedules import DUE, MANUAL, Disposition, Glance, Schedule, ScheduleState, Tick
from pipelinekit.domain.templates import render
from pipelinekit.domain.texts import seconds_text
from pipelinekit.engine.recurrence import Timetable
from pipelinekit.engine.ticking import Verdict, plan, verdicts
from pipelinekit.engine.walls import date_text, iso
from pipelinekit.errors import ComputeError, LeaseLostError, PipelinekitError, ScheduleError, StorageError
from pipelinekit.ports import Clock
from pipelinekit.ports.schedules import Launcher, Notifier, ScheduleRecords, TickerRecords, Watcher, Zones
from pipelinekit.runtime.watching import watch

LOOK_SECONDS = 1.0  # from one look to the next
SHORTEST_SECONDS = 0.05
BEAT_SECONDS = 5.0  # between two renewals of the lease
STARTS_AT_ONCE = 100  # that one look may make
STARTS_OF_ONE = 20  # of them of one schedule: what has piled up does not start in one storm
PLANNED_TOGETHER = 100  # schedules whose instants are written down in one transaction
JUMP_SECONDS = 3600.0  # that the clock may be ahead of the time that has passed before it is doubted
CONFIRM_SECONDS = 60.0  # for which it must stay so
PATIENCE_SECONDS = 3600.0  # for which a start is tried again where the records or a cluster are in the way
_PASSING = (StorageError, LeaseLostError, ComputeError)


@frozen
class TickerPorts:
    """What a ticker works with. `batch` groups what is written inside it into one transaction.

    `drive` is told of each run once it is recorded: it has it driven, where nobody else sees to queued runs.
    """

    records: ScheduleRecords
    lease: TickerRecords
    launcher: Launcher
    notifier: Notifier
    zones: Zones
    clock: Clock
    batch: Callable[[], AbstractContextManager[None]]
    watcher: Watcher | None = None
    drive: Callable[[str], object] | None = None


class Ticker:
    """Sees to the schedules of a workspace. `monotonic` counts seconds that pass, whatever the clock is set to."""

    def __init__(
        self, owner: str, ports: TickerPorts, monotonic: Callable[[], float], tell: Callable[[str], None]
    ) -> None:
        self._owner = owner
        self._ports = ports
        self._monotonic = monotonic
        self._tell = tell
        self._epoch = 0  # of the lease; 0 without
        self._renewed = 0.0
        self._known: dict[str, Schedule] = {}  # as they were read
        self._next: dict[str, tuple[int, float | None]] = {}  # by schedule: its version, and its next instant
        self._last: tuple[float, float] | None = None  # what clock and counter showed at the last look
        self._doubtful_until: float | None = None
        self._troubles: dict[str, str] = {}
        self._ahead: set[str] = set()  # schedules that were told to be ahead of the clock
        self._starts_left = STARTS_AT_ONCE

    def serve(self, ended: threading.Event) -> None:
        """Look again and again until `ended` is set."""
        try:
            while not ended.wait(self.turn()):
                pass
        finally:
            self.release()

    def turn(self) -> float:
        """Look once; what cannot be done just now is done the next time. How many seconds to wait until then."""
        began = self._monotonic()
        self._look()
        return max(SHORTEST_SECONDS, LOOK_SECONDS - (self._monotonic() - began))

    def _look(self) -> None:
        try:
            if not self._leads() or self._doubts():
                return
            self._starts_left = STARTS_AT_ONCE
            busy = self._busy()
        except (PipelinekitError, OSError) as error:
            self._complain("", error)
            return
        self._troubles.pop("", None)
        for schedule in self._planned(busy):
            try:
                self.see_to(schedule)
            except Exception as error:  # whatever is wrong with one, the others do not wait for it
                self._complain(schedule.name, error)
            else:
                self._troubles.pop(schedule.name, None)

    def _busy(self) -> list[Schedule]:
        """Schedules that there is something to do for. Those that changed are read; most of the others are idle."""
        seen = self._ports.records.glance()
        known = dict(self._known)
        changed = [item.id for item in seen if item.id not in known or known[item.id].version != item.version]
        known.update(self._ports.records.some(changed))
        self._known = {item.id: known[item.id] for item in seen if item.id in known}
        self._next = {name: self._next[name] for name in self._known if name in self._next}
        now = self._ports.clock.now()
        return [self._known[item.id] for item in seen if item.id in self._known and not self._is_idle(item, now)]

    def _is_idle(self, seen: Glance, now: float) -> bool:
        schedule = self._known[seen.id]
        is_ahead = schedule.high_water - now > JUMP_SECONDS
        return not seen.pending and not seen.open and not is_ahead and self._is_far(schedule, now)

    def _is_far(self, schedule: Schedule, now: float) -> bool:
        """Whether the next instant of a schedule as it is now is known, and has not come."""
        version, following = self._next.get(schedule.id, (0, None))
        return version == schedule.version and (following is None or following > now)

    def _planned(self, busy: list[Schedule]) -> list[Schedule]:
        """The same schedules, where what has come due of many is written down in few transactions.

        Where that fails for one of them, each is seen to alone, and the trouble is told then.
        """
        due = [item for item in busy if not self._is_far(item, self._ports.clock.now()) and _is_timed(item)]
        planned: dict[str, Schedule] = {}
        for first in range(0, len(due) if len(due) > 1 else 0, PLANNED_TOGETHER):
            with suppress(Exception):
                planned.update(self._plan_all(due[first : first + PLANNED_TOGETHER]))
        return [planned.get(item.id, item) for item in busy]

    def _plan_all(self, part: list[Schedule]) -> dict[str, Schedule]:
        with self._ports.batch():
            return {item.id: self._plan(item) for item in part}

    def see_to(self, schedule: Schedule) -> None:
        """Record what has ended, plan what has come due, and start what may start."""
        self._settle(schedule)
        if _is_timed(schedule):
            schedule = self._plan(schedule)
        elif schedule.state is ScheduleState.ACTIVE and isinstance(trigger := schedule.spec.trigger, DataChange):
            watch(schedule, trigger, self._ports.watcher, self._ports.records, self._ports.clock.now())
        self._fire(schedule)

    def release(self) -> None:
        """Give the lease back."""
        if self._epoch:
            with suppress(PipelinekitError, OSError):  # it ends by itself
                self._ports.lease.release(self._epoch)
            self._epoch = 0

    # -- whether to act ------------------------------------------------------------------------------------------------

    def _leads(self) -> bool:
        passed = self._monotonic()
        if self._epoch and passed - self._renewed < BEAT_SECONDS:
            return True
        try:
            if self._epoch:
                self._ports.lease.renew(self._epoch)
            else:
                self._epoch = self._ports.lease.take(self._owner)
        except LeaseLostError:
            self._epoch = 0
            self._last = None
            return False
        self._renewed = passed
        return True

    def _doubts(self) -> bool:
        """Whether the clock has jumped ahead just now: that it stays so is waited for, since no instant is undone."""
        now, passed = self._ports.clock.now(), self._monotonic()
        if self._last is not None:
            jump = (now - self._last[0]) - (passed - self._last[1])
            if jump > JUMP_SECONDS:
                self._doubtful_until = passed + CONFIRM_SECONDS
                self._tell(
                    f"the clock jumped ahead by {seconds_text(jump)}: schedules wait {CONFIRM_SECONDS:g} s to see "
                    "whether it stays so"
                )
            elif jump < -JUMP_SECONDS:
                self._doubtful_until = None
                self._tell(f"the clock was set back by {seconds_text(-jump)}: no instant comes due again")
        self._last = now, passed
        if self._doubtful_until is not None and passed >= self._doubtful_until:
            self._doubtful_until = None
        return self._doubtful_until is not None

    def _complain(self, name: str, error: Exception) -> None:
        text = f"schedule {name!r}: {error}" if name else f"trouble: {error}"
        if self._troubles.get(name) != text:
            self._tell(text)
        self._troubles[name] = text

    # -- plan ----------------------------------------------------------------------------------------------------------

    def _plan(self, schedule: Schedule) -> Schedule:
        """Write down what has come due; the schedule after it.

        Whoever changes the schedule meanwhile is first: it is looked at next time.
        """
        now = self._ports.clock.now()
        self._tell_if_ahead(schedule, now)
        if self._is_far(schedule, now):
            return schedule
        zone = self._ports.zones.find(schedule.spec.zone)
        timetable = Timetable(schedule.spec, zone, schedule.created_at)
        try:
            found = plan(schedule, timetable, now, self._ports.zones.version())
            following = next(timetable.after(max(found.high_water, schedule.high_water)), None)
        except ScheduleError as error:
            self._park(schedule, error, now)
            return schedule
        if found.high_water > schedule.high_water:
            changed = self._ports.records.change(
                replace(schedule, high_water=found.high_water), ticks=found.ticks, ranges=found.ranges
            )
            if changed is None:
                return schedule
            schedule = changed
        if found.whole:
            self._next[schedule.id] = schedule.version, following
        return schedule

    def _tell_if_ahead(self, schedule: Schedule, now: float) -> None:
        """Tell of a schedule that was looked at by a clock which was ahead.

        Its instants until then have their dispositions, and no disposition is taken back: nobody but a human knows
        which of the two clocks was wrong.
        """
        ahead = schedule.high_water - now
        if ahead <= JUMP_SECONDS:
            self._ahead.discard(schedule.id)
        elif schedule.id not in self._ahead:
            self._ahead.add(schedule.id)
            until = iso(self._ports.zones.find(schedule.spec.zone), schedule.high_water)
            self._tell(
                f"schedule {schedule.name!r} was looked at until {until}, which is "
                f"{seconds_text(ahead)} ahead: nothing comes due before. If the clock is right now, make it again: "
                f"'pipelinekit schedules show {schedule.name} --yaml', 'delete' and 'load'"
            )

    def _park(self, schedule: Schedule, error: ScheduleError, now: float) -> None:
        """Disable a schedule whose rule leads nowhere."""
        parked = replace(schedule, state=ScheduleState.DISABLED, trouble=error.message, updated_at=now)
        self._ports.records.change(parked, void=f"the schedule was disabled: {error.message}", at=now)
        self._tell(f"schedule {schedule.name!r} is disabled: {error.message}")

    # -- settle --------------------------------------------------------------------------------------------------------

    def _settle(self, schedule: Schedule) -> None:
        """Record how runs have ended, and tell whom that concerns. A run that is removed counts as canceled."""
        open_ticks = self._ports.records.open(schedule.id)
        if not open_ticks:
            return
        statuses = self._ports.launcher.statuses([tick.run for tick in open_ticks])
        for tick in open_ticks:
            status = statuses.get(tick.run, RunStatus.CANCELED)
            if status.final:
                settled = replace(tick, outcome=status)
                if status is RunStatus.FAILED:
                    self._notify(schedule, settled)
                self._ports.records.settle(settled)

    def _notify(self, schedule: Schedule, tick: Tick) -> None:
        """Tell of a failure; that nobody can be told holds nothing up."""
        if not schedule.spec.notify:
            return
        try:
            self._ports.notifier.failed(schedule, tick)
        except (PipelinekitError, OSError) as error:
            self._tell(f"schedule {schedule.name!r}: nobody could be told of a failure: {error}")

    # -- fire ----------------------------------------------------------------------------------------------------------

    def _fire(self, schedule: Schedule) -> None:
        pending = [tick for tick in self._ports.records.pending(schedule.id) if not self._is_early(tick)]
        least = self._starts_left - STARTS_OF_ONE
        for tick in pending:
            if self._starts_left <= max(least, 0):
                return
            self._attempt(schedule, tick)

    def _is_early(self, tick: Tick) -> bool:
        return tick.not_before > self._ports.clock.now()

    def _attempt(self, schedule: Schedule, tick: Tick) -> None:
        """Decide a tick in one transaction; what failed for good is recorded in another."""
        try:
            if self._would_wait(schedule, tick):
                return
            with self._ports.batch():
                run = self._decide(tick)
        except _PASSING as error:
            if self._ports.clock.now() - tick.planned_at < PATIENCE_SECONDS:
                raise
            self._give_up(schedule, tick, error)
        except PipelinekitError as error:
            self._give_up(schedule, tick, error)
        else:
            if run and self._ports.drive is not None:
                self._ports.drive(run)

    def _would_wait(self, schedule: Schedule, tick: Tick) -> bool:
        """Whether there is nothing to do for a tick: that is looked at without the write lock."""
        return self._verdict(schedule, tick)[0] is Verdict.WAIT

    def _decide(self, tick: Tick) -> str:
        """Inside a batch: do with a tick what is to be done with it now; the run that was started."""
        schedule = self._ports.records.hold(tick)
        if schedule is None:
            return ""  # another ticker, or whoever changed the schedule, was first
        verdict, reason = self._verdict(schedule, tick)
        now = self._ports.clock.now()
        if verdict is Verdict.SKIP:
            self._ports.records.decide(
                replace(tick, disposition=Disposition.SKIPPED_OVERLAP, reason=reason, decided_at=now)
            )
        elif verdict is Verdict.CANCEL:
            for other in self._open_runs(schedule, tick):
                self._ports.launcher.cancel(other)
        elif verdict is Verdict.FIRE:
            return self._start(schedule, tick, now)
        return ""

    def _start(self, schedule: Schedule, tick: Tick, now: float) -> str:
        before = self._ports.records.fired(schedule.id, tick.due, tick.due) if tick.origin == DUE else {}
        if run := before.get(tick.due):
            reason = f"run {run} was started for this instant"
            done = replace(tick, disposition=Disposition.DUPLICATE, run=run, reason=reason, decided_at=now)
            self._ports.records.decide(done)
            return ""
        self._starts_left -= 1
        parameters = {**render(schedule.spec.parameters, self._values(schedule, tick)), **tick.parameters}
        run = self._ports.launcher.submit(schedule, tick, parameters)
        fired = replace(tick, disposition=Disposition.FIRED, run=run, parameters=parameters, decided_at=now)
        self._ports.records.decide(fired)
        return run

    def _values(self, schedule: Schedule, tick: Tick) -> dict[str, str]:
        """What templates stand for."""
        zone = self._ports.zones.find(schedule.spec.zone)
        previous = self._ports.records.previous_success(schedule.id, tick.due)
        return tick_values(zone, tick.due, previous)

    def _give_up(self, schedule: Schedule, tick: Tick, error: PipelinekitError) -> None:
        """Record that no run could be made for an instant."""
        reason = error.message + (f" ({error.hint})" if error.hint else "")
        failed = replace(tick, disposition=Disposition.ERROR, reason=reason, decided_at=self._ports.clock.now())
        with self._ports.batch():
            is_first = self._ports.records.hold(tick) is not None and self._ports.records.decide(failed)
        if is_first:
            self._tell(f"schedule {schedule.name!r}: no run could be started: {error.message}")
            self._notify(schedule, failed)

    # -- overlap -------------------------------------------------------------------------------------------------------

    def _verdict(self, schedule: Schedule, tick: Tick) -> tuple[Verdict, str]:
        """What is to be done with a pending tick, as the records stand now."""
        if tick.origin == MANUAL:
            return Verdict.FIRE, ""
        if tick.origin != DUE:
            at_once = {item.origin: item.at_once for item in self._ports.records.backfills(schedule.id)}
            is_full = len(self._open_runs(schedule, tick)) >= at_once.get(tick.origin, 1)
            return Verdict.WAIT if is_full else Verdict.FIRE, ""
        waiting = self._ports.records.pending(schedule.id)
        waiting = [item for item in waiting if item.origin == DUE and not self._is_early(item)]
        open_runs = self._open_runs(schedule, tick)
        for item, verdict, reason in verdicts(schedule.spec.policies, waiting, len(open_runs)):
            if item.key == tick.key:
                if verdict is Verdict.CANCEL and all(
                    status is RunStatus.CANCEL_REQUESTED for status in open_runs.values()
                ):
                    return Verdict.WAIT, ""
                return verdict, reason
        return Verdict.WAIT, ""

    def _open_runs(self, schedule: Schedule, tick: Tick) -> dict[str, RunStatus]:
        """Runs that a tick must not start beside: of its backfill, or else of what came due or was asked for."""
        beside: Sequence[str] = (DUE, MANUAL) if tick.origin == DUE else (tick.origin,)
        runs = [item.run for item in self._ports.records.open(schedule.id) if item.origin in beside]
        statuses = self._ports.launcher.statuses(runs) if runs else {}
        return {run: status for run, status in statuses.items() if not status.final}


def _is_timed(schedule: Schedule) -> bool:
    """Whether a schedule is due by a clock."""
    return schedule.state is ScheduleState.ACTIVE and not isinstance(schedule.spec.trigger, DataChange)


def tick_values(zone: tzinfo, due: float, previous_success: float | None) -> dict[str, str]:
    """What the templates of a schedule's parameters stand for at an instant."""
    return {
        "due": iso(zone, due),
        "due_date": date_text(zone, due),
        "previous_success": "" if previous_success is None else iso(zone, previous_success),
    }
