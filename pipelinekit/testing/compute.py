"""A compute target in memory: attempts are answered by a function, in the driver's thread, when it advances."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from pipelinekit.domain.attempts import Attempt, AttemptEnded, AttemptStarted
from pipelinekit.domain.runs import Failure
from pipelinekit.ports import Clock, Sink

Answer = Callable[[Attempt], AttemptEnded]


class ImaginaryCompute:
    """Twin of the compute targets. `executed` lists the attempts that were executed, in order."""

    def __init__(self, sink: Sink, clock: Clock, answer: Answer, executed: list[str]) -> None:
        self._sink = sink
        self._clock = clock
        self._answer = answer
        self._queue: deque[Attempt] = deque()
        self.executed = executed
        self.told = ""  # as `trouble`; nothing is executed meanwhile
        self.closed = False

    def start(self, attempts: Sequence[Attempt]) -> None:
        """Queue attempts."""
        self._queue.extend(attempts)

    def stop(self, attempts: Sequence[str]) -> None:
        """End queued attempts as canceled."""
        for attempt in [item for item in self._queue if item.id in attempts]:
            self._queue.remove(attempt)
            self._sink(AttemptEnded(attempt.id, self._clock.now(), 0.0, failure=Failure("canceled", "canceled")))

    def advance(self) -> bool:
        """Answer the next attempt."""
        if not self._queue or self.told:
            return False
        attempt = self._queue.popleft()
        self._sink(AttemptStarted(attempt.id, self._clock.now()))
        self.executed.append(attempt.step)
        self._sink(self._answer(attempt))
        return True

    def waiting(self) -> int:
        """How many attempts are queued."""
        return len(self._queue)

    def trouble(self) -> str:
        """What it was told to say."""
        return self.told

    def close(self, *, now: bool = False) -> None:  # noqa: ARG002 - the port's
        """Drop what is queued."""
        self._queue.clear()
        self.closed = True
