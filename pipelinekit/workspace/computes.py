"""Compute targets of a workspace: create, attach, look, start, stop, wait, delete, detach."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from pipelinekit.classes import replace
from pipelinekit.domain.computes import (
    ATTACHED,
    BUILT_IN,
    CLUSTER,
    IDLE_SECONDS,
    INSTANCE,
    Attached,
    Cluster,
    ComputeTarget,
    Definition,
    Instance,
    KeeperState,
    Keeping,
    Node,
    check_address,
    is_address,
)
from pipelinekit.domain.providers import Processes, Provider, SSHHosts
from pipelinekit.domain.queueing import COMPUTE
from pipelinekit.domain.steps import parse_duration, parse_size
from pipelinekit.domain.texts import counted
from pipelinekit.errors import ComputeError, NotFoundError, PipelinekitError, UsageError
from pipelinekit.ports import Clock
from pipelinekit.ports.computes import Clusters, ComputeRecords, KeeperRecords
from pipelinekit.ports.queueing import RunLimits
from pipelinekit.workspace.runs import checked_tags

PAUSE_SECONDS = 0.1
PATIENCE_SECONDS = 25 * 60.0
START_SECONDS = 60.0  # that a keeper may take to have a scheduler
MOST_STARTS = 3  # of keepers that are killed before they have one


T = TypeVar("T")
LastWords = Callable[[], str | None]


class ComputeStores:
    """What handles of compute targets work with.

    `clusters` is asked for when one is looked at, since Dask takes long to load. `launch` starts the process that keeps
    the cluster of a name, and gives what tells its last words: None while it lives, an empty text where it was killed.
    `forget` removes what is kept beside the records. `note` is told what a user has started or stopped, and why that
    failed, if it did.
    """

    def __init__(
        self,
        records: ComputeRecords,
        keepers: KeeperRecords,
        clusters: Callable[[], Clusters],
        launch: Callable[[str], LastWords],
        forget: Callable[[ComputeTarget], None],
        limits: RunLimits,
        note: Callable[[str, str, str], None],
    ) -> None:
        self.records = records
        self.keepers = keepers
        self.clusters = clusters
        self.launch = launch
        self.forget = forget
        self.limits = limits
        self.note = note


class ComputeHandle:
    """A registered compute target."""

    def __init__(self, record: ComputeTarget, stores: ComputeStores) -> None:
        self.record = record
        self._stores = stores

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def kind(self) -> str:
        """`attached`, `cluster` or `instance`."""
        return self.record.kind

    @property
    def keeper(self) -> KeeperState:
        """The process that keeps a cluster of the workspace's own, and what it says."""
        return self._stores.keepers.state(self.name)

    def nodes(self) -> list[Node]:
        """The nodes that are there now. Raises ComputeError where the cluster is to be there, and cannot be reached."""
        return list(self._stores.clusters().nodes(self.record))

    def start(self) -> Keeping:
        """Have a cluster of the workspace's own kept by a process that outlives this one; it may be kept already."""
        return self._noted("start", self.keep)

    def keep(self) -> Keeping:
        """Start a cluster because something needs it."""
        self._refuse_attached("started")
        self._stores.keepers.want(self.name, wanted=True)
        until = time.monotonic() + START_SECONDS
        last_words: LastWords | None = None
        starts = 0
        while (state := self.keeper).said is None:
            if not state.alive and last_words is None:
                last_words = self._stores.launch(self.name)
                starts += 1
            words = None if last_words is None else last_words()
            if words == "" and starts < MOST_STARTS:
                last_words = None  # what killed it says nothing about the next
            elif words is not None and not self.keeper.alive:
                self._stores.keepers.want(self.name, wanted=False)
                self._refuse_start(f"could not be started: {words or 'its keeper was killed each time'}")
            if time.monotonic() > until:
                self._refuse_start(f"was not started within {START_SECONDS:g} s")
            time.sleep(PAUSE_SECONDS)
        return state.said

    def _refuse_start(self, why: str) -> NoReturn:
        hint = "its keeper writes to cache/keepers.log in the workspace folder"
        raise ComputeError(f"the cluster {self.name!r} {why}", hint=hint)

    def stop(self) -> None:
        """End a cluster of the workspace's own: its scheduler and all of its nodes. What runs there is tried again."""
        self._noted("stop", self.end)

    def _noted(self, verb: str, act: Callable[[], T]) -> T:
        """What comes of it is noted afterwards: the keeper is to see the change meanwhile."""
        try:
            done = act()
        except PipelinekitError as error:
            self._stores.note(verb, self.name, error.message)
            raise
        self._stores.note(verb, self.name, "")
        return done

    def end(self) -> None:
        """Stop a cluster as part of something else."""
        self._refuse_attached("stopped")
        self._stores.keepers.want(self.name, wanted=False)
        until = time.monotonic() + START_SECONDS
        while self.keeper.alive:
            if time.monotonic() > until:
                raise ComputeError(f"the cluster {self.name!r} has not ended within {START_SECONDS:g} s")
            time.sleep(PAUSE_SECONDS)

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
                told = [why, *(said.errors if (said := self.keeper.said) else ())]
                raise TimeoutError(f"compute target {self.name!r} is not ready: {'; '.join(told)}")
            time.sleep(PAUSE_SECONDS)

    def _refuse_attached(self, what: str) -> None:
        if self.kind == ATTACHED:
            raise UsageError(f"compute target {self.name!r} is attached, and cannot be {what} here")

    def __repr__(self) -> str:
        return f"<compute target {self.name!r}, {self.kind}>"


