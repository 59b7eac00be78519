"""Attempts in the driver's own process and thread, one after another: for breakpoints, and to cost least."""

from __future__ import annotations

import io
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TextIO

from pipelinekit.compute.secrets import SecretsFor, no_secrets, read_secrets
from pipelinekit.domain.attempts import Attempt, AttemptEnded, AttemptStarted, LogChunk
from pipelinekit.domain.runs import Failure
from pipelinekit.late import late
from pipelinekit.ports import Sink

if TYPE_CHECKING:
    from pipelinekit.engine import masking
else:
    masking = late("pipelinekit.engine.masking")

TURN_SECONDS = 0.1  # short attempts are executed together for so long, and recorded together


class Executing(Protocol):
    """Executes attempts in this process; `bootstrap` gives the harness."""

    def execute(self, attempt: Attempt, given: Mapping[str, str] | None = None) -> AttemptEnded:
        """Execute one attempt, which is given these values of secrets."""

    def rest(self) -> None:
        """Let the process be as it was, until the next attempt."""

    def leave(self) -> None:
        """Let the process be as it was for good."""


class InProcessCompute:
    """Implements `ports.Compute`. `secrets_for` reads the secrets of an attempt when it begins."""

    def __init__(self, sink: Sink, executing: Executing, secrets_for: SecretsFor = no_secrets) -> None:
        self._sink = sink
        self._executing = executing
        self._secrets_for = secrets_for
        self._hidden = _Hidden()
        self._queue: deque[Attempt] = deque()

    def start(self, attempts: Sequence[Attempt]) -> None:
        """Queue attempts; `advance` runs them. Those that need several processes end at once."""
        for attempt in attempts:
            if attempt.task.nodes == 1:
                self._queue.append(attempt)
                continue
            why = f"it asks for {attempt.task.nodes} nodes, and in-process there is one process"
            words = f"step {attempt.step!r} can never run here: {why}"
            failure = Failure("compute", words, hint="run it with --compute local, or on a cluster")
            self._sink(AttemptEnded(attempt.id, time.time(), 0.0, failure=failure))

    def stop(self, attempts: Sequence[str]) -> None:
        """Take attempts out of the queue."""
        wanted = set(attempts)
        for attempt in [item for item in self._queue if item.id in wanted]:
            self._queue.remove(attempt)
            failure = Failure("canceled", "the attempt was canceled before it began")
            self._sink(AttemptEnded(attempt.id, time.time(), 0.0, failure=failure))

    def advance(self) -> bool:
        """Run attempts here and now: the next one, and those that fit into a turn with it."""
        if not self._queue:
            return False
        until = time.monotonic() + TURN_SECONDS
        out, err = _Tee(sys.stdout, self._hidden), _Tee(sys.stderr, self._hidden)
        try:
            while self._queue:
                sys.stdout, sys.stderr = out, err
                self._execute_one(self._queue.popleft(), out, err)
                if time.monotonic() > until:
                    break
        finally:
            sys.stdout, sys.stderr = out.stream, err.stream
            self._executing.rest()
        return True

    def _execute_one(self, attempt: Attempt, out: _Tee, err: _Tee) -> None:
        self._sink(AttemptStarted(attempt.id, time.time()))
        given, failure = read_secrets(attempt, self._secrets_for)
        if failure is not None:
            self._sink(AttemptEnded(attempt.id, time.time(), 0.0, failure=failure))
            return
        if given:
            self._hidden.add(given)
        ended = self._executing.execute(attempt, given)
        for stream, tee in (("stdout", out), ("stderr", err)):
            if text := tee.taken():
                self._sink(LogChunk(attempt.id, stream, text))
        self._sink(ended)

    def waiting(self) -> int:
        """How many attempts are queued."""
        return len(self._queue)

    def trouble(self) -> str:
        """Nothing: there is always a place."""
        return ""

    def close(self, *, now: bool = False) -> None:  # noqa: ARG002 - the port's
        """Drop what is queued."""
        self._queue.clear()
        self._executing.leave()


class _Hidden:
    """What is masked in texts of this process: every secret that it was given, whichever step still writes."""

    def __init__(self) -> None:
        self.masks: masking.Masks | None = None

    def add(self, values: Mapping[str, str]) -> None:
        """Hide these values from now on."""
        if self.masks is None:
            self.masks = masking.Masks()
        self.masks.add(values)


class _Tee(io.TextIOBase):
    """Writes through to the terminal, so that debuggers work, and keeps a copy for the step's log; both are masked."""

    def __init__(self, stream: TextIO, hidden: _Hidden) -> None:
        self.stream = stream
        self._hidden = hidden
        self._mask: masking.StreamMask | None = None
        self._parts: list[str] = []

    def write(self, text: str) -> int:
        if self._hidden.masks is None:
            self._parts.append(text)
            return self.stream.write(text)
        if self._mask is None:
            self._mask = masking.StreamMask(self._hidden.masks)
        self._tell(self._mask.feed(text))
        return len(text)

    def _tell(self, text: str) -> None:
        self._parts.append(text)
        self.stream.write(text)

    def flush(self) -> None:
        self.stream.flush()

    def isatty(self) -> bool:
        return self.stream.isatty()

    def fileno(self) -> int:
        return self.stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.stream.encoding

    def taken(self) -> str:
        """What was written since this was asked last."""
        if self._mask is not None and (rest := self._mask.end()):
            self._tell(rest)
        if not self._parts:
            return ""
        text = "".join(self._parts)
        self._parts.clear()
        return text
