"""Who uses which blobs of an object store, so that clean-up takes nothing from anybody. There is no lock to hold.

Whoever stores a blob that is there already, or looks for one, first notes its use, then looks whether it is condemned;
if so, he waits until that is decided. Whoever cleans up first condemns, then looks for notes, and removes only what
nobody has noted. Stores show at once what was written, so one of the two always sees the other. A note or a
condemnation is one object with the digests, a line each. A note counts by the time that the store gave it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Set
from contextlib import contextmanager

from pipelinekit.domain.digests import is_digest
from pipelinekit.domain.values import NOTED_SECONDS
from pipelinekit.errors import StorageError
from pipelinekit.storage.objects import ObjectStore

NOTES = "uses"
CONDEMNED = "condemned"
SENTENCE_SECONDS = 300.0  # a clean-up that has not removed what it condemned after so long gives up
STALE_SECONDS = 3 * SENTENCE_SECONDS  # a condemnation that is so old is nobody's: its clean-up was killed
KEPT_SECONDS = 35 * 86400.0  # notes stay so long at least, however short the grace period of a clean-up
PATIENCE_SECONDS = 2 * STALE_SECONDS
LOOK_SECONDS = 0.5
LONGEST_LOOK_SECONDS = 10.0


class Uses:
    """The notes of one store."""

    def __init__(
        self,
        store: ObjectStore,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._clock = clock
        self._pause = pause
        self._noted: dict[str, float] = {}
        self._known: dict[str, frozenset[str]] = {}

    def announce(self, digests: Collection[str]) -> None:
        """Note that blobs are used from now on; returns when nobody is about to remove one of them.

        Those that are there afterwards stay until the grace period has passed.
        """
        now = self._clock()
        fresh = sorted(digest for digest in digests if now - self._noted.get(digest, 0.0) > NOTED_SECONDS)
        if not fresh:
            return
        note = f"{NOTES}/{int(now)}-{os.urandom(8).hex()}"
        self._store.put_bytes(note, "\n".join(fresh).encode())
        waited, pause = 0.0, LOOK_SECONDS
        while self._condemned(note, waited) & set(fresh):
            if waited > PATIENCE_SECONDS:
                raise StorageError(
                    f"a clean-up of {self._store} has not ended for long, and holds blobs that are needed",
                    hint="end that 'pipelinekit gc', then try again",
                )
            self._pause(pause)
            waited += pause
            pause = min(pause * 1.5, LONGEST_LOOK_SECONDS)
        self.used(fresh, now)

    def used(self, digests: Iterable[str], at: float | None = None) -> None:
        """Remember that these were just noted, or stored anew."""
        self._noted.update(dict.fromkeys(digests, self._clock() if at is None else at))

    def _condemned(self, note: str, waited: float) -> Set[str]:
        """What clean-ups are about to remove. Killed ones are told by the store's clock."""
        found = list(self._store.walk(CONDEMNED))
        if not found:
            return set()
        own = self._store.stat(note)
        now = own.modified + waited if own else self._clock()
        names = [name for name, state in found if now - state.modified < STALE_SECONDS]
        return {digest for name in names for digest in self._read(name)}

    @contextmanager
    def condemning(self, digests: Collection[str]) -> Iterator[float]:
        """Condemn blobs meanwhile; by how many seconds the store's clock is ahead of this one's."""
        name = f"{CONDEMNED}/{os.urandom(8).hex()}"
        self._store.put_bytes(name, "\n".join(digests).encode())
        try:
            state = self._store.stat(name)
            if state is None:
                raise StorageError(
                    f"{self._store} does not show what was just written", hint="clean-up is not safe there"
                )
            yield state.modified - self._clock()
        finally:
            self._store.remove([name])

    def since(self, before: float) -> Set[str]:
        """What was noted since a time of the store's clock."""
        return {digest for digest, at in self.times(before).items() if at >= before}

    def times(self, before: float = 0.0) -> dict[str, float]:
        """When blobs were last noted, of notes since a time."""
        notes = {name: state.modified for name, state in self._store.walk(NOTES) if state.modified >= before}
        unknown = [name for name in notes if name not in self._known]
        for name, digests in zip(unknown, self._store.each(self._read, unknown), strict=True):
            self._known[name] = frozenset(digests)
        found: dict[str, float] = {}
        for name, at in sorted(notes.items(), key=lambda item: item[1]):
            found.update(dict.fromkeys(self._known[name], at))
        return found

    def forget(self, before: float) -> None:
        """Remove notes that no clean-up needs any more."""
        old = min(before, self._clock() - KEPT_SECONDS)
        self._store.remove([name for name, state in self._store.walk(NOTES) if state.modified < old])

    def _read(self, name: str) -> list[str]:
        data = self._store.get(name) or b""
        return [line for line in data.decode("ascii", "replace").split("\n") if is_digest(line)]
