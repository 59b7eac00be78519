"""Runs on several machines that share one PostgreSQL database and one folder of blobs: one result of each key counts.

A machine is a process with a host name, a boot, a clock since boot and process ids of its own, as the kernel gives them.
"""

import json
import os
import signal
from collections import Counter

import psutil
import pytest
from conftest import wait_for
from machines import Machine
from postgres import schema_of

STEPS = """
    import time
    from pathlib import Path
    from pipelinekit import pipeline, step

    @step
    def work(n: int, folder: str) -> list[int]:
        Path(folder, f"begun-{n}").touch()
        while not Path(folder, "go").exists():
            time.sleep(0.01)
        with open(f"{folder}/executed", "a") as log:
            log.write(f"{n}\\n")
        return list(range(n * 1000))

    @step
    def total(parts: list[list[int]]) -> int:
        return sum(sum(part) for part in parts)

    @pipeline
    def main(folder: str, count: int = 2):
        return total([work(n, folder) for n in range(1, count + 1)])
"""


class Site:
    """Two machines and what they share."""

    def __init__(self, postgres, folder, lease):
        self.postgres, self.url = postgres, postgres.new()
        self.marks = folder / "marks"
        blobs = folder / "blobs"
        for made in (self.marks, blobs):
            made.mkdir()
        self.machines = [
            Machine(folder / name, self.url, blobs, lease, since_boot=seconds)
            for name, seconds in (("a", 0), ("b", 10**6))
        ]
        for machine in self.machines:
            machine.write(main=STEPS)

    def words(self, count=2):
        return ("run", "main.py", "--json", "-p", f"folder={self.marks}", "-p", f"count={count}")

    def begun(self):
        return any(self.marks.glob("begun-*"))

    def go(self):
        (self.marks / "go").touch()

    def executed(self):
        return Counter((self.marks / "executed").read_text().split())

    def sql(self, statement):
        return self.postgres.sql(statement, schema=schema_of(self.url))

    def check(self, count=2):
        """One accepted result of each key, no faults, and what follows executes nothing, on any machine."""
        rows = self.sql("select key, sum(reusable), count(*) from completions group by key")
        assert [row[1:] for row in rows] == [(1, 1)] * (count + 1)
        assert self.sql("select * from claims") == []
        for machine in self.machines:
            assert machine("fsck").out == "no faults\n"
        assert {step["status"] for step in self.machines[1](*self.words(count)).json["steps"]} == {"Reused"}


@pytest.fixture
def make_site(postgres, tmp_path):
    made = []

    def make(lease):
        made.append(Site(postgres, tmp_path, lease))
        return made[-1]

    yield make
    for machine in (machine for site in made for machine in site.machines):
        machine.end()


def expected(count=2):
    return f'"output": {sum(sum(range(n * 1000)) for n in range(1, count + 1))}'


def inner(process):
    """The driver on a machine."""
    return wait_for(lambda: psutil.Process(process.pid).children())[0].pid


def waits(site):
    """Whether a run waits for another's step."""
    return wait_for(lambda: site.sql("select 1 from step_runs where note like 'waits for step%'"))


def test_machines_that_begin_at_once_execute_each_key_once(make_site):
    site = make_site(30)
    site.go()
    processes = [machine.start(*site.words(5)) for machine in site.machines for _ in range(2)]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert expected(5) in out
    assert site.executed() == Counter(map(str, range(1, 6)))
    site.check(5)


def test_a_killed_machine_is_taken_over_when_its_lease_ends_and_not_before(make_site):
    site = make_site(3)
    first, second = site.machines
    holder = first.start(*site.words())
    wait_for(site.begun)
    other = second.start(*site.words())
    waits(site)
    assert {run["status"] for run in second("runs", "list", "--json").json["runs"]} == {"Running"}
    holder.kill()
    holder.communicate()
    site.go()
    out, err = other.communicate(timeout=120)
    assert other.returncode == 0, err
    assert expected() in out
    assert site.executed() == Counter("12"), "the killed machine never got so far"
    runs = {run["id"]: run for run in second("runs", "list", "--json").json["runs"]}
    lost, done = (runs[name] for name in sorted(runs))
    assert (lost["status"], done["status"]) == ("Failed", "Completed")
    assert lost["error"]["message"] == "the process that drove this run died"
    ((seen_at,),) = site.sql(f"select renewed_at from runs where id = '{lost['id']}'")
    ((began_at,),) = site.sql(f"select min(started_at) from step_runs where run = '{done['id']}' and step like 'work%'")
    assert began_at > seen_at + 2.9
    site.check()


def test_a_machine_that_sleeps_longer_than_its_lease_is_fenced(make_site):
    site = make_site(2)
    first, second = site.machines
    holder = first.start(*site.words())
    wait_for(site.begun)
    driver = inner(holder)
    os.kill(driver, signal.SIGSTOP)
    late = "select 1 from runs where renewed_at < extract(epoch from clock_timestamp()) - 3"
    wait_for(lambda: site.sql(late))  # who comes then finds the run's lease over, and fails the run
    other = second.start(*site.words())
    site.go()  # the holder's steps end as well, while it sleeps
    out, err = other.communicate(timeout=120)
    assert other.returncode == 0, err
    assert expected() in out
    os.kill(driver, signal.SIGCONT)
    out, err = holder.communicate(timeout=60)
    assert holder.returncode == 1, (out, err)
    assert "by another process" in json.loads(out)["error"]["message"]
    assert "Traceback" not in err
    site.check()
