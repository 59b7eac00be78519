"""Schedules as people make, change and look at them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from pipelinekit.classes import replace
from pipelinekit.domain.runs import RunStatus
from pipelinekit.domain.schedules import Cron, Disposition, Policies, Recurrence, Tick
from pipelinekit.errors import ConflictError, Fault, NotFoundError, ScheduleError, UsageError
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.schedules import MemoryLedger, MemorySchedules, MemoryZones
from pipelinekit.wire.schedule_files import read_schedule, write_schedule
from pipelinekit.workspace.schedules import ScheduleCollection, ScheduleStores

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 5, 10, 12, tzinfo=UTC).timestamp()
HOUR = 3600.0


class Kept:
    """A workspace's schedules in memory. It is noon."""

    def __init__(self):
        self.ledger, self.clock, self.faults = MemoryLedger(), HandClock(NOON), []
        self.records = MemorySchedules(self.ledger)
        stores = ScheduleStores(self.records, MemoryZones({"Europe/Berlin": BERLIN}), self.clock, lambda _: self.faults)
        self.schedules = ScheduleCollection(stores)

    def make(self, name="nightly", trigger="0 * * * *", **more):
        return self.schedules.create(name, trigger, **{"endpoint": "score", "experiment": "e", **more})

    def fired(self, handle, *dues):
        """Runs of these instants are recorded."""
        ticks = [
            Tick(handle.id, 1, due, due, disposition=Disposition.FIRED, run=f"r{due:.0f}", outcome=RunStatus.COMPLETED)
            for due in dues
        ]
        marked = replace(self.records.get(handle.id), high_water=max(dues))
        assert self.records.change(marked, ticks=ticks)


@pytest.fixture
def kept():
    return Kept()


def test_a_schedule_is_made_found_and_listed(kept):
    handle = kept.make(description="d", tags={"team": "a"}, zone="Europe/Berlin", parameters={"x": "{{due}}"})
    assert kept.schedules.get("NIGHTLY").record == kept.schedules.get(handle.id).record == handle.record
    assert (handle.name, str(handle.state), handle.record.created_at) == ("nightly", "Active", NOON)
    other = kept.make("other", endpoint="", pipeline="p1", enabled=False)
    assert [item.name for item in kept.schedules.list()] == ["nightly", "other"]
    assert [item.name for item in kept.schedules.list(active_only=True)] == ["nightly"]
    assert [item.name for item in kept.schedules.list(endpoint="SCORE")] == ["nightly"]
    assert [item.name for item in kept.schedules.list(pipeline="p1")] == ["other"]
    assert repr(other) == "<schedule 'other', Disabled>"
    with pytest.raises(ConflictError):
        kept.make("Nightly")
    with pytest.raises(NotFoundError):
        kept.schedules.get("nobody")


def test_all_that_is_wrong_is_told_at_once(kept):
    kept.faults = [Fault("there is no endpoint 'score'", hint="publish it")]
    with pytest.raises(ScheduleError) as caught:
        kept.make(
            "a/b", "61 * * * *", pipeline="p", experiment="", zone="Mars/Base", start="2026-01-01T00:00Z", end="never",
            policies=Policies("x"), parameters={"a": "{{now}}"}, tags={"": ""},
        )  # fmt: skip
    messages = "\n".join(fault.message for fault in caught.value.faults)
    for part in ("a/b", "61 * * * *", "one thing", "experiment", "Mars/Base", "overlap", "{{now}}", "score"):
        assert part in messages
    with pytest.raises(ScheduleError) as caught:
        kept.make(start="2026-01-01T00:00Z", end="never")
    messages = [fault.message for fault in caught.value.faults]
    assert any("brings a zone of its own" in message for message in messages)
    assert "end: 'never' is no time" in messages
    assert list(kept.schedules.list()) == []


def test_start_and_end_are_what_clocks_of_the_zone_show(kept):
    handle = kept.make(zone="Europe/Berlin", start="2026-06-01T09:00", end=datetime(2026, 6, 1, 11))
    begin = datetime(2026, 6, 1, 9, tzinfo=BERLIN).timestamp()
    assert (handle.record.spec.start, handle.record.spec.end) == (begin, begin + 2 * HOUR)
    assert [item.due for item in handle.preview()] == [begin, begin + HOUR]
    jumped = kept.make("jumped", zone="Europe/Berlin", start="2027-03-28T02:30")
    assert jumped.record.spec.start == datetime(2027, 3, 28, 3, tzinfo=BERLIN).timestamp()


def test_what_would_never_fire_is_not_made(kept):
    with pytest.raises(ScheduleError, match="never fire at all"):
        kept.make(trigger=Cron("0 0 30 2 *"))
    with pytest.raises(ScheduleError, match="never fire before its end"):
        kept.make(end="2026-05-10T12:30")


def test_a_recurrence_may_be_given_with_lists(kept):
    handle = kept.make(trigger=Recurrence("Week", hours=[6], minutes=[30], week_days=["Monday"]))
    assert handle.preview(1)[0].shown == "2026-05-11T06:30:00+00:00"


