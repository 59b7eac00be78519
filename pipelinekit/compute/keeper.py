"""The keeper of a cluster: a process with the Dask scheduler in it, which starts and gives back nodes as work comes.

Dask's own adaptive machinery asks at intervals and does what is answered; the answers are `engine.scaling`. A node that
is to go takes no more work from the moment in which it was seen to have none.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import dask
from distributed import Scheduler, Status
from distributed.deploy.adaptive import Adaptive

from pipelinekit.compute.dask_cluster import is_idle
from pipelinekit.compute.nodes.circumstances import LOOPBACK, Circumstances
from pipelinekit.compute.nodes.making import make_cluster
from pipelinekit.compute.worker import software
from pipelinekit.domain.computes import Cluster, ComputeTarget, Instance, Keeping
from pipelinekit.engine.scaling import Needs, NodeUse, nodes_needed, nodes_to_give_back, target_nodes
from pipelinekit.errors import NotFoundError, UsageError
from pipelinekit.ports.computes import ComputeRecords, KeeperRecords

ADAPT_SECONDS = 0.25  # between two looks at what is queued
LOOK_SECONDS = 1.0  # between two looks at the records
BEAT_SECONDS = 5.0  # between two signs of life, where there is nothing new to tell
SILENT_SECONDS = 30.0  # after which a node that says nothing is ended, and what it had is done again
FIRST_SECONDS = 20.0  # in which an instance may have been started for something, and not be asked for it yet
FAREWELL_SECONDS = 5.0  # between the decision to stop for want of work, and the end
OPEN = ("queued", "no-worker", "waiting", "processing")  # states of Dask's tasks that call for nodes


def keep(
    target: ComputeTarget,
    computes: ComputeRecords,
    keepers: KeeperRecords,
    owner: str,
    look: Callable[[ComputeTarget], Circumstances],
    ended: threading.Event,
) -> None:
    """Keep a cluster until it is no longer wanted, or `ended` is set. Raises LeaseLostError when another does."""
    assert target.cluster is not None
    epoch = keepers.take(target.name, owner)
    try:
        with KeptCluster(target.cluster, look(target)) as cluster:  # whose certificates nobody else makes meanwhile
            told, until = None, 0.0
            while not ended.wait(LOOK_SECONDS if told else 0):
                now = _now(target.name, computes)
                if now is None or now.cluster is None or not keepers.state(target.name).wanted:
                    break
                if isinstance(now.definition, Instance) and cluster.is_idle(
                    now.definition.idle_seconds_before_shutdown
                ):
                    keepers.want(target.name, wanted=False)
                    break
                cluster.follow(now.cluster)
                if (said := cluster.said()) != told or time.monotonic() > until:
                    keepers.renew(target.name, epoch, said)
                    told, until = said, time.monotonic() + BEAT_SECONDS
    finally:
        keepers.release(target.name, epoch)


def _now(name: str, computes: ComputeRecords) -> ComputeTarget | None:
    """What the cluster is to be now; None where it is no more."""
    try:
        return computes.get(name)
    except NotFoundError:
        return None


class KeptCluster:
    """A scheduler in this process, and nodes where the definition's provider has them."""

    def __init__(self, definition: Cluster, around: Circumstances) -> None:
        logging.getLogger("distributed").setLevel(logging.ERROR)
        dask.config.set(
            {
                "distributed.scheduler.allowed-failures": 0,  # drivers decide what is done again
                "distributed.scheduler.worker-ttl": SILENT_SECONDS,
            }
        )
        if definition.dashboard:
            _prepare_dashboard()
        self._has_dashboard = definition.dashboard
        made = make_cluster(definition, around)
        self._cluster, self._troubles = made.cluster, made.troubles
        scaling = self._cluster.adapt(Adaptive=Scaling, definition=definition, interval=ADAPT_SECONDS)
        assert isinstance(scaling, Scaling)
        self._scaling = scaling

    def __enter__(self) -> KeptCluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._cluster.close()

    def follow(self, definition: Cluster) -> None:
        """Go by another definition from now on; nodes that are there stay as they are."""
        self._scaling.definition = definition

    def is_idle(self, patience: float) -> bool:
        """Whether nothing was to be done for so many seconds; never, where they are 0."""
        return patience > 0 and bool(self._cluster.sync(self._scaling.idle_seconds) >= patience)

    def is_used(self) -> bool:
        """Whether somebody is connected."""
        return len(scheduler_of(self._cluster).clients) > 1  # one stands for what nobody waits for

    def said(self) -> Keeping:
        """How the cluster is now."""
        found: Keeping = self._cluster.sync(self._look)  # in the scheduler's thread: nothing changes meanwhile
        return found

    async def _look(self) -> Keeping:
        workers = scheduler_of(self._cluster).workers.values()
        nodes = [
            {
                "name": str(item.name),
                "address": item.address,
                "running": len(item.processing),
                "status": item.status.name,
            }
            for item in workers
        ]
        return Keeping(
            self._cluster.scheduler_address,
            software(),
            self._scaling.wanted,
            nodes,
            os.uname().nodename,
            self._dashboard(),
            self._troubles(),
        )

    def _dashboard(self) -> str:
        """Where the dashboard is; empty where there is none."""
        if not self._has_dashboard:
            return ""
        port = scheduler_of(self._cluster).services["dashboard"].port
        return f"http://{LOOPBACK}:{port}/status"


