"""Accounts in memory: the twin of what `storage.accounting` reads from a database."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.domain.accounting import StepUse
from pipelinekit.domain.runs import StepStatus
from pipelinekit.testing.records import MemoryState


class MemoryAccounts:
    """Twin of `storage.accounting.SQLAccounts`."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def uses(self, since: float) -> Sequence[StepUse]:
        """Step runs that were reused or executed."""
        runs = [run for name, run in sorted(self._state.runs.items()) if name not in self._state.removed]
        return [
            StepUse(
                run.id,
                run.pipeline,
                run.created_at,
                step.status,
                step.seconds,
                tuple(dict.fromkeys(reason.cause for reason in step.reasons))
                if step.status is not StepStatus.REUSED
                else (),
            )
            for run in runs
            if run.created_at >= since
            for step in sorted(
                self._state.steps.get(run.id, {}).values(), key=lambda item: (item.node, item.element, item.name)
            )
            if step.status in (StepStatus.COMPLETED, StepStatus.REUSED, StepStatus.FAILED)
        ]
