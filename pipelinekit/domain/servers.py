"""Servers: processes that see to the queued runs of a workspace."""

from __future__ import annotations

from pipelinekit.classes import frozen


@frozen
class Server:
    """A server as it told of itself last: where it runs, since when, how many runs it drives, and how many at most."""

    host: str
    pid: int
    since: float
    running: int
    most: int
