"""All ranks of an attempt on this machine at once, each in a step process of its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from pipelinekit.compute.meeting import free_port, placed
from pipelinekit.compute.reports import Emit
from pipelinekit.compute.supervisor import Supervisor
from pipelinekit.domain.attempts import Attempt, AttemptEvent
from pipelinekit.engine.gangs import Gang

LOOPBACK = "127.0.0.1"


class RanksHere:
    """The ranks of one attempt. What is to be told of it goes to `emit`, the last is that it has ended."""

    def __init__(self, supervisor: Supervisor, attempt: Attempt, emit: Emit) -> None:
        self._supervisor = supervisor
        self._emit = emit
        self._lock = threading.Lock()
        self._gang = Gang(attempt)
        self._gang.has_begun = True  # they all have room here
        self._is_ended = False

    def run(self) -> None:
        """Execute them; returns when all have ended."""
        port = free_port(LOOPBACK)
        ranks = [placed(rank, LOOPBACK, port) for rank in self._gang.ranks]
        threads = [
            threading.Thread(target=self._supervisor.run, args=(rank, self._take), name="pipelinekit-rank", daemon=True)
            for rank in ranks
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def stop(self) -> None:
        """Nobody wants the attempt any more."""
        with self._lock:
            self._gang.is_stopped = True
        self._end_others()

    def _take(self, events: Sequence[AttemptEvent]) -> None:
        with self._lock:
            told = [item for event in events for item in self._gang.take(event)]
            has_failed = self._gang.has_failed
            ended = None if self._is_ended else self._gang.ended
            self._is_ended = ended is not None
            self._emit([*told, *([ended] if ended else [])])
        if has_failed and ended is None:
            self._end_others()

    def _end_others(self) -> None:
        with self._lock:
            left = self._gang.left
        self._supervisor.cancel(left)
