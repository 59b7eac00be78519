"""Which servers see to the queued runs of a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    from pipelinekit.domain.servers import Server
else:
    Protocol = object


class ServerRecords(Protocol):
    """Servers by their owner ids, each under a lease: one that is silent too long, or whose process died, is gone."""

    def tell(self, owner: str, server: Server) -> None:
        """Renew the lease of a server, and say how it is."""

    def withdraw(self, owner: str) -> None:
        """Forget a server."""

    def alive(self) -> Sequence[Server]:
        """The servers that are there, in the order in which they began."""
