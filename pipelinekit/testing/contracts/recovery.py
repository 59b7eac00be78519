"""What every implementation of the records must do with runs that nobody drives.

Derive a test class, and give it `make()`, as for `contracts.records`.
"""

from __future__ import annotations

from pipelinekit.classes import replace
from pipelinekit.domain.runs import Completion, Failure, RunOptions, RunRecord, RunStatus, StepStatus
from pipelinekit.errors import LeaseLostError
from pipelinekit.testing.contracts.records import MadeRecords, change, key, new_run, refused


class RecoveryContract:
    """The suite. `make` is called once for every test."""

    def make(self) -> MadeRecords:
        """Empty records."""
        raise NotImplementedError

    def left(self, records: MadeRecords) -> RunRecord:
        """A detached run whose driver has died."""
        run = records.runs.create(replace(new_run("1", at=records.clock.now()), detached=True))
        return records.driving.take(run.id, records.dead)

    def test_a_detached_run_of_a_dead_driver_is_queued_again_and_told_to_one_caller(self) -> None:
        records = self.make()
        lost = self.left(records)
        changes = [change(lost.id, "a", StepStatus.COMPLETED), change(lost.id, "b", StepStatus.RUNNING, attempt=2)]
        records.driving.record(lost.id, lost.epoch, changes)
        records.reuse.claim(lost.id, lost.epoch, {"b": key("b")}, frozenset())
        assert records.driving.unattended(30, 0), "there is something to do even for who takes none"
        assert records.driving.recover(30) == [lost.id]
        assert not records.driving.unattended(30)
        assert records.driving.recover(30) == []
        queued = records.runs.get(lost.id)
        assert (queued.status, queued.owner, queued.ended_at, queued.failure) == (RunStatus.QUEUED, "", None, None)
        assert queued.detached
        found = {step.name: (step.status, step.attempt) for step in records.runs.steps(lost.id)}
        assert found == {"a": (StepStatus.COMPLETED, 0), "b": (StepStatus.RUNNING, 2)}
        well = records.driving.take(records.runs.create(new_run("2")).id, records.alive)
        granted, _, _ = records.reuse.claim(well.id, well.epoch, {"b": key("b")}, frozenset())
        assert list(granted) == ["b"], "what it had claimed is free"
        again = records.driving.take(lost.id, records.alive)
        assert (again.status, again.started_at) == (RunStatus.RUNNING, lost.started_at)
        with refused(LeaseLostError):
            records.driving.record(lost.id, lost.epoch, [change(lost.id, "b", StepStatus.COMPLETED)])

    def test_a_run_that_costs_driver_after_driver_without_a_result_fails(self) -> None:
        records = self.make()
        run = self.left(records)
        for _ in range(2):
            assert records.driving.recover(30) == [run.id]
            run = records.driving.take(run.id, records.dead)
        done = Completion(key("a"), run.id, "a", {}, 1.0)
        records.driving.record(run.id, run.epoch, [change(run.id, "a", StepStatus.COMPLETED)], [done])
        for _ in range(3):
            assert records.driving.recover(30) == [run.id], "a result makes up for those before it"
            run = records.driving.take(run.id, records.dead)
        records.driving.record(run.id, run.epoch, [change(run.id, "b", StepStatus.RUNNING)])
        assert records.driving.recover(30) == []
        ended = records.runs.get(run.id)
        assert ended.status is RunStatus.FAILED
        assert ended.failure is not None
        assert ended.failure.kind == "lost"
        assert [str(step.status) for step in records.runs.steps(run.id)] == ["Completed", "Canceled"]

    def test_a_run_that_was_to_be_canceled_is_when_its_driver_died(self) -> None:
        records = self.make()
        run = self.left(records)
        records.driving.record(run.id, run.epoch, [change(run.id, "a", StepStatus.RUNNING)])
        records.runs.request_cancel(run.id)
        assert records.driving.recover(30) == []
        assert records.runs.get(run.id).status is RunStatus.CANCELED
        assert [str(step.status) for step in records.runs.steps(run.id)] == ["Canceled"]

    def test_a_run_that_was_to_be_canceled_goes_to_a_driver_while_something_of_it_may_be_at_work(self) -> None:
        records = self.make()
        run = self.left(records)
        records.driving.record(run.id, run.epoch, [change(run.id, "a", StepStatus.RUNNING, attempt=1)])
        records.runs.request_cancel(run.id)
        for _ in range(2):
            assert records.driving.recover(30) == [run.id], "a driver ends what is at work"
            assert records.driving.recover(30) == []
            found = records.runs.get(run.id)
            assert (found.status, found.owner) == (RunStatus.CANCEL_REQUESTED, "")
            assert [str(step.status) for step in records.runs.steps(run.id)] == ["Running"]
            run = records.driving.take(run.id, records.dead)
            assert (run.status, run.cancel_requested) == (RunStatus.CANCEL_REQUESTED, True)
        assert records.driving.recover(30) == [], "three drivers have died over it"
        assert records.runs.get(run.id).status is RunStatus.CANCELED

    def test_canceling_a_run_that_was_queued_again_leaves_its_end_to_the_next_driver(self) -> None:
        records = self.make()
        waiting = records.runs.create(replace(new_run("0", at=records.clock.now()), detached=True))
        run = self.left(records)
        records.driving.record(run.id, run.epoch, [change(run.id, "a", StepStatus.RUNNING, attempt=1)])
        assert records.driving.recover(30) == [run.id]
        assert records.runs.request_cancel(run.id).status is RunStatus.CANCEL_REQUESTED
        records.experiments.limit(run.experiment, 1)
        records.clock.turn(31)
        assert records.driving.recover(30) == [run.id, waiting.id], "it is first, and takes up no place of another"
        assert not records.runs.waits(run.id)
        taken = records.driving.take(run.id, records.alive)
        records.driving.finish(taken.id, taken.epoch, RunStatus.CANCELED, {}, None)
        assert [(str(step.status), step.note) for step in records.runs.steps(run.id)] == [
            ("Canceled", "the run was canceled")
        ]

    def test_runs_that_only_end_come_first_and_are_given_also_to_who_takes_no_more(self) -> None:
        records = self.make()
        runs = []
        for name, priority in (("1", 0), ("2", 5), ("3", 0), ("4", 0)):
            new = replace(new_run(name, at=records.clock.now()), detached=True, options=RunOptions(priority=priority))
            run = records.driving.take(records.runs.create(new).id, records.dead)
            runs.append(run.id)
            if name != "4":
                records.driving.record(run.id, run.epoch, [change(run.id, "a", StepStatus.RUNNING, attempt=1)])
                records.runs.request_cancel(run.id)
        first, urgent, third, waiting = runs
        assert records.driving.recover(30, 0) == []
        assert not records.driving.unattended(30, 0)
        assert records.driving.unattended(30, 0, ends=True)
        assert records.driving.recover(30, 0, ends=True) == [urgent, first], "two at once"
        assert records.driving.recover(30, 2) == [third, waiting]
        assert records.driving.recover(30, 2, ends=True) == []

    def test_a_run_that_is_handed_back_waits_for_another_driver_at_once(self) -> None:
        records = self.make()
        run = records.driving.take(self.left(records).id, records.alive)
        records.driving.record(run.id, run.epoch, [change(run.id, "a", StepStatus.RUNNING)])
        for _ in range(4):
            records.driving.hand_back(run.id, run.epoch)
            assert records.runs.get(run.id).status is RunStatus.QUEUED
            with refused(LeaseLostError):
                records.driving.renew(run.id, run.epoch)
            assert records.driving.recover(30) == [run.id], "it was no driver that died"
            run = records.driving.take(run.id, records.alive)

    def test_only_a_detached_run_can_be_handed_back(self) -> None:
        records = self.make()
        run = records.driving.take(records.runs.create(new_run("1")).id, records.alive)
        with refused(LeaseLostError):
            records.driving.hand_back(run.id, run.epoch)
        assert records.runs.get(run.id).status is RunStatus.RUNNING

    def test_no_more_runs_are_told_than_were_asked_for_and_the_oldest_come_first(self) -> None:
        records = self.make()
        for name in ("3", "1", "2"):
            records.runs.create(replace(new_run(name), detached=True))
        assert records.driving.unattended(0)
        assert not records.driving.unattended(0, 0)
        told = [list(records.driving.recover(0, most)) for most in (0, 2, 2, 2)]
        assert [[run[-1] for run in some] for some in told] == [[], ["1", "2"], ["3"], []]

    def test_canceling_a_run_that_was_queued_again_ends_its_steps(self) -> None:
        records = self.make()
        run = self.left(records)
        records.driving.record(run.id, run.epoch, [change(run.id, "a", StepStatus.RUNNING)])
        records.driving.recover(30)
        assert records.runs.request_cancel(run.id).status is RunStatus.CANCELED
        assert [str(step.status) for step in records.runs.steps(run.id)] == ["Canceled"]

    def test_how_attempts_failed_is_remembered_for_the_next_driver(self) -> None:
        records = self.make()
        run = self.left(records)
        lost, own = Failure("lost", "the worker vanished"), Failure("user", "it broke")
        for status, attempt, failure in (
            (StepStatus.QUEUED, 1, lost),
            (StepStatus.QUEUED, 1, lost),  # recorded again, as it still waits
            (StepStatus.RUNNING, 2, None),
            (StepStatus.QUEUED, 2, own),
            (StepStatus.RUNNING, 3, None),
        ):
            changed = change(run.id, "a", status, attempt=attempt, failure=failure)
            records.driving.record(run.id, run.epoch, [changed, change(run.id, "b", StepStatus.RUNNING)])
        assert records.driving.failed(run.id) == {"a": [("lost", lost.message), ("user", own.message)]}
        assert records.driving.failed(self.left_alone(records)) == {}

    def left_alone(self, records: MadeRecords) -> str:
        """A run that nothing is recorded of."""
        return records.runs.create(new_run("2")).id

    def test_the_end_of_a_run_ends_what_an_earlier_driver_had_begun(self) -> None:
        records = self.make()
        lost = self.left(records)
        records.driving.record(lost.id, lost.epoch, [change(lost.id, "a", StepStatus.RUNNING)])
        records.driving.recover(30)
        run = records.driving.take(lost.id, records.alive)
        records.driving.finish(run.id, run.epoch, RunStatus.FAILED, {}, Failure("user", "it broke"))
        assert [str(step.status) for step in records.runs.steps(run.id)] == ["Canceled"]

    def test_a_detached_run_that_nobody_took_is_told_once_its_patience_is_over(self) -> None:
        records = self.make()
        now = records.clock.now()
        waiting = records.runs.create(replace(new_run("1", at=now), detached=True))
        records.runs.create(new_run("2", at=now))
        assert records.driving.recover(30) == []
        records.clock.turn(31)
        assert records.driving.recover(30) == [waiting.id], "the other is not detached: who submitted it drives it"
        assert records.driving.recover(30) == []
        records.clock.turn(31)
        assert records.driving.recover(30) == [waiting.id]
        records.clock.turn(-3600)
        assert records.driving.recover(30) == [waiting.id], "a clock that was set back is not waited for"
        assert records.driving.recover(30) == []
