"""A workspace with schedules, in memory: what a ticker sees to, with a clock turned by hand."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pipelinekit.domain.schedules import Disposition, Policies
from pipelinekit.engine.recurrence import Timetable, first_mark
from pipelinekit.runtime.ticker import Ticker, TickerPorts
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.schedules import (
    MemoryLauncher,
    MemoryLedger,
    MemoryNotifier,
    MemorySchedules,
    MemoryTickers,
    MemoryWatcher,
    MemoryZones,
)
from pipelinekit.workspace.schedules import ScheduleCollection, ScheduleStores

NOON = datetime(2026, 5, 10, 12, tzinfo=UTC).timestamp()
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


class Site:
    """Twins of everything, one ticker, and the collection that people use. It is noon."""

    def __init__(self, records=None, batch=None, launcher=None):
        self.clock = HandClock(NOON)
        self.passed = 0.0  # counted beside the clock
        self.ledger = MemoryLedger()
        self.records = records or MemorySchedules(self.ledger)
        self.batch = batch or self.ledger.batch
        self.launcher = launcher or MemoryLauncher(self.ledger)
        self.notifier = MemoryNotifier()
        self.zones = MemoryZones({"Europe/Berlin": ZoneInfo("Europe/Berlin")})
        self.watcher = MemoryWatcher()
        self.lease = MemoryTickers(set())
        self.told = []
        self.schedules = ScheduleCollection(ScheduleStores(self.records, self.zones, self.clock, lambda spec: ()))
        self.ticker = self.new_ticker()

    def new_ticker(self, owner="ticker", **ports):
        known = {
            "records": self.records,
            "lease": self.lease,
            "launcher": self.launcher,
            "notifier": self.notifier,
            "zones": self.zones,
            "clock": self.clock,
            "batch": self.batch,
            "watcher": self.watcher,
        }
        return Ticker(owner, TickerPorts(**(known | ports)), lambda: self.passed, self.told.append)

    def make(
        self, trigger="0 * * * *", name="nightly", *, zone="UTC", start=None, parameters=None, notify=(), **policies
    ):
        return self.schedules.create(
            name, trigger, endpoint="score", experiment="e", zone=zone, start=start, parameters=parameters, notify=notify,
            policies=Policies(**policies),
        )  # fmt: skip

    def turn(self, seconds=0.0, turns=1):
        """Let time pass, and look so often."""
        self.clock.turn(seconds)
        self.passed += seconds
        for _ in range(turns):
            self.ticker.turn()

    def end_runs(self, *statuses):
        """All open runs have ended."""
        for run, status in list(self.ledger.runs.items()):
            if not status.final:
                self.launcher.end(run, *statuses)

    def found(self, name="nightly", origin=""):
        """What became of instants: hours and minutes of the day with dispositions, the earliest first."""
        ticks, _ = self.records.history(self.records.get(name).id, 10_000)
        return [f"{at(tick.due)} {tick.disposition}" for tick in reversed(ticks) if tick.origin == origin]

    def ranges(self, name="nightly"):
        _, ranges = self.records.history(self.records.get(name).id, 10_000)
        return [f"{at(one.first)}-{at(one.last)} {one.count} {one.disposition}" for one in reversed(ranges)]


def at(instant):
    return datetime.fromtimestamp(instant, UTC).strftime("%H:%M")


def audit(records, zones, schedule, specs, now, first=None):
    """Every instant that was due has one disposition, no other has one, and each run belongs to one instant.

    `specs` are the versions of the schedule with the time from which each counted, and whether it was active.
    """
    ticks, ranges = records.history(schedule.id, 1_000_000)
    own = [tick for tick in ticks if tick.origin == ""]
    due = [tick.due for tick in own]
    for one in ranges:
        timetable = Timetable(specs[one.spec_version], zones.find(specs[one.spec_version].zone), schedule.created_at)
        inside = list(timetable.between(one.first - 0.5, one.last))
        assert len(inside) == one.count, one
        assert (inside[0], inside[-1]) == (one.first, one.last)
        due += inside
    assert len(due) == len(set(due)), "an instant has two dispositions"
    runs = [tick.run for tick in ticks if tick.disposition is Disposition.FIRED]
    assert len(runs) == len(set(runs))
    assert all(runs)
    if len(specs) == 1:
        timetable = Timetable(schedule.spec, zones.find(schedule.spec.zone), schedule.created_at)
        begin = first_mark(schedule.spec, schedule.created_at)
        assert sorted(due) == list(timetable.between(begin, now))
    return own, runs
