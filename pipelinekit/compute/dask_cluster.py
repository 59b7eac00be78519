"""Attempts on a Dask cluster that runs elsewhere.

Dask carries bundles of attempts to workers and their receipts back; records decide what counts. Short attempts are
bundled, because one Dask message costs milliseconds of CPU: the size follows measured durations, so that a bundle stays
short.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from distributed import Client, Future, KilledWorker
from distributed.client import ClosedClientError

from pipelinekit.compute import worker
from pipelinekit.compute.clusters import CONNECT_SECONDS, check_workers, connect, refuse_software
from pipelinekit.domain.attempts import Attempt, AttemptEnded, AttemptEvent, AttemptStarted
from pipelinekit.domain.computes import Cluster, Keeping
from pipelinekit.domain.runs import MOST_PRIORITY, Failure
from pipelinekit.domain.steps import Resources
from pipelinekit.errors import ComputeError
from pipelinekit.ports import Sink
from pipelinekit.wire.attempts import attempts_to_json, event_from_json
from pipelinekit.wire.values import dumps, loads

BUNDLE_TARGET = 0.15  # seconds of execution that one message is worth
BUNDLE_MAX = 256
RETURNS = 2  # how often an attempt goes back into the queue that was on a node which died, and had told of no beginning
IN_FLIGHT = 2  # bundles on their way for each slot
STEP = 1_000_000  # by which priorities of runs differ for Dask: more than a driver has bundles on their way
_numbers = itertools.count()

# `cpu`, `gpu`, `memory` and what else there is -> Dask's name for it, and how much the largest worker has
Limits = dict[str, tuple[str, float]]


class DaskCompute:
    """Implements `ports.Compute` on a Dask client.

    `home` is the workspace folder, `maker` the `module:function` that makes a supervisor for it on a worker, given the
    `settings` that say where blobs are kept. `reconnect` gives another client when the scheduler was lost; it is called
    in the driver's thread, since the clients' own may not wait for one.
    """

    def __init__(
        self,
        client: Client,
        reconnect: Callable[[], Client],
        sink: Sink,
        home: Path,
        maker: str,
        *,
        slots: int,
        limits: Limits,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._reconnect = reconnect
        self._sink = sink
        self._home, self._maker = str(home), maker
        self._settings = dict(settings or {})
        self._slots = max(slots, 1)
        self._limits = limits
        self._lock = threading.RLock()
        self._pending: deque[Attempt] = deque()
        self._open: dict[str, Attempt] = {}
        self._bundles: dict[str, list[Attempt]] = {}
        self._begun: set[str] = set()
        self._returned: Counter[str] = Counter()
        self._alone: set[str] = set()  # attempts that may have killed a node: they share no bundle
        self._durations: dict[str, float] = {}
        self._closed = False
        self._topic = f"pipelinekit-{next(_numbers)}-{id(self):x}"
        self._adopt(client)

    def _adopt(self, client: Client) -> None:
        self._client = client
        client.subscribe_topic(self._topic, self._topic_event)

    # -- ports.Compute -----------------------------------------------------------------------------------------------

    def start(self, attempts: Sequence[Attempt]) -> None:
        """Queue attempts; those that no worker can ever take end at once."""
        with self._lock:
            for attempt in attempts:
                self._open[attempt.id] = attempt
                self._pending.append(attempt)
            if any(attempt.idle for attempt in self._pending):
                self._pending = deque(sorted(self._pending, key=lambda attempt: attempt.idle))
        for attempt in attempts:
            if why := self._unfit(attempt.task.resources):
                self._end(attempt.id, Failure("compute", f"step {attempt.step!r} can never run here: {why}"))
        if not self._mend():
            self._dispatch()

    def stop(self, attempts: Sequence[str]) -> None:
        """Stop attempts: queued ones at once, others through their supervisor."""
        wanted = set(attempts)
        with self._lock:
            queued = [attempt.id for attempt in self._pending if attempt.id in wanted]
            self._pending = deque(attempt for attempt in self._pending if attempt.id not in wanted)
        for attempt in queued:
            self._end(attempt, Failure("canceled", "the attempt was canceled before it began"))
        rest = sorted(wanted.intersection(self._open))
        if rest:
            with suppress(OSError, TimeoutError):
                self._client.run(worker.cancel, self._home, rest, on_error="ignore")

    def advance(self) -> bool:
        """Find the cluster again when its scheduler was lost."""
        if self._pending and not self._mend():
            self._dispatch()
        return False

    def waiting(self) -> int:
        """How many attempts are queued here."""
        return len(self._pending)

    def close(self, *, now: bool = False) -> None:
        """Give the workers back what they hold for us, and disconnect."""
        with self._lock:
            self._closed = True
        with suppress(Exception):  # a cluster that is gone already needs no farewell
            if not now:
                self._client.run(worker.release, self._home, on_error="ignore")
        with suppress(Exception):
            self._client.close(timeout=2)

    # -- bundles -----------------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        with self._lock:
            while self._pending and len(self._bundles) < self._slots * IN_FLIGHT and self._is_connected():
                self._send(self._take_bundle())

    def _is_connected(self) -> bool:
        return not self._closed and self._client.status == "running"

    def _mend(self) -> bool:
        """Connect anew where that is needed and possible, and go on with what is queued; whether it was tried."""
        if not self._pending or self._closed or self._is_connected():
            return False
        with suppress(Exception):  # it would go on looking for the scheduler that is gone
            self._client.close(timeout=2)
        try:
            self._adopt(self._reconnect())
        except ComputeError as error:
            for attempt in list(self._pending):
                self._end(attempt.id, Failure("compute", error.message, hint=error.hint))
        else:
            self._dispatch()
        return True

    def _take_bundle(self) -> list[Attempt]:
        first = self._pending.popleft()
        size = 1 if first.id in self._alone or first.task.dask_client else self._bundle_size(first)
        bundle = [first]
        while self._pending and len(bundle) < size:
            following = self._pending[0]
            if (following.task.resources, following.task.snapshot) != (first.task.resources, first.task.snapshot):
                break
            if following.idle is not first.idle:
                break
            if following.id in self._alone or following.task.dask_client:
                break
            bundle.append(self._pending.popleft())
        return bundle

    def _bundle_size(self, attempt: Attempt) -> int:
        """How many attempts like this one make a message: one at first, more as they turn out to be short."""
        seconds = self._durations.get(attempt.task.entry)
        if seconds is None:
            return 1
        share = -(-len(self._pending) // self._slots) or 1
        return max(1, min(BUNDLE_MAX, share, int(BUNDLE_TARGET / max(seconds, 1e-4))))

    def _send(self, bundle: list[Attempt]) -> None:
        payload = dumps(
            {
                "home": self._home,
                "maker": self._maker,
                "settings": self._settings,
                "topic": self._topic,
                **attempts_to_json(bundle),
            }
        )
        number = next(_numbers)
        key = f"pipelinekit-{bundle[0].id}-{number}"
        try:
            future = self._client.submit(
                worker.run_bundle,
                payload,
                key=key,
                pure=False,
                priority=_urgency(bundle[0]) * STEP - len(self._bundles),  # drivers take turns, see below
                resources=self._request(bundle[0].task.resources),
                retries=0,
            )
        except ClosedClientError:  # meanwhile: it waits for another client
            self._pending.extendleft(reversed(bundle))
            return
        self._bundles[key] = bundle
        future.add_done_callback(self._bundle_done)

    def _bundle_done(self, future: Future[str]) -> None:
        with self._lock:
            bundle = self._bundles.pop(str(future.key), [])
        if self._closed:
            return
        try:
            answer = loads(future.result(timeout=CONNECT_SECONDS))
        except KilledWorker as error:
            self._node_died(bundle, error)
        except BaseException as error:
            for attempt in bundle:
                self._end(attempt.id, Failure("lost", f"the worker was lost: {type(error).__name__}: {error}"))
        else:
            for event in answer["events"]:
                self._take_event(event_from_json(event))
            unstarted = set(answer["unstarted"])
            with self._lock:
                self._pending.extendleft(attempt for attempt in reversed(bundle) if attempt.id in unstarted)
            for attempt in bundle:
                if attempt.id not in unstarted:
                    self._end(attempt.id, Failure("lost", "the worker did not say how the attempt ended"))
        self._dispatch()

    def _node_died(self, bundle: list[Attempt], error: KilledWorker) -> None:
        """An attempt that the node had begun alone fails; others go back into the queue, as they may be innocent.

        If the node had begun a bundle of several, they go there one by one.
        """
        with self._lock:
            left = [attempt for attempt in bundle if attempt.id in self._open]
            begun = bundle[0].id not in self._open or bundle[0].id in self._begun
            guilty = len(bundle) == 1 and (begun or self._returned[bundle[0].id] >= RETURNS)
            if not guilty:
                self._returned.update(attempt.id for attempt in left)
                self._alone.update(attempt.id for attempt in left if begun)
                self._begun.difference_update(attempt.id for attempt in left)
                self._pending.extendleft(reversed(left))
        if guilty:
            words = f"node {error.last_worker.name} died while it executed attempt {bundle[0].number}"
            self._end(bundle[0].id, Failure("node", words))

    # -- events ------------------------------------------------------------------------------------------------------

    def take_events(self, events: Sequence[AttemptEvent]) -> None:
        """Events that come ahead of their bundle's answer."""
        for event in events:
            self._take_event(event)

    def _topic_event(self, event: tuple[float, Any]) -> None:
        self.take_events([event_from_json(item) for item in event[1]])

    def _take_event(self, event: AttemptEvent) -> None:
        if isinstance(event, AttemptEnded):
            with self._lock:
                attempt = self._open.pop(event.attempt, None)
            if attempt is None:
                return  # told twice: once ahead of its bundle, once with it
            self._begun.discard(event.attempt)
            known = self._durations.get(attempt.task.entry, event.seconds)
            self._durations[attempt.task.entry] = 0.5 * known + 0.5 * event.seconds
        elif isinstance(event, AttemptStarted):
            if event.attempt not in self._open:
                return
            self._begun.add(event.attempt)
        self._sink(event)

    def _end(self, attempt: str, failure: Failure) -> None:
        with self._lock:
            known = self._open.pop(attempt, None)
            self._begun.discard(attempt)
            if known is not None and known in self._pending:
                self._pending.remove(known)
        if known is not None:
            self._sink(AttemptEnded(attempt, time.time(), 0.0, failure=failure))

    # -- resources ---------------------------------------------------------------------------------------------------

    def _request(self, wanted: Resources) -> dict[str, float]:
        """The Dask resources of one attempt, of those kinds that the workers declare."""
        found = ((self._limits[kind], amount) for kind, amount in wanted.amounts.items() if kind in self._limits)
        return {name: min(amount, limit) for (name, limit), amount in found if amount > 0}

    def _unfit(self, wanted: Resources) -> str:
        """Why no worker can ever take an attempt with these resources; empty when one can."""
        _, memory = self._limits.get("memory", ("", 0.0))
        if memory and wanted.memory_bytes > memory:
            asked = wanted.memory_bytes / 2**30
            return f"it asks for {asked:.1f} GiB of memory, the largest worker has {memory / 2**30:.1f}"
        _, gpus = self._limits.get("gpu", ("", 0.0))
        if wanted.gpu > gpus:
            return f"it asks for {wanted.gpu} GPUs, the largest worker has {gpus:.0f}"
        for kind, amount in dict(wanted.named).items():
            _, most = self._limits.get(kind, ("", 0.0))
            if amount > most:
                return f"it asks for {amount:g} {kind}, the largest worker has {most:g}"
        return ""


