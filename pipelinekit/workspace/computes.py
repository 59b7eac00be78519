"""Compute targets of a workspace: attach, look, wait, detach."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.classes import replace
from pipelinekit.domain.computes import BUILT_IN, ComputeTarget, Node, check_address, is_address
from pipelinekit.domain.steps import parse_duration
from pipelinekit.domain.texts import counted
from pipelinekit.errors import ComputeError, NotFoundError, UsageError
from pipelinekit.ports import Clock
from pipelinekit.ports.computes import Clusters, ComputeRecords
from pipelinekit.workspace.runs import checked_tags

PAUSE_SECONDS = 0.5
PATIENCE_SECONDS = 25 * 60.0


class ComputeHandle:
    """A registered compute target."""

    def __init__(self, record: ComputeTarget, clusters: Clusters) -> None:
        self.record = record
        self._clusters = clusters

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def kind(self) -> str:
        """`attached`."""
        return self.record.kind

    @property
    def address(self) -> str:
        """The address of its scheduler."""
        return self.record.address

    def nodes(self) -> list[Node]:
        """The nodes that are there now. Raises ComputeError where the cluster cannot be reached."""
        return list(self._clusters.nodes(self.record))

    def wait(self, nodes: int = 1, timeout: float | str = PATIENCE_SECONDS) -> list[Node]:
        """Wait until the cluster can be reached and has so many nodes; returns them. Raises TimeoutError."""
        until = time.monotonic() + parse_duration(timeout)
        why = ""
        while True:
            try:
                found = self.nodes()
                why = f"it has {counted(len(found), 'node')} of {nodes}"
                if len(found) >= nodes:
                    return found
            except ComputeError as error:
                why = error.message
            if time.monotonic() > until:
                raise TimeoutError(f"compute target {self.name!r} is not ready: {why}")
            time.sleep(PAUSE_SECONDS)

    def __repr__(self) -> str:
        return f"<compute target {self.name!r} at {self.address}>"


class ComputeCollection:
    """The compute targets of a workspace, beside `local` and `in-process`, which are always there."""

    def __init__(self, records: ComputeRecords, clusters: Clusters, clock: Clock) -> None:
        self._records = records
        self._clusters = clusters
        self._clock = clock

    def attach(
        self,
        name: str,
        address: str,
        *,
        secrets: Mapping[str, str] | None = None,
        allow_plain: bool = False,
        description: str = "",
        tags: Mapping[str, object] | None = None,
        skip_validation: bool = False,
    ) -> ComputeHandle:
        """Give a Dask cluster that runs elsewhere a name, by the address of its scheduler: `tls://` or `tcp://`.

        `secrets` names, for `ca`, `cert` and `key`, the secrets of the workspace that hold its certificates; without
        them Dask's own configuration says where they are. The scheduler is connected to, and its workers are looked
        at, unless `skip_validation` is set. Raises ConflictError where the name is taken.
        """
        target = ComputeTarget(
            name, address, dict(secrets or {}), allow_plain, description, checked_tags(tags or {}), self._clock.now()
        )
        if not skip_validation:
            self._clusters.check(target)
        self._records.add(target)
        return self.get(name)

    def get(self, name: str) -> ComputeHandle:
        """The target of that name. Raises NotFoundError."""
        if name in BUILT_IN:
            raise UsageError(f"compute target {name!r} is this machine: there is nothing to know of it")
        return ComputeHandle(self._records.get(name), self._clusters)

    def list(self) -> Sequence[ComputeHandle]:
        """All that are registered, by name."""
        return [ComputeHandle(record, self._clusters) for record in self._records.list()]

    def update(
        self,
        name: str,
        *,
        address: str | None = None,
        secrets: Mapping[str, str] | None = None,
        allow_plain: bool | None = None,
        description: str | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> ComputeHandle:
        """Change what is given. Runs that have begun to use the target go on with it as it was."""
        given: dict[str, Any] = {
            "address": address,
            "secrets": None if secrets is None else dict(secrets),
            "allow_plain": allow_plain,
            "description": description,
            "tags": None if tags is None else checked_tags(tags),
        }
        record = self.get(name).record
        self._records.replace(replace(record, **{key: value for key, value in given.items() if value is not None}))
        return self.get(name)

    def detach(self, name: str) -> None:
        """Forget a target; the cluster goes on. Raises NotFoundError."""
        self.get(name)
        self._records.remove(name)

    def find(self, target: str) -> ComputeTarget:
        """The target of a name, or at an address that was given instead. Raises UsageError for what is neither."""
        if is_address(target):
            return ComputeTarget("address", check_address(target))
        try:
            return self._records.get(target)
        except NotFoundError as error:
            raise UsageError(error.message, hint=error.hint) from None
