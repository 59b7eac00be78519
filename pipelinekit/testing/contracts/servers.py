"""What every implementation of the records of servers must do."""

from __future__ import annotations

from pipelinekit.domain.servers import Server
from pipelinekit.ports.servers import ServerRecords


class ServersContract:
    """The suite. `make` gives empty records, an owner that counts as alive, and one that counts as dead."""

    def make(self) -> tuple[ServerRecords, str, str]:
        """Empty records, and two owners."""
        raise NotImplementedError

    def test_a_server_is_there_from_when_it_tells_of_itself_until_it_withdraws(self) -> None:
        servers, alive, _ = self.make()
        assert list(servers.alive()) == []
        servers.tell(alive, Server("here", 7, 10.0, 0, 4))
        servers.tell(alive, Server("here", 7, 10.0, 3, 4))
        assert list(servers.alive()) == [Server("here", 7, 10.0, 3, 4)]
        servers.withdraw(alive)
        servers.withdraw(alive)
        assert list(servers.alive()) == []

    def test_a_server_whose_process_died_is_not_there(self) -> None:
        servers, alive, dead = self.make()
        servers.tell(dead, Server("here", 6, 9.0, 1, 4))
        assert list(servers.alive()) == []
        servers.tell(alive, Server("here", 7, 10.0, 0, 4))
        assert [server.pid for server in servers.alive()] == [7]
