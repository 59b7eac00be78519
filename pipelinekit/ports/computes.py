"""Compute targets that are registered, and what is seen of the clusters behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    from pipelinekit.domain.computes import ComputeTarget, KeeperState, Keeping, Node
else:
    Protocol = object


class ComputeRecords(Protocol):
    """Compute targets by name, whose case does not count."""

    def add(self, target: ComputeTarget) -> None:
        """Keep a target. Raises ConflictError when its name is taken."""

    def get(self, name: str) -> ComputeTarget:
        """The target of that name. Raises NotFoundError."""

    def list(self) -> Sequence[ComputeTarget]:
        """All of them, by name."""

    def replace(self, target: ComputeTarget) -> None:
        """Keep a target in place of the one of its name. Raises NotFoundError."""

    def remove(self, name: str) -> None:
        """Forget a target. Raises NotFoundError."""


class KeeperRecords(Protocol):
    """Who keeps the clusters of the workspace, by name: one process for each, under a lease."""

    def want(self, name: str, *, wanted: bool) -> None:
        """Say whether a cluster is to be kept."""

    def state(self, name: str) -> KeeperState:
        """The keeper of a cluster as it is now."""

    def take(self, name: str, owner: str) -> int:
        """Become the keeper; the epoch of the lease. Raises LeaseLostError when another process is."""

    def renew(self, name: str, epoch: int, said: Keeping) -> bool:
        """Keep the lease, and tell how the cluster is; whether it is still wanted. Raises LeaseLostError."""

    def release(self, name: str, epoch: int) -> None:
        """Give the lease back."""


class Clusters(Protocol):
    """The clusters behind targets."""

    def nodes(self, target: ComputeTarget) -> Sequence[Node]:
        """The nodes that are there now. Raises ComputeError where the cluster is to be there, and cannot be reached."""

    def check(self, target: ComputeTarget) -> Sequence[Node]:
        """The same, once each node was found to be able to run steps of this workspace. Raises ComputeError."""
