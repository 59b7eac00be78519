"""Real processes, really killed: nothing is lost, nothing is done twice, nothing is left behind."""

import os
import signal
import subprocess
import sys

import psutil
import pytest
from conftest import alive, wait_for

STEPS = """
    import os
    import time
    from pathlib import Path
    from pipelinekit import pipeline, step

    @step
    def work(n: int, folder: str) -> list[int]:
        print("working", n, flush=True)
        Path(folder, f"begun-{n}").write_text(str(os.getpid()))
        while not Path(folder, f"go-{n}").exists():
            time.sleep(0.01)
        with open(f"{folder}/executed", "a") as log:
            log.write(f"{n}\\n")
        return list(range(n * 1000))

    @step
    def total(parts: list[list[int]]) -> int:
        return sum(sum(part) for part in parts)

    @pipeline
    def crash(folder: str, count: int = 4):
        return total([work(n, folder) for n in range(1, count + 1)])
"""
EXPECTED = sum(sum(range(n * 1000)) for n in range(1, 5))


@pytest.fixture
def crash(project, tmp_path):
    project.write(crash=STEPS)
    project.marks = tmp_path / "marks"
    project.marks.mkdir()
    project.arguments = ("crash.py", "-p", f"folder={project.marks}")
    return project


def begun(project, n):
    return (project.marks / f"begun-{n}").exists()


def go(project, *numbers):
    for n in numbers:
        (project.marks / f"go-{n}").touch()


def children_of(process):
    return [child.pid for child in psutil.Process(process.pid).children(recursive=True)]


def executed(project):
    return sorted((project.marks / "executed").read_text().split())


def finish(project):
    go(project, 1, 2, 3, 4)
    document = project.run(*project.arguments)
    assert document["outputs"] == {"output": EXPECTED}
    assert project("fsck").out == "no faults\n"
    return {step["name"]: step["status"] for step in document["steps"]}


def no_half_written_blob(project):
    return [path for path in (project.home / "blobs").rglob("*") if path.is_file() and "staging" in path.parts]


def test_a_killed_driver_loses_nothing_and_leaves_no_process(crash):
    process = crash.start("run", *crash.arguments)
    wait_for(lambda: begun(crash, 1) and begun(crash, 2))
    go(crash, 1)
    wait_for(lambda: begun(crash, 3))
    wait_for(lambda: crash("runs", "show", "--json").json["steps"][0]["status"] == "Completed")
    children = children_of(process)
    assert children
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_for(lambda: not [child for child in children if alive(child)], 10)
    statuses = finish(crash)
    assert statuses["work"] == "Reused"
    assert executed(crash).count("1") == 1
    assert no_half_written_blob(crash) == []
    runs = crash("runs", "list", "--json").json["runs"]
    assert [run["status"] for run in runs] == ["Completed", "Failed"]
    assert runs[1]["error"]["message"] == "the process that drove this run died"


def test_a_killed_step_process_is_replaced_and_the_run_completes(crash):
    process = crash.start("run", "--json", *crash.arguments)
    wait_for(lambda: begun(crash, 1) and begun(crash, 2))
    os.kill(int((crash.marks / "begun-1").read_text()), signal.SIGKILL)
    go(crash, 1, 2, 3, 4)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert f'"output": {EXPECTED}' in out
    assert executed(crash) == ["1", "2", "3", "4"]
    assert crash.executed(*crash.arguments) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cancels_cleanly_and_leaves_no_process(crash, number):
    process = crash.start("run", *crash.arguments)
    wait_for(lambda: begun(crash, 1) and begun(crash, 2))
    go(crash, 1)
    wait_for(lambda: begun(crash, 3))
    children = children_of(process)
    process.send_signal(number)
    _, err = process.communicate(timeout=15)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not [child for child in children if alive(child)]
    assert crash("runs", "show", "--json").json["status"] == "Canceled"
    statuses = finish(crash)
    assert statuses["work"] == "Reused"
    assert executed(crash) == ["1", "2", "3", "4"]


