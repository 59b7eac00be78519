"""The ticker: what comes due, what waits, what is made up, and what is told."""

import threading

import pytest
from schedule_site import DAY, HOUR, MINUTE, NOON, Site, at, audit

from pipelinekit.domain.runs import RunStatus
from pipelinekit.domain.schedules import Recurrence
from pipelinekit.engine import ticking
from pipelinekit.errors import LeaseLostError, NotFoundError, ScheduleError, StorageError


@pytest.fixture
def site():
    return Site()


def test_a_run_is_started_when_it_is_due_and_not_before(site):
    site.make("30 * * * *")
    site.turn(29 * MINUTE)
    assert site.found() == []
    site.turn(MINUTE, turns=3)
    assert site.found() == ["12:30 Fired"]
    (tick,) = site.schedules.history("nightly")[0]
    assert tick.run in site.ledger.runs
    assert (tick.zone_version, tick.decided_at) == ("made up", NOON + 30 * MINUTE)
    assert site.schedules.get("nightly").runs() == [tick.run]


def test_parameters_are_filled_in_with_the_instant_and_the_previous_success(site):
    parameters = {"at": "{{due}}", "day": ["{{ due_date }}"], "since": "{{previous_success}}", "n": 1}
    site.make("0 1,2 * * *", zone="Europe/Berlin", parameters=parameters, overlap="allow")
    for _ in range(2):
        site.turn(14 * HOUR)
        site.end_runs()
    ticks = site.schedules.history("nightly")[0]
    assert [tick.parameters for tick in reversed(ticks) if tick.run] == [
        {"at": "2026-05-11T02:00:00+02:00", "day": ["2026-05-11"], "since": "", "n": 1},
        {
            "at": "2026-05-12T02:00:00+02:00", "day": ["2026-05-12"], "since": "2026-05-11T02:00:00+02:00", "n": 1
        },
    ][: len(site.schedules.get("nightly").runs())]  # fmt: skip
    assert [dict(site.launcher.given[tick.run]) for tick in ticks if tick.run] == [
        tick.parameters for tick in ticks if tick.run
    ]


# -- catch-up ----------------------------------------------------------------------------------------------------------


def test_after_three_weeks_the_latest_instant_stands_for_all(site):
    site.make("0 * * * *")
    site.turn(21 * DAY + 10 * MINUTE)
    assert site.found() == ["12:00 Fired"]
    assert site.ranges() == ["13:00-11:00 503 Coalesced"]
    assert "2026-05-31T12:00:00+00:00 stands for it" in site.schedules.history("nightly")[1][0].reason
    audit(
        site.records, site.zones, site.records.get("nightly"), {1: site.records.get("nightly").spec}, site.clock.now()
    )


def test_none_is_made_up_but_what_is_hardly_late(site):
    site.make("0 * * * *", catch_up="none")
    site.turn(3 * HOUR + 30.0)
    assert (site.found(), site.ranges()) == (["15:00 Fired"], ["13:00-14:00 2 SkippedMisfire"])
    site.end_runs()
    site.turn(HOUR + 40.0)
    assert site.found()[1:] == ["16:00 SkippedMisfire"]


def test_all_are_made_up_to_a_bound_and_within_a_time(site):
    site.make("0 * * * *", catch_up="all", catch_up_bound=3, overlap="allow")
    site.make("0 * * * *", "recent", catch_up="all", catch_up_within=2.5 * HOUR, overlap="allow")
    site.turn(10 * HOUR + MINUTE)
    assert site.found() == ["20:00 Fired", "21:00 Fired", "22:00 Fired"]
    assert site.ranges() == ["13:00-19:00 7 SkippedMisfire"]
    assert site.found("recent") == ["20:00 Fired", "21:00 Fired", "22:00 Fired"]
    assert site.ranges("recent") == ["13:00-19:00 7 SkippedMisfire"]


