"""Steps on several nodes at once: what each process of one knows of the others, and what becomes of them together."""

import json
import os
import signal

import psutil
import pytest
from conftest import Project, alive, dask_cluster, wait_for

from pipelinekit import Workspace

STEPS = """
    import json
    import os
    import socket
    import sys
    import time
    from pathlib import Path
    from pipelinekit import get_context, pipeline, step

    NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK")

    def all_reduce(value):
        \"\"\"The sum of what all ranks have; each of them has it.\"\"\"
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        if rank == 0:
            with socket.create_server(place) as server:
                files = [server.accept()[0].makefile("rw") for _ in range(size - 1)]
            total = value + sum(int(file.readline()) for file in files)
            for file in files:
                print(total, file=file, flush=True)
            return total
        until = time.monotonic() + 30
        while True:
            try:
                connection = socket.create_connection(place)
                break
            except ConnectionRefusedError:
                assert time.monotonic() < until
                time.sleep(0.01)
        file = connection.makefile("rw")
        print(value, file=file, flush=True)
        line = file.readline()
        if not line:
            raise ConnectionResetError("the first rank has gone")
        return int(line)

    def write(folder):
        context = get_context()
        Path(folder, f"{context.rank} {context.attempt}").write_text(str(os.getpid()))

    @step(nodes=3)
    def summed(n: int, folder: str) -> dict:
        write(folder)
        context = get_context()
        print("one\\ntwo", flush=True)
        context.log("rank", context.rank)
        total = all_reduce(n * (context.rank + 1))
        variables = [os.environ[name] for name in NAMES]
        Path(folder, f"{context.rank} variables").write_text(json.dumps([*variables, context.world_size, os.getppid()]))
        return {"total": total}

    @step(nodes=3)
    def failing(folder: str) -> int:
        write(folder)
        if get_context().rank == 1:
            raise ValueError("one of them has had enough")
        return all_reduce(1)

    @step(nodes=3)
    def waiting(folder: str, deadly: str) -> int:
        write(folder)
        if deadly and get_context().attempt > 1:
            return all_reduce(1)
        time.sleep(600)
        return 1

    @step(nodes=2)
    def pair(n: int) -> int:
        return all_reduce(n)

    @step(nodes=2)
    def begun_again(folder: str) -> int:
        write(folder)
        if get_context().attempt > 1:
            return all_reduce(1)
        time.sleep(600)
        return 1

    @step
    def one(folder: str, seconds: float) -> int:
        write(folder)
        time.sleep(seconds)
        return 1

    @step(nodes=4)
    def wide() -> int:
        return 1

    @pipeline
    def reduced(folder: str, n: int = 2):
        return summed(n, folder)

    @pipeline
    def failed(folder: str):
        return failing(folder)

    @pipeline
    def long(folder: str, deadly: str = ""):
        return waiting(folder, deadly)

    @pipeline
    def pairs(first: int):
        return pair(first), pair(n=first + 1), pair(n=first + 2)

    @pipeline
    def again(folder: str):
        return begun_again(folder)

    @pipeline
    def single(folder: str, seconds: float):
        return one(folder, seconds)

    @pipeline
    def too_wide():
        return wide()
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A project with a cluster of three nodes, and one of two."""
    folder = tmp_path_factory.mktemp("shared") / "project"
    folder.mkdir()
    project = Project(folder).write(steps=STEPS)
    computes = Workspace.open(folder).computes
    computes.create("three", max_nodes=3, min_nodes=0)
    computes.create("two", max_nodes=2, min_nodes=0)
    yield project
    for name in ("three", "two"):
        computes.delete(name)


def pids(folder, attempt=1, count=3):
    """The processes of the ranks of an attempt, once they have all begun."""
    names = [folder / f"{rank} {attempt}" for rank in range(count)]
    return wait_for(lambda: all(name.exists() and name.read_text() for name in names)) and [
        int(name.read_text()) for name in names
    ]


@pytest.mark.parametrize("compute", ["three", "local"])
def test_the_processes_of_a_step_find_each_other_and_the_first_speaks_for_all(shared, tmp_path, compute):
    words = ("--compute", compute, "--regenerate", "-p", f"folder={tmp_path}")
    run = shared.run("steps.py:reduced", *words)
    assert run["outputs"] == {"output": {"total": 12}}, run["error"]
    told = [json.loads((tmp_path / f"{rank} variables").read_text()) for rank in range(3)]
    assert [item[:6] for item in told] == [[str(rank), "3", "0", "1", str(rank), 3] for rank in range(3)]
    assert len({item[6] for item in told}) == (3 if compute == "three" else 1), "each on a node of its own"
    lines = shared("runs", "logs", run["id"]).out
    for mark in ("", "[rank 1] ", "[rank 2] "):
        assert f"{mark}one\n" in lines
        assert f"{mark}two\n" in lines
    (metric,) = shared("runs", "metrics", run["id"], "--json").json["metrics"]
    assert (metric["points"], metric["last"]) == (1, 0), "what the first tells, and no other"


@pytest.mark.parametrize("compute", ["three", "local"])
def test_where_one_of_them_fails_all_others_are_ended_and_it_is_told_which(shared, tmp_path, compute):
    run = shared.run("steps.py:failed", "--compute", compute, "-p", f"folder={tmp_path}", code=1)
    words = "step 'failing' failed: rank 1: ValueError: one of them has had enough"
    assert (run["error"]["kind"], run["error"]["message"]) == ("user", words)


