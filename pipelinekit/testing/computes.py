"""Compute targets in memory: the twin of what `storage` keeps."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.domain.computes import ComputeTarget
from pipelinekit.errors import ConflictError, NotFoundError


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
        self.get(target.name)
        self._targets[target.name.lower()] = target

    def remove(self, name: str) -> None:
        """Forget a target."""
        self.get(name)
        del self._targets[name.lower()]
