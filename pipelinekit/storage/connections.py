"""Connections to web servers that were named from outside: each goes to an address that was looked at, none other.

A name may point anywhere, also to machines that only this one can reach, and elsewhere the next time it is asked for:
so it is resolved once, all that it stands for is looked at, and what was looked at is connected to.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from pipelinekit.domain.hosts import is_public

Resolve = Callable[[str, int], Sequence[tuple[Any, ...]]]  # as `socket.getaddrinfo`


class NotPublicError(OSError):
    """A host has an address that is not public."""


def resolve(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    """All addresses of a host, as this machine knows them."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def connect(host: str, found: Sequence[tuple[Any, ...]], seconds: float | None, *, private: bool) -> socket.socket:
    """A connection to one of the addresses that were found, each of which is public, unless `private`.

    It is tried for so long in all, and what is done with it later takes no longer at a time. Raises OSError.
    """
    if not private:
        for *_, place in found:
            if not is_public(str(place[0])):
                raise NotPublicError(f"{host} has the address {place[0]}, which is not public")
    until = None if seconds is None else time.monotonic() + seconds
    problem: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, place in found:
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError("timed out")
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(left)
            made.connect(place)
            made.settimeout(seconds)
        except OSError as error:
            made.close()
            problem = error
        else:
            return made
    raise problem
