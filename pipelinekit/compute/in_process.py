"""Attempts in the driver's own process and thread, one after another: for breakpoints, and to cost least."""

from __future__ import annotations

import io
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import TextIO

from pipelinekit.domain.attempts import Attempt, AttemptEnded, AttemptStarted, LogChunk
from pipelinekit.domain.runs import Failure
from pipelinekit.ports import Sink

TURN_SECONDS = 0.05  # short attempts are executed together for so long, and recorded together
ExecuteAttempt = Callable[[Attempt, Path], AttemptEnded]


class InProcessCompute:
    """Implements `ports.Compute`. `execute` runs an attempt in a scratch folder; `bootstrap` gives it the harness."""

    def __init__(self, sink: Sink, scratch: Path, execute: ExecuteAttempt) -> None:
        self._sink = sink
        self._scratch = scratch
        self._execute = execute
        self._queue: deque[Attempt] = deque()
        self._number = 1
        self._folder = scratch / "1"

    def start(self, attempts: Sequence[Attempt]) -> None:
        """Queue attempts; `advance` runs them."""
        self._queue.extend(attempts)

    def stop(self, attempts: Sequence[str]) -> None:
        """Take attempts out of the queue."""
        wanted = set(attempts)
        for attempt in [item for item in self._queue if item.id in wanted]:
            self._queue.remove(attempt)
            failure = Failure("canceled", "the attempt was canceled before it began")
            self._sink(AttemptEnded(attempt.id, time.time(), 0.0, failure=failure))

    def advance(self) -> bool:
        """Run attempts here and now: the next one, and those that fit into a turn with it."""
        until = time.monotonic() + TURN_SECONDS
        ran = False
        while self._queue and not (ran and time.monotonic() > until):
            self._execute_one(self._queue.popleft())
            ran = True
        return ran

    def _execute_one(self, attempt: Attempt) -> None:
        self._sink(AttemptStarted(attempt.id, time.time()))
        out = _Tee(sys.stdout, lambda text: self._sink(LogChunk(attempt.id, "stdout", text)))
        err = _Tee(sys.stderr, lambda text: self._sink(LogChunk(attempt.id, "stderr", text)))
        with redirect_stdout(out), redirect_stderr(err):
            ended = self._execute(attempt, self._folder)
        if not os.path.isdir(self._folder):  # it was used, and is gone
            self._number += 1
            self._folder = self._scratch / str(self._number)
        out.finish()
        err.finish()
        self._sink(ended)

    def close(self, *, now: bool = False) -> None:  # noqa: ARG002 - the port's
        """Drop what is queued."""
        self._queue.clear()
        for folder in (self._folder, self._scratch):
            with suppress(OSError):
                folder.rmdir()


class _Tee(io.TextIOBase):
    """Writes through to the terminal, so that debuggers work, and keeps a copy for the step's log."""

    def __init__(self, stream: TextIO, send: Callable[[str], None]) -> None:
        self._stream = stream
        self._send = send
        self._parts: list[str] = []

    def write(self, text: str) -> int:
        self._parts.append(text)
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def finish(self) -> None:
        if self._parts:
            self._send("".join(self._parts))
