"""Waiting for a run's turn, where limits hold it back: it stays queued, and this process keeps its place."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from pipelinekit.errors import LeaseLostError
from pipelinekit.runtime.records import Records

LOOK_SECONDS = 0.25  # between two looks whether it is its turn
HOLD_SECONDS = 5.0  # between two signs of life


def wait_for_turn(run: str, owner: str, records: Records, tell: Callable[[str], object]) -> bool:
    """Wait until a queued run may go; False when it is canceled meanwhile. What it waits for is told when that changes.

    An interrupt cancels it. One that was under way before goes to be ended, see `cancel`.
    """
    told, until = "", 0.0
    try:
        while True:
            records.driving.recover(0.0, 0)  # what dead drivers left makes room, and no run waits longer than it may
            found = records.runs.get(run)
            if found.status.final:
                return False
            if found.cancel_requested:
                return cancel(run, owner, records)
            if time.monotonic() >= until:
                records.driving.hold(run, owner)
                until = time.monotonic() + HOLD_SECONDS
            why = records.runs.waits(run).get(run, "")
            if not why:
                return True
            if why != told:
                tell(why)
            told = why
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        return cancel(run, owner, records)


def cancel(run: str, owner: str, records: Records) -> bool:
    """Cancel a run that waits in this process; whether a driver must end what an earlier one has left at work."""
    with suppress(LeaseLostError):
        records.driving.leave(run, owner)
        return not records.runs.request_cancel(run).status.final
    return False
