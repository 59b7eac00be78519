"""What records of schedules must do. Derive a test class, and give it `make()`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from pipelinekit.classes import replace
from pipelinekit.domain.data_changes import Cursor
from pipelinekit.domain.runs import RunStatus
from pipelinekit.domain.schedules import (
    MANUAL,
    Backfill,
    Cron,
    Disposition,
    Policies,
    Recurrence,
    Schedule,
    ScheduleSpec,
    ScheduleState,
    Target,
    Tick,
    TickRange,
)
from pipelinekit.domain.types import PathRef
from pipelinekit.errors import ConflictError, LeaseLostError, NotFoundError
from pipelinekit.ports.schedules import ScheduleRecords, TickerRecords

SPEC = ScheduleSpec(Cron("0 6 * * *"), Target(endpoint="score"), "nightly")
RICH = ScheduleSpec(
    Recurrence("Week", 2, (6, 18), (0, 30), ("Monday",)),
    Target(pipeline="p1"),
    "nightly",
    "Europe/Berlin",
    1.0,
    1e10,
    Policies("queue_all", 7, "all", 9, 3600.0, "skip", "both", 5.0),
    {"when": "{{due}}", "data": PathRef("sales", False, "latest"), "many": [1, 2.5, None]},
    continue_on_step_failure=True,
    notify=("ops",),
)
SEEN = Cursor(2, "xxh3:1", "xxh3:2", 5.5, 6.5, {"a/b.csv": "1"})
Batch = Callable[[], AbstractContextManager[None]]


def schedule(identity: str, name: str, **more: object) -> Schedule:
    """A schedule of this id and name."""
    return replace(Schedule(identity, name, SPEC, 0.0, 1.0, 1.0), **more)


def tick(due: float, identity: str = "s1", **more: object) -> Tick:
    """A tick of a schedule."""
    return replace(Tick(identity, 1, due, 1.0), **more)


class SchedulesContract:
    """The suite for the ledger. `make` gives empty records, and what makes one transaction of several writes."""

    def make(self) -> tuple[ScheduleRecords, Batch]:
        """Empty records."""
        raise NotImplementedError

    def test_a_schedule_is_kept_as_it_is_and_found_whatever_the_case_of_its_name(self) -> None:
        records, _ = self.make()
        rich = schedule(
            "s2", "Sales", spec=RICH, description="d", tags={"a": ""}, trouble="t", high_water=7.5, cursor=SEEN
        )
        records.add(rich)
        records.add(schedule("s1", "other"))
        assert records.get("sALES") == records.get("s2") == rich
        assert [item.name for item in records.list()] == ["other", "Sales"]

    def test_a_name_that_is_taken_is_a_conflict_until_its_schedule_is_deleted(self) -> None:
        records, _ = self.make()
        records.add(schedule("s1", "nightly"))
        with pytest.raises(ConflictError):
            records.add(schedule("s2", "NIGHTLY"))
        records.add(schedule("s3", "other"))
        with pytest.raises(ConflictError):
            records.change(schedule("s3", "Nightly"))
        assert records.change(schedule("s1", "nightly", state=ScheduleState.DELETED)) is not None
        with pytest.raises(NotFoundError):
            records.get("nightly")
        records.add(schedule("s2", "Nightly"))
        assert records.get("nightly").id == "s2"
        assert records.get("s1").state is ScheduleState.DELETED
        assert [item.id for item in records.list(deleted=True)] == ["s1", "s2", "s3"]

    def test_one_of_two_changes_of_one_version_is_made_with_all_that_belongs_to_it(self) -> None:
        records, _ = self.make()
        records.add(first := schedule("s1", "nightly"))
        passed = TickRange("s1", 1, 1.0, 9.0, 5, Disposition.SKIPPED_MISFIRE, "why", 20.0)
        done = records.change(replace(first, high_water=10.0), ticks=[tick(10.0)], ranges=[passed])
        assert done is not None
        assert (done.version, done.high_water) == (2, 10.0)
        assert records.get("s1") == done
        late = Backfill("s1", 1, 0.0, 9.0, missing_only=True, at_once=1, created_at=1.0)
        lost = records.change(replace(first, high_water=99.0), ticks=[tick(99.0)], backfills=[late], void="lost")
        assert lost is None
        assert records.get("s1") == done
        assert records.history("s1", 9) == ([tick(10.0)], [passed])
        assert list(records.backfills("s1")) == []
        assert records.change(schedule("s9", "nobody")) is None

    def test_a_tick_that_is_there_stays_as_it_is(self) -> None:
        records, _ = self.make()
        records.add(first := schedule("s1", "nightly"))
        second = records.change(first, ticks=[tick(10.0, zone_version="a")])
        assert second is not None
        assert records.change(second, ticks=[tick(10.0, zone_version="b"), tick(11.0, not_before=12.0)]) is not None
        assert list(records.pending("s1")) == [tick(10.0, zone_version="a"), tick(11.0, not_before=12.0)]

    def test_a_pending_tick_is_decided_once(self) -> None:
        records, batch = self.make()
        records.add(first := schedule("s1", "nightly"))
        second = records.change(first, ticks=[tick(10.0), tick(20.0)])
        fired = tick(10.0, disposition=Disposition.FIRED, run="r1", decided_at=11.0, parameters={"at": [1.5]})
        with batch():
            assert records.hold(fired) == second
            assert records.decide(fired)
            assert not records.decide(replace(fired, disposition=Disposition.ERROR))
            assert records.hold(fired) is None
        assert records.history("s1", 9) == ([tick(20.0), fired], [])
        assert list(records.pending("s1")) == [tick(20.0)]
        assert list(records.open("s1")) == [fired]

    def test_what_is_written_in_a_batch_that_fails_is_not_there(self) -> None:
        records, batch = self.make()
        records.add(first := schedule("s1", "nightly"))
        records.change(first, ticks=[tick(10.0)])

        def fails() -> None:
            with batch():
                records.hold(tick(10.0))
                records.decide(tick(10.0, disposition=Disposition.FIRED, run="r1"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fails()
        assert list(records.pending("s1")) == [tick(10.0)]

    def test_what_was_pending_before_a_change_becomes_void_with_its_reason(self) -> None:
        records, _ = self.make()
        records.add(schedule("s1", "nightly"))
        records.add(schedule("s2", "other"))
        for name in ("s1", "s2"):
            records.change(records.get(name), ticks=[tick(10.0, name), tick(11.0, name, origin=MANUAL)])
        changed = records.change(records.get("s1"), ticks=[tick(20.0)], void="paused", at=15.0)
        voided = tick(10.0, disposition=Disposition.VOIDED, reason="paused", decided_at=15.0)
        assert changed is not None
        assert records.history("s1", 9)[0] == [tick(20.0), tick(11.0, origin=MANUAL), voided]
        records.change(changed, void="deleted", every_origin=True, at=16.0)
        assert list(records.pending("s1")) == []
        assert len(records.pending("s2")) == 2

    def test_outcomes_are_recorded_once_and_the_newest_success_is_known(self) -> None:
        records, _ = self.make()
        records.add(first := schedule("s1", "nightly"))
        dues = (10.0, 20.0, 30.0, 40.0)
        fired = [tick(due, disposition=Disposition.FIRED, run=f"r{due:.0f}", decided_at=due) for due in dues]
        manual = tick(25.0, origin=MANUAL, disposition=Disposition.FIRED, run="m", decided_at=1.0)
        records.change(first, ticks=[*fired, manual])
        assert list(records.open("s1")) == [fired[0], fired[1], manual, fired[2], fired[3]]
        assert records.previous_success("s1", 99.0) is None
        for item, outcome in zip((*fired, manual), ("Completed", "Completed", "Failed"), strict=False):
            assert records.settle(replace(item, outcome=RunStatus(outcome)))
        assert not records.settle(replace(fired[0], outcome=RunStatus.FAILED))
        records.settle(replace(manual, outcome=RunStatus.COMPLETED))
        assert [records.previous_success("s1", due) for due in (10.0, 20.0, 99.0)] == [None, 10.0, 20.0]
        assert list(records.open("s1")) == [fired[3]]
        assert records.fired("s1", 20.0, 30.0) == {20.0: "r20", 30.0: "r30"}

    def test_schedules_are_busy_while_they_are_active_or_something_is_left(self) -> None:
        records, _ = self.make()
        for number in range(1, 5):
            records.add(schedule(f"s{number}", f"n{number}", state=ScheduleState.DISABLED))
        records.change(replace(records.get("s1"), state=ScheduleState.ACTIVE))
        records.change(records.get("s2"), ticks=[tick(10.0, "s2")])
        fired = tick(10.0, "s3", disposition=Disposition.FIRED, run="r", decided_at=1.0)
        records.change(records.get("s3"), ticks=[fired])
        assert [(item.id, item.pending, item.open) for item in records.glance()] == [
            ("s1", False, False),
            ("s2", True, False),
            ("s3", False, True),
        ]
        assert {item.id: item.version for item in records.glance()} == {
            name: found.version for name, found in records.some(["s1", "s2", "s3", "none"]).items()
        }
        records.decide(tick(10.0, "s2", disposition=Disposition.SKIPPED_OVERLAP, decided_at=1.0))
        records.settle(replace(fired, outcome=RunStatus.FAILED))
        assert [item.id for item in records.glance()] == ["s1"]

    def test_the_history_gives_the_newest_first(self) -> None:
        records, _ = self.make()
        records.add(schedule("s1", "nightly"))
        passed = [TickRange("s1", 1, at, at + 5, 3, Disposition.COALESCED, "why", 9.0) for at in (1.0, 100.0, 50.0)]
        ticks = [tick(due, origin=origin) for due, origin in ((7.0, ""), (30.0, MANUAL), (30.0, ""), (20.0, ""))]
        records.change(records.get("s1"), ticks=ticks, ranges=passed)
        newest, ranges = records.history("s1", 3)
        assert list(newest) == [tick(30.0), tick(30.0, origin=MANUAL), tick(20.0)]
        assert list(ranges) == [passed[1], passed[2], passed[0]]

    def test_backfills_are_kept_in_their_order(self) -> None:
        records, _ = self.make()
        records.add(schedule("s1", "nightly"))
        first = Backfill("s1", 1, 0.0, 9.0, missing_only=True, at_once=2, created_at=1.0)
        second = replace(first, number=2, missing_only=False)
        for item in (first, second):
            records.change(records.get("s1"), backfills=[item], ticks=[tick(5.0, origin=item.origin)])
        assert list(records.backfills("s1")) == [first, second]
        assert [item.origin for item in records.pending("s1")] == ["backfill-1", "backfill-2"]


class TickersContract:
    """The suite for the lease. `make` gives records, an owner that counts as alive, and one that counts as dead."""

    def make(self) -> tuple[TickerRecords, str, str]:
        """Records, and two owners."""
        raise NotImplementedError

    def test_one_process_at_a_time_sees_to_schedules(self) -> None:
        tickers, alive, _ = self.make()
        assert tickers.holder() == ""
        first = tickers.take(alive)
        assert tickers.holder() == alive
        with pytest.raises(LeaseLostError):
            tickers.take(alive)
        tickers.renew(first)
        tickers.release(first)
        with pytest.raises(LeaseLostError):
            tickers.renew(first)
        second = tickers.take(alive)
        assert second > first
        tickers.release(first)
        with pytest.raises(LeaseLostError):
            tickers.renew(first)
        tickers.renew(second)
        tickers.release(second)
        assert tickers.holder() == ""

    def test_a_dead_one_is_followed_at_once(self) -> None:
        tickers, alive, dead = self.make()
        first = tickers.take(dead)
        assert tickers.holder() == ""
        assert tickers.take(alive) > first
        with pytest.raises(LeaseLostError):
            tickers.renew(first)
