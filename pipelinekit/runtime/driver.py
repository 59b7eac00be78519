"""The driver of one run: holds its lease, waits for what happens, and lets the orchestrator decide.

It keeps nothing that is not in the records: killed at any moment, it leaves a run that can be told to be lost, and
completions that the next run reuses.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from pipelinekit.domain.attempts import Attempt, AttemptEnded, LogChunk, attempt_id
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.runs import Failure, RunRecord, RunStatus, StepRecord
from pipelinekit.errors import ComputeError, LeaseLostError, NotFoundError, PipelinekitError, UsageError
from pipelinekit.late import late
from pipelinekit.ports import Blobs, Clock, Compute, DriverRecords, Files, Sink
from pipelinekit.runtime.carrying import Carried, carry_over
from pipelinekit.runtime.records import Records
from pipelinekit.wire.graphs import parse_graph

if TYPE_CHECKING:
    from pipelinekit.engine import events
    from pipelinekit.engine import orchestrator as orchestrating
    from pipelinekit.runtime import performer as performing
else:
    events = late("pipelinekit.engine.events")
    orchestrating = late("pipelinekit.engine.orchestrator")
    performing = late("pipelinekit.runtime.performer")

HEARTBEAT_SECONDS = 5.0
GATHER_SECONDS = 0.05
IDLE_SECONDS = 0.5  # longest wait before the driver looks whether somebody asked it to cancel


class Observer(Protocol):
    """Somebody who watches a run: told of every change after it has been recorded."""

    def begun(self, run: RunRecord, graph: Graph) -> None:
        """The driver has taken the run."""

    def carried(self, carried: Carried, read: Callable[[], Sequence[StepRecord]]) -> None:
        """So many step runs were carried over from an earlier run; `read` gives them."""

    def changed(self, changes: Sequence[StepRecord]) -> None:
        """These step runs stand so now."""

    def logged(self, chunks: Sequence[LogChunk]) -> None:
        """Attempts wrote this."""

    def waiting(self) -> None:
        """Nothing new; called at least twice a second."""


MakeCompute = Callable[[str, Sink, Sequence[Attempt]], Compute]
OpenDriving = Callable[[], DriverRecords]


class Driver:
    """Drives runs, one at a time.

    `make_compute` makes a compute target when something must execute on it: by name, with the sink for its events and
    the attempts that it will get first. `open_driving` opens records on a connection of its own, for the heartbeat.
    """

    def __init__(
        self,
        owner: str,
        records: Records,
        blobs: Blobs,
        clock: Clock,
        files: Files,
        make_compute: MakeCompute,
        open_driving: OpenDriving,
        observer: Observer,
    ) -> None:
        self._owner = owner
        self._records = records
        self._blobs = blobs
        self._clock = clock
        self._files = files
        self._make_compute = make_compute
        self._open_driving = open_driving
        self._observer = observer
        self._queue: queue.SimpleQueue[LogChunk | events.Event] = queue.SimpleQueue()
        self._computes: dict[str, Compute] = {}
        self._targets: dict[str, str] = {}
        self._lost = threading.Event()
        self._done = threading.Event()
        self._heartbeat: threading.Thread | None = None

    def cancel(self) -> None:
        """Ask for the run to be ended; may be called from a signal handler."""
        self._queue.put(events.CancelRequested())

    def abort(self) -> None:
        """End every process at once, without grace; the run is left to be recovered."""
        for compute in self._computes.values():
            compute.close(now=True)

    def drive(self, run_id: str, graph: Graph | None = None) -> RunStatus:
        """Take the run and drive it to its end. Raises LeaseLostError when it belongs to another driver.

        `graph` is the run's graph where it is at hand; else it is read from the records.
        """
        run = self._records.driving.take(run_id, self._owner)
        graph = graph or self._graph(run)
        self._observer.begun(run, graph)
        carried = self._carry_over(run, graph)
        if carried.outputs is not None:
            return RunStatus.COMPLETED
        orchestrator = orchestrating.Orchestrator(run.id, graph, run.arguments, run.options, run.paths, carried.steps)
        performer = performing.Performer(run, graph, self._records, self._blobs, self._clock, self._files)
        try:
            handover = performer.perform(orchestrator, orchestrator.start())
            while True:
                self._hand_over(run, performer, handover)
                if handover.finished is not None:
                    return handover.finished
                handover = self._turn(run, orchestrator, performer)
        finally:
            self._close()

    def _carry_over(self, run: RunRecord, graph: Graph) -> Carried:
        """Take over what stands as it stood; a run that is carried as a whole ends with it."""
        records = self._records
        with records.batch():
            found = carry_over(run, graph, records.carrying, records.reuse, records.documents, self._blobs)
            if found.outputs is not None:
                records.driving.finish(run.id, run.epoch, RunStatus.COMPLETED, found.outputs, None)
        if found.counts:
            self._observer.carried(found, lambda: records.runs.steps(run.id))
        return found

    def _graph(self, run: RunRecord) -> Graph:
        found = self._records.documents.get([run.graph])
        if run.graph not in found:
            raise NotFoundError(f"the graph {run.graph} of run {run.id} is not in the records")
        return parse_graph(found[run.graph], f"the graph of run {run.id}")

    # -- one turn ----------------------------------------------------------------------------------------------------

    def _turn(
        self, run: RunRecord, orchestrator: orchestrating.Orchestrator, performer: performing.Performer
    ) -> performing.Handover:
        """Wait for something to happen, and perform everything that follows from it in one transaction."""
        happened = self._wait(performer)
        if self._lost.is_set():
            raise LeaseLostError(f"run {run.id} was taken over by another process")
        if not happened and self._records.runs.get(run.id).cancel_requested:
            happened = [events.CancelRequested()]
        self._keep_logs([event for event in happened if isinstance(event, LogChunk)])
        woken = [events.Woken(step) for step in performer.due(self._clock.now())]
        instructions = orchestrator.handle(*(event for event in happened if not isinstance(event, LogChunk)), *woken)
        return performer.perform(orchestrator, instructions)

    def _wait(self, performer: performing.Performer) -> list[LogChunk | events.Event]:
        if any(compute.advance() for compute in self._computes.values()):
            return self._drain()
        timer = performer.next_timer()
        seconds = IDLE_SECONDS if timer is None else min(max(timer - self._clock.now(), 0.0), IDLE_SECONDS)
        try:
            first = self._queue.get(timeout=seconds)
        except queue.Empty:
            self._observer.waiting()
            return []
        self._gather()
        return [first, *self._drain()]

    def _gather(self) -> None:
        """Let more happen while nothing could be started anyway: what comes in quick succession is recorded at once."""
        until = time.monotonic() + GATHER_SECONDS
        while time.monotonic() < until and any(compute.waiting() for compute in self._computes.values()):
            time.sleep(GATHER_SECONDS / 10)

    def _drain(self) -> list[LogChunk | events.Event]:
        found = []
        while True:
            try:
                found.append(self._queue.get_nowait())
            except queue.Empty:
                return found

    def _keep_logs(self, chunks: list[LogChunk]) -> None:
        if chunks:
            self._records.logs.append(chunks, self._clock.now())
            self._observer.logged(chunks)

    # -- after the commit --------------------------------------------------------------------------------------------

    def _hand_over(self, run: RunRecord, performer: performing.Performer, handover: performing.Handover) -> None:
        if handover.changes:
            self._observer.changed(handover.changes)
        if handover.starts:
            self._beat(run)
            attempts = []
            for start in handover.starts:
                attempt = performer.attempt(start, os.environ)
                if why := performer.variable_problem(start, os.environ):
                    self._refuse([attempt], Failure("environment", why))
                else:
                    attempts.append(attempt)
            for target in dict.fromkeys(attempt.task.compute for attempt in attempts):
                self._start(target, [attempt for attempt in attempts if attempt.task.compute == target])
        if handover.stops:
            self._stop(run, handover.stops)

    def _start(self, target: str, attempts: list[Attempt]) -> None:
        self._targets.update((attempt.id, target) for attempt in attempts)
        try:
            if target not in self._computes:
                self._computes[target] = self._make_compute(target, self._queue.put, attempts)
            self._computes[target].start(attempts)
        except (ComputeError, UsageError) as error:
            self._refuse(attempts, Failure("compute", error.message, hint=error.hint))

    def _refuse(self, attempts: Iterable[Attempt], failure: Failure) -> None:
        for attempt in attempts:
            self._queue.put(AttemptEnded(attempt.id, self._clock.now(), 0.0, failure=failure))

    def _stop(self, run: RunRecord, stops: list[events.Stop]) -> None:
        wanted = [attempt_id(run.id, stop.step, stop.attempt) for stop in stops]
        for target, compute in self._computes.items():
            compute.stop([attempt for attempt in wanted if self._targets.get(attempt) == target])

    def _close(self) -> None:
        self._done.set()
        for compute in self._computes.values():
            compute.close(now=self._lost.is_set())
        if self._heartbeat is not None:
            self._heartbeat.join(timeout=HEARTBEAT_SECONDS)

    # -- heartbeat ---------------------------------------------------------------------------------------------------

    def _beat(self, run: RunRecord) -> None:
        if self._heartbeat is None:
            self._heartbeat = threading.Thread(target=self._beat_until_done, args=(run,), daemon=True)
            self._heartbeat.start()

    def _beat_until_done(self, run: RunRecord) -> None:
        driving: DriverRecords | None = None
        until = time.monotonic() + HEARTBEAT_SECONDS
        while not self._done.wait(max(until - time.monotonic(), 0.05)):
            until = time.monotonic() + HEARTBEAT_SECONDS
            try:
                driving = driving or self._open_driving()
                driving.renew(run.id, run.epoch)
            except LeaseLostError:
                self._lost.set()
                return
            except PipelinekitError:
                continue  # the lease outlasts several beats; who loses it is told by the next write
