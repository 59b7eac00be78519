"""Drivers, keepers and nodes that are killed before or after each of their effects: real processes, by KILL.

The effects are counted, not listed (`dying/counted.py`): a sweep ends with the first number at which nobody died.
"""

import os
from collections import Counter
from pathlib import Path

import pytest
from conftest import alive, wait_for

from pipelinekit import Workspace
from pipelinekit.domain.runs import RunStatus

DYING = Path(__file__).parents[1] / "dying"
MOST = 100  # effects of one process in one run, and more
STEPS = """
    from pipelinekit import fixed, pipeline, step

    @step
    def work(n: int, folder: str) -> list[int]:
        with open(f"{folder}/executed", "a") as log:
            log.write(f"{n}\\n")
        return list(range(n, n + 2000))

    @step
    def total(parts: list[list[int]], run: int) -> int:
        return sum(map(sum, parts)) + run

    @pipeline
    def main(folder: str, run: int):
        return total(work.map(n=[10 * run, 10 * run + 1, 10 * run + 2], folder=fixed(folder)), run)
"""


def expected(run):
    return sum(sum(range(n, n + 2000)) for n in (10 * run, 10 * run + 1, 10 * run + 2)) + run


class Site:
    """A workspace with a server, whose processes die as they are told."""

    def __init__(self, project, folder, compute):
        self.project, self.folder, self.compute = project, folder, compute
        self.marks = folder / "marks"
        self.marks.mkdir()
        project.write(main=STEPS)
        self.workspace = Workspace.open(project.folder)
        if compute == "pool":
            self.workspace.computes.create("pool", max_nodes=1, idle_seconds_before_scaledown=60)
        self.log = (folder / "serve.log").open("w")
        self.server = project.start("serve", "--no-http", "--warm", "0", stdout=self.log, stderr=self.log)
        self.number = 0

    def keeper(self):
        database = self.workspace.services.database
        rows = database.read("get_keeper", ("pool",))
        pid = int(rows[0]["owner"].split("|")[2]) if rows and rows[0]["owner"] else 0
        return pid if pid and alive(pid) else 0

    def live(self, kind, nth, side):
        """One run, during which a process of that kind dies; whether one did."""
        if kind == "keep":
            self.workspace.computes.get("pool").stop()
            wait_for(lambda: not self.keeper())
        (self.folder / f"{kind}.died").unlink(missing_ok=True)
        (self.folder / kind).write_text(f"{nth} {side}")
        self.number += 1
        words = ("-p", f"folder={self.marks}", "-p", f"run={self.number}", "--compute", self.compute)
        run = self.project("run", "--detach", "main.py", *words).out.strip()
        records = self.workspace.services.records.runs
        wait_for(lambda: records.get(run).status.final)
        found = records.get(run)
        assert (found.status, found.failure) == (RunStatus.COMPLETED, None)
        assert found.outputs["output"].inline == expected(self.number)
        assert {str(step.status) for step in records.steps(run)} == {"Completed"}
        if kind == "keep":  # its last effects are those of its end
            self.workspace.computes.get("pool").stop()
            wait_for(lambda: not self.keeper())
        (self.folder / kind).unlink(missing_ok=True)
        return (self.folder / f"{kind}.died").exists()

    def sweep(self, kind, numbers):
        """Die at these effects, as far as there are so many; how many there are, if all were come to."""
        for nth in numbers:
            for side in ("before", "after"):
                try:
                    if not self.live(kind, nth, side):
                        return nth - 1
                except BaseException as error:
                    error.add_note(f"a process of the kind {kind} died {side} effect {nth}")
                    raise
        return None

    def check(self):
        executed = Counter((self.marks / "executed").read_text().split())
        assert len(executed) == 3 * self.number
        assert max(executed.values()) <= 3  # one that is lost again as its node, which Dask takes for lost, is replaced
        database = self.workspace.services.database
        assert database.read("open_runs") == []
        assert self.project("fsck").out == "no faults\n"

    def end(self):
        self.server.terminate()
        self.server.wait(timeout=60)
        self.log.close()
        if self.compute == "pool":
            self.workspace.computes.delete("pool")
            wait_for(lambda: not self.keeper())


@pytest.fixture
def make_site(project, tmp_path, monkeypatch):
    made = []

    def make(compute):
        monkeypatch.setenv("DYING_AT", str(tmp_path))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(DYING), os.environ.get("PYTHONPATH", "")])))
        made.append(Site(project, tmp_path, compute))
        return made[-1]

    yield make
    for site in made:
        site.end()


KINDS = [("drive", "local"), ("node", "pool"), ("keep", "pool")]
FEW = {"drive": (1, 4), "node": (9,), "keep": (1,)}


@pytest.mark.long
@pytest.mark.parametrize(("kind", "compute"), KINDS)
def test_a_run_completes_whatever_dies_at_some_of_its_effects(make_site, kind, compute):
    site = make_site(compute)
    assert site.sweep(kind, FEW[kind]) is None, "it has as many"
    site.check()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("kind", "compute"), KINDS)
def test_so_it_does_at_each_of_them(make_site, kind, compute):
    site = make_site(compute)
    count = site.sweep(kind, range(1, MOST))
    assert count is not None
    assert count >= max(FEW[kind])
    site.check()
    print(f"{kind}: {count} effects")
