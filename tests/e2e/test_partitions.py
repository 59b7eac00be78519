"""Networks that part a node from its scheduler, or a driver from both: in one direction or two, for a while or for good.

Each step is recorded once, what comes late counts for nothing, and what nobody waits for any more is ended.
"""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest
from conftest import alive, scheduler_address, wait_for
from cutting_proxy import Line

STEPS = """
    import os
    import time
    from pathlib import Path
    from pipelinekit import fixed, pipeline, step

    @step
    def work(n: int, folder: str) -> int:
        with open(f"{folder}/begun-{n}", "a") as log:
            log.write(f"{os.getpid()} {os.getppid()}\\n")
        while not Path(folder, "go").exists():
            time.sleep(0.01)
        with open(f"{folder}/executed", "a") as log:
            log.write(f"{n}\\n")
        return n

    @step
    def total(parts: list[int]) -> int:
        return sum(parts)

    @pipeline
    def main(folder: str, count: int = 2):
        return total(work.map(n=list(range(1, count + 1)), folder=fixed(folder)))
"""
SILENT = 3  # seconds that a scheduler waits for a node which says nothing


class Farm:
    """A scheduler, a node that is reached directly, and one behind a line."""

    def __init__(self, project, folder):
        self.project, self.marks = project, folder / "marks"
        self.marks.mkdir()
        project.write(main=STEPS)
        self.processes = []
        self.log = (folder / "farm.log").open("w")
        file = folder / "scheduler.json"
        self.start("scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file))
        self.address = scheduler_address(file)
        host, _, port = self.address.removeprefix("tcp://").partition(":")
        self.line = Line(host, int(port))

    def start(self, *words):
        environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": f"{SILENT}s"}
        command = [sys.executable, "-m", "dask", *words]
        made = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log, cwd=self.marks)
        self.processes.append(made)
        return made

    def node(self, address):
        return self.start("worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny", "--host", "127.0.0.1")

    def far(self):
        """The address of the scheduler at the other end of the line."""
        return f"tcp://127.0.0.1:{self.line.port}"

    def begin(self, address, count=2):
        words = ("main.py", "--json", "-p", f"folder={self.marks}", "-p", f"count={count}", "--compute", address)
        return self.project.start("run", *words)

    def begun(self, *numbers):
        """Who has begun each of these steps, as often as it was: step process and node."""
        found = [self.marks / f"begun-{number}" for number in numbers]
        if all(path.exists() and path.read_text().endswith("\n") for path in found):
            return [[tuple(map(int, line.split())) for line in path.read_text().splitlines()] for path in found]
        return []

    def go(self):
        (self.marks / "go").touch()

    def executed(self):
        return sorted((self.marks / "executed").read_text().split())

    def check(self, run, count=2):
        """The run has completed, and each step has one end."""
        out, err = run.communicate(timeout=120)
        assert run.returncode == 0, out + err
        document = json.loads(out)
        assert document["outputs"] == {"output": sum(range(1, count + 1))}
        assert {step["status"] for step in document["steps"]} == {"Completed"}
        assert self.project("fsck").out == "no faults\n"
        return {step["name"]: step["attempts"] for step in document["steps"]}

    def end(self):
        self.line.close()
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        self.log.close()


@pytest.fixture
def farm(project, tmp_path):
    made = Farm(project, tmp_path)
    try:
        yield made
    finally:
        made.end()


@contextmanager
def parted(line, *ways):
    line.silence(*ways)
    try:
        yield
    finally:
        line.heal()


def test_a_node_that_is_parted_for_less_than_it_may_goes_on_with_what_it_has(farm):
    farm.node(farm.far())
    run = farm.begin(farm.address, 1)
    wait_for(lambda: farm.begun(1))
    with parted(farm.line):
        farm.go()
        wait_for(lambda: (farm.marks / "executed").exists())
    assert farm.check(run, 1)["work[0]"] == 1
    assert farm.executed() == ["1"]


@pytest.mark.parametrize("ways", [("up",), ("up", "down")])
def test_what_a_parted_node_had_is_done_by_another_and_what_it_says_later_counts_for_nothing(farm, ways):
    near, far = farm.node(farm.address), farm.node(farm.far())
    run = farm.begin(farm.address)
    first = wait_for(lambda: farm.begun(1, 2))
    assert {node for ((_, node),) in first} == {near.pid, far.pid}
    lost = next(step for ((step, node),) in first if node == far.pid)
    with parted(farm.line, *ways):
        farm.go()  # both end, one of them where nobody hears of it
        farm.check(run)
    wait_for(lambda: not alive(far.pid), 60)  # it is told that it is not known any more
    wait_for(lambda: not alive(lost))
    assert 2 <= len(farm.executed()) <= 3


def test_a_driver_whose_connection_is_torn_as_a_step_ends_does_it_again_and_records_it_once(farm):
    farm.node(farm.address)
    run = farm.begin(farm.far(), 1)
    wait_for(lambda: farm.begun(1))
    with parted(farm.line, "down"):  # the node's answer is on its way
        farm.go()
        wait_for(lambda: (farm.marks / "executed").exists())
        farm.line.tear()
    farm.check(run, 1)
    assert set(farm.executed()) == {"1"}
    assert len(farm.executed()) <= 2


def test_a_driver_that_is_parted_from_its_cluster_for_a_while_goes_on(farm):
    farm.node(farm.address)
    run = farm.begin(farm.far(), 2)
    wait_for(lambda: farm.begun(1))
    with parted(farm.line):
        farm.go()
        wait_for(lambda: (farm.marks / "executed").exists())
    assert farm.check(run, 2)["work[0]"] == 1
    assert farm.executed() == ["1", "2"]
