"""Local copies of blobs: how much room they may take, and which go first."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from pipelinekit.domain.digests import is_digest
from pipelinekit.errors import IntegrityError
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.storage.sweeping import FolderSweeper

RECENT_SECONDS = 600.0  # a copy that was used so lately stays: somebody is about to open it
LEFT = 0.9  # share of the budget that is used after a removal, so that the next is not due at once
LOOKED_AT = 0.05  # share of the budget that may be added before the copies are counted again


class BlobCache:
    """Keeps a store of copies within a budget of bytes; 0 for no limit.

    A step's process opens its inputs when it begins, and keeps them open or linked: what goes later is not lost to it.
    """

    def __init__(self, local: FolderBlobs, budget: int, clock: Callable[[], float] = time.time) -> None:
        self._local = local
        self._budget = budget
        self._clock = clock
        self._lock = threading.Lock()
        self._grown = budget  # what was there before is counted first

    def stand(self) -> None:
        """Copies are never the only ones: where their folder has gone, an empty one takes its place."""
        if not self._local.folder.is_dir():
            self._local.folder.mkdir(parents=True, exist_ok=True)

    def use(self, digest: str) -> bool:
        """Whether there is a whole copy, which is used now; a damaged one is set aside."""
        with suppress(IntegrityError):
            if is_digest(digest) and not self._local.missing([digest]):
                self._local.path(digest)
                return True
        return False

    def grown(self, size: int) -> None:
        """Note that a copy was added."""
        with self._lock:
            self._grown += size

    def trim(self) -> None:
        """Remove the copies that were used longest ago, if there may be more than the budget allows."""
        if not self._budget:
            return
        with self._lock:
            if self._grown < self._budget * LOOKED_AT:
                return
            self._grown = 0
        sweeper = FolderSweeper(self._local.folder)
        entries = sorted(sweeper.blobs(), key=lambda entry: entry.used_at)
        over = sum(entry.size for entry in entries) - self._budget
        if over <= 0:
            return
        over += int(self._budget * (1 - LEFT))
        going = []
        for entry in entries:
            if over <= 0:
                break
            going.append(entry.digest)
            over -= entry.size
        sweeper.remove(going, self._clock() - RECENT_SECONDS)