def test_what_has_piled_up_does_not_start_in_one_storm(site):
    site.make("* * * * *", catch_up="all", catch_up_bound=50, overlap="allow")
    started = []
    for _ in range(4):
        site.turn(5 * HOUR if not started else 0.0)
        started.append(len(site.ledger.runs))
    assert started == [20, 40, 50, 50]


def test_very_many_instants_are_left_out_in_parts(site, monkeypatch):
    monkeypatch.setattr(ticking, "LOOKED_AT", 100)
    site.make("* * * * *")
    site.turn(250 * MINUTE)
    assert site.ranges() == ["12:01-13:40 100 SkippedMisfire"]
    site.turn(turns=2)
    assert site.ranges() == [
        "12:01-13:40 100 SkippedMisfire", "13:41-15:20 100 SkippedMisfire", "15:21-16:09 49 Coalesced",
    ]  # fmt: skip
    assert site.found() == ["16:10 Fired"]


# -- overlap -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overlap", "first", "then"),
    [
        ("skip", "13:00 Fired,14:00 SkippedOverlap,15:00 SkippedOverlap,16:00 SkippedOverlap", ""),
        ("queue_one", "13:00 Fired,14:00 Pending,15:00 SkippedOverlap,16:00 SkippedOverlap", "14:00 Fired"),
        ("queue_all", "13:00 Fired,14:00 Pending,15:00 Pending,16:00 SkippedOverlap", "14:00 Fired,15:00 Pending"),
        ("cancel_other", "13:00 Fired,14:00 SkippedOverlap,15:00 SkippedOverlap,16:00 Pending", "16:00 Fired"),
        ("allow", "13:00 Fired,14:00 Fired,15:00 Fired,16:00 Fired", ""),
    ],
)
def test_while_a_run_is_open_the_policy_says_what_becomes_of_the_next(site, overlap, first, then):
    site.make("0 * * * *", overlap=overlap, queue_bound=2)
    for _ in range(4):
        site.turn(HOUR, turns=2)
    assert site.found() == first.split(",")
    cancelled = [status for status in site.ledger.runs.values() if status is RunStatus.CANCEL_REQUESTED]
    assert len(cancelled) == (overlap == "cancel_other")
    site.end_runs()
    site.turn(turns=3)
    for expected in filter(None, then.split(",")):
        assert expected in site.found()
    assert len([run for run in site.ledger.runs.values() if not run.final]) == (1 if then else 0)


# -- what people do meanwhile ------------------------------------------------------------------------------------------


def test_what_waits_is_void_when_the_schedule_is_paused_and_a_pause_is_not_made_up(site):
    site.make("0 * * * *", overlap="queue_one")
    site.turn(HOUR)
    site.turn(HOUR + MINUTE)
    site.clock.turn(HOUR)
    site.schedules.disable("nightly")
    assert site.found() == ["13:00 Fired", "14:00 Voided", "15:00 Voided"]
    site.turn(2 * HOUR)
    site.schedules.enable("nightly")
    site.end_runs()
    site.turn(HOUR)
    assert site.found() == ["13:00 Fired", "14:00 Voided", "15:00 Voided", "18:00 Fired"]
    assert site.ranges() == ["16:00-17:00 2 Voided"]
    reasons = {tick.reason for tick in site.schedules.history("nightly")[0] if tick.reason}
    assert reasons == {"the schedule was disabled"}


def test_a_pause_is_made_up_if_that_is_asked(site):
    site.make("0 * * * *", overlap="allow", catch_up="all")
    site.schedules.disable("nightly")
    site.turn(2 * HOUR)
    site.schedules.enable("nightly", replay=True)
    site.turn()
    assert site.found() == ["13:00 Fired", "14:00 Fired"]


