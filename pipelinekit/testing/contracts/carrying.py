"""What every implementation of `CarryRecords` must do.

Subclass `CarryingContract` in a test module and give it records; pytest finds the tests.
"""

from __future__ import annotations

from pipelinekit.classes import replace
from pipelinekit.domain.digests import digest
from pipelinekit.domain.runs import CarriedRecord, Completion, RunRecord, RunStatus, StepRecord, StepStatus
from pipelinekit.domain.values import StoredValue, list_of, plain
from pipelinekit.errors import LeaseLostError
from pipelinekit.testing.contracts.records import MadeRecords, key, new_run, refused


class CarryingContract:
    """The suite. `make` is called once for every test."""

    def make(self) -> MadeRecords:
        """Empty records."""
        raise NotImplementedError

    def started(self, records: MadeRecords, name: str, pipeline: str = "pipe") -> RunRecord:
        """A run that a driver has taken."""
        run = replace(new_run(name), pipeline=pipeline)
        records.runs.create(run)
        return records.driving.take(run.id, records.alive)

    def executed(
        self, records: MadeRecords, run: RunRecord, step: str, node: int, value: StoredValue, element: int = -1
    ) -> None:
        """Record an execution whose result may be reused, under a key that is named like the step."""
        records.reuse.claim(run.id, run.epoch, {step: key(step)}, frozenset())
        done = StepRecord(run.id, step, node, StepStatus.COMPLETED, key(step), 1, seconds=2.0, element=element)
        made = Completion(key(step), run.id, step, {"output": value}, 2.0, 1, digest("definition"))
        records.driving.record(run.id, run.epoch, [done], [made])

    def ended(self, records: MadeRecords, run: RunRecord, status: RunStatus = RunStatus.COMPLETED) -> None:
        """End a run."""
        records.driving.finish(run.id, run.epoch, status, {}, None)

    def filled(self, records: MadeRecords) -> RunRecord:
        """A completed run: two steps, a mapped one with two elements and another of like name, and a skipped one."""
        run = self.started(records, "1")
        self.executed(records, run, "first", 0, plain(1))
        self.executed(records, run, "square[0]", 1, plain("a"), 0)
        self.executed(records, run, "square[1]", 1, plain("b"), 1)
        self.executed(records, run, "square-2", 2, plain("c"))
        skipped = StepRecord(run.id, "other", 3, StepStatus.SKIPPED, note="its condition does not hold")
        records.driving.record(run.id, run.epoch, [skipped])
        self.ended(records, run)
        return run

    # -- the earlier run ---------------------------------------------------------------------------------------------

    def test_the_earlier_run_is_the_newest_completed_one_of_the_pipeline(self) -> None:
        records = self.make()
        for name, pipeline, status in (
            ("1", "pipe", RunStatus.COMPLETED),
            ("2", "pipe", RunStatus.COMPLETED),
            ("3", "pipe", RunStatus.FAILED),
            ("4", "pipe", RunStatus.CANCELED),
            ("5", "another", RunStatus.COMPLETED),
        ):
            self.ended(records, self.started(records, name, pipeline), status)
        self.started(records, "6")
        run = self.started(records, "7")
        self.ended(records, self.started(records, "8"))
        found = records.carrying.earlier(run)
        assert found is not None
        assert found.id == new_run("2").id
        assert records.carrying.earlier(self.started(records, "0")) is None

    # -- what may no longer be reused --------------------------------------------------------------------------------

    def test_nothing_is_spent_where_every_result_may_be_reused(self) -> None:
        records = self.make()
        run = self.filled(records)
        assert records.carrying.spent(run.id) == (set(), {})

    def test_a_revoked_result_is_spent(self) -> None:
        records = self.make()
        run = self.filled(records)
        records.reuse.revoke([key("square[1]")], "it was wrong")
        assert records.carrying.spent(run.id) == ({1}, {})

    def test_a_result_that_another_has_replaced_is_spent(self) -> None:
        records = self.make()
        run = self.filled(records)
        newer = self.started(records, "2")
        records.reuse.claim(newer.id, newer.epoch, {"first": key("first")}, frozenset({"first"}))
        done = StepRecord(newer.id, "first", 0, StepStatus.COMPLETED, key("first"), 1)
        made = Completion(key("first"), newer.id, "first", {"output": plain(2)}, 2.0, 1, digest("definition"))
        records.driving.record(newer.id, newer.epoch, [done], [made])
        assert records.carrying.spent(run.id) == ({0}, {})
        assert records.carrying.spent(newer.id) == (set(), {})

    def test_results_that_name_blobs_are_told(self) -> None:
        records = self.make()
        run = self.started(records, "1")
        table = StoredValue(digest("content"), "arrow", 3, digest("bytes"))
        self.executed(records, run, "first", 0, plain({"blob": 1}))
        self.executed(records, run, "second", 1, list_of([plain(1), table]))
        self.ended(records, run)
        spent, named = records.carrying.spent(run.id)
        assert spent == set()
        assert list(named[1]) == [list_of([plain(1), table])]

    # -- carrying ----------------------------------------------------------------------------------------------------

    def test_a_whole_run_is_carried(self) -> None:
        records = self.make()
        earlier = self.filled(records)
        run = self.started(records, "2")
        records.clock.turn(10)
        counts, seconds = records.carrying.carry(run.id, run.epoch, earlier.id)
        assert counts == {StepStatus.REUSED: 4, StepStatus.SKIPPED: 1}
        assert seconds == 8.0
        now = records.clock.now()
        before = {step.name: step for step in records.runs.steps(earlier.id)}
        for step in records.runs.steps(run.id):
            was = before.pop(step.name)
            reused = was.status is StepStatus.COMPLETED
            assert step == StepRecord(
                run.id,
                was.name,
                was.node,
                StepStatus.REUSED if reused else StepStatus.SKIPPED,
                was.key,
                0,
                *((earlier.id, was.name) if reused else ("", "")),
                ended_at=now,
                seconds=was.seconds,
                outputs=was.outputs,
                note=was.note,
                element=was.element,
            )
        assert before == {}

    def test_what_was_carried_before_shows_the_first_execution(self) -> None:
        records = self.make()
        first = self.filled(records)
        second = self.started(records, "2")
        records.carrying.carry(second.id, second.epoch, first.id)
        self.ended(records, second)
        third = self.started(records, "3")
        records.carrying.carry(third.id, third.epoch, second.id)
        shown = {step.name: (step.original_run, step.original_step) for step in records.runs.steps(third.id)}
        assert shown["square[1]"] == (first.id, "square[1]")
        assert shown["other"] == ("", "")
        assert records.carrying.spent(third.id) == (set(), {})

    def test_some_nodes_are_carried_and_no_others(self) -> None:
        records = self.make()
        earlier = self.filled(records)
        run = self.started(records, "2")
        counts, seconds = records.carrying.carry(run.id, run.epoch, earlier.id, but=[2, 3])
        assert counts == {StepStatus.REUSED: 3}
        assert seconds == 6.0
        assert records.carrying.carried(run.id) == [
            CarriedRecord(0, -1, StepStatus.REUSED, {"output": plain(1)}, (earlier.id, "first")),
            CarriedRecord(1, 0, StepStatus.REUSED, {"output": plain("a")}, (earlier.id, "square[0]")),
            CarriedRecord(1, 1, StepStatus.REUSED, {"output": plain("b")}, (earlier.id, "square[1]")),
        ]

    def test_a_skipped_step_is_carried_as_one(self) -> None:
        records = self.make()
        earlier = self.filled(records)
        run = self.started(records, "2")
        records.carrying.carry(run.id, run.epoch, earlier.id, but={0, 1, 2})
        assert records.carrying.carried(run.id) == [CarriedRecord(3, -1, StepStatus.SKIPPED, {}, ("", ""))]

    def test_nothing_is_carried_without_the_lease(self) -> None:
        records = self.make()
        earlier = self.filled(records)
        run = self.started(records, "2")
        with refused(LeaseLostError):
            records.carrying.carry(run.id, run.epoch + 1, earlier.id)
        with refused(LeaseLostError):
            records.carrying.carry(run.id, run.epoch - 1, earlier.id, but=[1, 2, 3])
        assert records.runs.steps(run.id) == []

    def test_a_carried_step_may_be_made_again(self) -> None:
        records = self.make()
        earlier = self.filled(records)
        run = self.started(records, "2")
        records.carrying.carry(run.id, run.epoch, earlier.id, but=[2, 3])
        queued = StepRecord(run.id, "first", 0, StepStatus.QUEUED, key("first"))
        again = StepRecord(run.id, "square[0]", 1, StepStatus.REUSED, key("square[0]"), 0, earlier.id, "square[0]")
        records.driving.record(run.id, run.epoch, [queued, again])
        assert [step.status for step in records.runs.steps(run.id)][:2] == [StepStatus.QUEUED, StepStatus.REUSED]