def _prepare_dashboard() -> None:
    """Refuse a dashboard without its library, and leave out its pages that ask other servers."""
    if find_spec("bokeh") is None:
        raise UsageError("a dashboard needs bokeh, which is not installed", hint="install pipelinekit[dashboard]")
    routes = dask.config.get("distributed.scheduler.http.routes")
    kept = [route for route in routes if route != "distributed.http.proxy"]
    dask.config.set({"distributed.scheduler.http.routes": kept})


class Scaling(Adaptive):
    """What a kept cluster's number of nodes goes by."""

    def __init__(self, cluster: Any, definition: Cluster, **options: Any) -> None:
        self.definition = definition
        self.wanted = definition.min_nodes
        self._busy_at: dict[str, float] = {}
        self._asked_at = time.monotonic() + FIRST_SECONDS
        super().__init__(cluster, wait_count=1, **options)

    async def safe_target(self) -> int:
        """How many nodes there are to be."""
        self._forget_failed()
        asked: dict[bool, Counter[Needs]] = {False: Counter(), True: Counter()}
        for task in scheduler_of(self.cluster).tasks.values():
            if task.state in OPEN:
                needs = tuple(sorted((task.resource_restrictions or {"cpu": 1.0}).items()))
                asked[is_idle(task.priority)][needs] += 1
        if any(asked.values()):
            self._asked_at = time.monotonic()
        cluster = self.definition
        # what is idle waits for room, and calls for a node only where there would be none
        needed = nodes_needed(asked[False], cluster.node_resources)
        needed = needed or min(nodes_needed(asked[True], cluster.node_resources), 1)
        patience = cluster.idle_seconds_before_scaledown
        self.wanted = target_nodes(needed, self._uses(), cluster.min_nodes, cluster.max_nodes, patience)
        return self.wanted

    async def idle_seconds(self) -> float:
        """For how long nothing was to be done."""
        return time.monotonic() - self._asked_at

    def _forget_failed(self) -> None:
        """Dask counts nodes that died while they were started as if they were there, for good.

        So it does with those that it has closed as lost: those that are away some seconds after their death, though
        they may have been back between, and have died once more.
        """
        cluster: Any = self.cluster
        for name, node in list(cluster.workers.items()):
            if node.status in (Status.failed, Status.closed):
                cluster.workers.pop(name)
                cluster.worker_spec.pop(name, None)
        if cluster._correct_state_waiting is None and not cluster._lock.locked():  # noqa: SLF001 - none are being made
            for name in set(cluster.worker_spec) - set(cluster.workers):
                cluster.worker_spec.pop(name)  # Dask has closed what was lost, and still plans with it

    async def recommendations(self, target: int) -> dict[str, Any]:
        """As Dask's, which would first send away nodes that are being started, though they take work once they come.

        One that died and is started again would go whenever nothing is queued until its driver knows of it.
        """
        plan = len(self.plan)
        if target > plan:
            return {"status": "up", "n": target}
        going = await self.workers_to_close(target) if target < plan else []
        return {"status": "down", "workers": going} if going else {"status": "same"}

    async def workers_to_close(self, target: int) -> list[Any]:
        """Which nodes are to go: none of them is given any more work from now on."""
        going = set(nodes_to_give_back(self._uses(), target))
        scheduler = scheduler_of(self.cluster)
        found = [item for item in scheduler.workers.values() if str(item.name) in going]
        for item in found:
            scheduler.handle_worker_status_change(Status.closing_gracefully, item, "pipelinekit-scaling")
        return [item.name for item in found]

    def _uses(self) -> list[NodeUse]:
        now = time.monotonic()
        workers = {str(item.name): item for item in scheduler_of(self.cluster).workers.values()}
        for name, item in workers.items():
            if item.processing or name not in self._busy_at:
                self._busy_at[name] = now
        self._busy_at = {name: at for name, at in self._busy_at.items() if name in workers}
        return [
            *(NodeUse(str(name), 0.0) for name in self.plan if str(name) not in workers),  # being started
            *(
                NodeUse(name, 0.0 if item.processing else max(now - self._busy_at[name], 1e-9))
                for name, item in workers.items()
            ),
        ]


def scheduler_of(cluster: Any) -> Scheduler:
    """The scheduler, which is in this process."""
    scheduler: Scheduler = cluster.scheduler
    return scheduler
