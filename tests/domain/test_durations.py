"""Where the time of runs and steps went, and how runs stand, in words."""

from pipelinekit.classes import replace
from pipelinekit.domain.durations import Durations, run_durations, step_durations
from pipelinekit.domain.runs import Failure, RunRecord, RunStatus, StepRecord, StepStatus
from pipelinekit.domain.standing import standing

RUN = RunRecord("r", 1, "e", "p", "g", RunStatus.COMPLETED, 100.0, started_at=101.0, ended_at=140.0)


def step(name, status=StepStatus.COMPLETED, *, started=None, ended=None, seconds=0.0, attempt=1, **more):
    return StepRecord(
        "r", name, 0, status, attempt=attempt, started_at=started, ended_at=ended, seconds=seconds, **more
    )


def test_a_step_waits_is_prepared_and_runs():
    one = step("one", started=105.0, ended=120.0, seconds=12.0)
    changes = [(102.0, [("one", "Queued")]), (105.5, [("one", "Running")]), (120.5, [("one", "Completed")])]
    found = step_durations([one], changes)
    assert found == {"one": Durations(3.0, 3.0, 12.0)}
    assert run_durations(RUN, found, [one]) == Durations(1.0, 7.0, 32.0)


def test_what_is_recorded_at_once_counts_by_its_own_times():
    quick = step("quick", started=103.0, ended=103.5, seconds=0.25)
    assert step_durations([quick], [(102.0, [("quick", "Queued")]), (104.0, [("quick", "Completed")])]) == {
        "quick": Durations(1.0, 0.25, 0.25)
    }


def test_every_wait_for_an_attempt_counts():
    again = step("again", started=110.0, ended=111.0, seconds=1.0, attempt=2)
    told = [(102, "Queued"), (103, "Running"), (104, "Queued"), (110, "Running"), (111, "Completed")]
    assert step_durations([again], [(at, [("again", status)]) for at, status in told])["again"].queued == 7.0


def test_a_step_that_ended_with_its_driver_was_not_prepared_all_the_time():
    lost = step("lost", StepStatus.CANCELED, started=103.0, ended=109.0)
    told = [(102.0, [("lost", "Queued")]), (103.0, [("lost", "Running")]), (109.0, [("lost", "Canceled")])]
    found = step_durations([lost], told)
    assert found == {"lost": Durations(1.0, 0.0, 6.0)}
    assert run_durations(RUN, found, [lost]) == Durations(1.0, 2.0, 37.0)


def test_what_did_not_execute_has_no_phases():
    reused = step("reused", StepStatus.REUSED, attempt=0, ended=102.0)
    waiting = step("waiting", StepStatus.QUEUED)
    assert step_durations([reused, waiting], [(102.0, [("waiting", "Queued")])]) == {}
    assert run_durations(RUN, {}, [reused]) == Durations(1.0, 0.0, 39.0)
    assert run_durations(replace(RUN, started_at=None), {}, []) == Durations()


def test_clocks_that_differ_give_no_time_below_zero():
    odd = step("odd", started=105.0, ended=104.0, seconds=2.0)
    assert step_durations([odd], [(106.0, [("odd", "Queued")]), (107.0, [("odd", "Completed")])])["odd"].prepare == 0.0


def test_how_a_run_stands_in_words():
    running = replace(RUN, status=RunStatus.RUNNING, ended_at=None)
    steps = [
        step("a", ended=1.0),
        step("b", StepStatus.RUNNING),
        step("c", StepStatus.QUEUED),
        step("d", StepStatus.QUEUED, note="waits for run x, which executes the same key"),
    ]
    assert standing(running, steps) == (
        "1 of 4 known steps ended; b runs; d waits for run x, which executes the same key; c waits for room"
    )
    assert standing(replace(running, status=RunStatus.CANCEL_REQUESTED), []).startswith("it is being canceled; 0 of 0")
    queued = replace(running, status=RunStatus.QUEUED)
    assert standing(replace(queued, started_at=None), []) == "no driver has taken it yet"
    assert standing(queued, steps) == "it has lost its driver, and waits for another; 1 of 4 known steps ended"
    assert standing(RUN, steps[:1]) == "1 step: 1 completed"
    assert standing(replace(RUN, status=RunStatus.CANCELED), steps) == "it was canceled"
    failed = replace(RUN, status=RunStatus.FAILED, failure=Failure("user", "it broke\nand more"))
    assert standing(failed, steps) == "it broke"
