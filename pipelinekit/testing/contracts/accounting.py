"""What accounts of reuse must tell. Derive a test class, and give it `make()`."""

from __future__ import annotations

from pipelinekit.classes import frozen, replace
from pipelinekit.domain.accounting import StepUse
from pipelinekit.domain.runs import Reason, StepStatus
from pipelinekit.domain.upkeep import Removal
from pipelinekit.ports.upkeep import AccountRecords, UpkeepRecords
from pipelinekit.testing.contracts.records import MadeRecords, change, new_run


@frozen
class MadeAccounts:
    """The accounts under test, and the records that they are about."""

    accounts: AccountRecords
    records: MadeRecords
    upkeep: UpkeepRecords


class AccountsContract:
    """The suite for accounts."""

    def make(self) -> MadeAccounts:
        """Empty records."""
        raise NotImplementedError

    def test_executed_and_reused_steps_are_told_with_their_causes(self) -> None:
        made = self.make()
        records = made.records
        records.runs.create(new_run("1", at=100.0))
        run = records.driving.take(new_run("1").id, records.alive)
        reasons = (Reason("code", "one"), Reason("code", "two"), Reason("input", "three"))
        steps = [
            change(run.id, "a", StepStatus.REUSED, original_run="0", original_step="a", seconds=4.0, reasons=reasons),
            change(run.id, "b", StepStatus.COMPLETED, seconds=2.0, reasons=reasons),
            change(run.id, "c", StepStatus.FAILED, seconds=1.0, reasons=reasons[2:]),
            change(run.id, "d", StepStatus.SKIPPED),
            change(run.id, "e", StepStatus.RUNNING, reasons=reasons),
        ]
        records.driving.record(run.id, run.epoch, [replace(step, node=n) for n, step in enumerate(steps)])
        assert made.accounts.uses(0.0) == [
            StepUse(run.id, "pipe", 100.0, StepStatus.REUSED, 4.0),
            StepUse(run.id, "pipe", 100.0, StepStatus.COMPLETED, 2.0, ("code", "input")),
            StepUse(run.id, "pipe", 100.0, StepStatus.FAILED, 1.0, ("input",)),
        ]

    def test_older_and_removed_runs_do_not_count(self) -> None:
        made = self.make()
        records = made.records
        for name, at in (("1", 100.0), ("2", 200.0), ("3", 300.0)):
            records.runs.create(new_run(name, at=at))
            run = records.driving.take(new_run(name).id, records.alive)
            records.driving.record(run.id, run.epoch, [change(run.id, "a", StepStatus.COMPLETED)])
        made.upkeep.remove(Removal((new_run("3").id,), stays=frozenset({(new_run("3").id, "a")})), [])
        assert [use.run for use in made.accounts.uses(200.0)] == [new_run("2").id]
