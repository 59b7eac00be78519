"""Experiments: names that runs are filed under."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pipelinekit.classes import field, frozen
from pipelinekit.domain.run_queries import has_tags


@frozen
class Experiment:
    """An experiment as it stands. `runs` counts all runs that there ever were; `newest` is when the last one was made.

    An archived experiment is left out of lists, until a run is submitted to it again. At most `max_runs` of its runs
    are under way at once; 0 is for no limit.
    """

    name: str
    created_at: float
    runs: int = 0
    newest: float | None = None
    archived_at: float | None = None
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    max_runs: int = 0


def with_tags(found: Iterable[Experiment], tags: Mapping[str, str | None]) -> list[Experiment]:
    """Those that have all of these tags; one with the value None may have any."""
    return [item for item in found if has_tags(item.tags, tags)]
