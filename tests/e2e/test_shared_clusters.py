"""What steps and runs can do to each other on a cluster: kill its nodes, outlive their driver, fill it up."""

import json
import time

import pytest
from conftest import alive, wait_for

from pipelinekit import Workspace

STEPS = """
    import os
    import signal
    import time
    from pathlib import Path
    from pipelinekit import Resources, fixed, pipeline, step

    @step
    def deadly(log: str) -> int:
        with open(log, "a") as file:
            file.write("deadly\\n")
        time.sleep(0.2)
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
        return 1

    @step
    def harmless(n: int) -> int:
        return n

    @pipeline
    def poisoned(log: str):
        return deadly(log), harmless(1)

    @step
    def long(log: str) -> int:
        Path(log).write_text(str(os.getpid()))
        time.sleep(600)
        return 1

    @pipeline
    def orphaned(log: str):
        return long(log)

    @step
    def short(n: int, seconds: float) -> int:
        time.sleep(seconds)
        return n

    @step(resources=Resources(named={"licence": 1}))
    def licensed(n: int, log: str) -> int:
        with open(log, "a") as file:
            file.write(f"begin {n}\\n")
        time.sleep(0.3)
        with open(log, "a") as file:
            file.write(f"end {n}\\n")
        return n

    @step(resources=Resources(named={"licence": 2}))
    def greedy() -> int:
        return 1

    @pipeline
    def one_by_one(log: str):
        return licensed.map(n=[1, 2, 3], log=fixed(log))

    @pipeline
    def too_much():
        return greedy()

    @pipeline
    def many(count: int, first: int, seconds: float = 0.1):
        return short.map(n=list(range(first, first + count)), seconds=fixed(seconds))
"""


@pytest.fixture
def pool(project):
    """A project with a cluster of one node, which is ended with the test."""
    project.write(steps=STEPS)
    computes = Workspace.open(project.folder).computes
    computes.create("pool", max_nodes=1, min_nodes=1)
    yield project
    computes.delete("pool")


def test_a_step_that_kills_its_nodes_fails_with_the_evidence_and_others_do_not(pool, tmp_path):
    log = tmp_path / "log"
    words = ("--compute", "pool", "--continue-on-step-failure", "-p", f"log={log}")
    failed = pool.run("steps.py:poisoned", *words, code=1)
    error = failed["error"]
    assert error["kind"] == "poison"
    assert "3 nodes died while they executed it: node 0 died while it executed attempt 1; node" in error["message"]
    assert log.read_text().split() == ["deadly"] * 3
    assert {step["name"]: step["status"] for step in failed["steps"]} == {"deadly": "Failed", "harmless": "Completed"}


def test_what_a_dead_driver_left_on_a_node_is_stopped(pool, tmp_path):
    log = tmp_path / "log"
    driver = pool.start("run", "steps.py:orphaned", "--compute", "pool", "-p", f"log={log}")
    wait_for(lambda: log.exists() and log.read_text())
    step = int(log.read_text())
    driver.kill()
    driver.communicate()
    wait_for(lambda: not alive(step), 20)


def test_a_short_run_does_not_wait_for_all_of_a_long_one(pool):
    long = pool.start("run", "steps.py:many", "--compute", "pool", "--json", "-p", "count=80", "-p", "first=0")
    wait_for(lambda: pool("runs", "list", "--json").json["runs"] and completed(pool) > 5)
    begun = time.monotonic()
    pool.run("steps.py:many", "--compute", "pool", "-p", "count=3", "-p", "first=1000")
    took = time.monotonic() - begun
    assert completed(pool, 1) < 80, f"the short run took {took:.1f} s, as long as all of the long one"
    out, err = long.communicate(timeout=120)
    assert json.loads(out)["status"] == "Completed", err


def test_what_nodes_have_is_given_to_as_many_steps_as_it_lasts_for(project, tmp_path):
    project.write(steps=STEPS)
    computes = Workspace.open(project.folder).computes
    computes.create("lab", max_nodes=1, cores=3, resources={"licence": 1})
    try:
        log = tmp_path / "log"
        project.run("steps.py:one_by_one", "--compute", "lab", "-p", f"log={log}")
        lines = log.read_text().split("\n")[:-1]
        assert [line.split()[0] for line in lines] == ["begin", "end"] * 3, "one licence, one step at a time"
        refused = project.run("steps.py:too_much", "--compute", "lab", code=1)
        assert "it asks for 2 licence, the largest worker has 1" in refused["error"]["message"]
        nowhere = project.run("steps.py:too_much", code=1)
        assert "it asks for licence, which only nodes of clusters can have" in nowhere["error"]["message"]
    finally:
        computes.delete("lab")


def completed(project, place=0):
    """How many steps of a run have completed; of the newest by default."""
    run = project("runs", "list", "--json").json["runs"][place]["id"]
    steps = project("runs", "show", run, "--json").json["steps"]
    return sum(step["status"] == "Completed" for step in steps)


DISTRIBUTED = """
    import os
    import dask.array
    from pipelinekit import get_context, pipeline, step

    def square(n):
        return n * n, os.getpid()

    @step(dask_client=True)
    def spread(n: int) -> tuple[int, int, bool]:
        client = get_context().dask_client()
        assert client is get_context().dask_client()
        found = client.gather(client.map(square, range(n)))
        workers = client.scheduler_info()["workers"]
        assert dask.array.ones((20, 20), chunks=5).sum().compute() == 400, "Dask's collections use it by themselves"
        return sum(value for value, _ in found), len(workers), os.getpid() in {pid for _, pid in found}

    @step
    def refused() -> int:
        get_context().dask_client()
        return 1

    @pipeline
    def one(n: int = 20):
        return spread(n)

    @pipeline
    def two():
        return refused()
"""


def test_a_step_computes_on_the_cluster_that_it_runs_on_and_does_not_wait_for_its_own_place(pool):
    """The only node has one core, which the step itself would keep from what it computes."""
    pool.write(distributed_steps=DISTRIBUTED)
    there = pool.run("distributed_steps.py:one", "--compute", "pool")
    assert there["outputs"] == {"output": [2470, 1, False]}, there["error"]
    here = pool.run("distributed_steps.py:one", "--regenerate")
    assert here["outputs"] == {"output": [2470, 1, True]}, "here they are threads of the step's own process"
    failed = pool.run("distributed_steps.py:two", code=1)
    assert "step 'refused' has asked for no Dask client" in failed["error"]["message"]
    assert "@step(dask_client=True)" in failed["error"]["hint"]
    pool.run("distributed_steps.py:one", "-p", "n=3", "--in-process")
