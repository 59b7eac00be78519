"""The turns of a run in which something must be decided: wait for what happens, decide, record, then act.

They keep nothing that is not in the records (see `runtime.driver`).
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from pipelinekit.domain.attempts import Attempt, AttemptEnded, LogChunk, Told, attempt_id
from pipelinekit.domain.names import IN_PROCESS, LOCAL
from pipelinekit.domain.runs import Failure, RunRecord, RunStatus
from pipelinekit.domain.texts import seconds_text
from pipelinekit.engine import events
from pipelinekit.engine.orchestrator import Orchestrator
from pipelinekit.errors import ComputeError, LeaseLostError, PipelinekitError, UsageError
from pipelinekit.ports import Clock, Compute, DriverRecords, Files, Sink
from pipelinekit.runtime.observer import Observer
from pipelinekit.runtime.performer import Handover, Performer
from pipelinekit.runtime.records import Records
from pipelinekit.runtime.troubles import Troubles

HEARTBEAT_SECONDS = 5.0
GATHER_SECONDS = 0.05
ABORT_SECONDS = 2.0
ANEW = "compile or publish it again with what is installed now, or give the step an environment of its own"
IDLE_SECONDS = 0.5  # longest wait before a turn looks whether somebody asked for the run to be canceled

MakeCompute = Callable[[str, Sink, Sequence[Attempt]], Compute]
OpenDriving = Callable[[], DriverRecords]
OpenFiles = Callable[[], Files]
EndLeft = Callable[[str, str, bool], None]  # ends what of a run is at work on a target; whether none may begin any more


class Turns:
    """One run in progress, under the lease that its record names.

    `make_compute` makes a compute target when something must execute on it: by name, with the sink for its events and
    the attempts that it will get first. `open_driving` opens records on a connection of its own, for the heartbeat.
    `end_left` is called for the targets of a run that stops: what an earlier driver has begun there, or was lost, may
    be at work still.
    """

    def __init__(
        self,
        run: RunRecord,
        orchestrator: Orchestrator,
        performer: Performer,
        records: Records,
        clock: Clock,
        make_compute: MakeCompute,
        open_driving: OpenDriving,
        observer: Observer,
        end_left: EndLeft | None = None,
    ) -> None:
        self._run = run
        self._orchestrator = orchestrator
        self._performer = performer
        self._records = records
        self._clock = clock
        self._make_compute = make_compute
        self._open_driving = open_driving
        self._observer = observer
        self._end_left = end_left
        self._left: set[str] = set()  # targets on which something may be at work that this driver does not see
        self._queue: queue.SimpleQueue[LogChunk | Told | events.Event] = queue.SimpleQueue()
        self._computes: dict[str, Compute] = {}
        self._targets: dict[str, str] = {}
        self._reached = ""  # the compute target that is reached for just now
        self._troubles = Troubles(run.id, run.epoch, open_driving, self._trouble)
        self._told_trouble = ""
        self._has_told = False
        self._until = run.started_at + run.options.max_seconds if run.started_at and run.options.max_seconds else None
        self._lost = threading.Event()
        self._leaving = False  # no event: a signal handler sets it, which must take no lock
        self._done = threading.Event()
        self._heartbeat: threading.Thread | None = None

    def cancel(self) -> None:
        """Ask for the run to be ended; may be called from a signal handler."""
        self._queue.put(events.CancelRequested())

    def hand_back(self) -> None:
        """Let another driver take the run up; may be called from a signal handler."""
        self._leaving = True
        self._queue.put(events.Woken(""))

    def abort(self) -> None:
        """End every process at once, without grace; the run is left to be recovered.

        May be called from a signal handler: what it interrupted may hold locks that closing takes. So another thread
        closes, and is not waited for longer than a few seconds; processes of steps end when this one has ended.
        """
        closing = threading.Thread(target=self._close_at_once, daemon=True)
        closing.start()
        closing.join(ABORT_SECONDS)

    def _close_at_once(self) -> None:
        for compute in list(self._computes.values()):
            compute.close(now=True)

    def drive(self) -> RunStatus:
        """Drive the run to its end. Raises LeaseLostError when another driver has taken it over."""
        try:
            handover = self._perform(self._first())
            while True:
                self._hand_over(handover)
                if handover.finished is not None:
                    self._see_to_what_is_left()
                    if self._has_told:
                        self._records.facts().end_children(self._run.owner)
                    return handover.finished
                handover = self._turn()
        finally:
            self._close()

    def _first(self) -> list[events.Instruction]:
        """What there is to do at first; nothing begins of a run that is to be canceled."""
        if self._run.epoch > 1 and self._run.detached:
            self._left = self._performer.targets_at_work()
        if self._run.cancel_requested:
            return self._orchestrator.handle(events.CancelRequested())
        return self._orchestrator.start()

    def _perform(self, instructions: list[events.Instruction]) -> Handover:
        self._see_to_what_is_left()
        return self._performer.perform(self._orchestrator, instructions)

    def _see_to_what_is_left(self) -> None:
        """Once the run stops, or has failed, end what was begun by an earlier driver, or was lost; before it ends.

        Where it is not recorded that the run is to be canceled, the next driver may have to begin something again.
        """
        is_over = self._orchestrator.stopping or self._orchestrator.finished is RunStatus.FAILED
        if not self._left or not is_over or not self._run.detached or self._end_left is None:
            return
        self._beat()
        is_canceled = self._records.runs.get(self._run.id).cancel_requested
        while self._left:
            with suppress(PipelinekitError):  # of one that cannot be reached nothing goes on for long
                self._end_left(self._left.pop(), self._run.id, is_canceled)

    def _note_lost(self, happened: Iterable[object]) -> None:
        """An attempt that was lost may be at work still, cut off from here."""
        lost = [
            event for event in happened if isinstance(event, AttemptEnded) and event.failure and event.failure.is_lost
        ]
        self._left.update({self._targets[event.attempt] for event in lost if event.attempt in self._targets})
        self._left -= {LOCAL, IN_PROCESS}

    # -- one turn ----------------------------------------------------------------------------------------------------

    def _turn(self) -> Handover:
        """Wait for something to happen, and perform everything that follows from it in one transaction."""
        happened = self._wait()
        if self._lost.is_set():
            raise LeaseLostError(f"run {self._run.id} was taken over by another process")
        if self._leaving:
            self._records.driving.hand_back(self._run.id, self._run.epoch)
            raise LeaseLostError(f"run {self._run.id} was handed back: another driver takes it up")
        if not happened and self._records.runs.get(self._run.id).cancel_requested:
            happened = [events.CancelRequested()]
        happened += self._overdue()
        self._note_lost(happened)
        self._keep_logs([event for event in happened if isinstance(event, LogChunk)])
        self._keep_told([event for event in happened if isinstance(event, Told)])
        woken = self._performer.due(self._clock.now())
        instructions = self._orchestrator.handle(
            *(event for event in happened if not isinstance(event, LogChunk | Told)), *woken
        )
        return self._perform(instructions)

    def _wait(self) -> list[LogChunk | Told | events.Event]:
        if any(compute.advance() for compute in self._computes.values()):
            return self._drain()
        until = [time for time in (self._performer.next_timer(), self._until) if time is not None]
        seconds = min(max(min(until) - self._clock.now(), 0.0), IDLE_SECONDS) if until else IDLE_SECONDS
        try:
            first = self._queue.get(timeout=seconds)
        except queue.Empty:
            self._tell_trouble()
            self._observer.waiting()
            return []
        self._gather()
        return [first, *self._drain()]

    def _tell_trouble(self) -> None:
        if self._troubles.told != self._told_trouble:
            self._told_trouble = self._troubles.told
            self._observer.waits(self._told_trouble)

    def _trouble(self) -> str:
        """What steps wait for at compute targets that can take none of them; empty for nothing."""
        found = [(self._reached, "has not answered yet")] if self._reached else []
        found += [(target, why) for target, compute in list(self._computes.items()) if (why := compute.trouble())]
        return "; ".join(f"compute target {target!r} {why}" for target, why in found)

    def _overdue(self) -> list[events.Event]:
        """The run is canceled, once, when it has taken as long as it may."""
        if self._until is None or self._clock.now() < self._until:
            return []
        self._until = None
        words = f"the run had taken {seconds_text(self._run.options.max_seconds)}, as long as it may"
        return [events.CancelRequested(Failure("timeout", words))]

    def _gather(self) -> None:
        """Let more happen while nothing could be started anyway: what comes in quick succession is recorded at once."""
        until = time.monotonic() + GATHER_SECONDS
        while time.monotonic() < until and any(compute.waiting() for compute in self._computes.values()):
            time.sleep(GATHER_SECONDS / 10)

    def _drain(self) -> list[LogChunk | Told | events.Event]:
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

    def _keep_told(self, told: list[Told]) -> None:
        if told:
            self._has_told = True
            self._records.facts().tell(told)

    # -- after the commit --------------------------------------------------------------------------------------------

    def _hand_over(self, handover: Handover) -> None:
        if handover.changes:
            self._observer.changed(handover.changes)
        if handover.starts:
            self._beat()
            attempts = []
            for start in handover.starts:
                attempt = self._performer.attempt(start, os.environ)
                if why := self._performer.variable_problem(start, os.environ):
                    self._refuse([attempt], Failure("environment", why))
                elif why := self._performer.software_problem(attempt):
                    self._refuse([attempt], Failure("environment", f"step {start.step!r}: {why}", hint=ANEW))
                else:
                    attempts.append(attempt)
            for target in dict.fromkeys(attempt.task.compute for attempt in attempts):
                self._start(target, [attempt for attempt in attempts if attempt.task.compute == target])
        if handover.stops:
            self._stop(handover.stops)

    def _start(self, target: str, attempts: list[Attempt]) -> None:
        self._targets.update((attempt.id, target) for attempt in attempts)
        if target not in (LOCAL, IN_PROCESS):
            self._troubles.watch()
        try:
            if target not in self._computes:
                self._reached = target
                self._computes[target] = self._make_compute(target, self._queue.put, attempts)
            self._computes[target].start(attempts)
        except (ComputeError, UsageError) as error:
            self._refuse(attempts, Failure("compute", error.message, hint=error.hint))
        finally:
            self._reached = ""

    def _refuse(self, attempts: Iterable[Attempt], failure: Failure) -> None:
        for attempt in attempts:
            self._queue.put(AttemptEnded(attempt.id, self._clock.now(), 0.0, failure=failure))

    def _stop(self, stops: list[events.Stop]) -> None:
        wanted = [attempt_id(self._run.id, stop.step, stop.attempt) for stop in stops]
        for target, compute in self._computes.items():
            compute.stop([attempt for attempt in wanted if self._targets.get(attempt) == target])

    def _close(self) -> None:
        self._done.set()
        self._troubles.close()
        for compute in self._computes.values():
            compute.close(now=self._lost.is_set() or self._leaving)
        if self._heartbeat is not None:
            self._heartbeat.join(timeout=HEARTBEAT_SECONDS)

    # -- heartbeat ---------------------------------------------------------------------------------------------------

    def _beat(self) -> None:
        if self._heartbeat is None:
            self._heartbeat = threading.Thread(target=self._beat_until_done, daemon=True)
            self._heartbeat.start()

    def _beat_until_done(self) -> None:
        driving: DriverRecords | None = None
        until = time.monotonic() + HEARTBEAT_SECONDS
        while not self._done.wait(max(until - time.monotonic(), 0.05)):
            until = time.monotonic() + HEARTBEAT_SECONDS
            try:
                driving = driving or self._open_driving()
                driving.renew(self._run.id, self._run.epoch)
            except LeaseLostError:
                self._lost.set()
                return
            except PipelinekitError:
                continue  # the lease outlasts several beats; who loses it is told by the next write
