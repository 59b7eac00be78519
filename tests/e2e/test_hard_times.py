"""Machines that hardly come to anything, and steps that write without end: late is not lost, and too much is cut."""

import json
import os
import signal
import threading
from contextlib import contextmanager, suppress

import psutil
from seams import Child, small_disk

from pipelinekit import Workspace

STEPS = """
    import os
    import time
    from pathlib import Path
    from pipelinekit import fixed, pipeline, step

    @step
    def work(n: int, folder: str) -> int:
        Path(folder, f"begun-{n}").touch()
        time.sleep(0.02)
        return n

    @step
    def total(parts: list[int]) -> int:
        return sum(parts)

    @pipeline
    def many(folder: str, count: int = 60):
        return total(work.map(n=list(range(count)), folder=fixed(folder)))

    @step
    def flood(megabytes: int) -> int:
        line = b"x" * 99 + b"\\n"
        for _ in range(megabytes):
            os.write(1, line * 10_000)
        return megabytes

    @pipeline
    def flooded(megabytes: int):
        return flood(megabytes)
"""
BEAT = 0.05  # seconds that each process stands still, and goes on


@contextmanager
def half_speed(roots):
    """All processes below these, and these, go on only half of the time."""
    over = threading.Event()

    def signal_all(number):
        for root in roots():
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                process = psutil.Process(root)
                for item in (process, *process.children(recursive=True)):
                    with suppress(ProcessLookupError):
                        os.kill(item.pid, number)

    def beat():
        while not over.wait(BEAT):
            signal_all(signal.SIGSTOP)
            over.wait(BEAT)
            signal_all(signal.SIGCONT)
        signal_all(signal.SIGCONT)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_where_everything_stands_still_half_of_the_time_nothing_is_taken_for_lost(project, tmp_path):
    project.write(steps=STEPS)
    computes = Workspace.open(project.folder).computes
    computes.create("pool", max_nodes=1, min_nodes=1)
    computes.get("pool").wait(nodes=1)
    database = Workspace.open(project.folder).services.database
    keeper = int(database.read("get_keeper", ("pool",))[0]["owner"].split("|")[2])
    words = ("steps.py:many", "--json", "--compute", "pool", "-p", f"folder={tmp_path}")
    run = project.start("run", *words)
    try:
        with half_speed(lambda: (keeper, run.pid)):
            out, err = run.communicate(timeout=200)
        document = json.loads(out)
        assert (document["status"], document["outputs"]) == ("Completed", {"output": sum(range(60))}), err
        assert {step["attempts"] for step in document["steps"]} == {1}
        assert int(database.read("get_keeper", ("pool",))[0]["owner"].split("|")[2]) == keeper
    finally:
        run.kill()
        computes.delete("pool")


def test_of_a_gigabyte_that_a_step_writes_the_beginning_is_kept_and_memory_stays_flat(project):
    project.write(steps=STEPS)
    run = project.start("run", "steps.py:flooded", "--json", "-p", "megabytes=1024")
    most, out = [0], []

    def watch():
        while run.poll() is None:
            with suppress(psutil.NoSuchProcess):
                most[0] = max(most[0], psutil.Process(run.pid).memory_info().rss)
            over.wait(0.05)

    over = threading.Event()
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        out, err = run.communicate(timeout=200)
    finally:
        over.set()
        thread.join()
    assert json.loads(out)["status"] == "Completed", err
    assert most[0] < 300_000_000
    log = project("runs", "logs", "latest", "flood").out
    assert log.startswith("x" * 99)
    assert len(log) < 10_000_000


def test_a_step_that_fills_the_disk_with_its_scratch_fails_and_leaves_the_room_to_others(tmp_path):
    script = """
        import os, subprocess, sys
        from pathlib import Path
        folder, text = Path(sys.argv[1]), sys.argv[2]
        (folder / "main.py").write_text(text)
        def run(*words):
            command = [sys.executable, "-P", "-m", "pipelinekit", "run", *words, "--json"]
            done = subprocess.run(command, cwd=folder, text=True, capture_output=True)
            print(done.stdout.replace(chr(10), " "), flush=True)
            print(done.stderr.replace(chr(10), " "), flush=True)
        run("main.py:hoarding", "-p", "to_end=no")
        run("main.py:hoarding", "-p", "to_end=yes")
        run("main.py:fine")
    """
    text = """
import os, signal
from pipelinekit import Retry, pipeline, step

@step
def hoard(to_end: str) -> int:
    with open("hoard", "wb") as stream:
        try:
            while True:
                stream.write(bytes(65536))
                stream.flush()
        except OSError:
            if to_end == "yes":
                os.kill(os.getpid(), signal.SIGABRT)
            raise

@step
def large(n: int) -> bytes:
    return bytes(n)

@pipeline
def hoarding(to_end: str):
    return hoard(to_end)

@pipeline
def fine(n: int = 3_000_000):
    return large(n)
"""
    folder = tmp_path / "project"
    folder.mkdir()
    child = Child(script, folder, text, prefix=small_disk(folder, "12m"))
    lines = child.end(seconds=200).splitlines()
    first, second, third = (json.loads(line) for line in lines[::2])
    assert (first["status"], first["error"]["kind"]) == ("Failed", "user")
    assert "No space left on device" in first["error"]["message"]
    words = second["error"]["message"]  # as long as the disk is full the records can take nothing in, either
    assert "SIGABRT" in words or "disk is full" in words
    assert third["status"] == "Completed", third["error"]
