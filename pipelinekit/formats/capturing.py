"""What code writes to standard output and error while a run of its own is open, as the log of that run as well.

It goes on to where it went before. What counts is the thread (or the asyncio task) that writes: runs that are open in
several threads at once do not mix. What other programs write is not theirs, nor what new threads do.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO

Take = Callable[[str, str], None]  # the name of a stream, and a text

_takes: ContextVar[tuple[Take, ...]] = ContextVar("_takes", default=())
_lock = threading.Lock()
_open = 0
_before: list[tuple[str, _Tee, TextIO]] = []


class _Tee:
    """A stream that passes everything on, and lets the open run of whoever writes have a copy."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self._name = name
        self._stream = stream

    def write(self, text: str) -> int:
        count = self._stream.write(text)
        if text and (takes := _takes.get()):
            takes[-1](self._name, text)
        return count

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def captured(take: Take) -> Iterator[None]:
    """While the block runs, what it writes is taken too: by the innermost of these blocks."""
    _begin()
    token = _takes.set((*_takes.get(), take))
    try:
        yield
    finally:
        _takes.reset(token)
        _end()


def _begin() -> None:
    global _open  # noqa: PLW0603 - standard streams are the process's
    with _lock:
        _open += 1
        if _open == 1:
            for name in ("stdout", "stderr"):
                stream = getattr(sys, name)
                tee = _Tee(name, stream)
                _before.append((name, tee, stream))
                setattr(sys, name, tee)


def _end() -> None:
    global _open  # noqa: PLW0603
    with _lock:
        _open -= 1
        while _open == 0 and _before:
            name, tee, stream = _before.pop()
            if getattr(sys, name) is tee:  # else somebody has put another one there, which may still use ours
                setattr(sys, name, stream)
