"""Requests to a server, and its problems as the errors that they were there."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

from pipelinekit import errors
from pipelinekit.classes import frozen
from pipelinekit.errors import Fault, FaultyError, PipelinekitError, StorageError, UsageError

PREFIX = "/api/v1"
SECONDS = 60.0  # that a server may take to answer
TRIES = 4  # of a request that may be sent twice, while the server is away or busy
PAUSE_SECONDS = 1.0  # at most, before the second try; not all who were refused come back at once
TOO_MANY = 429  # requests of this token
AGAIN = (TOO_MANY, 503)
PIECE_BYTES = 1 << 20
LONG_SECONDS = 600.0  # for what a server looks at files or the network for


def _kinds() -> dict[str, type[PipelinekitError]]:
    found: dict[str, type[PipelinekitError]] = {}
    waiting = [PipelinekitError]
    while waiting:
        kind = waiting.pop()
        found.setdefault(kind.code, kind)
        waiting.extend(kind.__subclasses__())
    return found


_KINDS = _kinds()


@frozen
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    document: Any


class Connection:
    """Where a server is, and who asks. Not shared between threads."""

    def __init__(self, url: str, token: str, *, certificate: str = "") -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise UsageError(f"{url!r} is not the address of a server", hint="write it as http://HOST:PORT")
        if not token:
            raise UsageError("a server is asked with an access token", hint="give token=...; its owner makes one")
        self.url = url.rstrip("/")
        self._token = token
        context = ssl.create_default_context(cafile=certificate or None) if parts.scheme == "https" else None
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if context is not None:
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path: str, **query: Any) -> Any:
        """The document at a path."""
        return self.ask("GET", path, query=query, again=True).document

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        again: bool = False,
        seconds: float = SECONDS,
    ) -> Answer:
        """Send a request; one that may be sent `again` is, while the server cannot be reached or is busy.

        Any is where there were too many: none of these is carried out. What takes long is given more `seconds`.

        Raises what went wrong at the server, and StorageError where that cannot be reached.
        """
        address = self.url + PREFIX + path + _query(query or {})
        for number in range(1, TRIES + 1):
            try:
                return self._once(method, address, body, headers or {}, seconds)
            except (_ComeAgainError, StorageError) as error:
                is_counted = error.fields.get("status") == TOO_MANY  # and was not carried out
                if number == TRIES or not (again or is_counted):
                    raise
                _pause(number)
        raise AssertionError("there is at least one try")

    def fetch(self, path: str, target: BinaryIO, seconds: float = SECONDS, /, **query: Any) -> None:
        """Write the bytes at a path to a file, from its beginning; tried again as other questions are.

        Raises what went wrong at the server, and StorageError.
        """
        request = urllib.request.Request(self.url + PREFIX + path + _query(query), headers=self._told())  # noqa: S310
        for number in range(1, TRIES + 1):
            target.seek(0)
            target.truncate()
            try:
                with self._answered(request, seconds) as answer:
                    shutil.copyfileobj(answer, target, PIECE_BYTES)
                    if answer.length:  # what is to come and did not
                        raise http.client.IncompleteRead(b"", answer.length)
                return
            except (_ComeAgainError, StorageError):
                if number == TRIES:
                    raise
                _pause(number)

    def _told(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}

    def _once(self, method: str, address: str, body: Any, headers: Mapping[str, str], seconds: float) -> Answer:
        told = {**self._told(), **headers}
        data = None
        if isinstance(body, bytes):
            data, told["Content-Type"] = body, "application/octet-stream"
        elif body is not None:
            data, told["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(address, data, told, method=method)  # noqa: S310 - the scheme was checked
        with self._answered(request, seconds) as answer:
            text = answer.read()
            return Answer(answer.status, dict(answer.headers), json.loads(text) if text else None)

    @contextmanager
    def _answered(self, request: urllib.request.Request, seconds: float) -> Iterator[http.client.HTTPResponse]:
        """The answer to a request, while it is read."""
        try:
            with self._opener.open(request, timeout=seconds) as answer:
                yield answer
        except urllib.error.HTTPError as error:
            raise _problem(error) from None
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "reason", None) or error
            words = f"the server at {self.url} cannot be reached: {why}"
            raise StorageError(words, hint="is 'pipelinekit serve' at work there?") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A token is sent where it was meant to go, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        """No other request."""


class _ComeAgainError(PipelinekitError):
    """The server is there, and asks to be asked later."""

    code = "busy"


def _problem(error: urllib.error.HTTPError) -> PipelinekitError:
    """The error that a server told of."""
    try:
        told = json.loads(error.read())
        kind = str(told["type"]).removeprefix("pipelinekit:")
        detail, hint = str(told["detail"]), str(told.get("hint", ""))
        faults = [Fault(str(item["message"]), hint=str(item.get("hint", ""))) for item in told.get("faults", ())]
    except (ValueError, KeyError, TypeError):
        return StorageError(f"the server answered {error.code} {error.reason}", hint="is it a pipelinekit server?")
    found = _KINDS.get(kind, UsageError if error.code < 500 else StorageError)
    if error.code in AGAIN:
        return _ComeAgainError(detail, hint=hint, status=error.code)
    if issubclass(found, FaultyError):
        return found(detail, faults=faults, hint=hint)
    if faults:
        return errors.ParameterError(detail, faults=faults, hint=hint)
    return found(detail, hint=hint)


def _pause(number: int) -> None:
    """Wait before a further try; clients that failed together do not come back together."""
    time.sleep(PAUSE_SECONDS * number * (1 + os.urandom(1)[0]) / 256)


def _query(query: Mapping[str, Any]) -> str:
    pairs = list(_pairs(query))
    return f"?{urllib.parse.urlencode(pairs)}" if pairs else ""


def _pairs(query: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in query.items():
        for item in value if isinstance(value, list | tuple) else [value]:
            if isinstance(item, bool):
                yield name, "true" if item else "false"
            elif item not in (None, ""):
                yield name, str(item)


def quoted(name: str) -> str:
    """A name as a part of a path."""
    return urllib.parse.quote(name, safe="")
