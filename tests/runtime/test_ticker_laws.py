"""Whatever a ticker dies of, and however two of them get in each other's way: each instant is fired exactly once.

Durable effects are counted, not listed: a ticker dies before or after each, and another goes on. Two tickers, each of
which takes itself for the only one, take turns as Hypothesis says, at every call of a port; a third party changes the
schedule meanwhile.
"""

import threading
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_deaths import Crash, Effects, Watched, watched_ticker
from schedule_site import HOUR, MINUTE, NOON, Site, audit

from pipelinekit.domain.digests import digest
from pipelinekit.domain.names import run_id
from pipelinekit.domain.runs import RunRecord, RunStatus
from pipelinekit.domain.schedules import Disposition
from pipelinekit.storage.runs import SQLDriving, SQLRuns
from pipelinekit.storage.schedules import SQLSchedules
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.testing.schedules import MemoryTickers
from pipelinekit.workspace.schedules import ScheduleCollection, ScheduleStores

KINDS = ("memory", "sqlite")


# -- where records are -------------------------------------------------------------------------------------------------


class SQLLauncher:
    """A launcher whose runs lie in the database that the ledger is in."""

    def __init__(self, database, clock):
        self.runs, self.driving, self.clock = SQLRuns(database, clock), SQLDriving(database, clock), clock
        self.database = database

    def submit(self, schedule, tick, parameters):
        run = run_id(int(self.clock.now() * 1000), len(self.ids()))
        graph = digest("graph")
        return self.runs.create(
            RunRecord(run, 0, "exp", "pipe", graph, RunStatus.QUEUED, self.clock.now(), detached=True)
        ).id

    def ids(self):
        return [row["id"] for row in self.database.select("select id from runs order by id")]

    def statuses(self, runs):
        return {run: self.runs.get(run).status for run in runs}

    def cancel(self, run):
        self.runs.request_cancel(run)

    def end(self, run, status=RunStatus.COMPLETED):
        self.driving.finish(run, self.driving.take(run, "driver").epoch, status, {}, None)


class Records:
    """Records in one place, which are opened once for each thread."""

    def __init__(self, kind, folder, clock):
        self.kind, self.path, self.clock = kind, folder / "records.db", clock

    def open(self, site):
        """Records, a launcher and a batch of one's own."""
        if self.kind == "memory":
            return site.records, site.launcher, site.batch
        database = SQLiteDatabase(self.path)
        return SQLSchedules(database), SQLLauncher(database, self.clock), database.transaction


def site_of(kind, folder):
    site = Site()
    site.places = Records(kind, folder, site.clock)
    site.records, site.launcher, site.batch = site.places.open(site)
    site.schedules = ScheduleCollection(ScheduleStores(site.records, site.zones, site.clock, lambda spec: ()))
    site.ticker = site.new_ticker()
    return site


def runs_of(site):
    if site.places.kind == "memory":
        return list(site.ledger.runs)
    return site.launcher.ids()


class Strict:
    """A launcher that is asked for nothing that is void."""

    def __init__(self, launcher):
        self._launcher = launcher

    def __getattr__(self, name):
        return getattr(self._launcher, name)

    def submit(self, schedule, tick, parameters):
        assert tick.spec_version == schedule.spec_version
        assert schedule.state == "Active" or tick.origin
        return self._launcher.submit(schedule, tick, parameters)


# -- death at every effect ---------------------------------------------------------------------------------------------


def live(site, effects):
    """An afternoon with everything in it; a ticker that dies is followed by one that does not."""
    site.make("*/20 * * * *", "all", overlap="allow", catch_up="all")
    site.make("0 * * * *", "one", overlap="queue_one", notify=["ops"])
    site.make("0 * * * *", "last", overlap="cancel_other")
    site.ticker = watched_ticker(site, effects, "first")

    def turn(seconds):
        site.clock.turn(seconds)
        site.passed += seconds
        try:
            site.ticker.turn()
        except Crash:
            effects.left = 10**9
            site.ticker = watched_ticker(site, effects, "second")
            site.ticker.turn()

    for seconds in (20 * MINUTE, 45 * MINUTE, 60 * MINUTE, 0.0):
        turn(seconds)
    for run in runs_of(site)[:3]:
        site.launcher.end(run, RunStatus.FAILED)
    site.schedules.backfill("one", NOON - 2 * HOUR, NOON)
    for seconds in (0.0, 0.0, 150 * MINUTE, 0.0, 0.0):
        turn(seconds)


def hold_to_the_laws(site):
    everything = []
    for schedule in site.records.list():
        own, runs = audit(site.records, site.zones, schedule, {1: schedule.spec}, site.clock.now())
        everything += runs
        if schedule.spec.policies.overlap == "allow":
            assert {tick.disposition for tick in own} == {Disposition.FIRED}
    assert sorted(everything) == sorted(runs_of(site)), "a run belongs to no instant, or to two"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_nothing_is_lost_and_nothing_doubled_whatever_effect_a_ticker_died_at(kind, after, tmp_path):
    counted = Effects(10**6, after)
    live(site := site_of(kind, tmp_path), counted)
    hold_to_the_laws(site)
    whole = {name: site.found(name) for name in ("all", "one")}
    count = 10**6 - counted.left
    assert count > 80
    for nth in range(1, count + 1, 1 if kind == "memory" else 5):
        folder = tmp_path / str(nth)
        folder.mkdir()
        site = site_of(kind, folder)
        try:
            live(site, Effects(nth, after))
            hold_to_the_laws(site)
            assert site.found("all") == whole["all"]
        except BaseException as error:
            error.add_note(f"the ticker died {'after' if after else 'before'} effect {nth} of {count}")
            raise


