"""Schedules in memory: the twins of what `storage` keeps, and of what makes runs of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, tzinfo
from typing import Any

from pipelinekit.classes import field, mutable, replace
from pipelinekit.domain.data_changes import DataChange, Listing
from pipelinekit.domain.runs import RunStatus
from pipelinekit.domain.schedules import (
    DUE,
    MANUAL,
    Backfill,
    Disposition,
    Glance,
    Schedule,
    ScheduleState,
    Tick,
    TickRange,
)
from pipelinekit.domain.vitals import TICKS, lateness_totals
from pipelinekit.errors import ConflictError, LeaseLostError, NotFoundError

Key = tuple[str, int, float, str]


@mutable
class MemoryLedger:
    """Everything that the twins share, the runs of an imaginary launcher included."""

    schedules: dict[str, Schedule] = field(default_factory=dict)
    ticks: dict[Key, Tick] = field(default_factory=dict)
    ranges: dict[tuple[str, int, float], TickRange] = field(default_factory=dict)
    backfills: dict[tuple[str, int], Backfill] = field(default_factory=dict)
    runs: dict[str, RunStatus] = field(default_factory=dict)
    totals: dict[tuple[str, str], float] = field(default_factory=dict)

    def count(self, told: Iterable[tuple[str, str, float]]) -> None:
        """Add to what has happened in all."""
        for name, label, value in told:
            self.totals[name, label] = self.totals.get((name, label), 0.0) + value

    @contextmanager
    def batch(self) -> Iterator[None]:
        """All that is written inside, or none of it."""
        kept = {name: dict(getattr(self, name)) for name in self.__match_args__}
        try:
            yield
        except BaseException:
            for name, value in kept.items():
                setattr(self, name, value)
            raise


class MemorySchedules:
    """Twin of `storage.schedules.SQLSchedules`."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger

    def add(self, schedule: Schedule) -> None:
        """Keep a new schedule."""
        self._refuse_taken(schedule)
        self._ledger.schedules[schedule.id] = schedule

    def get(self, name: str) -> Schedule:
        """The schedule of this name, or of this id."""
        for schedule in self._ledger.schedules.values():
            is_named = schedule.name.lower() == name.lower() and schedule.state is not ScheduleState.DELETED
            if schedule.id == name or is_named:
                return schedule
        raise NotFoundError(f"there is no schedule {name!r}")

    def list(self, *, deleted: bool = False) -> Sequence[Schedule]:
        """All of them."""
        found = sorted(self._ledger.schedules.values(), key=lambda item: (item.name.lower(), item.created_at, item.id))
        return [schedule for schedule in found if deleted or schedule.state is not ScheduleState.DELETED]

    def glance(self) -> Sequence[Glance]:
        """Those that there may be something to do for."""
        found = [
            (item, Glance(item.id, item.version, bool(self.pending(item.id)), bool(self.open(item.id))))
            for item in self.list(deleted=True)
        ]
        return [seen for item, seen in found if item.state is ScheduleState.ACTIVE or seen.pending or seen.open]

    def some(self, ids: Iterable[str]) -> Mapping[str, Schedule]:
        """Schedules by id."""
        return {name: self._ledger.schedules[name] for name in ids if name in self._ledger.schedules}

    def change(
        self,
        schedule: Schedule,
        *,
        ticks: Iterable[Tick] = (),
        ranges: Iterable[TickRange] = (),
        backfills: Iterable[Backfill] = (),
        void: str = "",
        every_origin: bool = False,
        at: float = 0.0,
    ) -> Schedule | None:
        """Keep a schedule as it is here, and what belongs to the change."""
        if schedule.state is not ScheduleState.DELETED:
            self._refuse_taken(schedule)
        known = self._ledger.schedules.get(schedule.id)
        if known is None or known.version != schedule.version:
            return None
        changed = replace(schedule, version=schedule.version + 1)
        self._ledger.schedules[schedule.id] = changed
        for tick in self.pending(schedule.id) if void else ():
            if every_origin or tick.origin == DUE:
                self._ledger.ticks[tick.key] = replace(tick, disposition=Disposition.VOIDED, reason=void, decided_at=at)
                self._ledger.count([(TICKS, str(Disposition.VOIDED), 1.0)])
        for tick in ticks:
            self._ledger.ticks.setdefault(tick.key, tick)
            if tick.disposition is not Disposition.PENDING:
                self._ledger.count([(TICKS, str(tick.disposition), 1.0)])
        for found in ranges:
            self._ledger.ranges.setdefault((found.schedule, found.spec_version, found.first), found)
            self._ledger.count([(TICKS, str(found.disposition), float(found.count))])
        for backfill in backfills:
            self._ledger.backfills[backfill.schedule, backfill.number] = backfill
        return changed

    def pending(self, schedule: str) -> Sequence[Tick]:
        """Ticks without a disposition."""
        return [tick for tick in self._of(schedule) if tick.disposition is Disposition.PENDING]

    def hold(self, tick: Tick) -> Schedule | None:
        """The schedule of a tick that is pending."""
        known = self._ledger.ticks.get(tick.key)
        return self.get(tick.schedule) if known and known.disposition is Disposition.PENDING else None

    def decide(self, tick: Tick) -> bool:
        """Give a pending tick its disposition."""
        known = self._ledger.ticks[tick.key]
        if known.disposition is not Disposition.PENDING:
            return False
        self._ledger.ticks[tick.key] = replace(
            known,
            disposition=tick.disposition,
            run=tick.run,
            reason=tick.reason,
            decided_at=tick.decided_at,
            parameters=tick.parameters,
        )
        self._ledger.count([(TICKS, str(tick.disposition), 1.0)])
        if tick.disposition is Disposition.FIRED and tick.origin == DUE and tick.decided_at is not None:
            self._ledger.count(lateness_totals(tick.decided_at - max(tick.due, tick.not_before)))
        return True

    def open(self, schedule: str) -> Sequence[Tick]:
        """Ticks with a run whose outcome is not recorded yet."""
        return [tick for tick in self._fired(schedule) if tick.outcome is None]

    def settle(self, tick: Tick) -> bool:
        """Record the outcome of a tick's run."""
        known = self._ledger.ticks[tick.key]
        if known.disposition is not Disposition.FIRED or known.outcome is not None:
            return False
        self._ledger.ticks[tick.key] = replace(known, outcome=tick.outcome)
        return True

    def fired(self, schedule: str, since: float, until: float) -> Mapping[float, str]:
        """Runs by the instants that they were started for."""
        found = [tick for tick in self._fired(schedule) if since <= tick.due <= until and tick.origin != MANUAL]
        return {tick.due: tick.run for tick in sorted(found, key=lambda tick: tick.origin, reverse=True)}

    def previous_success(self, schedule: str, due: float) -> float | None:
        """The newest instant before this one whose run has completed."""
        found = [
            tick.due
            for tick in self._fired(schedule)
            if tick.due < due and tick.outcome is RunStatus.COMPLETED and tick.origin != MANUAL
        ]
        return max(found, default=None)

    def history(self, schedule: str, most: int) -> tuple[Sequence[Tick], Sequence[TickRange]]:
        """The newest ticks and ranges."""
        ticks = sorted(self._of(schedule), key=lambda tick: (-tick.due, -tick.spec_version, tick.origin))
        ranges = [found for found in self._ledger.ranges.values() if found.schedule == schedule]
        return ticks[:most], sorted(ranges, key=lambda found: (-found.last, -found.spec_version))[:most]

    def backfills(self, schedule: str) -> Sequence[Backfill]:
        """Backfills in the order of their numbers."""
        return [item for (owner, _), item in sorted(self._ledger.backfills.items()) if owner == schedule]

    def _of(self, schedule: str) -> Sequence[Tick]:
        found = [tick for tick in self._ledger.ticks.values() if tick.schedule == schedule]
        return sorted(found, key=lambda tick: (tick.due, tick.origin))

    def _fired(self, schedule: str) -> Sequence[Tick]:
        return [tick for tick in self._of(schedule) if tick.disposition is Disposition.FIRED]

    def _refuse_taken(self, schedule: Schedule) -> None:
        for known in self.list():
            if known.name.lower() == schedule.name.lower() and known.id != schedule.id:
                raise ConflictError(f"there is a schedule {schedule.name!r} already")


