"""What reuse saved and what executions cost, from the database."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.domain.accounting import StepUse
from pipelinekit.domain.runs import StepStatus
from pipelinekit.storage.database import Database
from pipelinekit.wire.values import loads


class SQLAccounts:
    """Implements `ports.AccountRecords` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def uses(self, since: float) -> Sequence[StepUse]:
        """Step runs that were reused or executed, of runs that were submitted since a time."""
        return [
            StepUse(
                row["id"],
                row["pipeline"],
                row["created_at"],
                StepStatus(row["status"]),
                row["seconds"],
                _causes(row["reasons"]) if row["status"] != StepStatus.REUSED else (),
            )
            for row in self._database.read("uses_since", (since,))
        ]


def _causes(reasons: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(reason["cause"] for reason in loads(reasons)))