def test_a_change_makes_a_new_version_if_it_says_something_new(kept):
    handle = kept.make(start="2026-05-01T00:00", parameters={"x": 1})
    kept.clock.turn(2 * HOUR)
    same = handle.update(description="words", tags={"a": "b"})
    assert (same.record.spec_version, same.record.description, same.record.tags) == (1, "words", {"a": "b"})
    assert same.history() == ([], []), "nothing is void because of words"
    changed = handle.update(pipeline="p1", parameters={"x": 2}, start=None, policies=Policies("allow"))
    spec = changed.record.spec
    assert changed.record.spec_version == 2
    assert (spec.target.endpoint, spec.target.pipeline, spec.parameters, spec.start) == ("", "p1", {"x": 2}, None)
    assert spec.experiment == "e"
    assert [(one.count, one.disposition) for one in changed.history()[1]] == [(2, Disposition.VOIDED)]
    with pytest.raises(UsageError, match="created_at of a schedule cannot be changed"):
        handle.update(created_at=1.0)
    with pytest.raises(ScheduleError):
        handle.update(zone="Mars/Base", trigger="x")
    assert kept.records.get("nightly") == changed.record


def test_who_changes_it_at_the_same_time_is_no_hindrance(kept, monkeypatch):
    handle = kept.make()
    plain, times = kept.records.get, []

    def get(name):
        found = plain(name)
        if len(times) < 3:
            times.append(name)
            assert kept.records.change(replace(found, description=f"{len(times)}"))
        return found

    monkeypatch.setattr(kept.records, "get", get)
    assert str(handle.disable().state) == "Disabled"
    assert plain("nightly").description == "3"


def test_what_was_deleted_is_found_by_its_id_only(kept):
    handle = kept.make()
    handle.delete()
    assert list(kept.schedules.list()) == []
    assert [str(item.state) for item in kept.schedules.list(deleted=True)] == ["Deleted"]
    assert str(kept.schedules.get(handle.id).state) == "Deleted"
    for act in (handle.enable, handle.disable, handle.delete, handle.run_now, lambda: handle.update(description="")):
        with pytest.raises(UsageError, match="was deleted"):
            act()
    assert kept.make().id != handle.id


def test_a_preview_does_not_need_an_enabled_schedule(kept):
    handle = kept.make(enabled=False, zone="Europe/Berlin", trigger="30 2 * * *")
    assert len(handle.preview()) == 20
    assert handle.preview(1)[0].shown == "2026-05-11T02:30:00+02:00"


def test_a_backfill_takes_what_is_missing_in_its_range(kept):
    handle = kept.make()
    kept.clock.turn(6 * HOUR)
    kept.fired(handle, NOON + HOUR, NOON + 3 * HOUR)
    backfill = handle.backfill("2026-05-10T13:00", "2026-05-10T16:00", at_once=2)
    pending = kept.records.pending(handle.id)
    assert [tick.due for tick in pending] == [NOON + 2 * HOUR, NOON + 4 * HOUR]
    assert {tick.origin for tick in pending} == {backfill.origin}
    with pytest.raises(UsageError, match="nothing is to be run"):
        handle.backfill("2026-05-10T13:00", "2026-05-10T16:00")
    again = handle.backfill("2026-05-10T13:00", "2026-05-10T16:00", missing_only=False)
    assert (again.number, len(kept.records.pending(handle.id))) == (2, 4)
    before = handle.backfill("2026-05-01T00:00", "2026-05-01T02:00")
    assert before.number == 3, "also from before the schedule was made"


@pytest.mark.parametrize(
    ("since", "until", "at_once", "words"),
    [
        ("2026-05-10T11:00", "2026-05-10T10:00", 1, "ends after it starts"),
        ("2026-05-10T10:00", "2026-05-10T11:00", 0, "number of runs at once"),
        ("2026-05-10T10:00", "2026-05-10T13:00", 1, "for the past"),
        ("2025-05-10T10:00", "2026-05-10T10:00", 1, "more than 1000"),
        ("2026-05-10T10:00", "x", 1, "is no time"),
    ],
)
def test_a_backfill_that_there_cannot_be_is_refused(kept, since, until, at_once, words):
    with pytest.raises(UsageError, match=words):
        kept.make().backfill(since, until, at_once=at_once)


def test_a_schedule_is_made_of_a_file_and_gives_the_same_file(kept):
    text = """
Schedule:
  name: nightly
  description: scores of the day
  recurrence: {frequency: Day, time_of_day: 06:30}
  endpoint: score
  experiment: e
  zone: Europe/Berlin
  start: 2026-06-01 00:00
  policies: {overlap: queue_one, jitter: 30}
  parameters: {day: "{{due_date}}"}
"""
    handle = kept.schedules.load(read_schedule(text))
    assert handle.preview(1)[0].shown == "2026-06-01T06:30:00+02:00"
    written = write_schedule(handle.record)
    handle.delete()
    again = kept.schedules.load(read_schedule(written))
    assert again.record.spec == handle.record.spec
    with pytest.raises(ScheduleError, match="needs a name"):
        kept.schedules.load({"cron": "0 6 * * *"})
    with pytest.raises(ScheduleError, match="one rule"):
        kept.schedules.load({"name": "x", "experiment": "e"})
