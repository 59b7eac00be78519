"""What a bundle of attempts tells while it is executed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipelinekit.domain.attempts import Attempt, AttemptEvent, AttemptStarted, LogChunk

REPORT_SECONDS = 0.25  # results do not wait longer than this for the rest of their bundle

Emit = Callable[[Sequence[AttemptEvent]], None]
IsGone = Callable[[], bool]
Meet = Callable[[Attempt, Callable[[], bool]], Attempt | None]  # a rank, and whether it is wanted: as it may begin


class Report:
    """Events of one bundle: sent on when they are due, so that a long step holds no result back."""

    def __init__(self, emit: Emit, *, announce: bool = False) -> None:
        self._emit = emit
        self._announce = announce
        self.cluster: Mapping[str, Any] | None = None
        self.meet: Meet | None = None
        self.is_gone: IsGone | None = None
        self._events: list[AttemptEvent] = []
        self._since = time.monotonic()

    def add(self, event: AttemptEvent) -> None:
        """Note an event; the first beginning is told at once where that was asked for."""
        if not self._events:
            self._since = time.monotonic()
        self._events.append(event)
        if self._announce and isinstance(event, AttemptStarted):
            self._announce = False
            self.flush()

    def now(self, event: AttemptEvent) -> None:
        """Note an event that is told soon, at once if it is large."""
        self.add(event)
        if isinstance(event, LogChunk) and len(event.text) > 4096:
            self.flush()

    def flush_if_due(self) -> None:
        """Tell what has waited for long enough."""
        if self._events and time.monotonic() - self._since > REPORT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Tell all."""
        events, self._events = self._events, []
        self._emit(events)

    def rest(self) -> list[AttemptEvent]:
        """What has not been told."""
        return self._events
