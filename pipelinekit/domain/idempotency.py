"""Requests that may be sent twice: what is known of a key that a client gave with one."""

from __future__ import annotations

from pipelinekit.classes import frozen
from pipelinekit.errors import UsageError

LONGEST = 255  # characters of a key
KEPT_SECONDS = 86400.0  # how long a key is remembered


@frozen
class Fresh:
    """The key was not seen before: the request is to be carried out, and its outcome kept."""


@frozen
class Replay:
    """The request was carried out: the run that it made, and what was answered then."""

    run: str
    response: str


@frozen
class Different:
    """The key came with another request before."""


@frozen
class InProgress:
    """The request is being carried out by somebody else."""


Begun = Fresh | Replay | Different | InProgress


def check_idempotency_key(key: str) -> str:
    """The key, if a client may give it; raise UsageError otherwise."""
    if 0 < len(key) <= LONGEST and key.isascii() and key.isprintable() and key.strip() == key:
        return key
    raise UsageError(
        f"idempotency key {key[:80]!r} is not allowed",
        hint=f"use 1 to {LONGEST} printable characters of ASCII, such as a UUID, without spaces at the ends",
    )
