"""Limits on how many runs are under way at once, as they are kept."""

from __future__ import annotations

from typing import Protocol

from pipelinekit.domain.queueing import Limits


class RunLimits(Protocol):
    """How many runs may be under way at once: of an experiment, or on a compute target."""

    def set(self, kind: str, name: str, most: int) -> None:
        """Limit the runs of that kind and name; 0 for no limit. Raises UsageError."""

    def all(self) -> Limits:
        """All limits by kind and name."""