def test_a_changed_schedule_counts_from_then_on_and_an_instant_of_both_versions_is_fired_once(site):
    handle = site.make("0 * * * *", overlap="queue_one")
    site.turn(HOUR)
    site.turn(HOUR)
    site.schedules.update("nightly", trigger="*/30 * * * *")
    assert site.found() == ["13:00 Fired", "14:00 Voided"]
    site.end_runs()
    site.turn(30 * MINUTE)
    assert site.found()[2:] == ["14:30 Fired"]
    assert [tick.spec_version for tick in handle.history()[0]] == [2, 1, 1]
    site.schedules.update("nightly", description="words")
    assert site.records.get("nightly").spec_version == 2


def test_a_deleted_schedule_ends_with_everything_accounted_for_and_its_runs_go_on(site):
    handle = site.make("0 * * * *", overlap="queue_one")
    site.turn(HOUR)
    site.turn(HOUR)
    site.schedules.run_now("nightly")
    handle.delete()
    site.turn(5 * HOUR)
    ticks, _ = site.records.history(handle.id, 9)
    assert [f"{at(tick.due)}{tick.origin} {tick.disposition}" for tick in ticks] == [
        "14:00 Voided", "14:00manual Voided", "13:00 Fired",
    ]  # fmt: skip
    assert list(site.ledger.runs.values()) == [RunStatus.QUEUED]
    site.end_runs()
    site.turn()
    assert list(site.records.glance()) == []


def test_a_run_is_started_at_once_whatever_is_open_enabled_or_not(site):
    site.make("0 * * * *")
    site.turn(HOUR)
    site.schedules.disable("nightly")
    site.schedules.run_now("nightly")
    site.turn(MINUTE)
    assert site.found(origin="manual") == ["13:00 Fired"]
    assert len(site.ledger.runs) == 2


def test_who_asks_twice_in_one_instant_gets_two_runs_whatever_was_changed_between(site):
    site.make("0 * * * *")
    for _ in range(2):
        site.schedules.run_now("nightly")
    site.turn()
    site.schedules.update("nightly", trigger="5 * * * *")
    site.schedules.run_now("nightly")
    site.turn(turns=2)
    for _ in range(30):
        site.schedules.run_now("nightly")
    site.turn(turns=9)
    assert len(site.ledger.runs) == 33


def test_a_backfill_starts_what_is_missing_few_at_a_time(site):
    site.make("0 * * * *", catch_up="none")
    site.turn(HOUR)
    site.end_runs()
    site.turn(4 * HOUR + 5 * MINUTE)
    backfill = site.schedules.backfill("nightly", "2026-05-10T12:30", "2026-05-10T16:00", at_once=2)
    assert backfill.origin == "backfill-1"
    for _ in range(2):
        site.turn(turns=2)
        assert len([status for status in site.ledger.runs.values() if not status.final]) == (2 if _ == 0 else 1)
        site.end_runs()
    assert site.found(origin="backfill-1") == ["14:00 Fired", "15:00 Fired", "16:00 Fired"]
    site.schedules.backfill("nightly", "2026-05-10T12:30", "2026-05-10T13:00", missing_only=False)
    site.turn()
    assert site.found(origin="backfill-2") == ["13:00 Fired"]


# -- jitter, clocks, leases --------------------------------------------------------------------------------------------


def test_starts_are_put_off_by_the_jitter_always_alike(site):
    site.make("0 * * * *", jitter=600.0, overlap="allow", catch_up="all")
    site.turn(HOUR)
    (tick,) = site.records.pending(site.records.get("nightly").id)
    assert tick.due < tick.not_before < tick.due + 600.0
    site.turn(tick.not_before - site.clock.now() - 0.5)
    assert site.found() == ["13:00 Pending"]
    site.turn(1.0)
    assert site.found() == ["13:00 Fired"]
    site.turn(23 * HOUR)
    delays = {round(item.not_before - item.due) for item in site.schedules.history("nightly")[0]}
    assert len(delays) > 15


