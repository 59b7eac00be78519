"""An event that handlers of signals may set.

`threading.Event` takes a lock to be set. A handler runs in the main thread, which may hold that very lock just then, as
it begins or ends to wait: it would wait for itself, for good. So this one is a pipe that is written to.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable, Iterable


class Ending(threading.Event):
    """Is set once, by anybody, also by a handler of signals; whoever waits for it goes on."""

    def __init__(self) -> None:
        super().__init__()
        self._ends = os.pipe()
        self._has_come = False

    def set(self) -> None:
        """Have everybody go on."""
        if not self._has_come:
            self._has_come = True
            os.write(self._ends[1], b"\0")  # which nobody reads: it stays for all

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._has_come

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, but no longer than so many seconds; whether it was set."""
        poll = select.poll()
        poll.register(self._ends[0], select.POLLIN)
        poll.poll(None if timeout is None else max(timeout, 0.0) * 1000)
        return self._has_come

    def __del__(self) -> None:
        for end in self._ends:
            os.close(end)


def on_signals(act: Callable[[], object], numbers: Iterable[int] = (signal.SIGINT, signal.SIGTERM)) -> None:
    """From now on do this when such a signal comes."""
    for number in numbers:
        signal.signal(number, lambda *_: act())
