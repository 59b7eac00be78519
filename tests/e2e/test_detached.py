"""A detached run goes on: without whoever submitted it, and without the driver that it began with."""

import os
import signal
from contextlib import closing

import psutil
import pytest
from conftest import alive, wait_for
from test_crashes import go

from pipelinekit import Workspace
from pipelinekit.storage.sqlite_library import sqlite3

STEPS = """
    import os
    import time
    from pathlib import Path
    from pipelinekit import pipeline, step

    @step
    def work(n: int, folder: str) -> int:
        print("working", n, flush=True)
        with open(f"{folder}/begun", "a") as log:
            log.write(f"{n}\\n")
        while not Path(folder, f"go-{n}").exists():
            time.sleep(0.01)
        return n

    @step(allow_reuse=False)
    def chance(n: int, folder: str) -> int:
        with open(f"{folder}/begun", "a") as log:
            log.write("chance\\n")
        return n

    @step
    def total(parts: list[int]) -> int:
        return sum(parts)

    @pipeline
    def slow(folder: str, count: int = 3):
        return total([chance(10, folder), *[work(n, folder) for n in range(1, count + 1)]])
"""


@pytest.fixture
def slow(project, tmp_path):
    project.write(slow=STEPS)
    project.marks = tmp_path / "marks"
    project.marks.mkdir()
    project.words = ("slow.py", "-p", f"folder={project.marks}")
    return project


def begun(project):
    path = project.marks / "begun"
    return path.read_text().split() if path.exists() else []


def shown(project, run):
    return project("runs", "show", run, "--json").json


def driver_of(project, run):
    """The process that drives a run, as the records name it."""

    def found():
        with closing(sqlite3.connect(project.home / "records.db")) as connection:
            ((owner,),) = connection.execute("select owner from runs where id = ?", (run,))
        pid = int(owner.split("|")[2]) if owner else 0
        return pid if pid and alive(pid) else 0

    return wait_for(found)


def statuses(document):
    return {step["name"]: step["status"] for step in document["steps"]}


def kill_driver(project, run):
    pid = driver_of(project, run)
    below = [child.pid for child in psutil.Process(pid).children(recursive=True)]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(alive(child) for child in below), 15)
    return pid


def test_a_killed_driver_is_replaced_and_nothing_that_had_ended_is_done_again(slow):
    run = slow("run", "--detach", *slow.words).out.strip()
    go(slow, 1)
    wait_for(lambda: statuses(shown(slow, run)).get("work") == "Completed")
    wait_for(lambda: {"2", "3"} <= set(begun(slow)))
    before = shown(slow, run)
    first = kill_driver(slow, run)
    assert slow("runs", "list", "--json").json["runs"][0]["status"] in ("Queued", "Running"), (
        "whoever looks has it go on"
    )
    second = driver_of(slow, run)
    assert second != first
    wait_for(lambda: begun(slow).count("2") == 2 and begun(slow).count("3") == 2)
    go(slow, 2, 3)
    slow("runs", "wait", run)
    document = shown(slow, run)
    assert (document["status"], document["outputs"]["output"]) == ("Completed", 16)
    assert begun(slow).count("1") == 1
    assert begun(slow).count("chance") == 1, "a step that must not be reused had ended, too"
    assert set(statuses(document).values()) == {"Completed"}
    kept = {step["name"]: step for step in document["steps"]}
    assert kept["work"] == {step["name"]: step for step in before["steps"]}["work"]
    assert slow("fsck").out == "no faults\n"
    assert slow.executed(*slow.words) == ["chance"]


def test_a_waiter_takes_up_what_it_waits_for(slow):
    run = slow("run", "--detach", *slow.words).out.strip()
    wait_for(lambda: {"1", "2"} <= set(begun(slow)))
    waiter = slow.start("runs", "wait", run)
    kill_driver(slow, run)
    go(slow, 1, 2, 3)
    out, err = waiter.communicate(timeout=60)
    assert waiter.returncode == 0, out + err


def test_a_run_that_kills_every_driver_fails_in_the_end(project):
    project.write(
        deadly="""
        import os
        import signal
        from pipelinekit import pipeline, step

        @step
        def deadly() -> int:
            os.kill(os.getppid(), signal.SIGKILL)
            return 1

        @pipeline
        def ends():
            return deadly()
        """
    )
    run = project("run", "--detach", "deadly.py").out.strip()
    project("runs", "wait", run, code=1)
    failed = shown(project, run)
    assert failed["status"] == "Failed"
    assert failed["error"]["kind"] == "lost"
    assert "and so did 2 before it" in failed["error"]["message"]


def test_retries_are_counted_on_under_the_next_driver(project, tmp_path):
    """The first attempt failed, the second goes with its driver, and is no failure of the step's own."""
    project.marks = tmp_path
    project.write(
        flaky=f"""
        import time
        from pathlib import Path
        from pipelinekit import Retry, pipeline, step

        @step(retries=Retry(2, delay=0))
        def flaky() -> int:
            with open("{tmp_path}/begun", "a") as log:
                log.write("attempt\\n")
            while Path("{tmp_path}/begun").read_text().count("attempt") == 2 and not Path("{tmp_path}/go-2").exists():
                time.sleep(0.01)
            raise ValueError("always")

        @pipeline
        def ends():
            return flaky()
        """
    )
    run = project("run", "--detach", "flaky.py").out.strip()
    wait_for(lambda: len(begun(project)) == 2)
    wait_for(lambda: shown(project, run)["steps"][0]["attempts"] == 2)
    kill_driver(project, run)
    project("runs", "wait", run, code=1)
    (step,) = shown(project, run)["steps"]
    assert len(begun(project)) == step["attempts"] == 4, "one for the attempt that was lost, and two retries"
    assert step["note"] == "2 retries after attempts that failed did not help"


def test_a_run_in_this_process_cannot_be_detached(slow):
    refused = slow("run", "--detach", "--in-process", *slow.words, code=2)
    assert "a run in this process ends with it" in refused.err


def test_runs_that_a_server_left_are_driven_a_few_at_a_time_and_all_in_the_end(slow, monkeypatch):
    """Whoever looks at them first would otherwise start a process for each of hundreds."""
    published = slow("publish", "slow.py", "-p", f"folder={slow.marks}", "-p", "count=1", "--json").json["id"]
    services = Workspace.open(slow.folder).services
    monkeypatch.setattr(services, "launch", lambda run: None)
    pipeline = services.published_pipelines.get(published)
    left = [pipeline.submit().id for _ in range(12)]
    with closing(sqlite3.connect(slow.home / "records.db")) as connection:  # long ago
        connection.execute("update runs set created_at = created_at - 60 where status = 'Queued'")
        connection.commit()
    slow("runs", "list")
    slow("runs", "list")
    drivers = [process for process in psutil.process_iter(["cmdline"]) if is_driver(process, left)]
    assert 1 <= len(drivers) <= max(os.cpu_count(), 4)
    (slow.marks / "go-1").touch()
    wait_for(lambda: {services.runs.status_of(run) for run in left} == {"Completed"}, 60)


def is_driver(process, runs):
    words = process.info["cmdline"] or []
    return "drive" in words and words[-1] in runs
