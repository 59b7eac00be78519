"""Rule I7: what a check finds in a ledger of schedules that somebody has changed by hand."""

import pytest
from schedule_site import MINUTE, NOON, Site

from pipelinekit.classes import replace
from pipelinekit.domain.schedules import Disposition, Recurrence, Tick, TickRange
from pipelinekit.workspace.schedule_checking import schedule_faults


class Checked(Site):
    """A site whose ledger is checked."""

    def __init__(self):
        super().__init__()
        self.handle = self.make(Recurrence("Minute"), "often", overlap="allow", catch_up="latest")
        for _ in range(3):
            self.turn(MINUTE)
        self.turn(10 * MINUTE)
        self.runs = [tick.run for tick in self.records.history(self.handle.id, 100)[0] if tick.run]

    def faults(self, *more):
        return [
            fault.message
            for fault in schedule_faults(
                self.records, self.zones, lambda schedule: [*self.runs, *more] if schedule == self.handle.id else []
            )
        ]

    def put(self, *, ticks=(), ranges=(), **changes):
        assert self.records.change(replace(self.records.get("often"), **changes), ticks=ticks, ranges=ranges)

    def tick(self, due, **more):
        return Tick(self.handle.id, 1, due, due, **{"disposition": Disposition.VOIDED, **more})


@pytest.fixture
def checked():
    return Checked()


def test_a_ledger_as_it_grew_is_sound_whatever_was_done_with_the_schedule(checked):
    assert checked.faults() == []
    checked.schedules.disable("often")
    checked.turn(7 * MINUTE)
    checked.schedules.enable("often")
    checked.turn(MINUTE)
    checked.schedules.update("often", parameters={"x": 1})
    checked.turn(5 * MINUTE)
    checked.schedules.run_now("often")
    checked.turn()
    checked.schedules.delete("often")
    checked.turn(MINUTE)
    assert checked.faults() == []


def test_an_instant_without_a_disposition_is_found(checked):
    checked.put(high_water=checked.records.get("often").high_water + 3 * MINUTE)
    (words,) = checked.faults()
    assert words.startswith("3 instants of its rule was due") or "3 instants" in words
    assert "no disposition" in words


def test_an_instant_with_two_dispositions_is_found(checked):
    checked.put(ranges=[TickRange(checked.handle.id, 1, NOON, NOON + MINUTE, 2, Disposition.VOIDED, "r", NOON)])
    assert any("several dispositions" in words for words in checked.faults())


def test_a_range_that_counts_wrong_is_found(checked):
    mark = checked.records.get("often").high_water
    first, last = mark + MINUTE, mark + 2 * MINUTE
    checked.put(
        high_water=last, ranges=[TickRange(checked.handle.id, 1, first, last, 3, Disposition.VOIDED, "r", NOON)]
    )
    (words,) = checked.faults()
    assert "and its rule has 2 there" in words


def test_runs_without_an_instant_and_instants_that_share_a_run_are_found(checked):
    (words,) = checked.faults("r999")
    assert "run r999 says" in words
    fired = {"disposition": Disposition.FIRED}
    mark = checked.records.get("often").high_water
    checked.put(
        ticks=[checked.tick(mark + MINUTE, run=checked.runs[0], **fired), checked.tick(mark + 2 * MINUTE, **fired)],
        high_water=mark + 2 * MINUTE,
    )
    found = checked.faults()
    assert f"run {checked.runs[0]} is of 2 instants" in found
    assert any("fired without a run" in words for words in found)


def test_an_instant_after_the_high_water_mark_is_found(checked):
    checked.put(ticks=[checked.tick(NOON + 1000 * MINUTE)])
    assert any("after all that was looked at" in words for words in checked.faults())
