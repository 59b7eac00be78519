"""Everything dies at once, as when the power fails: server, driver, keeper of the cluster, nodes, steps, and who minds them.

What had been recorded stands; a server that is started again has the run go on without anybody's help.
"""

import os
import signal
import time
import uuid
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from conftest import wait_for
from test_chaos import Chaos

NAMES = ("serve", "drive", "keep", "spawn_main", "harness", "watchdog")  # what a process must be called to count


@pytest.fixture
def power(monkeypatch):
    """The mark of all processes that begin below this one from now on, and of those below them."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv("POWER", mark)
    yield mark
    cut(mark)


def under(mark):
    """The processes that have the mark, by id, with their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if entry.name.isdigit() and f"POWER={mark}".encode() in (entry / "environ").read_bytes():
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
    return found


def cut(mark):
    """Kill them all, those that are about to begin others first: they are stopped before anything dies."""
    seen = {}
    while new := {pid: line for pid, line in under(mark).items() if pid not in seen}:
        for pid in new:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        seen.update(new)
    for pid in seen:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not [pid for pid in under(mark) if psutil.pid_exists(pid)])
    return seen


def test_a_run_goes_on_after_everything_died_at_once_twice_the_second_time_in_its_recovery(project, power):
    chaos = Chaos(project, 0, count=150)
    try:
        chaos.begin()
        for place in (40, 120):
            wait_for(lambda place=place: chaos.ended_steps() >= place)
            done = {name for (name,) in chaos.sql("select step from step_runs where status = 'Completed'")}
            ended = Counter(chaos.log.read_text().split())
            died = " ".join(cut(power).values())
            chaos.server.wait()
            assert [name for name in NAMES if name not in died] == []
            began = time.monotonic()
            chaos.serve()
            if place == 40:  # and once more as soon as somebody drives again
                wait_for(lambda: chaos.pid_of(f"select owner from runs where id = '{chaos.run}'"))
                cut(power)
                chaos.server.wait()
                chaos.serve()
            before = chaos.ended_steps()
            wait_for(lambda before=before: chaos.ended_steps() > before or chaos.status() == "Completed")
            chaos.recovered.append(("everything", round(time.monotonic() - began, 1)))
            assert {name for (name,) in chaos.sql("select step from step_runs where status = 'Completed'")} >= done
            assert set(chaos.log.read_text().split()) >= set(ended)
        wait_for(lambda: chaos.status() not in ("Queued", "Running"))
        chaos.check()
    finally:
        chaos.end()
    print("recovered:", chaos.recovered)
