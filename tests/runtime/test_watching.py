"""Schedules that wait for data: what settles, what is a change, and what the run is given."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_deaths import Crash, Effects, watched_ticker
from schedule_site import Site

from pipelinekit.domain.data_changes import Cursor, DataChange, Listing
from pipelinekit.domain.schedules import Disposition
from pipelinekit.engine.watching import observe
from pipelinekit.errors import ScheduleError

LAKE = DataChange("lake", "in", parameter="data", poll=300.0, settle=60.0)
EACH = DataChange("lake", "in", parameter="data", poll=300.0, settle=60.0, each_file=True)


@pytest.fixture
def site():
    return Site()


def given_to_runs(site):
    return list(site.launcher.given.values())


def settle(site, looks=4):
    for _ in range(looks):
        site.turn(100.0)


def test_what_is_there_at_first_is_no_change_and_one_run_is_started_for_each_that_settles(site):
    site.make(LAKE, overlap="allow", parameters={"n": 1})
    site.watcher.files = {"a.csv": "1"}
    site.turn()
    settle(site)
    assert given_to_runs(site) == []
    site.watcher.files = {"a.csv": "1", "deep/b.csv": "1"}
    site.turn(300.0)
    assert given_to_runs(site) == [], "it may not be whole yet"
    site.watcher.files["deep/c.csv"] = "1"
    site.turn(60.0)
    assert given_to_runs(site) == [], "it was not"
    site.turn(60.0, turns=3)
    whole = {"a.csv": "1", "deep/b.csv": "1", "deep/c.csv": "1"}
    assert given_to_runs(site) == [{"n": 1, "data": whole}]
    settle(site, 9)
    assert len(given_to_runs(site)) == 1
    (tick,) = site.schedules.history("nightly")[0]
    assert (tick.disposition, tick.parameters) == (Disposition.FIRED, {"n": 1, "data": whole})


def test_what_is_put_there_again_is_no_change_but_what_comes_back_after_another_is(site):
    site.make(LAKE, overlap="allow")
    for state in ("1", "1", "2", "1"):
        site.watcher.files = {"a.csv": state}
        site.turn(301.0)
        settle(site)
    assert given_to_runs(site) == [{"data": {"a.csv": "2"}}, {"data": {"a.csv": "1"}}]


def test_each_new_or_other_file_has_a_run_of_its_own_if_that_is_asked(site):
    site.make(EACH, overlap="allow")
    site.watcher.files = {"a": "1", "b": "1"}
    site.turn()
    site.watcher.files = {"b": "2", "c": "1", "d/e": "1"}
    site.turn(301.0)
    settle(site)
    assert given_to_runs(site) == [{"data": {"b": "2"}}, {"data": {"c": "1"}}, {"data": {"d/e": "1"}}]
    site.watcher.files = {"b": "2"}
    site.turn(301.0)
    settle(site)
    assert len(given_to_runs(site)) == 3, "what only went has nothing to run on"


def test_a_paused_schedule_takes_no_notice_and_sees_the_whole_change_afterwards(site):
    site.make(LAKE, overlap="queue_one")
    site.watcher.files = {"a": "1"}
    site.turn()
    site.schedules.disable("nightly")
    site.watcher.files = {"a": "2"}
    settle(site, 9)
    assert given_to_runs(site) == []
    site.schedules.enable("nightly")
    settle(site, 9)
    assert given_to_runs(site) == [{"data": {"a": "2"}}]


def change_once(effects):
    """Two files change once, and a ticker that dies is followed by another; the site."""
    site = Site()
    site.make(EACH, overlap="allow")
    site.watcher.files = {"a": "1"}
    site.turn()
    site.ticker = watched_ticker(site, effects, "first")
    site.watcher.files = {"a": "2", "b": "1"}
    for _ in range(8):
        site.clock.turn(100.0)
        site.passed += 100.0
        try:
            site.ticker.turn()
        except Crash:
            effects.left = 10**9
            site.ticker = watched_ticker(site, effects, "second")
    return site


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_change_starts_its_runs_once_whatever_effect_a_ticker_died_at(after):
    counted = Effects(10**6, after)
    change_once(counted)
    count = 10**6 - counted.left
    assert count > 10
    for nth in range(1, count + 1):
        site = change_once(Effects(nth, after))
        ticks = site.schedules.history("nightly")[0]
        assert [tick.parameters for tick in reversed(ticks)] == [{"data": {"a": "2"}}, {"data": {"b": "1"}}], nth
        assert sorted(tick.run for tick in ticks) == sorted(site.ledger.runs), nth


def test_data_is_looked_at_no_oftener_than_was_said(site):
    site.make(LAKE)
    for _ in range(100):
        site.turn(60.0)
    assert 20 <= site.watcher.looks <= 22


def test_where_nobody_watches_that_is_told(site):
    site.make(LAKE)
    site.ticker = site.new_ticker(watcher=None)
    site.turn(turns=3)
    assert len(site.told) == 1
    assert "lake/in is watched by nobody" in site.told[0]


@pytest.mark.parametrize("trigger", [
    DataChange(), DataChange("lake", dataset="sales"), DataChange("lake", "a/../.."), DataChange("lake", poll=0.0),
    DataChange("lake", settle=-1.0), DataChange(dataset="sales", each_file=True, parameter="x"),
    DataChange("lake", each_file=True), DataChange(path="a", dataset="sales"),
])  # fmt: skip
def test_what_cannot_be_watched_is_refused(site, trigger):
    with pytest.raises(ScheduleError):
        site.make(trigger)


looks = st.lists(st.tuples(st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), max_size=3),
                           st.sampled_from([1.0, 30.0, 70.0])), max_size=30)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(looks, st.booleans())
def test_a_change_is_told_when_and_only_when_something_other_than_before_has_stood_still(seen, each):
    trigger, cursor, now, before = (EACH if each else LAKE), Cursor(), 0.0, None
    stood, since = None, 0.0
    for files, seconds in seen:
        now += seconds
        cursor, change = observe(trigger, cursor, Listing(files), now)
        if files != stood:
            stood, since = files, now
        if before is None:
            assert change is None
            before = files
            continue
        assert (change is not None) == (files != before and now - since >= trigger.settle)
        if change is not None:
            if each:
                assert set(change.files) == {path for path, state in files.items() if before.get(path) != state}
            before = files
