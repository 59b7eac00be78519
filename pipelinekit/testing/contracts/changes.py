"""What records of changed source folders must do. Derive a test class, and give it `make()`."""

from __future__ import annotations

from pipelinekit.classes import frozen
from pipelinekit.domain.upkeep import Removal
from pipelinekit.ports import RunRecords
from pipelinekit.ports.environments import ChangeRecords
from pipelinekit.ports.upkeep import UpkeepRecords
from pipelinekit.testing.contracts.records import new_run

FOUND = {"dirty": True, "modified": ["main.py"], "diff": "-é\n+\x00"}


@frozen
class MadeChanges:
    """The records under test, and those of the runs that they are about."""

    changes: ChangeRecords
    runs: RunRecords
    upkeep: UpkeepRecords


class ChangeRecordsContract:
    """The suite for records of changes."""

    def make(self) -> MadeChanges:
        """Empty records."""
        raise NotImplementedError

    def test_what_was_kept_is_found_and_may_be_replaced(self) -> None:
        made = self.make()
        run = made.runs.create(new_run("1")).id
        assert made.changes.get(run) is None
        made.changes.keep(run, FOUND)
        assert made.changes.get(run) == FOUND
        made.changes.keep(run, {"dirty": False})
        assert made.changes.get(run) == {"dirty": False}

    def test_nothing_is_kept_of_a_run_that_is_not_there(self) -> None:
        made = self.make()
        made.changes.keep("nobody", FOUND)
        assert made.changes.get("nobody") is None

    def test_they_go_with_their_run(self) -> None:
        made = self.make()
        gone, hidden = (made.runs.create(new_run(name)).id for name in ("1", "2"))
        for run in (gone, hidden):
            made.changes.keep(run, FOUND)
        made.upkeep.remove(Removal((gone, hidden), (gone,), frozenset({(hidden, "a")})), [])
        assert made.changes.get(gone) is None
        assert made.changes.get(hidden) is None
        made.changes.keep(hidden, FOUND)
        assert made.changes.get(hidden) is None, "a removed run comes to nothing again"