class AttachedCompute(DaskCompute):
    """A Dask cluster that runs elsewhere, by the address of its scheduler."""

    def __init__(
        self,
        address: str,
        sink: Sink,
        home: Path,
        maker: str,
        settings: Mapping[str, Any] | None = None,
        credentials: Mapping[str, str] | None = None,
    ) -> None:
        def open_client() -> Client:
            client = connect(address, credentials, workers=1)
            check_workers(client, home, shared=bool(settings))
            return client

        client = open_client()
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        slots = sum(item["nthreads"] for item in workers)
        limits = _declared(list(workers))
        super().__init__(client, open_client, sink, home, maker, slots=slots, limits=limits, settings=settings)


class ClusterCompute(DaskCompute):
    """A cluster of the workspace's own, which may have no nodes yet: as many come as the attempts here call for."""

    def __init__(
        self,
        start: Callable[[], tuple[Keeping, Mapping[str, str]]],
        cluster: Cluster,
        sink: Sink,
        home: Path,
        maker: str,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """`start` has the cluster kept, where it is not, and gives what its keeper says, and its certificates."""

        def open_client() -> Client:
            said, credentials = start()
            refuse_software(said.software, f"the cluster at {said.address}")
            return connect(said.address, credentials)

        limits = {name: (name, amount) for name, amount in cluster.node_resources.items()}
        slots = cluster.max_nodes * cluster.cores
        super().__init__(open_client(), open_client, sink, home, maker, slots=slots, limits=limits, settings=settings)


def is_idle(priority: Sequence[float] | None) -> bool:
    """Whether a task with this priority, as Dask's scheduler has it, is a bundle of idle attempts."""
    return priority is not None and priority[0] > (MOST_PRIORITY + 0.5) * STEP


def _urgency(attempt: Attempt) -> int:
    """What goes first on a cluster that several drivers share: by the priority of their runs, idle attempts last.

    Of equals, who has little on its way goes first.
    """
    return -MOST_PRIORITY - 1 if attempt.idle else attempt.priority


def _declared(workers: list[dict[str, Any]]) -> Limits:
    """The resources that every worker declares, each with the largest amount of one worker."""
    names = set.intersection(*(set(item["resources"]) for item in workers)) if workers else set()
    kinds = {name: name.lower() if name.lower() in ("cpu", "gpu", "memory") else name for name in names}
    return {kind: (name, max(item["resources"][name] for item in workers)) for name, kind in kinds.items()}