def test_a_clock_that_jumps_ahead_is_doubted_until_it_stays_so(site):
    site.make("0 * * * *")
    site.turn()
    site.clock.turn(365 * DAY)
    site.turn(1.0)
    site.turn(30.0)
    assert site.found() == []
    assert "the clock jumped ahead by 8760 h 0 min" in site.told[0]
    site.clock.turn(-365 * DAY)
    site.turn(HOUR)
    assert site.found() == ["13:00 Fired"]
    site.clock.turn(2 * HOUR)
    site.turn(1.0)
    assert site.found() == ["13:00 Fired"]
    site.end_runs()
    site.turn(61.0, turns=2)
    assert site.found()[-1] == "15:00 Fired"


def test_a_clock_that_is_set_back_makes_nothing_due_again(site):
    site.make("0 * * * *", overlap="allow")
    site.turn()
    site.turn(HOUR)
    for _ in range(2):
        site.clock.turn(-HOUR - 60.0)
        site.turn(60.0)
        site.turn(HOUR)
    assert site.found() == ["13:00 Fired"]
    assert any("no instant comes due again" in words for words in site.told)
    site.turn(HOUR)
    assert site.found() == ["13:00 Fired", "14:00 Fired"]


def test_a_schedule_that_was_looked_at_by_a_clock_far_ahead_says_so_and_begins_anew_when_it_is_made_again(site):
    handle = site.make("0 * * * *", overlap="allow")
    site.turn()
    site.clock.turn(365 * DAY)
    site.turn(1.0)
    site.turn(61.0)
    (first,) = site.found()
    assert first.endswith("Fired"), "it stayed so: the latest stands for the others"
    site.clock.turn(-365 * DAY)
    site.turn(HOUR, turns=2)
    assert len(site.found()) == 1, "no disposition is taken back"
    told = [words for words in site.told if "nothing comes due before" in words]
    assert len(told) == 1
    assert "until 2027-05-10T12:00:00+00:00, which is 8758 h 58 min ahead" in told[0]
    handle.delete()
    site.make("0 * * * *", overlap="allow")
    site.turn(HOUR)
    assert site.found() == ["14:00 Fired"]


def test_only_who_holds_the_lease_looks(site):
    site.make("0 * * * *")
    site.turn()
    other = site.new_ticker("other")
    site.clock.turn(HOUR)
    other.turn()
    assert site.found() == []
    site.ticker.release()
    other.turn()
    assert site.found() == ["13:00 Fired"]
    with pytest.raises(LeaseLostError):
        site.lease.take("third")


def test_serving_ends_when_it_is_to_and_gives_the_lease_back(site):
    site.make("0 * * * *")
    site.clock.turn(HOUR)
    ended = threading.Event()
    ended.set()
    site.ticker.serve(ended)
    assert site.found() == ["13:00 Fired"]
    assert site.lease.take("next") == 2


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_what_cannot_be_started_is_recorded_with_its_reason_and_told(site):
    site.make("0 * * * *", notify=["ops"])
    site.make("0 * * * *", "other", overlap="allow")
    site.launcher.trouble = NotFoundError("there is no endpoint 'score'", hint="publish it")
    site.turn(HOUR)
    assert site.found() == ["13:00 Error"]
    (tick,) = site.schedules.history("nightly")[0]
    assert tick.reason == "there is no endpoint 'score' (publish it)"
    assert site.ledger.runs == {}, "what a start had written is taken back"
    assert [name for name, _ in site.notifier.told] == ["nightly"]
    site.launcher.trouble = None
    site.turn(HOUR)
    assert site.found() == ["13:00 Error", "14:00 Fired"]


def test_what_is_in_the_way_for_a_while_is_tried_again(site):
    site.make("0 * * * *", overlap="allow")
    site.launcher.trouble = StorageError("the disk is away")
    site.turn(HOUR, turns=5)
    assert site.found() == ["13:00 Pending"]
    assert len(site.told) == 1
    site.launcher.trouble = None
    site.turn()
    assert site.found() == ["13:00 Fired"]
    site.launcher.trouble = StorageError("the disk is away")
    site.turn(HOUR)
    assert site.found()[1:] == ["14:00 Pending"]
    site.turn(HOUR + 60.0)
    assert site.found()[1:] == ["14:00 Error", "15:00 Pending"], "for an hour, and no longer"


