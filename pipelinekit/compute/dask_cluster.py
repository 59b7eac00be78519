"""Attempts on a Dask cluster, wherever it runs.

Dask carries bundles of attempts to workers and their receipts back; records decide what counts, and `engine.placing`
what travels together, when, and what becomes of it where a node dies; `engine.locality` says where it had better go.
What workers say is taken as data: of an attempt that is not open here they can say nothing.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from distributed import Client, Future, KilledWorker
from distributed.client import ClosedClientError

from pipelinekit.compute import worker
from pipelinekit.compute.clusters import CONNECT_SECONDS, count_workers
from pipelinekit.compute.dask_gangs import DaskGangs, Place
from pipelinekit.compute.dask_orphans import nodes_of
from pipelinekit.compute.preferences import KEYS, can_prefer
from pipelinekit.domain.attempts import Attempt, AttemptEnded, AttemptEvent, AttemptStarted, Task
from pipelinekit.domain.runs import MOST_PRIORITY, Failure
from pipelinekit.domain.steps import Resources
from pipelinekit.engine.locality import Whereabouts
from pipelinekit.engine.placing import Placing
from pipelinekit.errors import ComputeError
from pipelinekit.ports import Sink
from pipelinekit.wire.attempts import CAME, attempts_to_json, coming_from_json, event_from_json
from pipelinekit.wire.values import dumps, loads

STEP = 1_000_000  # by which priorities of runs differ for Dask: more than a driver has bundles on their way
_numbers = itertools.count()

# `cpu`, `gpu`, `memory` and what else there is -> Dask's name for it, and how much the largest worker has
Limits = dict[str, tuple[str, float]]


class DaskCompute:
    """Implements `ports.Compute` on a Dask client.

    `home` is the workspace folder, `maker` the `module:function` that makes a supervisor for it on a worker, given the
    `settings` that say where blobs are kept. There are at most so many `nodes`. `reconnect` gives another client when
    the scheduler was lost; it is called in the driver's thread, since the clients' own may not wait for one.
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
        nodes: int,
        limits: Limits,
        settings: Mapping[str, Any] | None = None,
        everywhere: Mapping[str, float] | None = None,
    ) -> None:
        """`everywhere` is how much every worker has of what is in `limits`; as much as the largest, if not given."""
        self._reconnect = reconnect
        self._sink = sink
        self._home, self._maker = str(home), maker
        self._settings = dict(settings or {})
        self._limits = limits
        self._nodes = nodes
        self._everywhere = dict(everywhere or {kind: amount for kind, (_, amount) in limits.items()})
        self._lock = threading.RLock()
        self._placing = Placing(slots)
        self._whereabouts = Whereabouts()
        self._futures: dict[str, Future[str]] = {}  # of bundles on their way
        self._gangs = DaskGangs(self._live_client, self._home, self._places, self._submit_rank, sink)
        self._closed = False
        self._topic = f"pipelinekit-{next(_numbers)}-{id(self):x}"
        self._adopt(client)

    def _adopt(self, client: Client) -> None:
        self._client = client
        self._can_prefer = bool(self._settings) and can_prefer(client)  # else nodes have no folders of their own
        client.subscribe_topic(self._topic, self._topic_event)

    # -- ports.Compute -----------------------------------------------------------------------------------------------

    def start(self, attempts: Sequence[Attempt]) -> None:
        """Queue attempts; those that no worker can ever take end at once."""
        fit = []
        for attempt in attempts:
            if why := self._unfit(attempt.task):
                failure = Failure("compute", f"step {attempt.step!r} can never run here: {why}")
                self._sink(AttemptEnded(attempt.id, time.time(), 0.0, failure=failure))
            else:
                fit.append(attempt)
        single = [attempt for attempt in fit if attempt.task.nodes == 1]
        left = nodes_of(single, self._live_client(), self._home)
        with self._lock:
            self._placing.add([attempt for attempt in single if attempt.id not in left])
            for attempt in single:
                if attempt.id in left:
                    self._placing.add_at_work(attempt)
                    self._send([attempt], left[attempt.id])
        self._gangs.start([attempt for attempt in fit if attempt.task.nodes > 1])
        if not self._mend():
            self._dispatch()

    def stop(self, attempts: Sequence[str]) -> None:
        """Stop attempts: queued ones at once, others through their supervisor."""
        with self._lock:
            queued, sent = self._placing.stop(attempts)
        self._cancel(queued)
        self._gangs.stop(attempts)
        if sent:
            with suppress(OSError, TimeoutError):
                self._client.run(worker.cancel, self._home, sent, on_error="ignore")
                self._take_back(set(sent))

    def _take_back(self, unwanted: set[str]) -> None:
        """Take back the bundles of these that are on no node: they may wait for one for good."""
        at_work = {str(key) for keys in self._client.processing().values() for key in keys}
        with self._lock:
            futures = [self._futures[key] for key in self._placing.bundles_of(unwanted) if key not in at_work]
        for future in futures:
            key = str(future.key)
            future.cancel()
            with self._lock:
                bundle = self._placing.came_back(key)
                self._whereabouts.came_back(key)
                stopped = self._placing.not_begun(bundle, {attempt.id for attempt in bundle})
            self._cancel(stopped)
        self._dispatch()

    def advance(self) -> bool:
        """Find the cluster again when its scheduler was lost."""
        if self.waiting() and not self._mend():
            self._dispatch()
        return False

    def waiting(self) -> int:
        """How many attempts are queued here."""
        return self._placing.waiting + self._gangs.waiting

    def trouble(self) -> str:
        """That there is no node, or not as many as an attempt asks for."""
        with self._lock:
            is_at_work = self._placing.is_at_work
        needed = max(int(is_at_work), self._gangs.needed)
        if not needed or self._closed:
            return ""
        try:
            if not self._is_connected():
                return "cannot be reached: its scheduler does not answer"
            there = count_workers(self._client)
        except Exception as error:  # of a connection: whatever Dask raises, it is looked for again
            return f"cannot be reached: {type(error).__name__}: {error}"
        return self._why_fewer(there, needed) if there < needed else ""

    def _why_fewer(self, there: int, needed: int) -> str:
        """Why there are fewer nodes than are needed."""
        raise NotImplementedError

    def close(self, *, now: bool = False) -> None:
        """Give the workers back what they hold for us, and disconnect."""
        self._gangs.close()
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
            while self._is_connected() and (bundle := self._placing.next_bundle()):
                self._send(bundle)

    def _is_connected(self) -> bool:
        return not self._closed and self._client.status == "running"

    def _live_client(self) -> Client | None:
        return self._client if self._is_connected() else None

    def _mend(self) -> bool:
        """Connect anew where that is needed and possible, and go on with what is queued; whether it was tried."""
        if not self.waiting() or self._closed or self._is_connected():
            return False
        with suppress(Exception):  # it would go on looking for the scheduler that is gone
            self._client.close(timeout=2)
        try:
            self._adopt(self._reconnect())
        except ComputeError as error:
            with self._lock:
                queued = self._placing.withdraw()
            failure = Failure("compute", error.message, hint=error.hint)
            for attempt in queued:
                self._end(attempt, failure)
            self._gangs.withdraw(failure)
        else:
            self._dispatch()
            self._gangs.look()
        return True

    def _send(self, bundle: list[Attempt], at_work: str = "") -> None:
        """Send a bundle, which one node has already `at_work`."""
        node = at_work or self._preferred(bundle)
        try:
            future = self._submit(bundle, (node, self._request(bundle[0].task.resources)))
        except ClosedClientError:  # meanwhile: it waits for another client
            self._placing.not_sent(bundle)
            return
        self._placing.sent(str(future.key), bundle)
        self._whereabouts.sent(str(future.key), bundle, node)
        self._futures[str(future.key)] = future
        future.add_done_callback(self._bundle_done)

    def _submit(self, bundle: list[Attempt], place: Place, *, must: bool = False) -> Future[str]:
        """Have Dask bring a bundle to a worker that has what it asks for: to the one that is named if that can be.

        Where it `must`, to no other.
        """
        payload = dumps(
            {
                "home": self._home,
                "maker": self._maker,
                "settings": self._settings,
                "topic": self._topic,
                **attempts_to_json(bundle),
            }
        )
        where, request = place
        return self._client.submit(
            worker.run_bundle,
            payload,
            key=f"{KEYS}{bundle[0].id}-{next(_numbers)}",
            pure=False,
            priority=_urgency(bundle[0]) * STEP - self._placing.on_their_way,  # drivers take turns, see below
            resources=request,
            retries=0,
            workers=[where] if where else None,
            allow_other_workers=bool(where) and not must,
        )

    def _submit_rank(self, rank: Attempt, place: Place) -> Future[str]:
        return self._submit([rank], place, must=True)

    def _most_nodes(self) -> int:
        return self._nodes

    def _places(self, attempt: Attempt) -> list[Place]:
        """What each rank of an attempt asks of its node: all cores, so that they come to different ones."""
        request = self._request(attempt.task.resources)
        name, cores = self._limits["cpu"]
        return [("", {**request, name: cores})] * attempt.task.nodes

    def _preferred(self, bundle: list[Attempt]) -> str:
        """The node that had better take a bundle; empty for any.

        Dask gives it there however much that node has to do; where it has gone to any other, whatever that one has
        of what the bundle asks for: so none is named that is busy, nor for what not every worker could take.
        """
        wanted = bundle[0].task.resources.amounts
        if not self._can_prefer or any(
            amount > self._everywhere[kind] for kind, amount in wanted.items() if kind in self._everywhere
        ):
            return ""
        return self._whereabouts.preferred(bundle, self._placing.slots)

    def _bundle_done(self, future: Future[str]) -> None:
        key = str(future.key)
        with self._lock:
            bundle = self._placing.came_back(key)
            self._futures.pop(key, None)
        if self._closed:
            return
        try:
            answer = loads(future.result(timeout=CONNECT_SECONDS))
            with self._lock:  # before what it says is told, as what follows is sent at once
                self._hear(answer)
                self._whereabouts.came_back(key)
            self._take_answer(bundle, answer)
        except KilledWorker as error:
            self._node_died(bundle, error)
        except BaseException as error:  # of a connection, or an answer that is none
            with self._lock:  # Dask forgets the answer of a bundle that is taken back in the moment of its end
                stopped = self._placing.stopped_of(bundle)
            self._cancel(stopped)
            for attempt in bundle:
                self._end(attempt.id, Failure("lost", f"the worker was lost: {type(error).__name__}: {error}"))
        with self._lock:
            self._whereabouts.came_back(key)
        self._dispatch()

    def _take_answer(self, bundle: list[Attempt], answer: dict[str, Any]) -> None:
        unstarted = set(answer["unstarted"])
        for event in answer["events"]:
            self._take_event(event_from_json(event))
        with self._lock:
            unwanted = self._placing.not_begun(bundle, unstarted)
        self._cancel(unwanted)
        for attempt in bundle:
            if attempt.id not in unstarted:
                self._end(attempt.id, Failure("lost", "the worker did not say how the attempt ended"))

    def _node_died(self, bundle: list[Attempt], error: KilledWorker) -> None:
        with self._lock:
            self._whereabouts.forget(error.last_worker.address)
            guilty, unwanted = self._placing.node_died(bundle)
        self._cancel(unwanted)
        if guilty is not None:
            words = f"node {error.last_worker.name} died while it executed attempt {guilty.number}"
            self._end(guilty.id, Failure("node", words))

    def _cancel(self, attempts: Sequence[str]) -> None:
        for attempt in attempts:
            self._end(attempt, Failure("canceled", "the attempt was canceled before its end was known"))

    # -- events ------------------------------------------------------------------------------------------------------

    def take_events(self, events: Sequence[AttemptEvent]) -> None:
        """Events that come ahead of their bundle's answer."""
        for event in events:
            self._take_event(event)

    def _topic_event(self, event: tuple[float, Any]) -> None:
        with suppress(LookupError, TypeError, ValueError):  # what cannot be read says nothing
            if event[1]["events"][0]["event"] == CAME:
                self._gangs.came(coming_from_json(event[1]["events"][0]))
                return
            self._hear(event[1])
            self.take_events([event_from_json(item) for item in event[1]["events"]])

    def _hear(self, message: Mapping[str, Any]) -> None:
        """Note which node it is that says this."""
        node, threads = message["node"], message["threads"]
        if node and isinstance(node, str) and isinstance(threads, int):
            with self._lock:
                self._whereabouts.heard(node, threads, [event_from_json(item) for item in message["events"]])

    def _take_event(self, event: AttemptEvent) -> None:
        if self._gangs.take(event):
            return
        news: AttemptEvent | None = event
        with self._lock:
            if isinstance(event, AttemptEnded):
                news = self._placing.ended(event)
            elif isinstance(event, AttemptStarted):
                news = event if self._placing.started(event.attempt) else None
            elif not self._placing.is_ours(event.attempt):
                news = None
        if news is not None:
            self._sink(news)

    def _end(self, attempt: str, failure: Failure) -> None:
        with self._lock:
            is_news = self._placing.drop(attempt)
        if is_news:
            self._sink(AttemptEnded(attempt, time.time(), 0.0, failure=failure))

    # -- resources ---------------------------------------------------------------------------------------------------

    def _request(self, wanted: Resources) -> dict[str, float]:
        """The Dask resources of one attempt, of those kinds that the workers declare."""
        found = ((self._limits[kind], amount) for kind, amount in wanted.amounts.items() if kind in self._limits)
        return {name: min(amount, limit) for (name, limit), amount in found if amount > 0}

    def _unfit(self, task: Task) -> str:
        """Why no worker, or not as many as it asks for, can ever take an attempt; empty when they can."""
        if task.nodes > 1 and task.nodes > (nodes := self._most_nodes()):
            return f"it asks for {task.nodes} nodes, there are never more than {nodes}"
        wanted = task.resources
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


def is_idle(priority: Sequence[float] | None) -> bool:
    """Whether a task with this priority, as Dask's scheduler has it, is a bundle of idle attempts."""
    return priority is not None and priority[0] > (MOST_PRIORITY + 0.5) * STEP


def _urgency(attempt: Attempt) -> int:
    """What goes first on a cluster that several drivers share: by the priority of their runs, idle attempts last.

    Of equals, who has little on its way goes first.
    """
    return -MOST_PRIORITY - 1 if attempt.idle else attempt.priority
