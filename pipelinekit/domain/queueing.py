"""Runs that are open, as far as it matters which of them goes first, and how many may be under way at once."""

from __future__ import annotations

from collections.abc import Mapping

from pipelinekit.classes import frozen
from pipelinekit.errors import UsageError

EXPERIMENT, COMPUTE = "experiment", "compute"  # what the number of runs under way is limited for
MOST_RUNS = 1_000_000

Limits = Mapping[tuple[str, str], int]  # kind and name (of compute targets in lower case) -> how many at most


@frozen
class OpenRun:
    """A run that has not ended. It is `under_way` once it is driven, or was given to a driver just now."""

    id: str
    experiment: str
    compute: str
    priority: int = 0
    under_way: bool = False

    @property
    def groups(self) -> tuple[tuple[str, str], ...]:
        """What limits may hold it back: its experiment, and where its steps run."""
        return limited(EXPERIMENT, self.experiment), limited(COMPUTE, self.compute)


def limited(kind: str, name: str) -> tuple[str, str]:
    """What a limit is kept under. Names of compute targets mean the same in any case."""
    return kind, name.lower() if kind == COMPUTE else name


def check_limit(most: int) -> int:
    """How many runs there may be at once, if that is a number of them; 0 for as many as there are."""
    if type(most) is not int or not 0 <= most <= MOST_RUNS:
        raise UsageError(f"{most!r} is no number of runs at once", hint="give 1 or more, or 0 for no limit")
    return most
