"""The event log of a run as it grows: server-sent events, which a client takes up again where it lost them."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from fastapi import Path as InPath
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from pipelinekit.bootstrap import Services
from pipelinekit.domain.limits import READ
from pipelinekit.domain.run_events import MOST_EVENTS, Progress, RunEvent
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.errors import PipelinekitError, UsageError
from pipelinekit.rest.desk import Asked, Desk, Needs
from pipelinekit.rest.routing import Route
from pipelinekit.wire.runs import run_document

router = APIRouter(prefix="/runs", tags=["runs"], route_class=Route)

MEDIA_TYPE = "text/event-stream"
BEAT_SECONDS = 15.0  # after which it is told that there is no news
AGAIN_MILLISECONDS = 1000  # after about which a client that lost its stream is to ask again: each after another time

Viewing = Annotated[Asked, Depends(Needs(Permission.VIEW, READ))]
Id = Annotated[str, InPath(description="the id of a run, the beginning of one, or `latest`", max_length=64)]
Last = Annotated[str, Header(alias="Last-Event-ID", max_length=20, description="the number of the last event seen")]
ANSWERS: dict[int | str, dict[str, Any]] = {200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}}


class _Stream(StreamingResponse):
    """Events of a run, counted while they are sent."""

    media_type = MEDIA_TYPE

    def __init__(self, content: AsyncIterator[str], desk: Desk, token: str) -> None:
        super().__init__(content, headers={"x-accel-buffering": "no"})  # what stands in front of it keeps none back
        self._counted = desk.streams.opened(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        with self._counted:
            await super().__call__(scope, receive, send)


@router.get("/{run}/events", operation_id="follow_run", response_class=StreamingResponse, responses=ANSWERS)
async def follow_run(asked: Viewing, run: Id, last: Last = "") -> StreamingResponse:
    """What happens to a run, from its beginning or behind the event `Last-Event-ID`, until it has ended.

    An event `change` has the number of the event as its id, and says which steps changed to which status. The last one
    is `end`, with the run.
    """
    if last and not (last.isascii() and last.isdigit()):
        raise UsageError(f"{last!r} is no number of an event", hint="send the id of the last event that was seen")
    after = min(int(last or 0), 1 << 31)
    desk: Desk = asked.request.app.state.desk
    found = await asked.do(lambda services, _: services.runs.get(run).id)
    return _Stream(_events(desk, asked.principal, found, after), desk, asked.principal.token)


async def _events(desk: Desk, principal: Principal, run: str, after: int) -> AsyncIterator[str]:
    """The stream, as text. When the records fail it ends, and the client asks again."""

    def look(services: Services) -> tuple[Progress, list[RunEvent]]:
        progress = services.run_events.progress([run])[run]  # before the events: what has ended has told all
        events = list(services.run_events.after(run, after, MOST_EVENTS))
        return progress, events

    def whole(services: Services) -> dict[str, Any]:
        return run_document(services.runs.get(run).record)

    def is_valid(services: Services) -> bool:
        if principal.expires is not None:
            return services.clock.now() < principal.expires
        return services.tokens.get(principal.token).is_live(services.clock.now())

    yield f"retry: {AGAIN_MILLISECONDS // 2 + secrets.randbelow(AGAIN_MILLISECONDS)}\n\n"
    checked = time.monotonic()
    try:
        with desk.watch.watched(run):
            while True:
                if time.monotonic() - checked >= BEAT_SECONDS:  # also of a stream that always has news
                    if not await desk.do(is_valid):
                        return
                    checked = time.monotonic()
                progress, events = await desk.do(look)
                for event in events:
                    after = event.sequence
                    yield _text("change", _document(event), after)
                if len(events) == MOST_EVENTS:
                    continue
                if progress.ended:
                    yield _text("end", await desk.do(whole), max(after, progress.events))
                    return
                if not await desk.watch.told(run, after, BEAT_SECONDS):
                    yield ": nothing new\n\n"
    except (PipelinekitError, KeyError):  # the records cannot be reached, or the run was removed
        return


def _document(event: RunEvent) -> dict[str, Any]:
    steps = [{"step": name, "status": status} for name, status in event.steps]
    return {"at": event.at, "steps": steps, **({"status": event.status} if event.status else {})}


def _text(kind: str, document: dict[str, Any], number: int) -> str:
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(document)}\n\n"
