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
from functools import cache
from pathlib import Path
from typing import Any

from pipelinekit.classes import frozen, replace
from pipelinekit.compute.node_cache import Hold, NodeCache
from pipelinekit.compute.processes import GRACE_SECONDS, Death, StepProcess, Watchdog
from pipelinekit.compute.secrets import SecretsFor, no_secrets, read_secrets
from pipelinekit.compute.sources import source_folder
from pipelinekit.compute.transfers import Transfers
from pipelinekit.compute.watchdog import end_marked
from pipelinekit.domain.attempts import Attempt, AttemptEnded, AttemptEvent, AttemptStarted, LogChunk, Task
from pipelinekit.domain.digests import PREFIX, digest
from pipelinekit.domain.runs import Failure
from pipelinekit.errors import ComputeError, PipelinekitError
from pipelinekit.ports import Blobs, Transfer
from pipelinekit.wire.attempts import event_from_json

BUNDLE_SECONDS = 0.25  # after so long, a bundle's remaining attempts are given back
ENTRY = "from pipelinekit.harness.process import main; main()"  # what a step process begins with
REPORT_SECONDS = 0.25  # results do not wait longer than this for the rest of their bundle

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "POLARS_MAX_THREADS",
)

Emit = Callable[[Sequence[AttemptEvent]], None]
PythonFor = Callable[[Attempt], str]
Meet = Callable[[Attempt, Callable[[], bool]], Attempt | None]  # a rank, and whether it is wanted: as it may begin


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
        self._busy: dict[str, StepProcess] = {}
        self._canceled: set[str] = set()
        self._watchdog: Watchdog | None = None
        self._closed = False
        self._kills = _oom_kills()
        self._scratch = home / "scratch" / f"{os.getpid()}"

    # -- attempts ----------------------------------------------------------------------------------------------------

    def run(self, attempt: Attempt, emit: Emit) -> None:
        """Execute an attempt and tell what happens to it; the last event is that it has ended."""
        report = _Report(emit)
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
    ) -> tuple[list[AttemptEvent], list[str]]:
        """Execute attempts one after another: the events not yet emitted, and the ids of those that were not begun.

        With `announce` the beginning of the first is emitted at once. `cluster` is where their code may be a client. Of
        an attempt on several nodes this is one rank: `meet` lets it wait for the others once it is ready.
        """
        report = _Report(emit, announce=announce)
        report.cluster, report.meet = cluster, meet
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
        for process in running:
            process.stop("canceled")

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
        for process in busy:
            process.stop("canceled", grace=0.0 if now else GRACE_SECONDS)
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

    def _run(self, attempt: Attempt, report: _Report) -> AttemptEnded:
        began = time.time()
        try:
            process, kind = self._acquire(attempt)
        except (PipelinekitError, OSError) as error:
            return _ended(attempt, began, _setup_failure(error))
        identity = attempt.id
        if unavailable := self._transfers.bring_inputs(attempt):
            self._release(identity, process, kind)
            return replace(_ended(attempt, began, unavailable.failure), damaged=unavailable.damaged)
        with self._lock:
            self._busy[identity] = process
            canceled = identity in self._canceled or self._closed
        if canceled:
            self._release(identity, process, kind)
            return _ended(attempt, began, Failure("canceled", "the attempt was canceled before it began"))
        given, refused = read_secrets(attempt, self._secrets_for)
        if refused is not None:
            self._release(identity, process, kind)
            return _ended(attempt, began, refused)
        if report.meet is not None:
            met = report.meet(attempt, lambda: not (identity in self._canceled or self._closed))
            if met is None:
                self._release(identity, process, kind, spoiled=True)
                return _ended(attempt, began, Failure("canceled", "the attempt was canceled before it began"))
            attempt, began = met, time.time()
        report.add(AttemptStarted(identity, began))
        outcome = process.run(
            attempt,
            timeout=attempt.task.timeout,
            memory=attempt.task.resources.memory_bytes,
            scratch=attempt.task.resources.scratch_bytes,
            on_log=lambda stream, text: report.now(LogChunk(identity, stream, text)),
            on_told=lambda message: report.add(event_from_json(message)),
            on_tick=report.flush_if_due,
            given=given,
            cluster=report.cluster,
        )
        if isinstance(outcome, Death):
            self._forget(identity, process)
            return _ended(attempt, began, failure_of_death(attempt, outcome, self._was_out_of_memory()), outcome)
        self._release(identity, process, kind, spoiled=outcome.get("spoiled", False))
        ended = event_from_json(outcome)
        assert isinstance(ended, AttemptEnded)
        return self._transfers.take_outputs(ended)

    def _was_out_of_memory(self) -> bool:
        """Whether the kernel has killed processes for want of memory since this was asked last."""
        before, self._kills = self._kills, _oom_kills()
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
        process = StepProcess(command, self._environment(kind), setup, self._scratch)
        with self._lock:
            if self._watchdog is None:
                self._watchdog = Watchdog()
        self._watchdog.tell("+", process)
        return process

    def _environment(self, kind: _Kind) -> dict[str, str]:
        """The variables of a step process: this process's own, with what would make results differ fixed.

        Numerical libraries get as many threads as the step asked for cores: they would take all of them otherwise, as
        if no other step ran beside. Where a step asks for one core, a variable that is set already stays.
        """
        threaded = dict.fromkeys(THREAD_VARIABLES, str(kind.threads))
        environment = {**threaded, **os.environ} if kind.threads == 1 else {**os.environ, **threaded}
        if kind.python != sys.executable:  # commands of the environment are found, and no other one is meant
            folder = Path(kind.python).parent
            environment["VIRTUAL_ENV"] = str(folder.parent)
            environment["PATH"] = f"{folder}{os.pathsep}{environment.get('PATH', os.defpath)}"
            environment.pop("PYTHONHOME", None)
        environment["PYTHONHASHSEED"] = "0"
        environment["PYTHONPATH"] = str(own_package(self._home))
        environment["PIPELINEKIT_STEP_PROCESS"] = "1"
        environment["TMPDIR"] = str(self._scratch)
        environment.pop("PYTHONSAFEPATH", None)
        return environment

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
        self._busy.pop(attempt, None)
        self._canceled.discard(attempt)
        if self._closed:
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