# -- two at once -------------------------------------------------------------------------------------------------------


class Turns:
    """Threads of which one acts at a time; who is next at each pause is told by a list of numbers."""

    def __init__(self, choices):
        self.choices, self.alive, self.current = list(choices), [], None
        self.changed = threading.Condition()
        self.failures = []

    def run(self, works):
        self.alive = list(range(len(works)))
        self.current = 0
        threads = [threading.Thread(target=self._work, args=(number, work)) for number, work in enumerate(works)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        if self.failures:
            raise self.failures[0]

    def _work(self, number, work):
        try:
            self._wait_for(number)
            work(lambda: self.pause(number))
        except BaseException as error:
            self.failures.append(error)
        finally:
            with self.changed:
                self.alive.remove(number)
                self._pass_on()

    def pause(self, number):
        with self.changed:
            self._pass_on()
        self._wait_for(number)

    def _pass_on(self):
        if self.alive:
            choice = self.choices.pop() if self.choices else len(self.choices) + (self.current or 0) + 1
            self.current = self.alive[choice % len(self.alive)]
        self.changed.notify_all()

    def _wait_for(self, number):
        with self.changed:
            assert self.changed.wait_for(lambda: self.current == number, 60)


def a_ticker(site, moves):
    """Work of a ticker that takes itself for the only one. Nobody pauses inside of a transaction."""

    def work(pause):
        records, launcher, batch = site.places.open(site)
        inside = [0]

        def call(name, act):
            if not inside[0]:
                pause()
            return act()

        @contextmanager
        def whole():
            pause()
            inside[0] += 1
            try:
                with batch():
                    yield
            finally:
                inside[0] -= 1

        ticker = site.new_ticker(
            "ticker",
            records=Watched(records, call),
            launcher=Watched(Strict(launcher), call),
            lease=MemoryTickers(set()),
            batch=whole,
        )
        for seconds in moves:
            pause()
            site.clock.turn(seconds)
            site.passed += seconds
            ticker.turn()

    return work


moves = st.lists(st.sampled_from([0.0, 1.0, 600.0, 1800.0, 3700.0]), min_size=2, max_size=5)
choices = st.lists(st.integers(0, 5), max_size=150)


@pytest.mark.parametrize(("kind", "examples"), [("memory", 150), ("sqlite", 25)])
@pytest.mark.parametrize("overlap", ["allow", "skip", "queue_all"])
def test_two_tickers_fire_each_instant_exactly_once(kind, overlap, examples, tmp_path):
    numbers = iter(range(10**6))

    @settings(max_examples=examples, deadline=None)
    @given(moves, moves, choices)
    def holds(first, second, order):
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        site = site_of(kind, folder)
        site.make("*/15 * * * *", overlap=overlap, catch_up="all")
        Turns(order).run([a_ticker(site, first), a_ticker(site, second)])
        site.turn(0.0, turns=5)
        schedule = site.records.get("nightly")
        own, runs = audit(site.records, site.zones, schedule, {1: schedule.spec}, site.clock.now())
        assert sorted(runs) == sorted(runs_of(site))
        if overlap == "allow":
            assert {tick.disposition for tick in own} <= {Disposition.FIRED}
        else:
            assert len(runs) == bool(own), "a second run was started beside an open one"

    holds()


def an_editor(site, edits, specs):
    """Work of somebody who changes the schedule at any moment."""

    def work(pause):
        records, _, _ = site.places.open(site)

        def call(name, act):
            pause()
            return act()

        stores = ScheduleStores(Watched(records, call), site.zones, site.clock, lambda spec: ())
        schedules = ScheduleCollection(stores)
        for edit in edits:
            pause()
            if edit in ("disable", "enable", "run_now"):
                getattr(schedules, edit)("nightly")
            else:
                record = schedules.update("nightly", trigger=edit).record
                specs[record.spec_version] = record.spec

    return work


edits = st.lists(
    st.sampled_from(["disable", "enable", "run_now", "*/10 * * * *", "*/15 * * * *", "7 * * * *"]), max_size=6
)


@pytest.mark.parametrize(("kind", "examples"), [("memory", 150), ("sqlite", 20)])
def test_whatever_is_changed_meanwhile_no_instant_is_lost_doubled_or_fired_after_it_was_void(kind, examples, tmp_path):
    numbers = iter(range(10**6))

    @settings(max_examples=examples, deadline=None)
    @given(moves, moves, edits, choices)
    def holds(first, second, changes, order):
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        site = site_of(kind, folder)
        specs = {1: site.make("*/15 * * * *", overlap="allow", catch_up="all").record.spec}
        Turns(order).run([a_ticker(site, first), a_ticker(site, second), an_editor(site, changes, specs)])
        site.schedules.enable("nightly")
        site.turn(0.0, turns=5)
        schedule = site.records.get("nightly")
        own, runs = audit(site.records, site.zones, schedule, specs, site.clock.now())
        assert sorted(runs) == sorted(runs_of(site))
        assert list(site.records.pending(schedule.id)) == []
        fired = [tick.due for tick in own if tick.disposition is Disposition.FIRED]
        assert len(fired) == len(set(fired))
        assert {tick.disposition for tick in own} <= {Disposition.FIRED, Disposition.VOIDED}

    holds()
