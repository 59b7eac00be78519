"""Attempts on this machine: as many side by side as its cores and memory allow, each in a step process of its own.

There is no cluster in between: on one machine a queue places attempts as well, starts at once, and costs a second and
sixty megabytes less than a Dask scheduler and worker in this process.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from operator import itemgetter

from pipelinekit.compute.ranks import RanksHere
from pipelinekit.compute.supervisor import Supervisor
from pipelinekit.domain.attempts import Attempt, AttemptEnded, AttemptEvent
from pipelinekit.domain.runs import Failure
from pipelinekit.domain.steps import Resources
from pipelinekit.ports import Sink

THREADS_PER_CORE = 4  # steps may ask for parts of a core
IDLE_SECONDS = 10.0  # after so long a thread that has nothing to do ends
ROUNDING = 1e-9

Queue = tuple[bool, Resources, int]  # attempts that ask for the same, on as many nodes; whether they are idle ones


class LocalCompute:
    """Implements `ports.Compute`. `cores` and `memory` (bytes) are what the attempts that run at once share.

    One that asks for several nodes is so many processes here, which need as many times the room of one.
    """

    def __init__(self, sink: Sink, supervisor: Supervisor, *, cores: float, memory: int) -> None:
        self._sink = sink
        self._supervisor = supervisor
        self._cores, self._memory = cores, memory
        self._free_cores, self._free_memory = cores, memory
        self._most_threads = max(int(cores) * THREADS_PER_CORE, 8)
        self._changed = threading.Condition()
        self._queues: dict[Queue, deque[tuple[int, Attempt]]] = {}
        self._open: dict[str, Attempt] = {}
        self._ranks: dict[str, RanksHere] = {}  # of those attempts that run and have several
        self._queued = 0
        self._number = 0
        self._threads = 0
        self._idle = 0
        self._closed = False

    # -- ports.Compute -----------------------------------------------------------------------------------------------

    def start(self, attempts: Sequence[Attempt]) -> None:
        """Queue attempts; those that can never run here end at once."""
        unfit = []
        with self._changed:
            for attempt in attempts:
                self._open[attempt.id] = attempt
                if why := self._unfit(attempt.task.resources, attempt.task.nodes):
                    unfit.append((attempt, why))
                    continue
                self._number += 1
                place = attempt.idle, attempt.task.resources, attempt.task.nodes
                self._queues.setdefault(place, deque()).append((self._number, attempt))
                self._queued += 1
            self._rouse()
        for attempt, why in unfit:
            self._end(attempt, Failure("compute", f"step {attempt.step!r} can never run here: {why}"))

    def stop(self, attempts: Sequence[str]) -> None:
        """Stop attempts: queued ones at once, others through the supervisor."""
        wanted = set(attempts)
        canceled = []
        with self._changed:
            for place, queue in list(self._queues.items()):
                canceled += [attempt for _, attempt in queue if attempt.id in wanted]
                self._queues[place] = deque(item for item in queue if item[1].id not in wanted)
            self._queued -= len(canceled)
            running = wanted.intersection(self._open) - {attempt.id for attempt in canceled}
            several = [self._ranks[attempt] for attempt in running if attempt in self._ranks]
        for attempt in canceled:
            self._end(attempt, Failure("canceled", "the attempt was canceled before it began"))
        for ranks in several:
            ranks.stop()
        if running:
            self._supervisor.cancel(sorted(running))

    def advance(self) -> bool:
        """Nothing to do in the caller's thread."""
        return False

    def waiting(self) -> int:
        """How many attempts are queued."""
        return self._queued

    def trouble(self) -> str:
        """Nothing: there is always a place."""
        return ""

    def close(self, *, now: bool = False) -> None:
        """Drop what is queued, and end the step processes."""
        with self._changed:
            self._closed = True
            self._queues, self._queued = {}, 0
            self._changed.notify_all()
        self._supervisor.close(now=now)

    # -- threads -----------------------------------------------------------------------------------------------------

    def _rouse(self) -> None:
        """If there is something to do and room for it, let an idle thread do it, or a new one; it rouses the next."""
        if self._head() is None:
            return
        if self._idle:
            self._changed.notify()
        elif self._threads < self._most_threads:
            self._threads += 1
            threading.Thread(target=self._work, name="pipelinekit-step", daemon=True).start()

    def _work(self) -> None:
        """Carry one attempt after another."""
        while (attempt := self._next()) is not None:
            self._run(attempt)
            with self._changed:
                self._free_cores += self._cores_for(attempt.task.resources, attempt.task.nodes)
                self._free_memory += attempt.task.resources.memory_bytes * attempt.task.nodes

    def _run(self, attempt: Attempt) -> None:
        if attempt.task.nodes == 1:
            self._supervisor.run(attempt, self._take_events)
        else:
            self._ranks[attempt.id].run()
            with self._changed:
                del self._ranks[attempt.id]

    def _next(self) -> Attempt | None:
        """The next attempt for which there is room, when there is one; None when this thread is to end."""
        with self._changed:
            while (place := self._head()) is None:
                self._idle += 1
                roused = not self._closed and self._changed.wait(IDLE_SECONDS)
                self._idle -= 1
                if self._closed or not roused:
                    self._threads -= 1
                    return None
            _, resources, nodes = place
            self._free_cores -= self._cores_for(resources, nodes)
            self._free_memory -= resources.memory_bytes * nodes
            self._queued -= 1
            attempt = self._queues[place].popleft()[1]
            if nodes > 1:
                self._ranks[attempt.id] = RanksHere(self._supervisor, attempt, self._take_events)
            self._rouse()
            return attempt

    def _head(self) -> Queue | None:
        """Where the oldest queued attempt stands for which there is room; idle ones come last."""
        heads = [
            (idle, queue[0][0], resources, nodes)
            for (idle, resources, nodes), queue in self._queues.items()
            if queue and self._cores_for(resources, nodes) <= self._free_cores + ROUNDING
            if resources.memory_bytes * nodes <= self._free_memory
        ]
        if not heads:
            return None
        idle, _, resources, nodes = min(heads, key=itemgetter(0, 1))
        return idle, resources, nodes

    # -- events ------------------------------------------------------------------------------------------------------

    def _take_events(self, events: Sequence[AttemptEvent]) -> None:
        for event in events:
            if isinstance(event, AttemptEnded):
                with self._changed:
                    if self._open.pop(event.attempt, None) is None:
                        continue
            self._sink(event)

    def _end(self, attempt: Attempt, failure: Failure) -> None:
        self._take_events([AttemptEnded(attempt.id, time.time(), 0.0, failure=failure)])

    # -- resources ---------------------------------------------------------------------------------------------------

    def _cores_for(self, resources: Resources, nodes: int) -> float:
        """More cores than there are means all of them."""
        return min(resources.cpu * nodes, self._cores)

    def _unfit(self, wanted: Resources, nodes: int) -> str:
        """Why an attempt with these resources can never run here; empty when it can."""
        if wanted.memory_bytes * nodes > self._memory:
            asked = f"{nodes} times " if nodes > 1 else ""
            asked += f"{wanted.memory_bytes / 2**30:.1f}"
            return f"it asks for {asked} GiB of memory, this machine has {self._memory / 2**30:.1f}"
        if wanted.gpu:
            return f"it asks for {wanted.gpu} GPUs, and local steps get none"
        if wanted.named:
            return f"it asks for {', '.join(dict(wanted.named))}, which only nodes of clusters can have"
        return ""