class MemoryTickers:
    """Twin of `storage.schedules.SQLTickers`. Owners in `dead` count as dead."""

    def __init__(self, dead: set[str]) -> None:
        self._dead = dead
        self._owner = ""
        self._epoch = 0

    def take(self, owner: str) -> int:
        """Become the ticker."""
        if self._owner and self._owner not in self._dead:
            raise LeaseLostError(f"another process sees to the schedules ({self._owner})")
        self._owner, self._epoch = owner, self._epoch + 1
        return self._epoch

    def renew(self, epoch: int) -> None:
        """Keep the lease."""
        if self._epoch != epoch or not self._owner:
            raise LeaseLostError("another process sees to the schedules now")

    def release(self, epoch: int) -> None:
        """Give the lease back."""
        if self._epoch == epoch:
            self._owner = ""

    def holder(self) -> str:
        """Who is the ticker now."""
        return "" if self._owner in self._dead else self._owner


class MemoryZones:
    """Implements `ports.Zones` with zones that it is given, beside UTC."""

    def __init__(self, zones: Mapping[str, tzinfo] | None = None) -> None:
        self._zones = {"UTC": UTC, **(zones or {})}

    def find(self, name: str) -> tzinfo:
        """The zone of this name."""
        if name not in self._zones:
            raise NotFoundError(f"there is no time zone {name!r}", hint=f"there are: {', '.join(self._zones)}")
        return self._zones[name]

    def version(self) -> str:
        """Always the same."""
        return "made up"


