"""`pipelinekit serve`: queued runs are driven by themselves, whoever dies."""

import os
import signal
from contextlib import contextmanager

import psutil
import pytest
from conftest import wait_for
from postgres import Server
from test_crashes import go
from test_detached import STEPS, begun, driver_of, kill_driver, shown, statuses


@pytest.fixture
def served(project, tmp_path):
    project.write(slow=STEPS)
    project.marks = tmp_path / "marks"
    project.marks.mkdir()
    project.words = ("slow.py", "-p", f"folder={project.marks}")
    project("workspace", "create")
    return project


@contextmanager
def serving(project, *words):
    """A server; it is ended at the end, if it still lives."""
    process = project.start("serve", "--no-http", *words)
    try:
        wait_for(lambda: servers(project) or process.poll() is not None)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.told = process.communicate(timeout=60)[1]


def servers(project):
    return project("workspace", "show", "--json").json["servers"]


def status(project, run):
    return shown(project, run)["status"]


def test_a_server_drives_what_is_submitted_and_at_most_so_many_at_once(served):
    with serving(served, "--runs", "1") as server:
        runs = [served("run", "--detach", *served.words, "-p", f"count={count}").out.strip() for count in (1, 2)]
        assert psutil.Process(driver_of(served, runs[0])).ppid() == server.pid
        wait_for(lambda: "1" in begun(served))
        assert [status(served, run) for run in runs] == ["Running", "Queued"]
        assert [(item["running"], item["most"]) for item in servers(served)] == [(1, 1)]
        go(served, 1, 2)
        for run in runs:
            served("runs", "wait", run)
        wait_for(lambda: [item["running"] for item in servers(served)] == [0])
    assert server.returncode == 0
    assert [line.split("  ")[1] for line in server.told.splitlines()][1:5] == [
        f"run {run} {word}" for run in runs for word in ("begins", "Completed")
    ]
    assert servers(served) == []


def test_a_server_takes_up_what_a_killed_driver_left_though_nobody_looks(served):
    with serving(served):
        run = served("run", "--detach", *served.words).out.strip()
        wait_for(lambda: {"1", "2"} <= set(begun(served)))
        go(served, 1)
        wait_for(lambda: statuses(shown(served, run)).get("work") == "Completed")
        before = begun(served).count("2")
        kill_driver(served, run)
        wait_for(lambda: begun(served).count("2") > before, 20)
        go(served, 2, 3)
        served("runs", "wait", run)
    assert begun(served).count("1") == 1


def test_runs_outlive_a_killed_server_and_the_next_one_goes_on_with_those_that_wait(served):
    with serving(served, "--runs", "1") as server:
        first = served("run", "--detach", *served.words, "-p", "count=1").out.strip()
        wait_for(lambda: "1" in begun(served))
        second = served("run", "--detach", *served.words, "-p", "count=2").out.strip()
        server.kill()
        server.wait()
    go(served, 1, 2)
    served("runs", "wait", first)
    assert status(served, first) == "Completed"
    with serving(served):
        served("runs", "wait", second)
    assert status(served, second) == "Completed"


def test_a_server_that_ends_leaves_runs_to_their_own_processes(served):
    with serving(served, "--drain", "0") as server:
        run = served("run", "--detach", *served.words).out.strip()
        wait_for(lambda: {"1", "2"} <= set(begun(served)))
    assert "1 run not ended: their own processes go on with them" in server.told
    assert status(served, run) == "Running"
    go(served, 1, 2, 3)
    served("runs", "wait", run)
    assert begun(served).count("1") == 1


def test_a_driver_that_is_terminated_hands_its_run_back(served):
    with serving(served):
        run = served("run", "--detach", *served.words).out.strip()
        for times in range(1, 6):
            wait_for(lambda times=times: begun(served).count("1") == times)
            os.kill(driver_of(served, run), signal.SIGTERM)
        wait_for(lambda: begun(served).count("1") == 6)
        go(served, 1, 2, 3)
        served("runs", "wait", run)
    assert status(served, run) == "Completed"


def test_words_that_make_no_server_are_refused(project):
    assert "a server cannot have --runs 0" in project("serve", "--runs", "0", code=2).err


def test_a_server_waits_for_records_that_it_cannot_reach_when_it_begins(project):
    database = Server()
    try:
        project.home.mkdir()
        (project.home / "config.toml").write_text(f'records = "{database.new()}"\n')
        database.stop()
        server = project.start("serve", "--no-http")
        told = [server.stderr.readline() for _ in range(2)]
        assert "trouble: the records at postgresql://" in told[1]
        database.start()
        wait_for(lambda: servers(project))
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
        assert server.returncode == 0
    finally:
        database.end()
