"""What happened to a run, as its event log tells it."""

from __future__ import annotations

from pipelinekit.classes import frozen

MOST_EVENTS = 500  # that are read at once


@frozen
class RunEvent:
    """One event of a run: its number and time, the step runs that changed, and the status that the run has since."""

    sequence: int
    at: float
    steps: tuple[tuple[str, str], ...] = ()
    status: str = ""


@frozen
class Progress:
    """How far a run is: the number of its last event, and whether it has ended."""

    events: int
    ended: bool
