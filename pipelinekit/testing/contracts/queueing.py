"""What every implementation of the records must do with runs that wait for their turn.

Derive a test class, and give it `make()`, as for `contracts.records`.
"""

from __future__ import annotations

from pipelinekit.classes import replace
from pipelinekit.domain.runs import RunOptions, RunRecord, RunStatus
from pipelinekit.errors import LeaseLostError, UsageError
from pipelinekit.testing.contracts.records import MadeRecords, new_run, refused


class QueueingContract:
    """The suite. `make` is called once for every test."""

    def make(self) -> MadeRecords:
        """Empty records."""
        raise NotImplementedError

    def queued(
        self, records: MadeRecords, name: str, *, experiment: str = "exp", detached: bool = True, **options: object
    ) -> str:
        """A run that waits."""
        new = new_run(name, experiment=experiment, at=records.clock.now())
        return records.runs.create(replace(new, detached=detached, options=RunOptions(**options))).id  # type: ignore[arg-type]

    def end(self, records: MadeRecords, run: str) -> None:
        """Have a run driven to its end."""
        taken = records.driving.take(run, records.alive)
        records.driving.finish(run, taken.epoch, RunStatus.COMPLETED, {}, None)

    def told(self, records: MadeRecords, most: int | None = None) -> list[str]:
        """Runs that are told to be driven, by the ends of their names."""
        return [run[-1] for run in records.driving.recover(0, most)]

    def test_runs_go_by_priority_and_then_by_age(self) -> None:
        records = self.make()
        for name, priority in (("1", 0), ("2", 5), ("3", -1), ("4", 5)):
            self.queued(records, name, priority=priority)
        assert [self.told(records, 1) for _ in range(5)] == [["2"], ["4"], ["1"], ["3"], []]

    def test_no_more_runs_of_an_experiment_are_told_than_may_be_under_way(self) -> None:
        records = self.make()
        runs = [self.queued(records, name) for name in "123"]
        other = self.queued(records, "4", experiment="other")
        records.experiments.limit("exp", 2)
        assert records.experiments.get("exp").max_runs == 2
        assert self.told(records) == ["1", "2", "4"]
        assert not records.driving.unattended(0), "there is nothing to be done about the one that is held back"
        words = "2 runs of experiment 'exp' are under way, at most 2"
        assert records.runs.waits() == {runs[2]: words}
        records.driving.take(runs[0], records.alive)
        assert records.runs.waits() == {runs[2]: words}
        self.end(records, other)
        assert self.told(records) == []
        self.end(records, runs[1])
        assert records.runs.waits() == {}
        assert self.told(records) == ["3"]

    def test_who_waits_himself_is_before_those_behind_him(self) -> None:
        records = self.make()
        first = self.queued(records, "1", detached=False)
        second = self.queued(records, "2")
        running = records.driving.take(self.queued(records, "0"), records.alive)
        records.experiments.limit("exp", 1)
        assert records.driving.hold(first, records.alive) is False
        assert records.runs.waits() == {
            first: "1 run of experiment 'exp' is under way, at most 1",
            second: "1 run of experiment 'exp' is under way and 1 goes before it, at most 1",
        }
        records.driving.finish(running.id, running.epoch, RunStatus.COMPLETED, {}, None)
        assert records.runs.waits(first) == {second: "1 run of experiment 'exp' goes before it, at most 1"}
        assert self.told(records) == []
        self.end(records, first)
        assert self.told(records) == ["2"]

    def test_a_run_that_was_just_taken_is_told_whether_it_had_to_wait(self) -> None:
        records = self.make()
        records.driving.take(self.queued(records, "1"), records.alive)
        records.experiments.limit("exp", 1)
        late = records.driving.take(self.queued(records, "2"), records.alive)
        assert list(records.runs.waits(late.id)) == [late.id]

    def test_a_running_run_tells_what_its_steps_wait_for_until_another_takes_it(self) -> None:
        records = self.make()
        lost = records.driving.take(self.queued(records, "1"), records.dead)
        records.driving.tell_waits(lost.id, lost.epoch, "compute target 'pool' is stopped")
        assert records.runs.waits() == {lost.id: "compute target 'pool' is stopped"}
        assert records.runs.waits(lost.id) == {}, "that holds back no driver"
        assert self.told(records) == ["1"]
        assert records.runs.waits() == {}
        taken = records.driving.take(lost.id, records.alive)
        assert records.runs.waits() == {}
        with refused(LeaseLostError):
            records.driving.tell_waits(lost.id, lost.epoch, "who has lost it tells nothing")
        records.driving.tell_waits(taken.id, taken.epoch, "compute target 'farm' has no node")
        records.driving.tell_waits(taken.id, taken.epoch, "")
        assert records.runs.waits() == {}
        records.driving.tell_waits(taken.id, taken.epoch, "compute target 'farm' has no node")
        records.driving.finish(taken.id, taken.epoch, RunStatus.COMPLETED, {}, None)
        assert records.runs.waits() == {}

    def test_a_run_that_was_taken_before_its_turn_is_put_back_as_it_was(self) -> None:
        records = self.make()
        run = self.queued(records, "1", max_queue_seconds=60.0)
        taken = records.driving.take(run, records.alive)
        records.driving.put_back(run, taken.epoch)
        found = records.runs.get(run)
        assert (found.status, found.owner, found.started_at) == (RunStatus.QUEUED, "", None)
        with refused(LeaseLostError):
            records.driving.renew(run, taken.epoch)
        again = records.driving.take(run, records.alive)
        records.runs.request_cancel(run)
        records.driving.put_back(run, again.epoch)
        assert records.runs.get(run).status is RunStatus.CANCEL_REQUESTED, "who has it cancels it"

    def test_what_is_lifted_holds_nothing_back(self) -> None:
        records = self.make()
        for name in "12":
            self.queued(records, name)
        records.experiments.limit("exp", 1)
        records.experiments.limit("exp", 0)
        assert records.experiments.get("exp").max_runs == 0
        assert self.told(records) == ["1", "2"]
        with refused(UsageError):
            records.experiments.limit("exp", -1)

    def test_children_and_interactive_runs_take_no_place(self) -> None:
        records = self.make()
        made = replace(new_run("1", at=records.clock.now()), kind="interactive", status=RunStatus.RUNNING)
        records.runs.create(made)
        self.queued(records, "2")
        records.experiments.limit("exp", 1)
        assert self.told(records) == ["2"]

    def test_a_place_is_kept_by_one_and_given_back(self) -> None:
        records = self.make()
        run = self.queued(records, "1")
        records.driving.hold(run, records.alive)
        assert self.told(records) == []
        with refused(LeaseLostError):
            records.driving.hold(run, records.dead)
        records.runs.request_cancel(run)
        assert records.runs.get(run).status is RunStatus.QUEUED, "who waits with it sees to that"
        assert records.driving.hold(run, records.alive) is True
        records.driving.leave(run, records.alive)
        assert records.runs.request_cancel(run).status is RunStatus.CANCELED
        with refused(LeaseLostError):
            records.driving.hold(run, records.alive)

    def test_a_run_whose_waiting_process_died_goes_to_others_or_fails(self) -> None:
        records = self.make()
        detached, own = self.queued(records, "1"), self.queued(records, "2", detached=False)
        canceled = self.queued(records, "3")
        for run in (detached, own, canceled):
            records.driving.hold(run, records.dead)
        records.runs.request_cancel(canceled)
        assert records.driving.unattended(0)
        assert self.told(records) == ["1"]
        found = [records.runs.get(run) for run in (detached, own, canceled)]
        assert [run.status for run in found] == [RunStatus.QUEUED, RunStatus.FAILED, RunStatus.CANCELED]
        assert self.failure(found[1]) == "lost"

    def test_a_run_that_has_waited_as_long_as_it_may_is_canceled_and_says_for_what(self) -> None:
        records = self.make()
        running = self.queued(records, "1")
        records.driving.take(running, records.alive)
        late, patient = self.queued(records, "2", max_queue_seconds=60.0), self.queued(records, "3")
        held = self.queued(records, "4", max_queue_seconds=60.0, detached=False)
        records.driving.hold(held, records.alive)
        begun = records.driving.take(self.queued(records, "5", max_queue_seconds=60.0), records.alive)
        records.experiments.limit("exp", 1)
        records.clock.turn(59)
        assert not records.driving.unattended(1000)
        records.clock.turn(-3600)
        assert not records.driving.unattended(10_000), "a clock that is set back cancels nothing"
        records.clock.turn(3601)
        assert records.driving.unattended(1000, 0)
        records.driving.recover(1000, 0)
        found = [records.runs.get(run) for run in (late, patient, held, begun.id)]
        assert [str(run.status) for run in found] == ["Canceled", "Queued", "Canceled", "Running"]
        assert self.failure(found[0]) == self.failure(found[2]) == "timeout"
        assert found[0].failure is not None
        assert "for its turn, as long as it may: 2 runs of experiment 'exp' are under way" in found[0].failure.message
        assert records.driving.recover(1000, 0) == []

    def failure(self, run: RunRecord) -> str:
        """The kind of a run's failure."""
        assert run.failure is not None
        return run.failure.kind
