"""How long this process has waited for the write lock of the records; whoever watches it may ask."""

from __future__ import annotations

import threading

from pipelinekit.domain.vitals import Waits

_lock = threading.Lock()
_waits = Waits()


def note_wait(seconds: float) -> None:
    """Count one more time that somebody else was writing."""
    global _waits  # noqa: PLW0603 - connections of all threads count together
    with _lock:
        _waits = Waits(_waits.count + 1, _waits.seconds + seconds)


def waits() -> Waits:
    """What was counted so far."""
    return _waits
