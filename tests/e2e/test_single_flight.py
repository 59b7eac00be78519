"""Many runs of one pipeline at once, and holders that die or sleep wherever they are: one result of each key counts."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from conftest import alive, wait_for

from pipelinekit.storage.sqlite_library import sqlite3

STOPPING = Path(__file__).parents[1] / "stopping.py"
PAUSE = 4  # seconds that a holder sleeps at most; its lease ends long before
STEPS = """
    import os
    from pipelinekit import File, pipeline, step

    @step
    def work(n: int, log: str) -> list[int]:
        with open(log, "a") as stream:
            stream.write(f"work-{n}\\n")
        return list(range(n * 1000))

    @step
    def total(parts: list[list[int]], log: str) -> int:
        with open(log, "a") as stream:
            stream.write("total\\n")
        return sum(map(sum, parts))

    @pipeline
    def main(log: str, count: int = 2):
        return total([work(n + 1, log) for n in range(count)], log)
"""
EFFECTS = 21  # of a run with two works: what `stopping.py 0` says


def expected(count):
    return sum(sum(range(n * 1000)) for n in range(1, count + 1))


@pytest.fixture
def flight(project, tmp_path):
    project.write(main=STEPS)
    project.log = tmp_path / "executed"
    project.words = ("run", "main.py", "--json", "-p", f"log={project.log}")
    return project


def stopping(project, nth, when, *words, lease="0.5"):
    """Start the command line in a process that stops itself at its n-th effect."""
    command = [sys.executable, "-P", str(STOPPING), str(nth), when, lease, *words]
    return subprocess.Popen(
        command, cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def is_stopped(process):
    text = Path(f"/proc/{process.pid}/stat").read_text()
    return text.rpartition(")")[2].split()[0] in ("T", "Z")


def check(project, count, at_most_twice):
    """One accepted result of each key, no faults, and what follows executes nothing."""
    executed = Counter(project.log.read_text().split())
    assert set(executed) == {"total", *(f"work-{n}" for n in range(1, count + 1))}
    twice = [name for name, times in executed.items() if times > 1]
    assert max(executed.values()) <= 2, executed
    assert len(twice) <= at_most_twice, executed
    with sqlite3.connect(project.home / "records.db") as connection:
        rows = connection.execute("select key, sum(reusable) from completions group by key").fetchall()
    connection.close()
    assert [(key, 1) for key, _ in rows] == rows
    assert len(rows) == count + 1
    assert project("fsck").out == "no faults\n"
    assert project.executed(*project.words[1:2], *project.words[3:], "-p", f"count={count}") == []


def test_the_number_of_crash_points_is_known(flight):
    process = stopping(flight, 0, "before", *flight.words, "--in-process")
    _, err = process.communicate(timeout=60)
    assert int(err.split()[-1]) == EFFECTS


POINTS = [(nth, when) for nth in range(1, EFFECTS + 1) for when in ("before", "after")]
SAMPLE = POINTS[5::10]


def marked(points):
    return [point if point in SAMPLE else pytest.param(*point, marks=pytest.mark.slow) for point in points]


@pytest.mark.parametrize(("nth", "when"), marked(POINTS))
def test_a_holder_that_is_killed_anywhere_leaves_one_result_of_each_key(flight, nth, when):
    holder = stopping(flight, nth, when, *flight.words, "--in-process")
    wait_for(lambda: is_stopped(holder))
    other = flight.start(*flight.words)
    holder.kill()
    holder.communicate()
    out, err = other.communicate(timeout=60)
    assert other.returncode == 0, err
    assert f'"output": {expected(2)}' in out
    check(flight, 2, at_most_twice=2)  # both works are executed in one turn, and recorded together


@pytest.mark.parametrize(("nth", "when"), marked(POINTS))
@pytest.mark.parametrize("compute", ["in-process", "local"])
def test_a_holder_that_sleeps_anywhere_and_goes_on_late_is_fenced(flight, nth, when, compute):
    """While it sleeps another run takes over, unless it sleeps with the records locked: then that one waits."""
    holder = stopping(flight, nth, when, *flight.words, "--compute", compute)
    wait_for(lambda: is_stopped(holder))
    other = flight.start(*flight.words)
    try:
        out, err = other.communicate(timeout=PAUSE)
    except subprocess.TimeoutExpired:
        os.kill(holder.pid, signal.SIGCONT)
        out, err = other.communicate(timeout=60)
    if alive(holder.pid):
        os.kill(holder.pid, signal.SIGCONT)
    late, words = holder.communicate(timeout=60)
    assert other.returncode == 0, err
    assert f'"output": {expected(2)}' in out
    if holder.returncode == 0:
        assert f'"output": {expected(2)}' in late
    else:
        assert "by another process" in words + late, words  # it was taken over, or is driven
        assert "Traceback" not in words
    check(flight, 2, at_most_twice=3)


@pytest.mark.parametrize("number", [6, pytest.param(50, marks=pytest.mark.slow)])
def test_runs_that_begin_at_once_execute_each_key_once(flight, number):
    words = (*flight.words, "-p", "count=8")
    processes = [flight.start(*words) for _ in range(number)]
    for process in processes:
        out, err = process.communicate(timeout=280)
        assert process.returncode == 0, err
        assert f'"output": {expected(8)}' in out
    check(flight, 8, at_most_twice=0)
    assert len(flight("runs", "list", "--limit", "100", "--json").json["runs"]) == number + 1
