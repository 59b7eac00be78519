"""Who holds a run, and whether they are alive.

A lease is not a lock: safety rests on epochs, which every write of a driver checks; a lease only says when another may
take over. On one machine its deadline counts the machine's own seconds since boot, so that no jump of the wall clock
can expire anything, and a holder whose process is gone is dead at once. Of a holder on another machine only the wall
clock time of its last sign of life is known: it is held for dead late, since clocks may differ.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

LEASE_SECONDS = 30.0
ELSEWHERE_SECONDS = 150.0  # a lease, and how far apart the clocks of two machines may be


def owner_id() -> str:
    """This process, told apart from every other on any machine: host, boot, process id and its start time."""
    pid = os.getpid()
    return f"{os.uname().nodename}|{_boot_id()}|{pid}|{_start_time(pid)}"


def deadline() -> float:
    """When a lease taken now ends, in seconds since this machine's boot."""
    return _seconds_since_boot() + LEASE_SECONDS


def is_alive(owner: str, until: float, renewed_at: float) -> bool:
    """Whether the holder of a lease may still be at work.

    The lease ends at `until`, in seconds since the boot of the holder's machine; the holder renewed it at `renewed_at`,
    in seconds since 1970 by its clock.
    """
    parts = owner.split("|")
    if len(parts) != 4:
        return False
    host, boot, pid, started = parts
    if host != os.uname().nodename:
        return time.time() - renewed_at < ELSEWHERE_SECONDS
    if boot != _boot_id():
        return False
    return _start_time(int(pid)) == started and _seconds_since_boot() < until


def _seconds_since_boot() -> float:
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return "unknown"


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
