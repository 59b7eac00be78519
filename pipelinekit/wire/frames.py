"""Messages over a pipe: a length of four bytes, then JSON."""

from __future__ import annotations

import os
import struct
from typing import Any

from pipelinekit.wire.values import dumps, loads

_LENGTH = struct.Struct(">I")
HEADER = _LENGTH.size
READ_SIZE = 65536


def pack(message: Any) -> bytes:
    """A message as bytes."""
    body = dumps(message).encode("ascii")
    return _LENGTH.pack(len(body)) + body


def send(handle: int, message: Any) -> None:
    """Write a whole message to a pipe. Raises BrokenPipeError when nobody reads any more."""
    view = memoryview(pack(message))
    while view:
        view = view[os.write(handle, view) :]


class Receiver:
    """Reads messages from a pipe."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._buffer = bytearray()

    def receive(self) -> Any:
        """The next whole message; None when the other end is closed."""
        while (message := take(self._buffer)) is None:
            data = os.read(self._handle, READ_SIZE)
            if not data:
                return None
            self._buffer += data
        return message


def take(buffer: bytearray) -> Any:
    """Take the first message out of what has arrived; None when none is whole. Messages are never null."""
    if len(buffer) < HEADER:
        return None
    end = HEADER + int(_LENGTH.unpack_from(buffer)[0])
    if len(buffer) < end:
        return None
    message = loads(bytes(buffer[HEADER:end]))
    del buffer[:end]
    return message
