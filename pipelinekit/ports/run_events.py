"""The event logs of runs, for those who follow them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    from pipelinekit.domain.run_events import Progress, RunEvent
else:
    Protocol = object


class RunEventRecords(Protocol):
    """Events have numbers from 1 on, without gaps. A run that was removed has none."""

    def after(self, run: str, sequence: int, limit: int) -> Sequence[RunEvent]:
        """So many events at most that follow the one of this number, in their order; 0 begins with the first."""

    def progress(self, runs: Iterable[str]) -> Mapping[str, Progress]:
        """How far these runs are; runs that are not there are left out."""
