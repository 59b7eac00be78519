"""Runs wait for their turn: how many may be under way at once, who goes first, and for how long they may wait."""

import json
import signal
from contextlib import contextmanager

import pytest
from conftest import wait_for

from pipelinekit import Workspace

STEPS = """
    import time
    from pathlib import Path
    from pipelinekit import pipeline, step

    @step
    def work(n: int, folder: str) -> int:
        with open(f"{folder}/begun", "a") as log:
            log.write(f"{n}\\n")
        while not Path(folder, f"go-{n}").exists():
            time.sleep(0.01)
        return n

    @step(queue_timeout=1)
    def impatient(n: int) -> int:
        return n

    @pipeline
    def crowded(folder: str):
        return work(1, folder), impatient(2)

    @step(allow_reuse=False)
    def then(n: int) -> int:
        time.sleep(0.3)
        return n

    @pipeline
    def two(folder: str, n: int = 1):
        return then(work(n, folder))

    @pipeline
    def one(folder: str, n: int = 1):
        return work(n, folder)
"""


@pytest.fixture
def lab(project, tmp_path):
    """A project whose runs end when they are let, and say when they begin."""
    project.write(lab=STEPS)
    project.marks = tmp_path / "marks"
    project.marks.mkdir()
    return project


def words(lab, n):
    return ("lab.py:one", "-p", f"folder={lab.marks}", "-p", f"n={n}", "--experiment", "lab")


def begun(lab):
    path = lab.marks / "begun"
    return path.read_text().split() if path.exists() else []


def go(lab, *numbers):
    for n in numbers:
        (lab.marks / f"go-{n}").touch()


def listed(lab):
    return lab("runs", "list", "--json").json["runs"]


@contextmanager
def server(lab, *more):
    """A server that drives what is queued."""
    process = lab.start("serve", "--no-http", "--no-schedules", "--no-webhooks", "--drain", "20", *more)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def test_a_run_waits_visibly_until_another_of_its_experiment_has_ended(lab):
    first = lab.start("run", *words(lab, 1))
    wait_for(lambda: begun(lab) == ["1"])
    lab("experiments", "update", "lab", "--max-runs", "1")
    second = lab.start("run", *words(lab, 2), "--json")
    reason = "1 run of experiment 'lab' is under way, at most 1"
    line = second.stderr.readline()
    wait_for(lambda: any("waits" in run for run in listed(lab)))
    run = next(run for run in listed(lab) if "waits" in run)
    assert line == f"run {run['id']} waits: {reason}\n"
    assert (run["status"], run["waits"]) == ("Queued", reason)
    assert f"run {run['id']} waits: {reason}" in lab("runs", "list").out
    assert f"Queued  waits: {reason}" in lab("runs", "show", run["id"]).out
    assert lab("runs", "show", run["id"], "--json").json["waits"] == reason
    third = lab.start("run", *words(lab, 3), "--json")
    third.stderr.readline()
    third.send_signal(signal.SIGINT)
    out, err = third.communicate(timeout=60)
    assert (third.returncode, json.loads(out)["status"]) == (130, "Canceled"), err
    go(lab, 1, 2)
    assert first.communicate(timeout=60)
    assert first.returncode == 0
    out, err = second.communicate(timeout=60)
    assert (second.returncode, json.loads(out)["id"]) == (0, run["id"]), err
    assert begun(lab) == ["1", "2"]
    assert lab("fsck", "--json").json["clean"] is True


def test_a_run_in_which_nothing_is_new_waits_for_nobody(lab):
    go(lab, 1)
    lab("run", *words(lab, 1))
    open_one = lab.start("run", *words(lab, 2))
    wait_for(lambda: begun(lab) == ["1", "2"])
    lab("computes", "update", "local", "--max-runs", "1")
    assert lab.run(*words(lab, 1))["status"] == "Completed"
    go(lab, 2)
    open_one.communicate(timeout=60)


