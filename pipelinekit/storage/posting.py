"""Messages to web servers that were named from outside, one at a time, with bounds on everything that comes back."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from typing import Any

from pipelinekit.domain.hosts import Place
from pipelinekit.domain.texts import printable
from pipelinekit.domain.webhooks import Answer
from pipelinekit.storage.connections import NotPublicError, Resolve, connect, resolve

SECONDS = 5.0  # that one message may take, from the look at the name to the end of the answer
MOST_BYTES = 64 * 1024  # that are read of an answer, headers included
REDIRECTS = range(300, 400)
AGENT = "pipelinekit"


class HTTPPoster:
    """Implements `ports.Poster`. No proxies are used, since they would do the looking up."""

    def __init__(
        self,
        resolve: Resolve = resolve,
        seconds: float = SECONDS,
        context: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        self._resolve = resolve
        self._seconds = seconds
        self._make_context = context

    def post(self, place: Place, headers: Mapping[str, str], body: bytes, *, private: bool) -> Answer:
        """Send one message, once."""
        began = time.monotonic()
        try:
            status, text, wait = self._exchange(place, headers, body, began + self._seconds, private=private)
        except NotPublicError as error:
            status, text, wait = 0, str(error), 0.0
        except TimeoutError:
            status, text, wait = 0, f"there was no answer within {self._seconds:g} s", 0.0
        except OSError as error:
            status, text, wait = 0, error.strerror or str(error), 0.0
        except http.client.HTTPException as error:
            status, text, wait = 0, f"{type(error).__name__}: {error}", 0.0
        if status in REDIRECTS:
            text = "it redirects elsewhere, which is not followed"
        return Answer(status, printable(text), seconds=time.monotonic() - began, wait=wait)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """What certificates are looked at by: read once."""
        return self._make_context()

    def _exchange(
        self, place: Place, headers: Mapping[str, str], body: bytes, until: float, *, private: bool
    ) -> tuple[int, str, float]:
        """Status, beginning of the body, and how long the server asks to be left alone."""
        found = _in_time(lambda: self._resolve(place.host, place.port), until)
        made = connect(place.host, found, _left(until), private=private)
        try:
            if place.scheme == "https":
                made.settimeout(_left(until))
                made = self._context.wrap_socket(made, server_hostname=place.host)
            made.settimeout(_left(until))
            made.sendall(_request(place, headers, body))
            return _answer(made, until)
        finally:
            made.close()


def _request(place: Place, headers: Mapping[str, str], body: bytes) -> bytes:
    """A request as it goes over the wire. Nothing in it may begin a line of its own."""
    lines = {
        "Host": place.authority,
        "User-Agent": AGENT,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Accept-Encoding": "identity",
        "Connection": "close",
        **headers,
    }
    head = [f"POST {place.path} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items()), "", ""]
    if any("\r" in line or "\n" in line for line in head):
        raise OSError("a header has a line break")
    return "\r\n".join(head).encode("latin-1") + body


def _answer(made: socket.socket, until: float) -> tuple[int, str, float]:
    """What is read of an answer. Once its status is known, nothing that is wrong with the rest changes it."""
    source = _Source(made, until)
    with closing(http.client.HTTPResponse(source, method="POST")) as answer:  # type: ignore[arg-type]
        answer.begin()
        wait = answer.headers.get("Retry-After", "")
        try:
            text = answer.read(MOST_BYTES)
        except (OSError, http.client.HTTPException):
            text = b""
        return answer.status, text.decode("utf-8", "replace"), float(wait) if wait.isdecimal() else 0.0


class _Source(io.RawIOBase):
    """What a server sends, up to a time and up to so many bytes; it stands where a socket would."""

    def __init__(self, made: socket.socket, until: float) -> None:
        self._made = made
        self._until = until
        self._left = MOST_BYTES

    def makefile(self, *_: Any) -> io.BufferedReader:
        """It as a file."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes."""
        if self._left <= 0:
            raise OSError(f"the answer has more than {MOST_BYTES} bytes")
        self._made.settimeout(_left(self._until))
        count = self._made.recv_into(memoryview(buffer)[: self._left])
        self._left -= count
        return count


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _in_time(work: Callable[[], Sequence[tuple[Any, ...]]], until: float) -> Sequence[tuple[Any, ...]]:
    """What the work gives, if it comes in time: looking up a name cannot be told when to end."""
    found: list[Sequence[tuple[Any, ...]]] = []
    problems: list[OSError] = []

    def act() -> None:
        try:
            found.append(work())
        except (OSError, UnicodeError) as error:
            problems.append(error if isinstance(error, OSError) else OSError(str(error)))

    thread = threading.Thread(target=act, name="names", daemon=True)
    thread.start()
    thread.join(_left(until))
    if problems:
        raise problems[0]
    if not found:
        raise TimeoutError
    return found[0]
