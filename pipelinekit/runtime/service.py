"""The service of a workspace: drivers for its queued runs, each a process of its own, some of them warm.

It keeps nothing that is not in the records. When it dies, its drivers go on; what these leave, the next service takes
up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from pipelinekit.domain.runs import Failure, RunStatus
from pipelinekit.domain.servers import UNREACHABLE, Server
from pipelinekit.domain.texts import counted
from pipelinekit.errors import LeaseLostError, PipelinekitError
from pipelinekit.ports import DriverRecords, RunRecords
from pipelinekit.ports.servers import ServerRecords

LOOK_SECONDS = 0.05  # between two looks at what is queued
SHARE = 4  # times longer than a look took, it is waited for the next: thousands of runs may wait
FULL_SECONDS = 1.0  # between two looks where nothing more can be taken: only for runs of dead drivers
STARTING_SECONDS = 5.0  # after which a process that has not taken its run holds up no others
BEAT_SECONDS = 5.0  # between two signs of life, where there is nothing new to tell
_WAITING = (RunStatus.NOT_STARTED, RunStatus.QUEUED)


class DriverProcess(Protocol):
    """A process that waits for a run to drive, drives it and ends."""

    def begin(self, run: str) -> bool:
        """Give it the run; False when the process is gone."""

    def exit_code(self) -> int | None:
        """None as long as it lives."""

    def dismiss(self) -> None:
        """End it, as there is nothing for it to do."""


class Service:
    """Sees to the queued runs of a workspace: at most `most` at once, `warm` processes ahead of need.

    No more than `starting` processes start at a time: of hundreds that a dead server left, the first would go on as
    late as the last. `tell` is called with words for whoever looks after it.
    """

    def __init__(
        self,
        owner: str,
        driving: DriverRecords,
        runs: RunRecords,
        servers: ServerRecords,
        spawn: Callable[[], DriverProcess],
        about: Server,
        *,
        warm: int,
        starting: int,
        tell: Callable[[str], None],
    ) -> None:
        self._owner = owner
        self._driving = driving
        self._runs = runs
        self._servers = servers
        self._spawn = spawn
        self._about = about
        self._warm = warm
        self._most_starting = starting
        self._tell = tell
        self._spare: list[DriverProcess] = []
        self._running: dict[str, tuple[DriverProcess, int]] = {}  # with the epoch before it takes the run
        self._starting: dict[str, float] = {}  # runs that their processes have not taken, and until when that counts
        self._told: tuple[int, float] = (-1, 0.0)
        self._full_until = 0.0
        self._trouble = ""

    def serve(self, ended: threading.Event, hurried: threading.Event, patience: float) -> None:
        """Serve until `ended` is set; then take nothing new, and wait for the runs that are driven.

        That is no longer than `patience` seconds, and ends when `hurried` is set. What was recorded just before, and
        has a place, is still begun: nobody else would look after it for a while.
        """
        try:
            took = 0.0
            while not ended.wait(max(LOOK_SECONDS, SHARE * took)):
                began = time.monotonic()
                self.turn()
                took = time.monotonic() - began
            self._warm = 0
            self.turn()
            self._drain(hurried, time.monotonic() + patience)
        finally:
            for process in self._spare:
                process.dismiss()
            self._withdraw()

    def turn(self) -> None:
        """Look once; what cannot be done just now, such as reaching the records, is done the next time."""
        try:
            self._reap()
            self._beat()
            room = min(self._about.most - len(self._running), self._most_starting - self._count_starting())
            if room > 0 or time.monotonic() > self._full_until:
                self._full_until = time.monotonic() + FULL_SECONDS
                for run in self._driving.recover(0.0, max(room, 0), ends=True):
                    self._begin(run)
            while len(self._spare) < min(self._warm, self._about.most - len(self._running)):
                self._spare.append(self._spawn())
        except (PipelinekitError, OSError) as error:
            if str(error) != self._trouble:
                self._tell(f"trouble: {error}")
            self._trouble = str(error)
        else:
            self._trouble = ""

    def _begin(self, run: str) -> None:
        epoch = self._runs.get(run).epoch
        process = self._spare.pop() if self._spare else self._spawn()
        while not process.begin(run):
            process = self._spawn()
        self._running[run] = process, epoch
        self._starting[run] = time.monotonic() + STARTING_SECONDS
        self._tell(f"run {run} begins")

    def _count_starting(self) -> int:
        """How many processes were given a run and have not taken it."""
        now = time.monotonic()
        for run, until in list(self._starting.items()):
            if run not in self._running or now > until or self._runs.get(run).epoch > self._running[run][1]:
                del self._starting[run]
        return len(self._starting)

    def _reap(self) -> None:
        self._spare = [process for process in self._spare if process.exit_code() is None]
        for run, (process, epoch) in list(self._running.items()):
            code = process.exit_code()
            if code is None:
                continue
            del self._running[run]
            fail_untaken(run, epoch, code, self._owner, self._driving, self._runs)
            status = self._runs.get(run).status
            self._tell(f"run {run} {status}" if status.final else f"run {run} was left by its driver ({code})")

    def _beat(self) -> None:
        count, until = self._told
        if count != len(self._running) or time.monotonic() > until:
            about = self._about
            self._servers.tell(self._owner, Server(about.host, about.pid, about.since, len(self._running), about.most))
            self._told = len(self._running), time.monotonic() + BEAT_SECONDS

    def _drain(self, hurried: threading.Event, until: float) -> None:
        if self._running:
            self._tell(f"waiting for {counted(len(self._running), 'run')}; nothing new is taken")
        while self._running and time.monotonic() < until and not hurried.wait(LOOK_SECONDS):
            with suppress(PipelinekitError):
                self._reap()
        if self._running:
            self._tell(f"{counted(len(self._running), 'run')} not ended: their own processes go on with them")

    def _withdraw(self) -> None:
        with suppress(PipelinekitError):  # its lease ends by itself
            self._servers.withdraw(self._owner)


def fail_untaken(
    run: str, epoch: int, code: int, owner: str, driving: DriverRecords, runs: RunRecords, hint: str = ""
) -> None:
    """End a run whose driver process ended with an exit code before it took it: `epoch` is still that of before.

    What killed a driver, or kept it from the records, is not the run's fault: another is tried later.
    """
    found = runs.get(run)
    is_left = found.status in _WAITING or (found.status is RunStatus.CANCEL_REQUESTED and not found.owner)
    if code < 0 or code == UNREACHABLE or not is_left or found.epoch != epoch:
        return
    failure = Failure("internal", f"the process that was to drive this run ended with exit code {code}", hint=hint)
    try:
        taken = driving.take(run, owner)
        status = RunStatus.CANCELED if taken.cancel_requested else RunStatus.FAILED
        driving.finish(run, taken.epoch, status, {}, failure)
    except LeaseLostError:
        return  # another took it meanwhile
