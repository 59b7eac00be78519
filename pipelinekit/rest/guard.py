"""What every request goes through before it reaches a route, and every answer on its way out.

Plain ASGI, so that streams stay streams: a request gets an id, its host and size are checked, and its answer gets
the headers that keep browsers from doing more with it than is meant.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Collection
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelinekit.rest.problems import MEDIA_TYPE

BODY_BYTES = 1 << 20
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_log = logging.getLogger("pipelinekit.access")


class _TooLargeError(Exception):
    """A body is larger than bodies may be."""


class Guard:
    """Wraps an application. `hosts` are names under which it may be asked for; `*` for any."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], body_bytes: int = BODY_BYTES) -> None:
        self._app = app
        self._hosts = {name.lower() for name in hosts}
        self._most = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(scope, send)
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if not self._is_known(headers.get(b"host", b"").decode("latin-1")):
            detail, hint = "this server is not asked for by that name", "it takes --allow-host NAME to serve others"
            await request.refuse(421, "host", detail, hint)
        elif not length.isdigit() or int(length) > self._most:
            await request.refuse(413, "size", f"a body may have {self._most} bytes", "send less")
        elif _has_body(headers) and not _is_json(headers):
            hint = "send the header 'Content-Type: application/json'"
            await request.refuse(415, "encoding", "bodies are JSON, and this one does not say that it is", hint)
        elif headers.get(b"content-encoding", b"identity") != b"identity":
            await request.refuse(415, "encoding", "bodies are taken as they are, not compressed", "send it plainly")
        else:
            try:
                await self._app(scope, self._counted(receive), request.send)
            except _TooLargeError:
                await request.refuse(413, "size", f"a body may have {self._most} bytes", "send less")
        request.log()

    def _is_known(self, host: str) -> bool:
        name = host.lower()
        if not name.endswith("]"):
            name = name.rpartition(":")[0] or name
        return "*" in self._hosts or name in self._hosts

    def _counted(self, receive: Receive) -> Receive:
        """The same, but for bodies that are longer than they said, or did not say how long they are."""
        count = 0

        async def counting() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > self._most:
                raise _TooLargeError
            return message

        return counting


def _has_body(headers: dict[bytes, bytes]) -> bool:
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


def _is_json(headers: dict[bytes, bytes]) -> bool:
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower() == b"application/json"


class _Request:
    """One request on its way."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._began = time.monotonic()
        self._status = 0
        self.id = secrets.token_hex(8)
        scope.setdefault("state", {})["id"] = self.id

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            known = {name.lower() for name, _ in message.get("headers", ())}
            added = [*HEADERS.items(), ("x-request-id", self.id)]
            more = [(name.encode(), value.encode()) for name, value in added if name.encode() not in known]
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await self._send(message)

    async def refuse(self, status: int, code: str, detail: str, hint: str) -> None:
        """Answer with a problem, unless the answer has begun."""
        if self._status:
            return
        body: dict[str, Any] = {"type": f"pipelinekit:{code}", "title": code, "status": status, "detail": detail}
        text = json.dumps({**body, "hint": hint, "faults": [], "request_id": self.id}).encode()
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(text)).encode())]
        await self.send(
            {"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]}
        )
        await self.send({"type": "http.response.body", "body": text})

    def log(self) -> None:
        """Tell the log, without what the request said."""
        principal = self._scope["state"].get("principal")
        told = {
            "request": self.id,
            "method": self._scope["method"],
            "path": self._scope["path"],
            "status": self._status,
            "seconds": round(time.monotonic() - self._began, 4),
            "who": principal.name if principal else "",
        }
        _log.info(json.dumps(told))
