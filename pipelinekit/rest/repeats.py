"""Requests that may be sent twice: what was answered when their key came before."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pipelinekit.bootstrap import Services
from pipelinekit.domain.digests import encode, strong_digest
from pipelinekit.domain.idempotency import KEPT_SECONDS, Different, InProgress, Replay
from pipelinekit.domain.tokens import Principal
from pipelinekit.errors import ConflictError
from pipelinekit.rest.desk import Asked, Desk


def begun(asked: Asked, services: Services, principal: Principal, key: str, said: Any) -> str | None:
    """What was answered when the key came before; None when it is new. `said` is all that the request said.

    To be called in the transaction of what the request does. Raises ConflictError.
    """
    request = strong_digest(encode(json.dumps([said, asked.request.url.query], sort_keys=True)))
    until = services.clock.now() + KEPT_SECONDS
    match services.idempotency.begin(principal.token, _scope(asked), key, request, until):
        case Replay(response=response):
            return response
        case Different():
            raise ConflictError(
                f"the idempotency key {key!r} came with another request before", hint="give each request its own key"
            )
        case InProgress():
            raise ConflictError(f"a request with the idempotency key {key!r} is in progress", hint="send it again")
        case _:
            return None


def finish(asked: Asked, services: Services, principal: Principal, key: str, run: str, response: str) -> None:
    """Keep what is answered."""
    services.idempotency.finish(principal.token, _scope(asked), key, run, response)


def abandon(asked: Asked, services: Services, principal: Principal, key: str) -> None:
    """Leave the key free."""
    services.idempotency.abandon(principal.token, _scope(asked), key)


def once(
    asked: Asked, services: Services, principal: Principal, key: str, said: Any, make: Callable[[], dict[str, Any]]
) -> tuple[dict[str, Any], bool]:
    """What `make` gives, in a transaction, and whether it is new: where the key came before, it is as it was then."""
    desk: Desk = asked.request.app.state.desk
    with desk.writing.turn, services.records.batch():
        services.records.lock()
        if key and (before := begun(asked, services, principal, key, said)):
            return json.loads(before), False
        document = make()
        if key:
            finish(asked, services, principal, key, "", json.dumps(document))
    return document, True


def _scope(asked: Asked) -> str:
    """What a key is unique within, besides whoever sends it: the address that is called."""
    return asked.request.url.path
