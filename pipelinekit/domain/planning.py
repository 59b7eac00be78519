"""What would become of the steps of a run, before it starts."""

from __future__ import annotations

from pipelinekit.classes import frozen
from pipelinekit.domain.runs import Reason

DECISIONS = ("reuse", "run", "maybe", "skip")


@frozen
class PlannedStep:
    """What would become of one step.

    `decision` is `reuse`, `run`, `maybe` (it depends on what steps before it leave) or `skip`. `seconds` is what its
    code took before, else what the step took before its code changed; None when it never ran. `original` is the run and
    step that would be reused.
    """

    name: str
    decision: str
    reasons: tuple[Reason, ...] = ()
    seconds: float | None = None
    original: tuple[str, str] | None = None
