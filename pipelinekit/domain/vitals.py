"""Vitals: how a workspace is and what has happened in it, in numbers, for whoever watches a server of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipelinekit.classes import frozen
from pipelinekit.domain.servers import Server

RUNS, STEPS, STEP_SECONDS, TICKS = "runs", "steps", "step_seconds", "ticks"  # names of totals, each by status
LATENESS = "lateness"  # of runs of schedules: each bound has the runs that were no later; `sum` their seconds
SUM, COUNT = "sum", "count"
CLEANED = "cleaned"  # when the records were last cleaned up
LATENESS_BOUNDS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21600.0)  # seconds


@frozen
class OpenRuns:
    """The open runs with one status: how many, when the oldest was submitted, and how many of them a driver has."""

    count: int
    oldest: float
    driven: int


@frozen
class Waits:
    """How often this process has waited for the write lock of the records, and for how many seconds in all."""

    count: int = 0
    seconds: float = 0.0


@frozen
class Vitals:
    """What the records say at one moment. `totals` never shrink, whatever is cleaned up; they lead from name to label.

    `steps` are those of open runs that have not ended. `pending` counts instants of schedules that could have a run by
    now; `pending_since` is the oldest of them.
    """

    at: float
    runs: Mapping[str, OpenRuns]
    steps: Mapping[str, int]
    totals: Mapping[str, Mapping[str, float]]
    pending: int
    pending_since: float | None
    servers: Sequence[Server]
    size: int


def lateness_totals(seconds: float) -> list[tuple[str, str, float]]:
    """What one run of a schedule that began so late adds to the totals: as a cumulative histogram has it."""
    late = max(seconds, 0.0)
    bounds = [(LATENESS, f"{bound:g}", 1.0) for bound in LATENESS_BOUNDS if late <= bound]
    return [*bounds, (LATENESS, COUNT, 1.0), (LATENESS, SUM, late)]
