"""Who holds a run, and whether they are alive.

A lease is not a lock: safety rests on epochs, which every write of a driver checks; a lease only says when another may
take over. On one machine its deadline counts the machine's own seconds since boot, so that no jump of the wall clock
can expire anything, and a holder whose process is gone is dead at once. That is looked for only where process ids mean
the same: on the same host, in the same boot, in the same space of process ids. Of any other holder only the time of its
last sign of life counts: by the clock of the records' server, if there is one. Else, by the holder's own clock, it is
held for dead late, since clocks may differ.

Records that are put back to an earlier state, from a copy, forget who holds what. `Seen` is how that is noticed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelinekit.ports import Clock
    from pipelinekit.storage.database import Database, Row

LEASE_SECONDS = 30.0
ELSEWHERE_SECONDS = 150.0  # a lease, and how far apart the clocks of two machines may be


class Seen:
    """How far the records had come when this workspace folder last saw them: a file beside them, which may be lost.

    `records` says which they are, and `tell` is called with words when they are behind. Both numbers only grow, unless
    the records are put back.
    """

    def __init__(self, path: Path, records: str, tell: Callable[[str], None]) -> None:
        self._path = path
        self._records = records
        self.tell = tell

    def last(self) -> tuple[int, int]:
        """Generation and number of runs that were ever taken; zeros where nothing is known."""
        with suppress(OSError, ValueError):
            generation, taken, records = self._path.read_text(encoding="utf-8").split(maxsplit=2)
            if records == self._records:
                return int(generation), int(taken)
        return 0, 0

    def note(self, generation: int, taken: int) -> None:
        """Note what is committed for sure."""
        staged = f"{self._path}.{os.getpid()}"
        with suppress(OSError):
            Path(staged).write_text(f"{generation} {taken} {self._records}", encoding="utf-8")
            os.replace(staged, self._path)


def owner_id() -> str:
    """This process, told apart from every other on any machine: host, boot and space of process ids, id, start time."""
    pid = os.getpid()
    return f"{os.uname().nodename}|{_place()}|{pid}|{_start_time(pid)}"


def deadline() -> float:
    """When a lease taken now ends, in seconds since this machine's boot."""
    return _seconds_since_boot() + LEASE_SECONDS


def is_alive(owner: str, until: float, renewed_at: float, shared_time: float | None = None) -> bool:
    """Whether the holder of a lease may still be at work.

    The lease ends at `until`, in seconds since the boot of the holder's machine; the holder renewed it at `renewed_at`:
    by the clock that `shared_time` was read from just now, or in seconds since 1970 by its own clock.
    """
    parts = owner.split("|")
    if len(parts) != 4:
        return False
    host, place, pid, started = parts
    boot, _, space = place.partition("/")
    our_boot, _, our_space = _place().partition("/")
    same_host, same_boot = host == os.uname().nodename, boot == our_boot
    if same_host and same_boot and space == our_space:
        return _start_time(int(pid)) == started and _seconds_since_boot() < until
    if shared_time is not None:
        return shared_time - renewed_at < LEASE_SECONDS
    if same_host:  # another container beside this one, or before the machine was started anew
        return same_boot and _seconds_since_boot() < until
    return time.time() - renewed_at < ELSEWHERE_SECONDS


def is_held(database: Database, row: Row) -> bool:
    """Whether the holder of the lease in a row may still be at work."""
    return is_alive(row["owner"], row["lease_until"], row["renewed_at"], database.shared_time())


def seen_at(database: Database, clock: Clock) -> float:
    """The time that a sign of life gets: of the clock that all who judge it share, if there is one."""
    shared = database.shared_time()
    return clock.now() if shared is None else shared


def _seconds_since_boot() -> float:
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return "unknown"


def _place() -> str:
    """This boot of the machine, and the space in which process ids of this process are told apart."""
    try:
        space = os.readlink("/proc/self/ns/pid").partition("[")[2].rstrip("]")
    except OSError:
        space = ""
    return f"{_boot_id()}/{space}"


def _start_time(pid: int) -> str:
    """When a process started, as the kernel counts; empty when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "" if not _exists(pid) else "unknown"
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
