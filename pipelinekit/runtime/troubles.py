"""What the steps of a run wait for at compute targets that can take none of them: told in the records while it is so.

It is looked for in a thread of its own, because the driver's may be at work on just that: reaching a cluster.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pipelinekit.errors import LeaseLostError, PipelinekitError
from pipelinekit.ports import DriverRecords

LOOK_SECONDS = 1.0  # between two looks
PATIENCE_SECONDS = 3.0  # for so long nothing is told: nodes take so long to be started
CLOSE_SECONDS = 1.0


class Troubles:
    """Tells of the troubles of one run, whose lease has this epoch. `look` says what they are now; empty for none."""

    def __init__(
        self, run: str, epoch: int, open_driving: Callable[[], DriverRecords], look: Callable[[], str]
    ) -> None:
        self._run, self._epoch = run, epoch
        self._open_driving = open_driving
        self._look = look
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self.told = ""  # what the records say

    def watch(self) -> None:
        """Look from now on, if that is not done yet."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="pipelinekit-troubles", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Tell nothing more."""
        self._done.set()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)  # one that asks a cluster just now need not be waited for

    def _watch(self) -> None:
        driving: DriverRecords | None = None
        since = 0.0
        while not self._done.wait(LOOK_SECONDS):
            why = self._look()
            since = (since or time.monotonic()) if why else 0.0
            if why == self.told or (not self.told and time.monotonic() - since < PATIENCE_SECONDS):
                continue
            try:
                driving = driving or self._open_driving()
                driving.tell_waits(self._run, self._epoch, why)
                self.told = why
            except LeaseLostError:
                return
            except PipelinekitError:
                continue  # the records are away: it is told the next time
