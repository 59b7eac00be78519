"""How many streams are open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from pipelinekit.rest.problems import BusyError

MOST_STREAMS, MOST_OF_ONE = 500, 10  # at once: in all, and of one token
LATER_SECONDS = 5.0


class Streams:
    """Counts the streams of one event loop that are open."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many are open."""
        return self._open.total()

    @contextmanager
    def opened(self, token: str) -> Iterator[None]:
        """Count one more meanwhile. Raises BusyError where there are too many."""
        if self._open[token] >= MOST_OF_ONE or self._open.total() >= MOST_STREAMS:
            whose = "with this token" if self._open[token] >= MOST_OF_ONE else "in all"
            raise BusyError(f"there are too many streams {whose}; close some", LATER_SECONDS)
        self._open[token] += 1
        try:
            yield
        finally:
            self._open[token] -= 1
            self._open += Counter()  # forgets tokens without streams
