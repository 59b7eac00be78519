"""Runs that requests wait for: looked at together, on one thread, however many wait."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from pipelinekit.bootstrap import Services
from pipelinekit.domain.run_events import Progress
from pipelinekit.errors import PipelinekitError

LOOK_SECONDS = 0.1
AGAIN_SECONDS = 1.0  # after the records could not be reached
Look = Callable[[Callable[[Services], Mapping[str, Progress]]], Awaitable[Mapping[str, Progress]]]
UNKNOWN = Progress(0, ended=False)


class Watch:
    """Tells requests of one event loop how far runs are. `do` has work done with the services of a workspace."""

    def __init__(self, do: Look) -> None:
        self._do = do
        self._waiting: Counter[str] = Counter()
        self._known: dict[str, Progress] = {}
        self._changed: asyncio.Condition | None = None
        self._looking: asyncio.Task[None] | None = None
        self.is_ending = False  # the server is: who waits for a run is told how it stands

    async def ended(self, run: str, seconds: float) -> bool:
        """Wait until a run has ended, but not for longer; whether it has."""
        until = time.monotonic() + seconds
        with self.watched(run):
            while not self._known.get(run, UNKNOWN).ended:
                if self.is_ending or not await self.changed(until - time.monotonic()):
                    return False
        return True

    async def told(self, run: str, after: int, seconds: float) -> bool:
        """Wait until a run has events after this one, or has ended, but not for longer; whether that is so."""
        until = time.monotonic() + seconds
        while not self._is_news(run, after):
            if not await self.changed(until - time.monotonic()):
                return False
        return True

    def _is_news(self, run: str, after: int) -> bool:
        known = self._known.get(run, UNKNOWN)
        return known.events > after or known.ended

    @contextmanager
    def watched(self, run: str) -> Iterator[None]:
        """Look at a run meanwhile."""
        self._waiting[run] += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())
        try:
            yield
        finally:
            self._waiting[run] -= 1
            if not self._waiting[run]:
                del self._waiting[run]
                self._known.pop(run, None)

    async def changed(self, seconds: float) -> bool:
        """Wait for the next look; False when that does not come in time."""
        if seconds <= 0:
            return False
        if self._changed is None:
            self._changed = asyncio.Condition()
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def _look(self) -> None:
        while self._waiting:
            runs, pause = tuple(self._waiting), LOOK_SECONDS
            try:
                found = await self._do(partial(_progress, runs))
                self._known.update({run: told for run, told in found.items() if run in self._waiting})
            except PipelinekitError:
                pause = AGAIN_SECONDS
            if self._changed is not None:
                async with self._changed:
                    self._changed.notify_all()
            await asyncio.sleep(pause)


def _progress(runs: Collection[str], services: Services) -> Mapping[str, Progress]:
    return services.run_events.progress(runs)
