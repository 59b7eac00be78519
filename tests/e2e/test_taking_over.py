"""A driver dies, and what it had begun on a cluster goes on: the run's next driver takes it over."""

import os
import signal

import psutil
import pytest
from conftest import alive, wait_for
from test_crashes import go
from test_detached import begun, driver_of, shown, statuses

from pipelinekit import Workspace

STEPS = """
    import os
    import time
    from pathlib import Path
    from pipelinekit import get_context, pipeline, step

    @step
    def work(n: int, folder: str) -> int:
        run, begun = get_context(), time.monotonic()
        for point in range(3):
            run.log("loss", point)
        print("working", n, flush=True)
        with open(f"{folder}/begun", "a") as log:
            log.write(f"{n}\\n")
        Path(folder, f"pid-{n}").write_text(str(os.getpid()))
        while not Path(folder, f"go-{n}").exists() or time.monotonic() < begun + 1.5:  # what is short is not kept
            time.sleep(0.01)
        run.log("loss", 3)
        print("worked", n, flush=True)
        return n

    @step
    def total(parts: list[int]) -> int:
        return sum(parts)

    @pipeline
    def slow(folder: str, count: int = 3):
        return total([work(n, folder) for n in range(1, count + 1)])
"""


@pytest.fixture
def slow(project, tmp_path):
    """A project with a cluster of one node that has room for all steps."""
    project.write(slow=STEPS)
    project.marks = tmp_path / "marks"
    project.marks.mkdir()
    project.words = ("slow.py", "-p", f"folder={project.marks}", "--compute", "pool")
    computes = Workspace.open(project.folder).computes
    computes.create("pool", max_nodes=1, min_nodes=1, cores=3)
    yield project
    computes.delete("pool")


def begin(project):
    run = project("run", "--detach", *project.words).out.strip()
    wait_for(lambda: len(begun(project)) == 3 and (project.marks / "pid-3").exists(), 60)
    return run


def processes(project):
    return [int((project.marks / f"pid-{n}").read_text()) for n in (1, 2, 3)]


def kill(project, run, number=signal.SIGKILL):
    pid = driver_of(project, run)
    os.kill(pid, number)
    wait_for(lambda: not alive(pid))
    return pid


def check(project, run):
    """The run has completed, each step was executed once, and all that it told is there once."""
    document = shown(project, run)
    assert (document["status"], document["outputs"]) == ("Completed", {"output": 6}), document["error"]
    assert sorted(begun(project)) == ["1", "2", "3"]
    for step in document["steps"]:
        if step["name"].startswith("work"):
            told = Workspace.open(project.folder).runs.get(run).step(step["name"]).series("loss")
            assert list(told.values) == [0, 1, 2, 3]
    assert project("fsck").out == "no faults\n"
    return document


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "asked to end"])
def test_steps_on_a_node_go_on_under_the_next_driver(slow, number):
    run = begin(slow)
    first = kill(slow, run, number)
    slow("runs", "list")  # whoever looks has it go on
    assert driver_of(slow, run) != first
    wait_for(lambda: {step["attempts"] for step in shown(slow, run)["steps"] if step["status"] == "Running"} == {2}, 30)
    assert all(map(alive, processes(slow))), "the same processes are at it"
    go(slow, 1, 2, 3)
    slow("runs", "wait", run)
    check(slow, run)
    logs = slow("runs", "logs", run, "work").out
    assert "working 1" in logs
    assert logs.count("worked 1") == 1


def test_what_ends_while_nobody_drives_is_not_done_again(slow):
    run = begin(slow)
    kill(slow, run)
    go(slow, 1, 2, 3)
    slow("runs", "wait", run)
    check(slow, run)


def wait_until_canceled(project, run):
    """None of its steps is at work in the moment in which the run is canceled."""
    wait_for(lambda: shown(project, run)["status"] == "Canceled", 30)
    assert not any(map(alive, processes(project)))
    assert set(statuses(shown(project, run)).values()) == {"Canceled"}
    assert project("fsck").out == "no faults\n"


def test_what_an_earlier_driver_left_ends_before_the_run_is_canceled(slow):
    run = begin(slow)
    kill(slow, run)
    slow("runs", "cancel", run)
    wait_until_canceled(slow, run)


def test_a_node_that_stands_still_holds_a_cancellation_up_for_seconds_only(slow):
    run = begin(slow)
    kill(slow, run)
    node = psutil.Process(processes(slow)[0]).parent().pid
    os.kill(node, signal.SIGSTOP)
    try:
        slow("runs", "cancel", run)
        wait_for(lambda: shown(slow, run)["status"] == "Canceled", 25)
    finally:
        os.kill(node, signal.SIGCONT)


def test_a_driver_that_dies_over_a_cancellation_leaves_it_to_the_next(slow):
    run = begin(slow)
    pid = driver_of(slow, run)
    os.kill(pid, signal.SIGSTOP)
    assert "CancelRequested" in slow("runs", "cancel", run).out
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not alive(pid))
    wait_until_canceled(slow, run)


def test_what_was_taken_over_is_stopped_as_anything_is(slow):
    run = begin(slow)
    kill(slow, run)
    slow("runs", "list")
    wait_for(lambda: {step["attempts"] for step in shown(slow, run)["steps"] if step["status"] == "Running"} == {2}, 30)
    slow("runs", "cancel", run)
    wait_for(lambda: shown(slow, run)["status"] == "Canceled", 30)
    assert not any(map(alive, processes(slow)))
    assert "Completed" not in statuses(shown(slow, run)).values()
