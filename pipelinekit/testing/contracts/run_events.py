"""What event logs of runs must tell. Derive a test class, and give it `make()`."""

from __future__ import annotations

from pipelinekit.classes import frozen
from pipelinekit.domain.run_events import Progress, RunEvent
from pipelinekit.domain.runs import RunRecord, RunStatus, StepStatus
from pipelinekit.domain.upkeep import Removal
from pipelinekit.ports.run_events import RunEventRecords
from pipelinekit.ports.upkeep import UpkeepRecords
from pipelinekit.testing.contracts.records import MadeRecords, change, new_run

STATUSES = (StepStatus.QUEUED, StepStatus.RUNNING, StepStatus.COMPLETED)


@frozen
class MadeRunEvents:
    """The records under test, and those of the runs that they are about."""

    events: RunEventRecords
    records: MadeRecords
    upkeep: UpkeepRecords


class RunEventRecordsContract:
    """The suite for event logs of runs."""

    def make(self) -> MadeRunEvents:
        """Empty records."""
        raise NotImplementedError

    def begun(self, made: MadeRunEvents, name: str = "1") -> RunRecord:
        """A run that a driver has taken."""
        run = made.records.runs.create(new_run(name))
        return made.records.driving.take(run.id, made.records.alive)

    def step_events(self, made: MadeRunEvents, run: str, after: int = 0) -> list[RunEvent]:
        """The events that tell of steps."""
        return [event for event in made.events.after(run, after, 100) if event.steps]

    def test_events_are_told_in_order_with_numbers_times_and_what_changed(self) -> None:
        made = self.make()
        run = self.begun(made)
        for status in STATUSES:
            made.records.clock.turn(2)
            made.records.driving.record(run.id, run.epoch, [change(run.id, step, status) for step in "ab"])
        made.records.driving.finish(run.id, run.epoch, RunStatus.COMPLETED, {}, None)
        told = made.events.after(run.id, 0, 100)
        assert [event.sequence for event in told] == list(range(1, len(told) + 1))
        assert [event.status for event in told if event.status][-1] == "Completed"
        steps = self.step_events(made, run.id)
        assert [dict(event.steps) for event in steps] == [dict.fromkeys("ab", str(status)) for status in STATUSES]
        assert [event.at - steps[0].at for event in steps] == [0.0, 2.0, 4.0]

    def test_who_follows_goes_on_behind_any_event(self) -> None:
        made = self.make()
        run = self.begun(made)
        for status in STATUSES:
            made.records.driving.record(run.id, run.epoch, [change(run.id, "a", status)])
        told = made.events.after(run.id, 0, 100)
        for number in range(len(told) + 2):
            assert made.events.after(run.id, number, 100) == told[number:]
            assert made.events.after(run.id, number, 2) == told[number : number + 2]

    def test_progress_is_the_last_events_number_and_whether_the_run_has_ended(self) -> None:
        made = self.make()
        queued, begun = made.records.runs.create(new_run("1")), self.begun(made, "2")
        made.records.driving.record(begun.id, begun.epoch, [change(begun.id, "a", StepStatus.QUEUED)])
        count = len(made.events.after(begun.id, 0, 100))
        found = made.events.progress([queued.id, begun.id, "nobody"])
        assert found == {queued.id: Progress(0, ended=False), begun.id: Progress(count, ended=False)}
        made.records.driving.finish(begun.id, begun.epoch, RunStatus.FAILED, {}, None)
        assert made.events.progress([begun.id])[begun.id].ended
        assert made.events.progress([begun.id])[begun.id].events == len(made.events.after(begun.id, 0, 100))

    def test_a_run_that_is_canceled_before_it_begins_has_ended(self) -> None:
        made = self.make()
        run = made.records.runs.create(new_run("1"))
        made.records.runs.request_cancel(run.id)
        assert made.events.progress([run.id])[run.id].ended

    def test_events_go_with_their_run(self) -> None:
        made = self.make()
        run = self.begun(made)
        made.records.driving.finish(run.id, run.epoch, RunStatus.COMPLETED, {}, None)
        made.upkeep.remove(Removal((run.id,), (run.id,), frozenset()), [])
        assert made.events.after(run.id, 0, 100) == []
        assert made.events.after("nobody", 0, 100) == []
