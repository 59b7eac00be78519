"""Requests that may be sent twice, as they are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    from pipelinekit.domain.idempotency import Begun
else:
    Protocol = object


class IdempotencyRecords(Protocol):
    """Keys that clients gave with requests, of each principal and scope (such as an endpoint) apart.

    `begin` and `finish` are to be called in one transaction with what the request does: then it is done and remembered,
    or neither, and who sends it again meanwhile waits for the end. Where they are not, who comes in between is told so.
    """

    def begin(self, principal: str, scope: str, key: str, request: str, expires_at: float) -> Begun:
        """Take a key for the request of this digest, or tell what became of it before. Expired keys are forgotten."""

    def finish(self, principal: str, scope: str, key: str, run: str, response: str) -> None:
        """Keep the outcome of a request that was begun. Raises ConflictError where it was not, or has one."""

    def abandon(self, principal: str, scope: str, key: str) -> None:
        """Forget a request that was begun and has no outcome; one that has stays."""

    def sweep(self) -> int:
        """Forget what has expired; how many keys."""
