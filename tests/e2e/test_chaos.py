"""Chaos: while a run of many steps is under way, what drives, schedules, executes and records it is killed or paused.

It completes all the same, with the outputs of an undisturbed run, and no step that had ended is executed again. Each
seed is one course of events; what is killed is waited for until the run goes on, so that recovery times are seen.
"""

import json
import os
import random
import signal
import time
from collections import Counter
from contextlib import closing, suppress

import psutil
import psycopg
import pytest
from conftest import alive, wait_for
from postgres import Server, schema_of

from pipelinekit.storage.sqlite_library import sqlite3

STEPS = """
    import os
    import time
    from pipelinekit import fixed, pipeline, step

    @step
    def numbers(count: int) -> list[int]:
        return list(range(count))

    @step
    def work(n: int, log: str) -> int:
        with open(log, "a") as file:
            file.write(f"{n}\\n")
        time.sleep(0.02)
        return n * n % 1009

    @step
    def again(n: int, log: str) -> int:
        with open(log, "a") as file:
            file.write(f"{n + 10_000}\\n")
        return n + 1

    @step
    def total(parts: list[int]) -> int:
        return sum(parts)

    @pipeline
    def many(log: str, count: int = 500):
        first = work.map(n=numbers(count), log=fixed(log))
        return total(again.map(n=first, log=fixed(log)))
"""
COUNT = 500
KILLS = ("driver", "node", "scheduler", "server", "node", "driver")
KILLS_OF_SERVERS = ("server", "driver", "server", "servers", "node", "server", "scheduler")  # where there are several
PATIENCE = 60.0  # seconds until the run has to go on after a kill


