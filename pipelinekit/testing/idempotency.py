"""Requests that may be sent twice, in memory: the twin of what `storage` keeps."""

from __future__ import annotations

import threading

from pipelinekit.classes import frozen, replace
from pipelinekit.domain.idempotency import Begun, Different, Fresh, InProgress, Replay
from pipelinekit.errors import ConflictError
from pipelinekit.ports import Clock


@frozen
class _Kept:
    request: str
    expires_at: float
    outcome: Replay | None = None


class MemoryIdempotency:
    """Twin of `storage.idempotency.SQLIdempotency`, for any number of threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._keys: dict[tuple[str, str, str], _Kept] = {}

    def begin(self, principal: str, scope: str, key: str, request: str, expires_at: float) -> Begun:
        """Take a key, or tell what became of it before."""
        with self._lock:
            self.sweep()
            known = self._keys.setdefault((principal, scope, key), fresh := _Kept(request, expires_at))
        if known is fresh:
            return Fresh()
        return Different() if known.request != request else known.outcome or InProgress()

    def finish(self, principal: str, scope: str, key: str, run: str, response: str) -> None:
        """Keep the outcome of a request."""
        with self._lock:
            known = self._keys.get((principal, scope, key))
            if known is None or known.outcome is not None:
                raise ConflictError(f"no request with the idempotency key {key!r} is being carried out")
            self._keys[principal, scope, key] = replace(known, outcome=Replay(run, response))

    def abandon(self, principal: str, scope: str, key: str) -> None:
        """Forget a request that has no outcome."""
        with self._lock:
            known = self._keys.get((principal, scope, key))
            if known is not None and known.outcome is None:
                del self._keys[principal, scope, key]

    def sweep(self) -> int:
        """Forget what has expired."""
        with self._lock:
            gone = [place for place, kept in self._keys.items() if kept.expires_at <= self._clock.now()]
            for place in gone:
                del self._keys[place]
        return len(gone)