@pytest.mark.parametrize(("compute", "victim"), [("three", "process"), ("three", "node"), ("local", "process")])
def test_one_that_is_killed_ends_the_attempt_and_all_are_begun_again(shared, tmp_path, compute, victim):
    words = ("--compute", compute, "--regenerate", "-p", f"folder={tmp_path}", "-p", "deadly=yes")
    process = shared.start("run", "steps.py:long", "--json", *words)
    first = pids(tmp_path)
    os.kill(first[1] if victim == "process" else psutil.Process(first[1]).ppid(), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    run = json.loads(out)
    assert run["outputs"] == {"output": 3}, err
    assert run["steps"][0]["attempts"] == 2
    assert not any(alive(pid) for pid in first)


@pytest.mark.parametrize("compute", ["three", "local"])
def test_who_cancels_it_leaves_no_process(shared, tmp_path, compute):
    words = ("--compute", compute, "--regenerate", "-p", f"folder={tmp_path}")
    process = shared.start("run", "steps.py:long", "--json", *words)
    begun = pids(tmp_path)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert json.loads(out)["status"] == "Canceled", err
    assert not any(alive(pid) for pid in begun)


def test_drivers_that_want_all_nodes_at_once_do_not_wait_for_each_other_for_good(shared, tmp_path):
    words = ("run", "steps.py:pairs", "--json", "--compute", "two")
    drivers = [shared.start(*words, "-p", f"first={first}") for first in (10, 20)]
    outputs = [json.loads(driver.communicate(timeout=110)[0])["outputs"]["output"] for driver in drivers]
    assert outputs == [[20, 22, 24], [40, 42, 44]]


def test_who_waits_for_a_node_leaves_the_others_to_those_that_need_fewer(shared, tmp_path):
    words = ("--compute", "two", "--json")
    single = shared.start("run", "steps.py:single", *words, "-p", f"folder={tmp_path}", "-p", "seconds=600")
    wait_for(lambda: (tmp_path / "0 1").exists())
    double = shared.start("run", "steps.py:pairs", *words, "-p", "first=30")
    quick = shared.run("steps.py:single", *words, "-p", f"folder={tmp_path}", "-p", "seconds=0")
    assert quick["status"] == "Completed"
    assert double.poll() is None
    single.send_signal(signal.SIGINT)
    single.communicate(timeout=60)
    out, err = double.communicate(timeout=60)
    assert json.loads(out)["outputs"]["output"] == [60, 62, 64], err


def test_who_is_canceled_while_it_waits_gives_its_places_back(shared, tmp_path):
    words = ("--compute", "two", "--json")
    single = shared.start("run", "steps.py:single", *words, "-p", f"folder={tmp_path}", "-p", "seconds=600")
    wait_for(lambda: (tmp_path / "0 1").exists())
    double = shared.start("run", "steps.py:pairs", *words, "-p", "first=40")
    wait_for(lambda: at_work(shared, "two") == 2)
    double.send_signal(signal.SIGINT)
    assert json.loads(double.communicate(timeout=60)[0])["status"] == "Canceled"
    wait_for(lambda: at_work(shared, "two") == 1)
    single.send_signal(signal.SIGINT)
    single.communicate(timeout=60)


def at_work(project, compute):
    """How many nodes of a cluster have something to do."""
    nodes = project("computes", "nodes", compute, "--json").json["nodes"]
    return sum(node["running"] > 0 for node in nodes)


def test_what_a_dead_driver_left_on_nodes_is_stopped(shared, tmp_path):
    words = ("--compute", "three", "--regenerate", "-p", f"folder={tmp_path}")
    driver = shared.start("run", "steps.py:long", *words)
    begun = pids(tmp_path)
    driver.kill()
    driver.communicate()
    wait_for(lambda: not any(alive(pid) for pid in begun), 30)


def test_on_a_cluster_that_was_attached_a_node_that_goes_is_noticed(shared, tmp_path):
    """Dask would have what was on it wait for its return."""
    with dask_cluster(tmp_path, workers=3) as address:
        words = ("--compute", address, "--regenerate", "-p", f"folder={tmp_path}", "-p", "deadly=yes")
        process = shared.start("run", "steps.py:long", "--json", *words)
        first = pids(tmp_path)
        workers = {psutil.Process(pid).ppid() for pid in first}
        assert len(workers) == 3
        os.kill(psutil.Process(first[2]).ppid(), signal.SIGKILL)
        out, _ = process.communicate(timeout=60)
        error = json.loads(out)["error"]["message"]
        assert "step 'waiting' can never run here: it asks for 3 nodes, there are never more than 2" in error
        wait_for(lambda: not any(alive(pid) for pid in first))


def test_more_nodes_than_there_can_be_are_refused_with_the_numbers(shared, tmp_path):
    refused = shared.run("steps.py:too_wide", "--compute", "three", code=1)
    assert (
        "step 'wide' can never run here: it asks for 4 nodes, there are never more than 3"
        in refused["error"]["message"]
    )
    refused = shared.run("steps.py:too_wide", "--in-process", code=1)
    assert "it asks for 4 nodes, and in-process there is one process" in refused["error"]["message"]