def own_package(home: Path) -> Path:
    """A folder with pipelinekit in it and nothing else: what a step's process may import of ours."""
    package = Path(__file__).resolve().parents[1]
    folder = home / "cache" / "own" / digest(str(package)).removeprefix(PREFIX)[:16]
    link = folder / package.name
    if not link.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            link.symlink_to(package, target_is_directory=True)
    return folder


class _Report:
    """Events of one bundle: sent on when they are due, so that a long step holds no result back."""

    def __init__(self, emit: Emit, *, announce: bool = False) -> None:
        self._emit = emit
        self._announce = announce
        self.cluster: Mapping[str, Any] | None = None
        self.meet: Meet | None = None
        self._events: list[AttemptEvent] = []
        self._since = time.monotonic()

    def add(self, event: AttemptEvent) -> None:
        if not self._events:
            self._since = time.monotonic()
        self._events.append(event)
        if self._announce and isinstance(event, AttemptStarted):
            self._announce = False
            self.flush()

    def now(self, event: AttemptEvent) -> None:
        self.add(event)
        if isinstance(event, LogChunk) and len(event.text) > 4096:
            self.flush()

    def flush_if_due(self) -> None:
        if self._events and time.monotonic() - self._since > REPORT_SECONDS:
            self.flush()

    def flush(self) -> None:
        events, self._events = self._events, []
        self._emit(events)

    def rest(self) -> list[AttemptEvent]:
        return self._events


def modules_of(attempts: Sequence[Attempt]) -> list[str]:
    """The modules that these attempts import."""
    return sorted({attempt.task.entry.partition(":")[0] for attempt in attempts if attempt.task.kind == "python"})


def _ended(attempt: Attempt, began: float, failure: Failure, death: Death | None = None) -> AttemptEnded:
    now = time.time()
    return AttemptEnded(attempt.id, now, now - began if death else 0.0, failure=failure)


def _setup_failure(error: Exception) -> Failure:
    hint = error.hint if isinstance(error, PipelinekitError) else ""
    return Failure(
        "environment", f"the step's process could not be started: {getattr(error, 'message', error)}", hint=hint
    )


def failure_of_death(attempt: Attempt, death: Death, out_of_memory: bool) -> Failure:
    """What the death of a step process means for its attempt."""
    details: Mapping[str, Any] = {
        "exit_code": death.exit_code,
        "signal": death.signal,
        "peak_memory": death.peak_memory,
        "traceback": death.last_lines,
    }
    used = f"its peak memory was {death.peak_memory / 2**20:.0f} MiB"
    if death.cause == "canceled":
        return Failure("canceled", "the attempt was canceled", **details)
    if death.cause == "timeout":
        return Failure("timeout", f"the step ran longer than its timeout of {attempt.task.timeout:g} s", **details)
    if death.cause == "memory":
        limit = attempt.task.resources.memory_bytes / 2**20
        hint = "give it more in resources, or use less"
        return Failure("memory", f"the step used more than its {limit:.0f} MiB of memory", hint=hint, **details)
    if death.cause == "scratch":
        limit = attempt.task.resources.scratch_bytes / 2**20
        hint = "give it more in resources, or remove what it needs no longer"
        words = f"the step kept more than its {limit:.0f} MiB in its working folder"
        return Failure("scratch", words, hint=hint, **details)
    if death.signal == "SIGKILL" and out_of_memory:
        return Failure("memory", f"the system killed the step's process for want of memory; {used}", **details)
    if death.signal == "SIGKILL":
        return Failure("lost", f"the step's process was killed by SIGKILL from outside; {used}", **details)
    if death.signal:
        return Failure("user", f"the step's process died of {death.signal}; {used}", ("ProcessDied",), **details)
    return Failure(
        "user", f"the step's process exited with code {death.exit_code}; {used}", ("ProcessDied",), **details
    )


@cache
def _vmstat() -> Path:
    return Path("/proc/vmstat")


def _oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since boot; 0 where it does not say."""
    with suppress(OSError, ValueError):
        for line in _vmstat().read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
