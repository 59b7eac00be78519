"""What kills or confuses whoever drives it: it is given up after three drivers, and nobody else waits for it."""

import sqlite3
from contextlib import closing

import pytest
from conftest import wait_for

from pipelinekit import Workspace

STEPS = """
    import os
    import signal
    from pipelinekit import pipeline, step

    @step
    def deadly(n: int) -> int:
        os.kill(os.getppid(), signal.SIGKILL)
        return n

    @step
    def harmless(n: int) -> int:
        return n

    @pipeline
    def ends(n: int = 1):
        return deadly(n)

    @pipeline
    def fine(n: int = 1):
        return harmless(n)
"""


@pytest.fixture
def served(project):
    """A project whose runs wait until `serve` is called; the server ends with the test."""
    project.write(steps=STEPS)
    started = []

    def serve():
        started.append(project.start("serve", "--no-http", "--runs", "2"))

    project.serve = serve
    yield project
    for server in started:
        server.terminate()
        server.communicate(timeout=60)


def detached(project, target, *words):
    """A run that was recorded, and whose driver was not needed: it is queued."""
    return project("run", "--detach", target, *words).out.strip()


def shown(project, run):
    return project("runs", "show", run, "--json").json


def final(project, run):
    """How a run has ended; it is looked at without seeing to it."""
    records = Workspace.open(project.folder).services.records.runs
    wait_for(lambda: records.get(run).status.final)
    return shown(project, run)


def test_what_kills_each_of_its_drivers_is_given_up_and_others_go_on(served):
    served.serve()
    deadly = [detached(served, "steps.py:ends", "-p", f"n={number}") for number in range(2)]
    fine = [detached(served, "steps.py:fine", "-p", f"n={number}") for number in range(4)]
    assert {final(served, run)["status"] for run in fine} == {"Completed"}
    for run in deadly:
        failed = final(served, run)
        assert (failed["status"], failed["error"]["kind"]) == ("Failed", "lost")
        assert "and so did 2 before it" in failed["error"]["message"]
    again = detached(served, "steps.py:fine", "-p", "n=9")
    assert final(served, again)["status"] == "Completed"


def test_graphs_that_no_driver_can_read_fail_their_runs_with_words_and_others_go_on(served):
    texts = ("", "[" * 5000, '{"schema": 1}', "null")
    runs = []
    for number, text in enumerate(texts):
        served.write(steps=STEPS.replace("def fine", f"def fine{number}"))
        runs.append(detached(served, f"steps.py:fine{number}"))
        final(served, runs[-1])
        with closing(sqlite3.connect(served.home / "records.db")) as connection, connection:
            ((graph,),) = connection.execute("select graph from runs where id = ?", (runs[-1],)).fetchall()
            connection.execute("update documents set body = ? where digest = ?", (text, graph))
            connection.execute(
                "update runs set status = 'Queued', owner = '', renewed_at = 0 where id = ?", (runs[-1],)
            )
            connection.execute("delete from step_runs where run = ?", (runs[-1],))
    served.serve()
    served.write(steps=STEPS)
    assert final(served, detached(served, "steps.py:fine"))["status"] == "Completed"
    for run in runs:
        failed = final(served, run)
        assert failed["status"] == "Failed"
        assert "graph" in failed["error"]["message"]


LARGE = """
    from pipelinekit import pipeline, step

    @step
    def one(n: int) -> int:
        return n + 1

    @step
    def total(parts: list[int]) -> int:
        return sum(parts)

    @pipeline
    def deep(count: int = 10_000):
        value = 0
        for _ in range(int(count)):
            value = one(value)
        return value

    @pipeline
    def wide(count: int = 50_000):
        return total([one(n) for n in range(int(count))])

    @pipeline
    def endless(n: int = 1):
        return endless(one(n))
"""


@pytest.mark.slow
def test_ten_thousand_steps_in_a_row_and_fifty_thousand_into_one_are_compiled_recorded_and_run(project):
    project.write(large=LARGE)
    for target, value in (("deep", 10_000), ("wide", 1_250_025_000)):
        first = project.run(f"large.py:{target}", "--in-process")
        assert (first["status"], first["outputs"]) == ("Completed", {"output": value})
        again = project.run(f"large.py:{target}")
        assert {step["status"] for step in again["steps"]} == {"Reused"}
    assert project("fsck").out == "no faults\n"


def test_a_pipeline_that_calls_itself_is_refused_with_its_place(project):
    project.write(large=LARGE)
    refused = project("run", "large.py:endless", code=2)
    assert "pipeline 'endless' cannot be compiled: 1 fault" in refused.err
    assert "large.py:" in refused.err
    assert "RecursionError: maximum recursion depth exceeded" in refused.err
