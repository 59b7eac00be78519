"""What reuse saved and what executions cost, as the records tell it."""

from __future__ import annotations

from pipelinekit.classes import frozen
from pipelinekit.domain.runs import StepStatus


@frozen
class StepUse:
    """A step run for the accounts: what its execution took, and the causes for which it ran (none if it was reused)."""

    run: str
    pipeline: str
    created_at: float
    status: StepStatus
    seconds: float
    causes: tuple[str, ...] = ()


@frozen
class Kept:
    """A completion that may be reused: where and when it was made, and why its step ran then."""

    key: str
    run: str
    step: str
    pipeline: str
    created_at: float
    causes: tuple[str, ...]
