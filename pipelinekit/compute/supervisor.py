"""Owner of the step processes on one worker: keeps them warm by snapshot and environment, and can stop any attempt.

Attempts arrive in bundles. A bundle that takes long is given back unfinished, so that a long step never holds up others
that were sent with it.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from pipelinekit.classes import frozen, replace
from pipelinekit.compute.deaths import ended_without, failure_of_death, oom_kills, setup_failure
from pipelinekit.compute.node_cache import Hold, NodeCache
from pipelinekit.compute.orphans import PATIENCE_SECONDS, WORTH_KEEPING_SECONDS, ClaimedError, Orphans, Running
from pipelinekit.compute.processes import GRACE_SECONDS, Death, StepProcess, Watchdog
from pipelinekit.compute.reports import Emit, IsGone, Meet, Report
from pipelinekit.compute.secrets import SecretsFor, no_secrets, read_secrets
from pipelinekit.compute.sources import source_folder
from pipelinekit.compute.step_variables import variables_of
from pipelinekit.compute.transfers import Transfers
from pipelinekit.compute.watchdog import end_marked
from pipelinekit.domain.attempts import (
    Attempt,
    AttemptEnded,
    AttemptEvent,
    AttemptStarted,
    LogChunk,
    Task,
    Told,
    split_id,
)
from pipelinekit.domain.runs import Failure
from pipelinekit.errors import ComputeError, PipelinekitError
from pipelinekit.ports import Blobs, Transfer
from pipelinekit.wire.attempts import event_from_json

BUNDLE_SECONDS = 0.25  # after so long, a bundle's remaining attempts are given back
ENTRY = "from pipelinekit.harness.process import main; main()"  # what a step process begins with
ROOM_SECONDS = 5.0  # within which who carries an attempt has made room for the one that goes on with it

PythonFor = Callable[[Attempt], str]


@frozen
class _Kind:
    """What a step process is warm for."""

    python: str
    snapshot: str
    threads: int
    secrets: tuple[tuple[str, int], ...] = ()  # what it was given once stays in its memory


_Wish = tuple[str, str, tuple[str, ...], str, float, tuple[str, ...]]


def _wish(attempt: Attempt) -> _Wish:
    """What decides of which kind a process for an attempt is: its environment, snapshot, cores, secrets."""
    task = attempt.task
    return task.python, task.base, task.lock, task.snapshot, task.resources.cpu, tuple(task.secrets)


class Supervisor:
    """Executes attempts in step processes below `home`, a folder on the file system of the blobs' local files.

    `python_for` gives the interpreter for an attempt's environment, building the environment if needed. `transfer`
    carries blobs between `blobs_folder`, which step processes know, and a store elsewhere. `secrets_for` gives the
    values of its secrets. `cache` keeps what lies below `home` within its room.
    """

    def __init__(
        self,
        home: Path,
        blobs: Blobs,
        blobs_folder: Path,
        python_for: PythonFor | None = None,
        transfer: Transfer | None = None,
        secrets_for: SecretsFor = no_secrets,
        cache: NodeCache | None = None,
    ) -> None:
        self._home = home
        self._transfers = Transfers(blobs, transfer)
        self._blobs_folder = blobs_folder
        self._python_for = python_for or (lambda _: sys.executable)
        self._secrets_for = secrets_for
        self._cache = cache or NodeCache(home)
        self._holds: dict[str, Hold] = {}  # by the mark of a step process
        self._lock = threading.Lock()
        self._quiet = threading.Condition(self._lock)
        self._came = threading.Condition(self._lock)
        self._coming: Counter[_Wish] = Counter()  # processes that are being started ahead of need
        self._last_kind: tuple[Task | None, _Kind] = (None, _Kind("", "", 0))
        self._idle: dict[_Kind, list[StepProcess]] = {}
        self._busy: dict[str, Running] = {}
        self._orphans = Orphans(self._end_orphan)
        self._canceled: set[str] = set()  # attempts, and runs
        self._watchdog: Watchdog | None = None
        self._closed = False
        self._kills = oom_kills()
        self._scratch = home / "scratch" / f"{os.getpid()}"

    # -- attempts ----------------------------------------------------------------------------------------------------

    def run(self, attempt: Attempt, emit: Emit) -> None:
        """Execute an attempt and tell what happens to it; the last event is that it has ended."""
        report = Report(emit)
        report.add(self._run(attempt, report))
        report.flush()

    def run_bundle(
        self,
        attempts: Sequence[Attempt],
        emit: Emit,
        *,
        announce: bool = False,
        cluster: Mapping[str, Any] | None = None,
        meet: Meet | None = None,
        is_gone: IsGone | None = None,
    ) -> tuple[list[AttemptEvent], list[str]]:
        """Execute attempts one after another: the events not yet emitted, and the ids of those that were not begun.

        With `announce` the beginning of the first is emitted at once. `cluster` is where their code may be a client. Of
        an attempt on several nodes this is one rank: `meet` lets it wait for the others once it is ready. `is_gone`
        says whether who sent them is; without it nobody goes on with what that one leaves.
        """
        report = Report(emit, announce=announce)
        report.cluster, report.meet, report.is_gone = cluster, meet, is_gone
        began = time.monotonic()
        for position, attempt in enumerate(attempts):
            if position and time.monotonic() - began > BUNDLE_SECONDS:
                return report.rest(), [item.id for item in attempts[position:]]
            report.add(self._run(attempt, report))
        return report.rest(), []

    def cancel(self, attempts: Sequence[str]) -> None:
        """Stop running attempts, and keep queued ones of this worker from starting."""
        with self._lock:
            self._canceled.update(attempts)
            running = [self._busy[attempt] for attempt in attempts if attempt in self._busy]
        for each in running:
            each.process.stop("canceled")
        self._orphans.stop(attempts)

    def end_run(self, run: str, *, for_good: bool) -> None:
        """Stop what is at work of a run, whoever has sent it; when it returns, that is gone.

        Where the run has ended `for_good`, no more of it begins here.
        """

        def at_work() -> list[Running]:
            return [running for running in self._busy.values() if running.attempt.run == run]

        with self._lock:
            self._canceled.update([run] if for_good else ())
            found = at_work()
        for running in found:
            running.process.stop("canceled")
        self._orphans.end_run(run)
        with self._quiet:
            self._quiet.wait_for(lambda: not at_work(), timeout=GRACE_SECONDS + 1.0)
        self._orphans.end_run(run)  # who made room meanwhile for a driver that had asked

    def leave(self, attempts: Sequence[str]) -> None:
        """Who sent these is gone: those at work that outlive it go on for a while, the others are stopped."""
        until = time.monotonic() + PATIENCE_SECONDS
        with self._lock:
            left = [self._busy[attempt] for attempt in attempts if attempt in self._busy]
            left = [running for running in left if running.can_change_hands]
            for running in left:
                running.until = until
        stay = {running.attempt.id for running in left}
        self.cancel([attempt for attempt in attempts if attempt not in stay])

    def claim(self, attempts: Sequence[str]) -> list[str]:
        """Those of these attempts that go on with one here, of an earlier driver: who carries that one makes room."""
        wanted = {split_id(attempt)[:2]: attempt for attempt in attempts}
        found = self._orphans.among(attempts)
        with self._lock:
            for running in self._busy.values():
                attempt = wanted.get(running.place, "")
                if attempt and running.is_before(attempt) and running.can_change_hands:
                    running.claimed = True
                    found.append(attempt)
        return found

    def prepare(self, attempt: Attempt, modules: Sequence[str], count: int) -> None:
        """Start processes ahead of need, for attempts like this one; those wait for them."""
        with self._lock:
            self._coming[_wish(attempt)] += count
        for _ in range(count):
            threading.Thread(target=self._prepare_one, args=(attempt, modules), daemon=True).start()

    def close(self, *, now: bool = False) -> None:
        """Stop every process; without `now` running ones get the usual grace."""
        with self._lock:
            self._closed = True
            idle = [process for processes in self._idle.values() for process in processes]
            busy = list(self._busy.values())
            self._idle = {}
        for running in busy:
            running.process.stop("canceled", grace=0.0 if now else GRACE_SECONDS)
        self._orphans.end_run()
        self._retire(*idle, now=now)
        with self._quiet:
            self._quiet.wait_for(lambda: not self._busy, timeout=GRACE_SECONDS + 1.0)
        shutil.rmtree(self._scratch, ignore_errors=True)
        if self._watchdog is not None:
            self._watchdog.close()

    def retire_idle(self) -> None:
        """End the processes that execute nothing; new ones start when they are needed."""
        with self._lock:
            idle = [process for processes in self._idle.values() for process in processes]
            self._idle = {}
        self._retire(*idle)

    # -- one attempt -------------------------------------------------------------------------------------------------

    def _run(self, attempt: Attempt, report: Report) -> AttemptEnded:
        if attempt.continues and attempt.rank is None and (left := self._take_over(attempt)) is not None:
            return self._go_on(left, attempt, report)
        began = time.time()
        try:
            process, kind = self._acquire(attempt)
        except (PipelinekitError, OSError) as error:
            return ended_without(attempt, began, setup_failure(error))
        identity = attempt.id
        if unavailable := self._transfers.bring_inputs(attempt):
            self._release(identity, process, kind)
            return replace(ended_without(attempt, began, unavailable.failure), damaged=unavailable.damaged)
        running = Running(attempt, process, kind, began)
        with self._lock:
            self._busy[identity] = running
            canceled = self._is_unwanted(attempt)
        if canceled:
            self._release(identity, process, kind)
            return ended_without(attempt, began, Failure("canceled", "the attempt was canceled before it began"))
        given, refused = read_secrets(attempt, self._secrets_for)
        if refused is not None:
            self._release(identity, process, kind)
            return ended_without(attempt, began, refused)
        if report.meet is not None:
            met = report.meet(attempt, lambda: not self._is_unwanted(attempt))
            if met is None:
                self._release(identity, process, kind, spoiled=True)
                return ended_without(attempt, began, Failure("canceled", "the attempt was canceled before it began"))
            attempt, running.began = met, time.time()
        report.add(AttemptStarted(identity, running.began))
        process.begin(attempt, given, report.cluster)
        running.has_begun = True
        return self._carry(running, report)

    def _is_unwanted(self, attempt: Attempt) -> bool:
        return self._closed or attempt.id in self._canceled or attempt.run in self._canceled

    def _carry(self, running: Running, report: Report) -> AttemptEnded:
        """Wait for the end of an attempt that is at work."""
        attempt, identity = running.attempt, running.attempt.id
        keeps = report.is_gone is not None and attempt.outlives

        def tell(event: LogChunk | Told) -> None:
            if keeps:
                running.tell(event)
            report.now(event)

        def on_told(message: Mapping[str, Any]) -> None:
            told = event_from_json(message)
            assert isinstance(told, Told)
            tell(told if told.attempt == identity else replace(told, attempt=identity))

        try:
            outcome = running.process.carry(
                on_log=lambda stream, text: tell(LogChunk(identity, stream, text)),
                on_told=on_told,
                on_tick=lambda: self._tick(running, report),
            )
        except ClaimedError:
            return self._make_room(running)
        if isinstance(outcome, Death):
            self._forget(identity, running.process)
            failure = failure_of_death(attempt, outcome, self._was_out_of_memory())
            ended = ended_without(attempt, running.began, failure, outcome)
        else:
            self._release(identity, running.process, running.kind, spoiled=outcome.get("spoiled", False))
            told = event_from_json(outcome)
            assert isinstance(told, AttemptEnded)
            ended = self._transfers.take_outputs(told if told.attempt == identity else replace(told, attempt=identity))
        if keeps and (ended.seconds > WORTH_KEEPING_SECONDS or (report.is_gone is not None and report.is_gone())):
            self._orphans.keep_end(running, ended)
        return ended

    # -- drivers that are gone ---------------------------------------------------------------------------------------

    def _tick(self, running: Running, report: Report) -> None:
        report.flush_if_due()
        if running.until is not None and time.monotonic() > running.until:
            running.until = None
            running.process.stop("canceled")
        if running.claimed and not running.process.is_stopping:
            raise ClaimedError

    def _make_room(self, running: Running) -> AttemptEnded:
        with self._lock:
            self._orphans.keep(running)
            self._end_busy(running.attempt.id)
        failure = Failure("lost", "the run's next driver has taken the attempt over")
        return ended_without(running.attempt, running.began, failure)

    def _take_over(self, attempt: Attempt) -> Running | None:
        """The attempt that this one goes on with, once who carries it has made room."""

        def is_left() -> bool:
            return not any(running.claimed and running.is_before(attempt.id) for running in self._busy.values())

        with self._lock:
            self._came.wait_for(is_left, timeout=ROOM_SECONDS)
        return self._orphans.take(attempt)

    def _go_on(self, left: Running, attempt: Attempt, report: Report) -> AttemptEnded:
        for event in left.hand_to(attempt):
            report.now(event)
        if left.ended is not None:
            return replace(left.ended, attempt=attempt.id)
        with self._lock:
            self._busy[attempt.id] = left
            canceled = self._is_unwanted(attempt)
        if canceled:
            left.process.stop("canceled")
        return self._carry(left, report)

    def _end_orphan(self, running: Running) -> None:
        if running.ended is None:
            self._retire(running.process, now=True)

    # -- step processes ----------------------------------------------------------------------------------------------

    def _was_out_of_memory(self) -> bool:
        """Whether the kernel has killed processes for want of memory since this was asked last."""
        before, self._kills = self._kills, oom_kills()
        return self._kills > before

    def _acquire(self, attempt: Attempt) -> tuple[StepProcess, _Kind]:
        kind = self._kind(attempt)
        wish = _wish(attempt)
        with self._lock:
            self._came.wait_for(lambda: self._closed or self._idle.get(kind) or not self._coming[wish])
            if self._closed:
                raise ComputeError("the worker is shutting down")
            ready = self._idle.get(kind)
            if ready:
                return ready.pop(), kind
            spare = [other for other in self._idle.values() if other]
            retired = spare[0].pop() if spare else None
        if retired is not None:
            self._retire(retired)
        return self._start(attempt, kind, modules_of([attempt])), kind

    def _kind(self, attempt: Attempt) -> _Kind:
        task, known = self._last_kind
        if task is not attempt.task:
            task = attempt.task
            python, cores = self._python_for(attempt), math.ceil(task.resources.cpu)
            known = _Kind(python, task.snapshot, cores, tuple(task.secrets.items()))
            self._last_kind = (task, known)
        return known

    def _start(self, attempt: Attempt, kind: _Kind, modules: Sequence[str]) -> StepProcess:
        with ExitStack() as undo:
            hold = self._cache.hold(source_folder(self._home, kind.snapshot), kind.python)
            undo.callback(hold.let_go)
            if not Path(kind.python).exists():  # another worker needed its room, before it was held here
                self._python_for(attempt)
            process = self._start_held(kind, modules)
            with self._lock:
                self._holds[process.mark] = hold
            undo.pop_all()
        self._cache.trim()
        return process

    def _start_held(self, kind: _Kind, modules: Sequence[str]) -> StepProcess:
        source = self._transfers.bring_source(self._home, kind.snapshot)
        self._make_scratch()
        setup = {
            "blobs": str(self._blobs_folder),
            "source": str(source),
            "scratch": str(self._scratch),
            "pycache": str(self._home / "pycache"),
            "modules": list(modules),
        }
        command = [kind.python, "-P", "-u", "-c", ENTRY]
        process = StepProcess(
            command, variables_of(kind.python, kind.threads, self._home, self._scratch), setup, self._scratch
        )
        with self._lock:
            if self._watchdog is None:
                self._watchdog = Watchdog()
        self._watchdog.tell("+", process)
        return process

    def _prepare_one(self, attempt: Attempt, modules: Sequence[str]) -> None:
        process = None
        with suppress(PipelinekitError, OSError):  # whoever needs the process meets the same error, and tells it
            kind = self._kind(attempt)
            process = self._start(attempt, kind, modules)
        with self._lock:
            self._coming[_wish(attempt)] -= 1
            self._came.notify_all()
            if process is not None and not self._closed:
                self._idle.setdefault(kind, []).append(process)
                return
        if process is not None:
            self._retire(process, now=True)

    def _release(self, attempt: str, process: StepProcess, kind: _Kind, *, spoiled: bool = False) -> None:
        with self._lock:
            self._end_busy(attempt)
            if not self._closed and not spoiled:
                self._idle.setdefault(kind, []).append(process)
                return
        self._retire(process, now=True)

    def _forget(self, attempt: str, process: StepProcess) -> None:
        with self._lock:
            self._end_busy(attempt)
            hold = self._holds.pop(process.mark, Hold())
        hold.let_go()
        process.clear()
        if self._watchdog is not None:
            self._watchdog.tell("-", process)

    def _end_busy(self, attempt: str) -> None:
        running = self._busy.pop(attempt, None)
        self._canceled.discard(attempt)
        if running is not None and running.claimed:
            self._came.notify_all()
        self._quiet.notify_all()

    def _retire(self, *processes: StepProcess, now: bool = False) -> None:
        for process in processes:
            process.close(now=now)
        if processes:
            end_marked({process.mark for process in processes})
            with self._lock:
                holds = [self._holds.pop(process.mark, Hold()) for process in processes]
            for hold in holds:
                hold.let_go()
        if self._watchdog is not None:
            for process in processes:
                self._watchdog.tell("-", process)

    def _make_scratch(self) -> None:
        """This process's scratch folder; those that dead processes left behind are removed."""
        if self._scratch.is_dir():
            return
        self._scratch.mkdir(parents=True, exist_ok=True)
        for folder in self._scratch.parent.iterdir():
            if folder.name.isdigit() and Path("/proc").is_dir() and not Path("/proc", folder.name).exists():
                shutil.rmtree(folder, ignore_errors=True)


def modules_of(attempts: Sequence[Attempt]) -> list[str]:
    """The modules that these attempts import."""
    return sorted({attempt.task.entry.partition(":")[0] for attempt in attempts if attempt.task.kind == "python"})
