"""What every request goes through before it reaches a route, and every answer on its way out.

Plain ASGI, so that streams stay streams: a request gets an id, its host and size are checked, and its answer gets
the headers that keep browsers from doing more with it than is meant.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Collection, Mapping
from typing import Any

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelinekit.classes import frozen
from pipelinekit.domain.names import is_run_id
from pipelinekit.domain.runs import TRACEPARENT
from pipelinekit.domain.traces import SERVER, Span, TraceContext, Value, read_traceparent
from pipelinekit.ports.traces import Tracing
from pipelinekit.rest.logs import REQUESTS
from pipelinekit.rest.meters import Meters
from pipelinekit.rest.problems import MEDIA_TYPE

BODY_BYTES = 1 << 20
HEADER_BYTES, ADDRESS_BYTES = 16 << 10, 8 << 10
BODY_SECONDS = 30.0  # within which a body has to come
BLOBS = "/api/v1/blobs"  # where bodies are bytes
PART_BYTES = (2 << 20) + (1 << 19)  # of such a body: a part, or a pack of small blobs with what tells them apart
PART_SECONDS = 300.0
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
PREFIX = "/api/v1"
STREAM = b"text/event-stream"
UNTRACED = ("/health", "/ready", "/metrics")  # what watches the server is no news to who watches it
GONE = 499  # counted for whoever went away before there was an answer
HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_SAFE = ("GET", "HEAD", "OPTIONS")
_SITES = (b"same-origin", b"none")  # that a browser may ask from to change something
_log = logging.getLogger(REQUESTS)
_failures = logging.getLogger("pipelinekit.rest")


@frozen
class _Limits:
    """What a body may be: bytes, seconds that it may take to come, and its media type."""

    size: int
    seconds: float
    media: str
    name: str


class Guard:
    """Wraps an application. `hosts` are names under which it may be asked for; `*` for any."""

    def __init__(
        self,
        app: ASGIApp,
        hosts: Collection[str],
        body_bytes: int = BODY_BYTES,
        body_seconds: float = BODY_SECONDS,
        meters: Meters | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._app = app
        self._tracing = tracing
        self._meters = meters or Meters()
        self._hosts = {name.lower() for name in hosts}
        self._bodies = _Limits(body_bytes, body_seconds, "application/json", "JSON")
        self._parts = _Limits(PART_BYTES, PART_SECONDS, "application/octet-stream", "bytes")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(scope, send, self._tracing)
        self._meters.in_progress += 1
        try:
            await self._handle(request, scope, receive)
        finally:
            self._meters.in_progress -= 1
            request.end(self._meters)

    async def _handle(self, request: _Request, scope: Scope, receive: Receive) -> None:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        limits = self._parts if _is_bytes(scope) else self._bodies
        if not self._is_known(headers.get(b"host", b"").decode("latin-1")):
            detail, hint = "this server is not asked for by that name", "it takes --allow-host NAME to serve others"
            await request.refuse(421, "host", detail, hint)
        elif len(scope.get("raw_path") or b"") + len(scope["query_string"]) > ADDRESS_BYTES:
            await request.refuse(414, "size", f"an address may have {ADDRESS_BYTES} bytes", "ask for less at once")
        elif sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
            await request.refuse(431, "size", f"headers may have {HEADER_BYTES} bytes", "send fewer, or shorter ones")
        elif not length.isdigit() or int(length) > limits.size:
            await request.refuse(413, "size", f"a body may have {limits.size} bytes", "send less")
        elif b"content-length" in headers and b"transfer-encoding" in headers:  # two servers may read it in two ways
            await request.refuse(
                400, "request", "a body has one length, and this one is told of in two ways", "send one"
            )
        elif scope["method"] not in _SAFE and self._is_from_elsewhere(headers):
            detail, hint = "this was sent by a page of another site", "programs send neither Origin nor Sec-Fetch-Site"
            await request.refuse(403, "forbidden", detail, hint)
        elif _has_odd_letters(scope):
            await request.refuse(400, "request", "the address has characters that no address has", "leave them away")
        elif _has_body(headers) and _media_type(headers) != limits.media:
            hint = f"send the header 'Content-Type: {limits.media}'"
            await request.refuse(
                415, "encoding", f"bodies are {limits.name} here, and this one is not said to be", hint
            )
        elif headers.get(b"content-encoding", b"identity") != b"identity":
            await request.refuse(415, "encoding", "bodies are taken as they are, not compressed", "send it plainly")
        else:
            try:
                await self._app(scope, _counted(receive, limits), request.send)
            except Exception:
                if not request.has_failed:
                    _failures.exception("request %s failed", request.id)
                detail = "the server failed; its log says more under the request's id"
                await request.refuse(500, "internal", detail, "tell whoever sees to the server")

    def _is_known(self, host: str) -> bool:
        name = host.lower()
        if not name.endswith("]"):
            name = name.rpartition(":")[0] or name
        return "*" in self._hosts or name in self._hosts

    def _is_from_elsewhere(self, headers: dict[bytes, bytes]) -> bool:
        """Whether a browser says that a page which is none of ours has it ask."""
        origin = headers.get(b"origin", b"").decode("latin-1")
        is_known = not origin or self._is_known(origin.partition("://")[2])
        return headers.get(b"sec-fetch-site", b"none") not in _SITES or not is_known


def _counted(receive: Receive, limits: _Limits) -> Receive:
    """The same, but for bodies that are longer than they said, did not say how long they are, or do not end."""
    count, is_whole = 0, False
    until = asyncio.get_running_loop().time() + limits.seconds

    async def counting() -> Message:
        nonlocal count, is_whole
        try:
            async with asyncio.timeout_at(None if is_whole else until):
                message = await receive()
        except TimeoutError:
            words = f"the body did not come within {limits.seconds:g} s"
            raise HTTPException(408, words, {"connection": "close"}) from None
        count += len(message.get("body", b""))
        is_whole = message["type"] != "http.request" or not message.get("more_body", False)
        if count > limits.size:
            raise HTTPException(413, f"a body may have {limits.size} bytes", {"connection": "close"})
        return message

    return counting


def _is_bytes(scope: Scope) -> bool:
    """Whether a request is one whose body is a part of a blob, or several blobs."""
    path, method = scope["path"], scope["method"]
    return (method, path) == ("POST", BLOBS) or (method == "PUT" and path.startswith(f"{BLOBS}/"))


def _has_odd_letters(scope: Scope) -> bool:
    return any(letter < " " or letter == "\x7f" for letter in scope["path"]) or b"%00" in scope["query_string"]


def _has_body(headers: dict[bytes, bytes]) -> bool:
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


def _media_type(headers: dict[bytes, bytes]) -> str:
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")


class _Request:
    """One request on its way."""

    def __init__(self, scope: Scope, send: Send, tracing: Tracing | None) -> None:
        self._scope = scope
        self._send = send
        self._tracing = tracing
        self._began_at = time.time()
        self._began = time.monotonic()
        self._status = 0
        self._answered: float | None = None  # when a stream began
        self._refused = ""
        self.id = secrets.token_hex(8)
        scope.setdefault("state", {})["id"] = self.id
        header = dict(scope["headers"]).get(TRACEPARENT.encode(), b"").decode("latin-1")
        self._above = read_traceparent(header)
        self._trace = tracing.begin(self._above) if tracing else self._above
        scope["state"]["trace"] = self._trace

    @property
    def has_failed(self) -> bool:
        """Whether it was answered that the server failed; the log knows why then."""
        return self._status == 500

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            known = {name.lower() for name, _ in message.get("headers", ())}
            if any(value.startswith(STREAM) for _, value in message.get("headers", ())):
                self._answered = time.monotonic()
            added = [*HEADERS.items(), ("x-request-id", self.id)]
            more = [(name.encode(), value.encode()) for name, value in added if name.encode() not in known]
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await self._send(message)

    async def refuse(self, status: int, code: str, detail: str, hint: str) -> None:
        """Answer with a problem, unless the answer has begun."""
        if self._status:
            return
        self._refused = code if status < 500 else ""
        body: dict[str, Any] = {"type": f"pipelinekit:{code}", "title": code, "status": status, "detail": detail}
        text = json.dumps({**body, "hint": hint, "faults": [], "request_id": self.id}).encode()
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(text)).encode())]
        await self.send(
            {"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]}
        )
        await self.send({"type": "http.response.body", "body": text})

    def end(self, meters: Meters) -> None:
        """Count the request, and tell the log of it, without what it said."""
        state, now = self._scope["state"], time.monotonic()
        route, method = _route(self._scope), self._scope["method"]
        status = self._status or GONE
        meters.count(route, method, status, (self._answered or now) - self._began, self._refused)
        principal = state.get("principal")
        told = {
            "event": "request",
            "request": self.id,
            "method": method,
            "path": self._scope["path"],
            "route": route,
            "status": status,
            "seconds": round(now - self._began, 4),
            "who": principal.name if principal else "",
            "token": principal.token if principal else "",
        }
        if run := state.get("run") or _run(self._scope):
            told["run"] = run
        if self._trace:
            told["trace"] = self._trace.trace
        _log.log(logging.ERROR if status >= 500 else logging.INFO, "", extra={"fields": told})
        if self._tracing and self._trace and route not in UNTRACED:
            self._tracing.send([self._span(self._trace, told)])

    def _span(self, trace: TraceContext, told: Mapping[str, Any]) -> Span:
        """The request as part of a trace, without what it said."""
        attributes: dict[str, Value] = {
            "http.request.method": told["method"],
            "http.response.status_code": told["status"],
            "pipelinekit.request.id": self.id,
        }
        named = (("http.route", "route"), ("pipelinekit.run.id", "run"), ("pipelinekit.token.id", "token"))
        attributes |= {name: told[field] for name, field in named if told.get(field)}
        name = f"{told['method']} {told['route']}".strip()
        above, ended = self._above.span if self._above else "", self._began_at + told["seconds"]
        return Span(name, trace, above, self._began_at, ended, SERVER, attributes, failed=told["status"] >= 500)


def _route(scope: Scope) -> str:
    """The route that a request came to, as it is written in the API's document; empty for none."""
    path = str(getattr(scope.get("route"), "path", ""))
    return PREFIX + path if path and scope["path"].startswith(f"{PREFIX}/") and not path.startswith(PREFIX) else path


def _run(scope: Scope) -> str:
    """The run that an address names; empty where it names none, or not by its whole id."""
    named = str(scope.get("path_params", {}).get("run", ""))
    return named if is_run_id(named) else ""