class ComputeCollection:
    """The compute targets of a workspace, beside `local` and `in-process`, which are always there."""

    def __init__(self, stores: ComputeStores, clock: Clock) -> None:
        self._stores = stores
        self._clock = clock

    def create(
        self,
        name: str,
        *,
        max_nodes: int | None = None,
        min_nodes: int = 0,
        idle_seconds_before_scaledown: float | str = IDLE_SECONDS,
        cores: int = 1,
        memory: int | str = 0,
        resources: Mapping[str, float] | None = None,
        provider: Provider | None = None,
        dashboard: bool = False,
        description: str = "",
        tags: Mapping[str, object] | None = None,
    ) -> ComputeHandle:
        """Make a cluster of the workspace's own, and start its keeper.

        It has from `min_nodes` to `max_nodes` nodes, each with so many cores, so much memory and named resources. It
        grows when work is queued; nodes that have been idle for long enough are given back. The `provider` says where
        they run, by default on this machine; on hosts by SSH there may be as many as hosts, unless `max_nodes` says
        otherwise. With `dashboard` Dask's own pages are served to this machine. Raises ConflictError where the name is
        taken.
        """
        place = provider or Processes()
        if max_nodes is None and isinstance(place, SSHHosts):
            max_nodes = max(len(place.hosts), 1)
        if max_nodes is None:
            raise UsageError("a cluster must be told its max_nodes", hint="how many nodes may it have?")
        cluster = Cluster(
            max_nodes,
            min_nodes,
            parse_duration(idle_seconds_before_scaledown),
            cores,
            parse_size(memory),
            dict(resources or {}),
            place,
            dashboard,
        )
        return self._start_new(name, cluster, description, tags)

    def create_instance(
        self,
        name: str,
        *,
        cores: int | None = None,
        memory: int | str = 0,
        resources: Mapping[str, float] | None = None,
        idle_seconds_before_shutdown: float | str = 0.0,
        provider: Provider | None = None,
        description: str = "",
        tags: Mapping[str, object] | None = None,
    ) -> ComputeHandle:
        """Register one machine for several steps at once, and start it: this one, or one host by SSH.

        `cores` are by default all that this machine has; of another host they must be said. It is stopped by hand, or
        once nothing was to be done for `idle_seconds_before_shutdown`, if that is more than 0; a run that uses it
        starts it again. Raises ConflictError where the name is taken.
        """
        place = provider or Processes()
        if cores is None and not isinstance(place, Processes):
            raise UsageError(f"how many cores does {place} have?", hint="say it with cores (--cores)")
        instance = Instance(
            (os.cpu_count() or 1) if cores is None else cores,
            parse_size(memory),
            dict(resources or {}),
            parse_duration(idle_seconds_before_shutdown),
            place,
        )
        return self._start_new(name, instance, description, tags)

    def _start_new(
        self, name: str, definition: Definition, description: str, tags: Mapping[str, object] | None
    ) -> ComputeHandle:
        target = ComputeTarget(name, definition, description, checked_tags(tags or {}), self._clock.now())
        self._stores.records.add(target)
        handle = self.get(name)
        handle.keep()
        return handle

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
        attached = Attached(address, dict(secrets or {}), allow_plain)
        target = ComputeTarget(name, attached, description, checked_tags(tags or {}), self._clock.now())
        if not skip_validation:
            self._stores.clusters().check(target)
        self._stores.records.add(target)
        return self.get(name)

    def get(self, name: str) -> ComputeHandle:
        """The target of that name. Raises NotFoundError."""
        if name in BUILT_IN:
            raise UsageError(f"compute target {name!r} is this machine: there is nothing to know of it")
        return ComputeHandle(self._stores.records.get(name), self._stores)

    def list(self) -> Sequence[ComputeHandle]:
        """All that are registered, by name."""
        return [ComputeHandle(record, self._stores) for record in self._stores.records.list()]

    def update(
        self,
        name: str,
        *,
        description: str | None = None,
        tags: Mapping[str, object] | None = None,
        max_runs: int | None = None,
        **changes: Any,
    ) -> ComputeHandle:
        """Change description, tags (all of them), and what else may change of the definition.

        That is `address`, `secrets` and `allow_plain` of an attached target, `idle_seconds_before_shutdown` of an
        instance, and of a cluster `min_nodes`, `max_nodes` and `idle_seconds_before_scaledown`, which are taken over
        within seconds, and `dashboard`, which is when it is started again. For `max_runs` see `limit_runs`. None leaves
        as it is.
        """
        record = self.get(name).record
        given = {key: value for key, value in changes.items() if value is not None}
        if odd := [key for key in given if key not in _CHANGEABLE[record.kind]]:
            raise UsageError(
                f"{', '.join(odd)} of compute target {record.name!r} cannot be changed",
                hint=f"of kind {record.kind} it can be: {', '.join(_CHANGEABLE[record.kind])}",
            )
        given |= {key: parse_duration(value) for key, value in given.items() if key.startswith("idle_seconds_")}
        changed = replace(
            record,
            definition=replace(record.definition, **given),
            description=record.description if description is None else description,
            tags=record.tags if tags is None else checked_tags(tags),
        )
        self._stores.records.replace(changed)
        if max_runs is not None:
            self.limit_runs(name, max_runs)
        return self.get(name)

    def limit_runs(self, name: str, most: int) -> None:
        """Have at most so many runs under way at once whose compute target it is, also `local`; 0 is for no limit.

        Others wait for their turn. Steps that name another target than their run do not count there.
        """
        if name not in BUILT_IN:
            name = self.get(name).name
        self._stores.limits.set(COMPUTE, name, most)

    def limits(self) -> Mapping[str, int]:
        """How many runs may be under way at once, by the name of a target (in lower case) that has a limit."""
        return {name: most for (kind, name), most in self._stores.limits.all().items() if kind == COMPUTE}

    def delete(self, name: str) -> None:
        """End a cluster of the workspace's own, and forget it."""
        handle = self.get(name)
        if handle.kind == ATTACHED:
            raise UsageError(
                f"compute target {name!r} is attached, and is not ours to delete",
                hint=f"forget it with 'pipelinekit computes detach {name}'",
            )
        handle.end()
        self._stores.records.remove(name)
        self._stores.limits.set(COMPUTE, name, 0)
        self._stores.forget(handle.record)

    def detach(self, name: str) -> None:
        """Forget a target that was attached; its cluster goes on."""
        if self.get(name).kind != ATTACHED:
            raise UsageError(
                f"compute target {name!r} was created here, and cannot be detached",
                hint=f"end it with 'pipelinekit computes delete {name}'",
            )
        self._stores.records.remove(name)
        self._stores.limits.set(COMPUTE, name, 0)

    def find(self, target: str) -> ComputeTarget:
        """The target of a name, or at an address that was given instead. Raises UsageError for what is neither."""
        if is_address(target):
            return ComputeTarget("address", Attached(check_address(target)))
        try:
            return self._stores.records.get(target)
        except NotFoundError as error:
            raise UsageError(error.message, hint=error.hint) from None


_CHANGEABLE = {
    ATTACHED: ("address", "secrets", "allow_plain"),
    CLUSTER: ("min_nodes", "max_nodes", "idle_seconds_before_scaledown", "dashboard"),
    INSTANCE: ("idle_seconds_before_shutdown",),
}
