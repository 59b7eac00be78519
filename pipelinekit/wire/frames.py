"""Messages over a pipe: a length of four bytes, then JSON."""

from __future__ import annotations

import os
import struct
from typing import Any

from pipelinekit.wire.values import dumps, loads

_LENGTH = struct.Struct(">I")
HEADER = _LENGTH.size


def pack(message: Any) -> bytes:
    """A message as bytes."""
    body = dumps(message).encode("ascii")
    return _LENGTH.pack(len(body)) + body


def body_length(header: bytes) -> int:
    """The length of the body that follows a header."""
    return int(_LENGTH.unpack(header)[0])


def send(handle: int, message: Any) -> None:
    """Write a whole message to a pipe. Raises BrokenPipeError when nobody reads any more."""
    view = memoryview(pack(message))
    while view:
        view = view[os.write(handle, view) :]


def receive(handle: int) -> Any:
    """Read a whole message from a pipe; None when the other end is closed."""
    header = _read(handle, HEADER)
    if header is None:
        return None
    body = _read(handle, body_length(header))
    return None if body is None else loads(body)


def _read(handle: int, count: int) -> bytes | None:
    parts = []
    while count:
        part = os.read(handle, min(count, 1 << 20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
