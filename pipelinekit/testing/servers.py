"""Servers in memory: the twin of what `storage` keeps."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.domain.servers import Server


class MemoryServers:
    """Twin of `storage.servers.SQLServers`; owners in `dead` count as dead."""

    def __init__(self, dead: set[str]) -> None:
        self._servers: dict[str, Server] = {}
        self._dead = dead

    def tell(self, owner: str, server: Server) -> None:
        """Keep what a server says; what it was at first stays."""
        known = self._servers.get(owner, server)
        self._servers[owner] = Server(known.host, known.pid, known.since, server.running, server.most)

    def withdraw(self, owner: str) -> None:
        """Forget a server."""
        self._servers.pop(owner, None)

    def alive(self) -> Sequence[Server]:
        """The servers that are there."""
        found = [(server.since, owner) for owner, server in self._servers.items() if owner not in self._dead]
        return [self._servers[owner] for _, owner in sorted(found)]
