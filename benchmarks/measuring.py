"""One measured process: wall time, CPU time of its whole tree, memory.

CPU time is what the kernel accounts to children that were waited for. Descendants that outlive their parents are handed
to this process (it is a subreaper), so that they are waited for and counted, too.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
SAMPLE_SECONDS = 0.05
ORPHAN_SECONDS = 10.0
TAIL = 3_000
PAGE = os.sysconf("SC_PAGE_SIZE")
HUGE_PAGE = 2 * 1024 * 1024
_USE = f"""
import mmap, sys
memory = mmap.mmap(-1, int(sys.argv[1]) * {HUGE_PAGE}, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
if hasattr(mmap, "MADV_HUGEPAGE"):
    memory.madvise(mmap.MADV_HUGEPAGE)  # as NumPy asks for it
for _ in range(int(sys.argv[1])):
    memory.write(b"x" * {HUGE_PAGE})
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one process tree took.

    `wall` and `cpu` are seconds, `cpu` user and system time of the whole tree. `tree` and `largest` are bytes: the
    highest sum of resident memory over the tree (shared pages count for each process; sampled, so that a short process
    may show 0), and the highest of any one process as the kernel keeps it.
    """

    wall: float
    cpu: float
    tree: int
    largest: int
    code: int
    output: str


def become_subreaper() -> None:
    """Have orphaned descendants handed to this process. Linux only; elsewhere their CPU time is not counted."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def measure(command: Sequence[str], environment: Mapping[str, str], folder: Path, timeout: float) -> Measured:
    """Run a command to its end, and its orphans to theirs. After `timeout` seconds all of them are killed."""
    log = folder / ".output"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with log.open("wb") as stream:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        sampler = _Sampler(process.pid, timeout)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except KeyboardInterrupt:
            kill(tree(process.pid))
            raise
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        sampler.stop()
    _reap_orphans()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    output = log.read_bytes()[-TAIL:].decode(errors="replace")
    return Measured(wall, cpu, sampler.peak, usage.ru_maxrss * 1024, process.returncode, output)


def use_memory(size: int) -> None:
    """Have the machine hold so many bytes of memory, at most half of it, without using them when this returns."""
    most = PAGE * os.sysconf("SC_PHYS_PAGES") // 2
    if size:
        subprocess.run([sys.executable, "-c", _USE, str(min(size, most) // HUGE_PAGE)], check=True)


class _Sampler(threading.Thread):
    """Looks at the memory of a process tree while it runs, and kills it when its time is over."""

    def __init__(self, pid: int, timeout: float) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._pid = pid
        self._until = time.monotonic() + timeout
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            processes = tree(self._pid)
            self.peak = max(self.peak, sum(map(resident, processes)))
            if time.monotonic() > self._until:
                kill(processes)

    def stop(self) -> None:
        self._over.set()
        self.join()


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        with suppress(OSError):
            for task in os.listdir(f"/proc/{current}/task"):
                waiting += map(int, Path(f"/proc/{current}/task/{task}/children").read_text().split())
    return found


def kill(processes: Sequence[int]) -> None:
    """End processes at once, those that were started last first."""
    for pid in reversed(processes):
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def resident(pid: int) -> int:
    """Resident bytes of a process; 0 when it is gone."""
    with suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    return 0


def _reap_orphans() -> None:
    until = time.monotonic() + ORPHAN_SECONDS
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            if time.monotonic() > until:
                kill(tree(os.getpid())[1:])
            time.sleep(0.01)