class MemoryLauncher:
    """Implements `ports.Launcher`: runs are names in the ledger, and stand as a test says.

    `trouble` is raised by the next submissions, if it is set. `given` holds the parameters of runs.
    """

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger
        self.trouble: Exception | None = None
        self.given: dict[str, Mapping[str, Any]] = {}

    def submit(self, schedule: Schedule, tick: Tick, parameters: Mapping[str, Any]) -> str:
        """Record a run, which is queued."""
        run = f"{schedule.name} {tick.due:.0f}{tick.origin} {len(self._ledger.runs)}"
        self._ledger.runs[run] = RunStatus.QUEUED
        self.given[run] = parameters
        if self.trouble is not None:
            raise self.trouble
        return run

    def statuses(self, runs: Iterable[str]) -> Mapping[str, RunStatus]:
        """How runs stand."""
        return {run: self._ledger.runs[run] for run in runs if run in self._ledger.runs}

    def cancel(self, run: str) -> None:
        """Ask for a run to be canceled."""
        if not self._ledger.runs[run].final:
            self._ledger.runs[run] = RunStatus.CANCEL_REQUESTED

    def end(self, run: str, status: RunStatus = RunStatus.COMPLETED) -> None:
        """The run has ended so."""
        self._ledger.runs[run] = status


class MemoryWatcher:
    """Implements `ports.Watcher`: `files` are what a test puts there. `looks` counts."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.looks = 0

    def look(self, trigger: DataChange) -> Listing:  # noqa: ARG002 - the port's
        """What there is now."""
        self.looks += 1
        return Listing(dict(self.files))

    def value(self, trigger: DataChange, listing: Listing, path: str = "") -> Any:  # noqa: ARG002 - the port's
        """The files with what tells their content."""
        return {path: listing.files[path]} if path else dict(listing.files)


class MemoryNotifier:
    """Implements `ports.Notifier`: `told` holds what was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Tick]] = []
        self.trouble: Exception | None = None

    def failed(self, schedule: Schedule, tick: Tick) -> None:
        """Keep what was told."""
        if self.trouble is not None:
            raise self.trouble
        self.told.append((schedule.name, tick))