def test_a_waiting_run_is_canceled_from_elsewhere_and_one_whose_process_is_killed_fails(lab):
    first = lab.start("run", *words(lab, 1))
    wait_for(lambda: begun(lab) == ["1"])
    lab("computes", "update", "local", "--max-runs", "1")
    waiting, killed = lab.start("run", *words(lab, 2)), lab.start("run", *words(lab, 3))
    runs = [process.stderr.readline().split()[1] for process in (waiting, killed)]
    lab("runs", "cancel", runs[0])
    waiting.communicate(timeout=60)
    assert waiting.returncode == 130
    killed.kill()
    killed.communicate()
    found = {run["id"]: run for run in listed(lab)}
    assert [found[run]["status"] for run in runs] == ["Canceled", "Failed"]
    assert "died while it waited for its turn" in found[runs[1]]["error"]["message"]
    go(lab, 1)
    first.communicate(timeout=60)


def test_a_server_takes_runs_by_priority_within_limits_and_those_that_waited_too_long_are_canceled(lab):
    workspace = Workspace.open(lab.folder)
    workspace.experiments.get("lab").limit_runs(1)
    go(lab, 2, 3, 4)
    with server(lab), server(lab):  # which share one limit
        first = lab("run", *words(lab, 1), "--detach").out.strip()
        wait_for(lambda: begun(lab) == ["1"])
        for n, more in ((2, ()), (3, ("--priority", "7")), (4, ()), (5, ("--max-queue-duration", "1"))):
            lab("run", *words(lab, n), "--detach", *more)
        wait_for(lambda: listed(lab)[0]["status"] == "Canceled")
        late = listed(lab)[0]["error"]
        assert late["kind"] == "timeout"
        assert "the run had waited 1.0 s for its turn, as long as it may: 1 run of experiment 'lab'" in late["message"]
        table = lab("runs", "list").out
        assert "priority" in table
        assert "and 1 goes before it, at most 1" in table
        go(lab, 1)
        wait_for(lambda: all(run.status.final for run in workspace.runs.list()))
    assert begun(lab) == ["1", "3", "2", "4"]
    assert workspace.runs.get(first).status == "Completed"


def test_submitted_runs_without_a_server_wait_in_processes_of_their_own(lab):
    workspace = Workspace.open(lab.folder)
    workspace.computes.limit_runs("local", 1)
    assert workspace.computes.limits() == {"local": 1}
    go(lab, 2, 3)
    runs = [lab("run", *words(lab, n), "--detach").out.strip() for n in (1, 2, 3)]
    wait_for(lambda: begun(lab) == ["1"])
    wait_for(lambda: len(workspace.runs.waits()) == 2)
    assert lab("runs", "show", runs[1]).out.count("waits: 1 run on compute target 'local' is under way, at most 1") == 1
    go(lab, 1)
    wait_for(lambda: all(workspace.runs.get(run).status.final for run in runs))
    assert begun(lab) == ["1", "2", "3"]


def test_a_step_that_waited_too_long_for_room_fails_and_says_so(lab):
    process = lab.start(
        "run", "lab.py:crowded", "--json", "-p", f"folder={lab.marks}", "--continue-on-step-failure",
        env={"PIPELINEKIT_CORES": "1"},
    )  # fmt: skip
    wait_for(
        lambda: (
            any(step["status"] == "Failed" for step in lab("runs", "show", "--json").json["steps"])
            if begun(lab)
            else False
        )
    )
    go(lab, 1)
    out, err = process.communicate(timeout=60)
    steps = {step["name"]: step for step in json.loads(out)["steps"]}
    assert steps["work"]["status"] == "Completed", err
    assert steps["impatient"]["error"]["kind"] == "queue"
    assert steps["impatient"]["error"]["message"] == "attempt 1 had waited 1.0 s for room, as long as it may"


def test_what_earlier_executions_took_tells_how_long_a_run_will_still_take(lab):
    words = ("lab.py:two", "-p", f"folder={lab.marks}")
    first = lab.start("run", *words)
    wait_for(lambda: begun(lab) == ["1"])
    assert "estimated_seconds_left" not in lab("runs", "show", "--json").json, "nothing is known yet"
    go(lab, 1)
    first.communicate(timeout=60)
    second = lab.start("run", *words, "-p", "n=2")
    wait_for(lambda: begun(lab) == ["1", "2"])
    shown = lab("runs", "show", "--json").json
    assert shown["estimated_seconds_left"] >= 0.3
    assert shown["estimate"].endswith(" s left")
    assert "s left" in lab("runs", "show").out
    go(lab, 2)
    second.communicate(timeout=60)
    assert "estimated_seconds_left" not in lab("runs", "show", "--json").json
