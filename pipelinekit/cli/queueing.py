"""Waiting in the foreground for a run's turn, where limits hold it back."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from pipelinekit.bootstrap import Services
from pipelinekit.domain.servers import UNREACHABLE
from pipelinekit.runtime.driver import Begun, Driver


def begin_in_turn(driver: Driver, run: str, services: Services) -> Begun | None:
    """Wait with a run for its turn, visibly; None when it was canceled, as the first ctrl-C does.

    A detached run is left to others by a process that is terminated.
    """
    is_detached = services.records.runs.get(run).detached

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if is_detached and number == signal.SIGTERM:
            os._exit(UNREACHABLE)  # its place is free as soon as this process is gone
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return driver.begin_in_turn(run, tell=lambda why: print(f"run {run} waits: {why}", file=sys.stderr))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
