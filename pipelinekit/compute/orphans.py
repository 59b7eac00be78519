"""Attempts on a node whose driver is gone: they go on for a while, and the run's next driver takes them over.

A driver that takes a run up asks for the steps of it again, each with the next number. Where the attempt of before is
still at work on a node, or has ended there meanwhile, the new one is sent to that node and goes on with it: it tells
again all that was told, under its own number, since nobody knows what of it was recorded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from pipelinekit.classes import replace
from pipelinekit.compute.processes import StepProcess
from pipelinekit.domain.attempts import (
    Attempt,
    AttemptEnded,
    AttemptEvent,
    AttemptStarted,
    LogChunk,
    Told,
    is_rank,
    split_id,
)

PATIENCE_SECONDS = 60.0  # a server that was killed is back by then, or another has taken its runs up
WORTH_KEEPING_SECONDS = 1.0  # what took less is executed again where its driver died in the very moment of its end
MOST_CHARACTERS = 32 * 1024 * 1024  # of what an attempt has told, and of what all have told that have ended


class ClaimedError(Exception):
    """The next driver has asked for an attempt: who carries it makes room, and that one's attempt carries it on."""


class Running:
    """One attempt in a step process; where its driver is gone, it is kept `until` then for the next one."""

    def __init__(self, attempt: Attempt, process: StepProcess, kind: Any, began: float) -> None:
        self.attempt = attempt
        self.process = process
        self.kind = kind
        self.began = began
        self.has_begun = False
        self.ended: AttemptEnded | None = None
        self.until: float | None = None
        self.claimed = False
        self._told: list[LogChunk | Told] = []
        self.characters = 0

    def tell(self, event: LogChunk | Told) -> None:
        """Remember what the attempt has told; one that tells more than is kept cannot change hands."""
        if self.characters > MOST_CHARACTERS:
            return
        self.characters += len(event.text) if isinstance(event, LogChunk) else len(repr(event.entries))
        self._told.append(event)
        if self.characters > MOST_CHARACTERS:
            self._told.clear()

    @property
    def can_change_hands(self) -> bool:
        """Whether another driver may go on with it."""
        is_whole = self.characters <= MOST_CHARACTERS
        return self.has_begun and self.attempt.outlives and self.attempt.rank is None and is_whole

    @property
    def place(self) -> tuple[str, str]:
        """Run and step."""
        return self.attempt.run, self.attempt.step

    def is_before(self, attempt: str) -> bool:
        """Whether that is a later attempt at the same step; where this has ended, the very next.

        What an attempt before that one gave is recorded, or was found damaged.
        """
        run, step, number = split_id(attempt)
        later = number - self.attempt.number
        return self.place == (run, step) and (later == 1 if self.ended is not None else later > 0)

    def is_stale(self, now: float) -> bool:
        """Whether it has ended, and nobody is waited for any more who would want to know."""
        return self.ended is not None and self.until is not None and now > self.until

    def hand_to(self, attempt: Attempt) -> list[AttemptEvent]:
        """It is this attempt from now on: that it began, and what it has told since, as this one's."""
        self.attempt, self.until, self.claimed = attempt, None, False
        self._told = [replace(event, attempt=attempt.id) for event in self._told]
        return [AttemptStarted(attempt.id, self.began), *self._told]


class Orphans:
    """The attempts of one node that wait for their next driver. `end` ends one that nobody has come for."""

    def __init__(self, end: Callable[[Running], object]) -> None:
        self._end = end
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str], Running] = {}  # by run and step: claimed, or ended

    def keep(self, running: Running) -> None:
        """Keep one that nobody carries, for as long as its next driver is waited for."""
        with self._lock:
            self._waiting[running.place] = running
        patience = PATIENCE_SECONDS if running.until is None else running.until - time.monotonic()
        timer = threading.Timer(max(patience, 0.0), self._drop, [running])
        timer.daemon = True
        timer.start()

    def keep_end(self, running: Running, ended: AttemptEnded) -> None:
        """Keep what one has given: its driver may be gone, or not have heard of it. One that failed is tried again."""
        if not running.can_change_hands or ended.failure is not None:
            return
        now = time.monotonic()
        running.ended, running.until = ended, now + PATIENCE_SECONDS
        with self._lock:
            self._waiting = {place: kept for place, kept in self._waiting.items() if not kept.is_stale(now)}
            self._waiting[running.place] = running
            self._make_room()

    def _make_room(self) -> None:
        """Forget those that have ended, the oldest first, where all together have told too much to keep."""
        ended = [running for running in self._waiting.values() if running.ended is not None]
        characters = sum(running.characters for running in ended)
        for running in ended:
            if characters <= MOST_CHARACTERS:
                break
            characters -= running.characters
            del self._waiting[running.place]

    def among(self, attempts: Sequence[str]) -> list[str]:
        """Those of these attempts that would go on with one of them."""
        with self._lock:
            return [attempt for attempt in attempts if self._before(attempt) is not None]

    def _before(self, attempt: str) -> Running | None:
        kept = self._waiting.get(split_id(attempt)[:2])
        return kept if kept is not None and kept.is_before(attempt) else None

    def take(self, attempt: Attempt) -> Running | None:
        """The one that this attempt goes on with, and that is not kept any more. One of another task is ended."""
        with self._lock:
            found = self._before(attempt.id)
            if found is None:
                return None
            del self._waiting[found.place]
        if (found.attempt.task, found.attempt.inputs) == (attempt.task, attempt.inputs):
            return found
        self._end(found)
        return None

    def stop(self, attempts: Sequence[str]) -> None:
        """End those that these would go on with: nobody wants them any more."""
        with self._lock:
            kept = [self._before(attempt) for attempt in attempts if not is_rank(attempt)] if self._waiting else []
            found = [running for running in kept if running is not None]
            for running in found:
                self._waiting.pop(running.place, None)
        for running in found:
            self._end(running)

    def end_run(self, run: str = "") -> None:
        """End those of a run; without one all of them."""
        with self._lock:
            found = [kept for kept in self._waiting.values() if run in ("", kept.attempt.run)]
            for kept in found:
                del self._waiting[kept.place]
        for kept in found:
            self._end(kept)

    def _drop(self, running: Running) -> None:
        with self._lock:
            if self._waiting.get(running.place) is not running:
                return
            del self._waiting[running.place]
        self._end(running)
