"""Requests that may be sent twice, in the database."""

from __future__ import annotations

from pipelinekit.domain.idempotency import Begun, Different, Fresh, InProgress, Replay
from pipelinekit.errors import ConflictError
from pipelinekit.ports import Clock
from pipelinekit.storage.database import Database


class SQLIdempotency:
    """Implements `ports.IdempotencyRecords` on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, principal: str, scope: str, key: str, request: str, expires_at: float) -> Begun:
        """Take a key, or tell what became of it before."""
        with self._database.transaction():
            now = self._clock.now()
            self._database.send("sweep_idempotency", [(now,)])  # takes the write lock: of several, one is first
            row = (principal, scope, key, request, now, expires_at)
            if self._database.write_returning("begin_idempotency", row):
                self._database.foretell("open_idempotency", (principal, scope, key), [{"key": key}])
                return Fresh()
            (known,) = self._database.read("get_idempotency", (principal, scope, key))
        if known["request"] != request:
            return Different()
        return InProgress() if known["response"] is None else Replay(known["run"], known["response"])

    def finish(self, principal: str, scope: str, key: str, run: str, response: str) -> None:
        """Keep the outcome of a request."""
        with self._database.transaction():
            self._database.lock()
            if not self._database.read("open_idempotency", (principal, scope, key)):
                raise not_begun(key)
            self._database.send("finish_idempotency", [(run, response, principal, scope, key)])

    def abandon(self, principal: str, scope: str, key: str) -> None:
        """Forget a request that has no outcome."""
        self._database.write_returning("abandon_idempotency", (principal, scope, key))

    def sweep(self) -> int:
        """Forget what has expired."""
        return self._database.write("sweep_idempotency", (self._clock.now(),))


def not_begun(key: str) -> ConflictError:
    """What to say where a key has no request that is being carried out."""
    return ConflictError(
        f"no request with the idempotency key {key!r} is being carried out",
        hint="it has ended, was given up or has expired; send it again with another key",
    )
