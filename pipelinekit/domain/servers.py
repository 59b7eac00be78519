"""Servers: processes that see to the queued runs of a workspace."""

from __future__ import annotations

from pipelinekit.classes import frozen

UNREACHABLE = 75  # exit code of a driver that cannot reach the records: its run is to be taken up later


@frozen
class Server:
    """A server as it told of itself last: where it runs, since when, how many runs it drives, and how many at most."""

    host: str
    pid: int
    since: float
    running: int
    most: int
