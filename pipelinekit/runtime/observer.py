"""Whoever watches a run while it is driven."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from pipelinekit.domain.attempts import LogChunk
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.runs import RunRecord, StepRecord
from pipelinekit.runtime.carrying import Carried


class Observer(Protocol):
    """Somebody who watches a run: told of every change after it has been recorded."""

    def begun(self, run: RunRecord, graph: Graph) -> None:
        """The driver has taken the run."""

    def carried(self, carried: Carried, read: Callable[[], Sequence[StepRecord]]) -> None:
        """So many step runs were carried over from an earlier run; `read` gives them."""

    def changed(self, changes: Sequence[StepRecord]) -> None:
        """These step runs stand so now."""

    def logged(self, chunks: Sequence[LogChunk]) -> None:
        """Attempts wrote this."""

    def waits(self, why: str) -> None:
        """Steps wait for this at compute targets that can take none of them; empty: they do no more."""

    def waiting(self) -> None:
        """Nothing new; called at least twice a second."""


class Silent:
    """An observer that nobody looks through."""

    def begun(self, *_: Any) -> None:
        """Nothing."""

    carried = changed = logged = waits = waiting = begun
