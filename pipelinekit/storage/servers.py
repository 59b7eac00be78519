"""Servers in the database."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.domain.servers import Server
from pipelinekit.ports import Clock
from pipelinekit.storage import leases
from pipelinekit.storage.database import Database, Row


class SQLServers:
    """Implements `ports.ServerRecords` on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def tell(self, owner: str, server: Server) -> None:
        """Renew the lease of a server; those that are gone are swept."""
        lease = (leases.deadline(), leases.seen_at(self._database, self._clock))
        row = (owner, server.host, server.pid, server.since, server.running, server.most, *lease)
        with self._database.transaction():
            self._database.write("tell_server", row)
            gone = [item["owner"] for item in self._rows() if not leases.is_held(self._database, item)]
            self._database.write_many("withdraw_server", [(name,) for name in gone])

    def withdraw(self, owner: str) -> None:
        """Forget a server."""
        self._database.write("withdraw_server", (owner,))

    def alive(self) -> Sequence[Server]:
        """The servers that are there."""
        return [
            Server(row["host"], row["pid"], row["since"], row["running"], row["most"])
            for row in self._rows()
            if leases.is_held(self._database, row)
        ]

    def _rows(self) -> Sequence[Row]:
        return self._database.read("list_servers")