class Chaos:
    """One run under way, and what can be done to it."""

    def __init__(self, project, seed, database=None, count=COUNT, servers=1):
        self.project = project
        self.count = count
        self.random = random.Random(seed)
        self.database = database
        self.most = servers
        self.servers = []
        self.recovered = []
        self.log = project.folder / "executed"
        self.log.touch()
        self.said = project.folder.parent / "serve.log"

    def sql(self, statement):
        while True:
            try:
                if self.database is not None:
                    return self.database.sql(statement, schema=schema_of(self.url))
                with closing(sqlite3.connect(self.project.home / "records.db", timeout=30)) as connection:
                    return connection.execute(statement).fetchall()
            except (psycopg.OperationalError, sqlite3.OperationalError):  # it is one of the things that are killed
                time.sleep(0.1)

    def begin(self):
        if self.database is not None:
            self.url = self.database.new()
            self.project.home.mkdir(exist_ok=True)
            (self.project.home / "config.toml").write_text(f'records = "{self.url}"\n')
        self.project.write(many=STEPS)
        self.project("computes", "create", "pool", "--max-nodes", "2", "--cores", "1", "--idle-time", "5s")
        for _ in range(self.most):
            self.serve()
        words = ("many.py", "--compute", "pool", "-p", f"log={self.log}", "-p", f"count={self.count}")
        self.run = self.project("run", "--detach", *words).out.strip()

    def serve(self):
        with self.said.open("a") as stream:
            self.servers.append(self.project.start("serve", "--no-http", stdout=stream, stderr=stream))

    @property
    def server(self):
        """The one that was started last."""
        return self.servers[-1]

    def ended_steps(self):
        return self.sql(f"select count(*) from step_runs where run = '{self.run}' and status = 'Completed'")[0][0]

    def status(self):
        return self.sql(f"select status from runs where id = '{self.run}'")[0][0]

    def pid_of(self, statement):
        """The process that a lease names; 0 where there is none now."""
        rows = self.sql(statement)
        pid = int(rows[0][0].split("|")[2]) if rows and rows[0][0] else 0
        return pid if pid and alive(pid) else 0

    def victim(self, kind):
        if kind == "server":
            self.random.shuffle(self.servers)
            return self.server.pid
        if kind == "driver":
            return self.pid_of(f"select owner from runs where id = '{self.run}'")
        keeper = self.pid_of("select owner from compute_keepers")
        if kind == "scheduler" or not keeper:
            return keeper
        with suppress(psutil.NoSuchProcess):
            nodes = [item.pid for item in psutil.Process(keeper).children() if "spawn_main" in " ".join(item.cmdline())]
            return self.random.choice(nodes) if nodes else 0
        return 0

    def hurt(self, kind):
        """Kill something, or pause it for a while; then the run has to go on."""
        before, since = self.ended_steps(), time.monotonic()
        if kind == "database":
            self.database.stop(signal.SIGQUIT)
            time.sleep(self.random.uniform(0.0, 2.0))
            self.database.start()
        elif kind == "servers":
            for server in self.servers:
                server.kill()
        elif pid := wait_for(lambda: self.victim(kind) or (self.status() == "Completed" and -1)):
            if pid < 0:
                return
            with suppress(ProcessLookupError):
                if self.random.random() < 0.25 and kind != "server":
                    os.kill(pid, signal.SIGSTOP)
                    time.sleep(self.random.uniform(0.5, 3.0))
                    os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)
        if kind.startswith("server"):
            dead = list(self.servers) if kind == "servers" else [self.server]
            for server in dead:
                server.wait()
                self.servers.remove(server)
                self.serve()
        try:
            wait_for(lambda: self.ended_steps() > before or self.status() not in ("Queued", "Running"), PATIENCE)
        except AssertionError as error:
            error.add_note(f"it did not go on after the end of the {kind}, {before} steps in\n{self.facts()}")
            raise
        self.recovered.append((kind, round(time.monotonic() - since, 1)))

    def live(self, kinds):
        """Let it all happen, spread over the run."""
        at = sorted(self.random.sample(range(20, 2 * self.count - 200), len(kinds)))
        for place, kind in zip(at, kinds, strict=True):
            wait_for(lambda place=place: self.ended_steps() >= place or self.status() not in ("Queued", "Running"), 120)
            self.hurt(kind)
        wait_for(lambda: self.status() not in ("Queued", "Running"), 120)

    def facts(self):
        """How it all stands, for whoever looks into a failure."""
        run = self.sql(f"select status, owner, epoch, events, fruitless, renewed_at from runs where id = '{self.run}'")
        steps = self.sql(f"select status, count(*) from step_runs where run = '{self.run}' group by status")
        places = [self.project.home / "cache" / name for name in ("drivers.log", "keepers.log")]
        logs = [path.read_text()[-3000:] for path in (*places, self.said)]
        keepers = self.sql("select wanted, owner, epoch, renewed_at, said from compute_keepers")
        return "\n\n".join(
            map(str, (self.recovered, run, steps, keepers, [server.poll() for server in self.servers], *logs))
        )

    def check(self):
        document = self.project("runs", "show", self.run, "--json").json
        expected = sum(n * n % 1009 + 1 for n in range(self.count))
        assert (document["status"], document["outputs"].get("output")) == ("Completed", expected), document["error"]
        assert {step["status"] for step in document["steps"]} == {"Completed"}
        assert len(document["steps"]) == 2 * self.count + 2
        self.check_nothing_ended_twice()
        assert self.project("fsck").out == "no faults\n"

    def check_nothing_ended_twice(self):
        """By the events: who has completed stays so; by what was executed: little was done in vain."""
        ended = Counter()
        for (body,) in self.sql(f"select body from events where run = '{self.run}' order by sequence"):
            for name, status in json.loads(body).get("steps", ()):
                assert not ended[name], f"{name} became {status} after its end"
                ended[name] += status == "Completed"
        assert set(ended.values()) == {1}
        executed = Counter(self.log.read_text().split())
        assert len(executed) == 2 * self.count
        assert sum(executed.values()) - 2 * self.count <= 300 * len(self.recovered)

    def end(self):
        for server in self.servers:
            if server.poll() is None:
                server.send_signal(signal.SIGTERM)
                server.wait(timeout=60)
        with suppress(AssertionError):
            self.project("computes", "delete", "pool")


def live(project, seed, database=None, servers=1):
    chaos = Chaos(project, seed, database, servers=servers)
    kinds = list(KILLS) if servers == 1 else list(KILLS_OF_SERVERS)
    if database is not None:
        kinds[2:2] = ["database", "database"]
    chaos.random.shuffle(kinds)
    try:
        chaos.begin()
        chaos.live(kinds)
        chaos.check()
    finally:
        chaos.end()
    print("recovered:", chaos.recovered)


@pytest.mark.long
def test_a_run_survives_the_death_of_everything_that_carries_it(project):
    live(project, 1)


@pytest.mark.long
def test_it_survives_the_death_of_its_database_as_well(project):
    database = Server()
    try:
        live(project, 2, database)
    finally:
        database.end()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30, 36))
def test_several_servers_on_one_database_are_killed_and_the_run_goes_on(project, seed):
    database = Server()
    try:
        live(project, seed, database, servers=2 + seed % 2)
    finally:
        database.end()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 30))
def test_so_it_does_whatever_the_order(project, seed):
    database = Server() if seed % 2 else None
    try:
        live(project, seed, database)
    finally:
        if database is not None:
            database.end()
