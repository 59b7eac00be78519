"""Compute targets in memory: the twin of what `storage` keeps."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.classes import replace
from pipelinekit.domain.computes import ComputeTarget, KeeperState, Keeping
from pipelinekit.errors import ConflictError, LeaseLostError, NotFoundError


class MemoryComputes:
    """Twin of `storage.computes.SQLComputes`."""

    def __init__(self) -> None:
        self._targets: dict[str, ComputeTarget] = {}

    def add(self, target: ComputeTarget) -> None:
        """Keep a target."""
        if target.name.lower() in self._targets:
            raise ConflictError(f"there is a compute target {target.name!r} already")
        self._targets[target.name.lower()] = target

    def get(self, name: str) -> ComputeTarget:
        """The target of that name."""
        if name.lower() not in self._targets:
            raise NotFoundError(f"there is no compute target {name!r}")
        return self._targets[name.lower()]

    def list(self) -> Sequence[ComputeTarget]:
        """All of them."""
        return [target for _, target in sorted(self._targets.items())]

    def replace(self, target: ComputeTarget) -> None:
        """Keep a target in place of the one of its name."""
        if self.get(target.name).kind != target.kind:
            raise NotFoundError(f"there is no compute target {target.name!r} of this kind")
        self._targets[target.name.lower()] = target

    def remove(self, name: str) -> None:
        """Forget a target."""
        self.get(name)
        del self._targets[name.lower()]


class MemoryKeepers:
    """Twin of `storage.computes.SQLKeepers`. A keeper lives until it gives its lease back, or `die` is called."""

    def __init__(self) -> None:
        self._states: dict[str, KeeperState] = {}
        self._epochs: dict[str, int] = {}

    def want(self, name: str, *, wanted: bool) -> None:
        """Say whether the cluster is to be kept."""
        self._states[name.lower()] = replace(self.state(name), wanted=wanted)

    def state(self, name: str) -> KeeperState:
        """The keeper as it is now."""
        return self._states.get(name.lower(), KeeperState())

    def take(self, name: str, owner: str) -> int:  # noqa: ARG002 - the port's
        """Become the keeper."""
        if name.lower() not in self._states or self.state(name).alive:
            raise LeaseLostError(f"compute target {name!r} cannot be kept")
        self._states[name.lower()] = replace(self.state(name), alive=True, said=None)
        self._epochs[name.lower()] = self._epochs.get(name.lower(), 0) + 1
        return self._epochs[name.lower()]

    def renew(self, name: str, epoch: int, said: Keeping) -> bool:
        """Keep the lease."""
        if self._epochs.get(name.lower()) != epoch:
            raise LeaseLostError(f"compute target {name!r} is kept by another process")
        self._states[name.lower()] = replace(self.state(name), said=said)
        return self.state(name).wanted

    def release(self, name: str, epoch: int) -> None:
        """Give the lease back."""
        if self._epochs.get(name.lower()) == epoch:
            self.die(name)

    def die(self, name: str) -> None:
        """The keeper is dead."""
        self._states[name.lower()] = replace(self.state(name), alive=False, said=None)
