"""What a step's code tells of its run, gathered in the step's process and sent on in batches.

Sent on is what has become a thousand points, or half a second old when more is told; the rest when the attempt ends.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from pipelinekit.classes import entity, field
from pipelinekit.domain.attempts import Attempt
from pipelinekit.domain.metrics import SERIES, Entry, Scalar
from pipelinekit.errors import UsageError
from pipelinekit.wire.metrics import numbers_to_json

BATCH_POINTS = 1000
BATCH_SECONDS = 0.5
LARGEST_BATCH = 10_000  # points in one message, so that none is large

Tell = Callable[[Sequence[Entry]], None]


@entity
class _Points:
    """Points of one series that were not sent on yet."""

    values: list[Scalar] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    at: list[float] = field(default_factory=list)


class Teller:
    """Gathers what one attempt tells; may be used from several threads."""

    def __init__(self, attempt: Attempt, tell: Tell) -> None:
        self.attempt = attempt
        self.children: list[str] = []  # that are open
        self._tell = tell
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._series: dict[tuple[str, str], _Points] = {}
        self._stepped: dict[tuple[str, str], bool] = {}
        self._count = 0
        self._sent_at = 0.0

    @property
    def is_here(self) -> bool:
        """Whether this is the process that the attempt runs in; a child that the step forked has no way to tell."""
        return os.getpid() == self._pid

    def add(self, kind: str, name: str, body: Any, place: str) -> None:
        """Tell one thing."""
        with self._lock:
            self._keep_order()
            self._entries.append(Entry(kind, name, body, place, time.time()))
            self._count += 1
            self._send_if_due()

    def points(self, name: str, values: Sequence[Scalar], steps: Sequence[int] | None, place: str) -> None:
        """Add points to a series. Raises UsageError when some were told with steps and some without."""
        key = place, name
        with self._lock:
            if self._stepped.setdefault(key, steps is not None) is not (steps is not None):
                raise UsageError(
                    f"metric {name!r} was logged both with a step and without one",
                    hint="give every value of a metric its step, or none",
                )
            for begin in range(0, len(values), LARGEST_BATCH):
                part = slice(begin, begin + LARGEST_BATCH)
                waiting = self._series.setdefault(key, _Points())
                waiting.values += values[part]
                waiting.steps += steps[part] if steps is not None else ()
                waiting.at += [time.time()] * len(values[part])
                self._count += len(values[part])
                self._send_if_due()

    def flush(self) -> None:
        """Send on what has been told."""
        with self._lock:
            self._send()

    def _send_if_due(self) -> None:
        if self._count >= BATCH_POINTS or time.monotonic() - self._sent_at > BATCH_SECONDS:
            self._send()

    def _send(self) -> None:
        self._keep_order()
        entries, self._entries, self._count = self._entries, [], 0
        self._sent_at = time.monotonic()
        if entries and self.is_here:
            self._tell(entries)

    def _keep_order(self) -> None:
        """Put waiting points before what comes now."""
        for (place, name), waiting in self._series.items():
            body = {
                "values": numbers_to_json(waiting.values),
                "steps": waiting.steps or None,
                "at": waiting.at,
            }
            self._entries.append(Entry(SERIES, name, body, place, waiting.at[-1]))
        self._series.clear()