def test_failed_runs_are_told_of_and_nobody_to_tell_holds_nothing_up(site):
    site.make("0 * * * *", notify=["ops"])
    site.turn(HOUR)
    site.end_runs(RunStatus.FAILED)
    site.turn(turns=2)
    assert [(name, tick.outcome) for name, tick in site.notifier.told] == [("nightly", RunStatus.FAILED)]
    site.notifier.trouble = OSError("no network")
    site.turn(HOUR)
    site.end_runs(RunStatus.FAILED)
    site.turn(HOUR)
    assert site.found() == ["13:00 Fired", "14:00 Fired", "15:00 Fired"]
    assert "nobody could be told of a failure: no network" in site.told[-1]


def test_a_rule_that_leads_nowhere_disables_its_schedule_and_no_other(site, monkeypatch):
    site.make("0 * * * *")
    site.make("0 * * * *", "other")
    bad, plan = site.records.get("nightly").id, ticking.plan

    def broken(schedule, *rest):
        if schedule.id == bad:
            raise ScheduleError("the rule gave one instant twice")
        return plan(schedule, *rest)

    monkeypatch.setattr("pipelinekit.runtime.ticker.plan", broken)
    site.turn(HOUR)
    assert site.found("other") == ["13:00 Fired"]
    found = site.records.get("nightly")
    assert (str(found.state), found.trouble) == ("Disabled", "the rule gave one instant twice")
    site.schedules.enable("nightly")
    assert site.records.get("nightly").trouble == ""


def test_a_plain_recurrence_begins_at_once(site):
    site.make(Recurrence("Minute", 45))
    site.turn()
    assert site.found() == ["12:00 Fired"]
    site.end_runs()
    site.turn(45 * MINUTE)
    assert site.found() == ["12:00 Fired", "12:45 Fired"]


# -- driving, and what breaks ------------------------------------------------------------------------------------------


def test_each_run_is_driven_once_it_is_recorded_and_no_other(site):
    driven = []

    def drive(run):
        (tick,) = [item for item in site.schedules.history("nightly")[0] if item.run == run]
        driven.append((at(tick.due), run in site.ledger.runs))

    site.ticker = site.new_ticker(drive=drive)
    site.make("0 * * * *")
    for _ in range(3):
        site.turn(30 * MINUTE, turns=2)
    site.end_runs()
    site.turn(HOUR, turns=2)
    assert site.found() == ["13:00 Fired", "14:00 Fired"]
    assert driven == [("13:00", True), ("14:00", True)]


def test_a_run_that_could_not_be_driven_is_recorded_all_the_same(site):
    def drive(_):
        raise OSError("no more processes")

    site.ticker = site.new_ticker(drive=drive)
    site.make("0 * * * *")
    site.turn(HOUR, turns=3)
    assert site.found() == ["13:00 Fired"]
    assert len(site.ledger.runs) == 1
    assert site.told == ["schedule 'nightly': no more processes"]


def test_a_schedule_that_breaks_does_not_keep_the_others_waiting(site):
    submit = site.launcher.submit

    def broken(schedule, tick, parameters):
        if schedule.name == "a":
            raise ZeroDivisionError("a fault of ours")
        return submit(schedule, tick, parameters)

    site.launcher.submit = broken
    site.make("0 * * * *", "a")
    site.make("0 * * * *", "b")
    site.turn(HOUR, turns=3)
    assert (site.found("a"), site.found("b")) == (["13:00 Pending"], ["13:00 Fired"])
    assert site.told == ["schedule 'a': a fault of ours"]
    site.launcher.submit = submit
    site.turn()
    assert site.found("a") == ["13:00 Fired"]
