"""What the vitals of a workspace must tell. Derive a test class, and give it `make()`."""

from __future__ import annotations

from pipelinekit.classes import frozen
from pipelinekit.domain.runs import RunStatus, StepStatus
from pipelinekit.domain.schedules import MANUAL, Disposition, TickRange
from pipelinekit.domain.servers import Server
from pipelinekit.domain.upkeep import Removal
from pipelinekit.domain.vitals import CLEANED, LATENESS, RUNS, STEP_SECONDS, STEPS, TICKS, OpenRuns
from pipelinekit.ports.schedules import ScheduleRecords
from pipelinekit.ports.servers import ServerRecords
from pipelinekit.ports.upkeep import UpkeepRecords
from pipelinekit.ports.vitals import VitalRecords
from pipelinekit.testing.contracts.records import MadeRecords, change, new_run
from pipelinekit.testing.contracts.schedules import schedule, tick


@frozen
class MadeVitals:
    """The vitals under test, and the records that they are about."""

    vitals: VitalRecords
    records: MadeRecords
    upkeep: UpkeepRecords
    schedules: ScheduleRecords
    servers: ServerRecords


class VitalsContract:
    """The suite for vitals."""

    def make(self) -> MadeVitals:
        """Empty records."""
        raise NotImplementedError

    def test_a_new_workspace_has_nothing(self) -> None:
        found = self.make().vitals.read()
        assert (found.runs, found.steps, found.totals, found.pending, found.pending_since) == ({}, {}, {}, 0, None)
        assert found.servers == ()
        assert found.size >= 0

    def test_open_runs_are_told_with_the_oldest_and_those_that_are_driven(self) -> None:
        made = self.make()
        records = made.records
        for name, at in (("1", 100.0), ("2", 50.0), ("3", 70.0)):
            records.runs.create(new_run(name, at=at))
        run = records.driving.take(new_run("2").id, records.alive)
        steps = [change(run.id, "a", StepStatus.RUNNING), change(run.id, "b", StepStatus.COMPLETED, seconds=2.0)]
        records.driving.record(run.id, run.epoch, steps)
        found = made.vitals.read()
        assert found.runs == {"Queued": OpenRuns(2, 70.0, 0), "Running": OpenRuns(1, 50.0, 1)}
        assert found.steps == {"Running": 1}
        assert found.totals == {}

    def test_what_has_ended_is_counted_once_however_it_ended_and_stays_counted(self) -> None:
        made = self.make()
        records = made.records
        for name in ("1", "2", "3", "4"):
            records.runs.create(new_run(name))
        done = records.driving.take(new_run("1").id, records.alive)
        steps = [
            change(done.id, "a", StepStatus.REUSED, original_run="0", original_step="a", seconds=4.0),
            change(done.id, "b", StepStatus.COMPLETED, seconds=2.0),
        ]
        records.driving.record(done.id, done.epoch, steps)
        records.driving.finish(done.id, done.epoch, RunStatus.COMPLETED, {}, None)
        records.runs.request_cancel(new_run("2").id)
        lost = records.driving.take(new_run("3").id, records.dead)
        records.driving.record(lost.id, lost.epoch, [change(lost.id, "a", StepStatus.RUNNING)])
        records.driving.recover(0.0)
        records.driving.recover(0.0)
        expected = {"Completed": 1.0, "Canceled": 1.0, "Failed": 1.0}
        found = made.vitals.read()
        assert found.totals[RUNS] == expected
        assert found.totals[STEPS] == {"Reused": 1.0, "Completed": 1.0, "Canceled": 1.0}
        assert found.totals[STEP_SECONDS] == {"Reused": 4.0, "Completed": 2.0, "Canceled": 0.0}
        assert list(found.runs) == ["Queued"]
        made.upkeep.remove(Removal((done.id,), erased=(done.id,)), [])
        found = made.vitals.read()
        assert found.totals[RUNS] == expected
        assert found.totals[CLEANED] == {"": found.at}

    def test_instants_of_schedules_are_counted_with_how_late_their_runs_were(self) -> None:
        made = self.make()
        made.schedules.add(schedule("s1", "one"))
        now = made.vitals.read().at
        late = tick(now - 20.0)
        waits = tick(now - 10.0)
        early = tick(now, not_before=now + 10.0)
        by_hand = tick(now - 500.0, origin=MANUAL)
        missed = TickRange("s1", 1, 1.0, 5.0, 3, Disposition.SKIPPED_OVERLAP, "", 6.0)
        made.schedules.change(schedule("s1", "one"), ticks=[late, waits, early, by_hand], ranges=[missed])
        for item in (late, by_hand):
            fired = tick(
                item.due, origin=item.origin, disposition=Disposition.FIRED, run=f"r{item.origin}", decided_at=now
            )
            assert made.schedules.decide(fired)
            assert not made.schedules.decide(fired)
        found = made.vitals.read()
        assert (found.pending, found.pending_since) == (1, waits.due)
        assert found.totals[TICKS] == {str(Disposition.FIRED): 2.0, str(Disposition.SKIPPED_OVERLAP): 3.0}
        lateness = found.totals[LATENESS]
        assert (lateness["count"], lateness["sum"]) == (1.0, 20.0)
        assert "15" not in lateness
        assert lateness["60"] == lateness["21600"] == 1.0

    def test_instants_that_count_no_more_are_counted_as_such(self) -> None:
        made = self.make()
        made.schedules.add(schedule("s1", "one"))
        now = made.vitals.read().at
        changed = made.schedules.change(schedule("s1", "one"), ticks=[tick(now - 20.0), tick(now - 10.0)])
        assert changed is not None
        assert made.schedules.change(changed, void="it is over", at=now) is not None
        found = made.vitals.read()
        assert (found.pending, found.totals[TICKS]) == (0, {str(Disposition.VOIDED): 2.0})

    def test_servers_are_told(self) -> None:
        made = self.make()
        about = Server("here", 1, 2.0, 3, 4)
        made.servers.tell(made.records.alive, about)
        assert made.vitals.read().servers == (about,)