def test_a_second_interrupt_is_immediate(crash):
    process = crash.start("run", *crash.arguments)
    wait_for(lambda: begun(crash, 1) and begun(crash, 2))
    children = children_of(process)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=5)
    assert process.returncode == 130
    wait_for(lambda: not [child for child in children if alive(child)], 10)
    assert finish(crash)


def test_a_run_is_canceled_from_another_terminal(crash):
    process = crash.start("run", "--json", *crash.arguments)
    wait_for(lambda: begun(crash, 1))
    assert crash("runs", "cancel", "--json").json["status"] == "CancelRequested"
    process.communicate(timeout=15)
    assert process.returncode == 130
    assert crash("runs", "show", "--json").json["status"] == "Canceled"


def test_two_runs_of_one_pipeline_execute_each_key_once(crash):
    first = crash.start("run", "--json", *crash.arguments)
    wait_for(lambda: begun(crash, 1) and begun(crash, 2))
    second = crash.start("run", "--json", *crash.arguments)
    wait_for(lambda: len(crash("runs", "list", "--json").json["runs"]) == 2)
    wait_for(
        lambda: any(
            step.get("note", "").startswith("waits for step") for step in crash("runs", "show", "--json").json["steps"]
        )
    )
    go(crash, 1, 2, 3, 4)
    for process in (first, second):
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert f'"output": {EXPECTED}' in out
    assert executed(crash) == ["1", "2", "3", "4"]


def test_a_waiting_run_takes_over_when_the_holder_dies(crash):
    first = crash.start("run", "--json", *crash.arguments)
    wait_for(lambda: begun(crash, 1) and begun(crash, 2))
    second = crash.start("run", "--json", *crash.arguments)
    wait_for(lambda: len(crash("runs", "list", "--json").json["runs"]) == 2)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    go(crash, 1, 2, 3, 4)
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert f'"output": {EXPECTED}' in out
    assert executed(crash) == ["1", "2", "3", "4"]


def test_resume_is_an_ordinary_run(crash):
    process = crash.start("run", *crash.arguments)
    wait_for(lambda: begun(crash, 1) and begun(crash, 2))
    go(crash, 1)
    wait_for(lambda: begun(crash, 3))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=15)
    go(crash, 2, 3, 4)
    document = crash("runs", "resume", "--json").json
    assert document["outputs"] == {"output": EXPECTED}
    assert document["steps"][0]["status"] == "Reused"


def test_logs_of_a_running_step_can_be_followed(crash):
    process = crash.start("run", "--json", *crash.arguments)
    wait_for(lambda: begun(crash, 1))
    wait_for(lambda: "working 1" in crash("runs", "logs", "latest", "work").out)
    follower = crash.start("runs", "logs", "latest", "--follow")
    go(crash, 1, 2, 3, 4)
    process.communicate(timeout=60)
    out, _ = follower.communicate(timeout=30)
    assert follower.returncode == 0
    for n in range(1, 5):
        assert f"working {n}\n" in out


def test_whoever_waits_in_python_has_the_run_go_on_when_its_driver_died(project):
    project.write(
        waits="""
        import os
        import signal
        import time
        from pathlib import Path
        from pipelinekit import pipeline, step

        @step
        def long(mark: str) -> int:
            begun = Path(mark)
            if not begun.exists():
                begun.touch()
                time.sleep(120)
            return 1

        @pipeline
        def waits(mark: str):
            return long(mark)

        if __name__ == "__main__":
            run = waits.submit(parameters={"mark": os.path.abspath("begun")})
            while not Path("begun").exists():
                time.sleep(0.05)
            os.kill(int(run.record.owner.split("|")[2]), signal.SIGKILL)
            run.wait(timeout=60)
            print(run.record.experiment, run.status, run.outputs["output"].load())
        """
    )
    project.home.mkdir()
    (project.home / "config.toml").write_text('experiment = "tuned"')
    done = subprocess.run([sys.executable, "waits.py"], cwd=project.folder, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "tuned Completed 1\n"
