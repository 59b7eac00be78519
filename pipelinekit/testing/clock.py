"""A clock that only moves when it is told to."""

from __future__ import annotations


class HandClock:
    """Implements `ports.Clock`."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self.time = start

    def now(self) -> float:
        """The time it was turned to."""
        return self.time

    def turn(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.time += seconds
