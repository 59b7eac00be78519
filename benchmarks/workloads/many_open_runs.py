"""A thousand runs are open when the server and all of its drivers are killed: how long until what it starts goes on.

    python3 benchmarks/workloads/many_open_runs.py FOLDER sqlite|postgres [RUNS [DRIVEN]]

So many are driven at once, by processes of their own, and sleep from step to step; the others are queued. Prints one
line of JSON: seconds of the clock from the start of another server until it listens, until a step of the first of the
runs that were driven has begun, and until one of each of them has; memory of the server and of all together.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from pipelinekit import Workspace
from pipelinekit.storage.sqlite_library import sqlite3

FILE = """
    import time
    from pipelinekit import pipeline, step

    @step
    def nap(number: int, seconds: float) -> int:
        time.sleep(seconds)
        return number + 1

    @pipeline
    def naps(number: int, seconds: float = 5.0):
        for _ in range(50):
            number = nap(number, seconds)
        return number
"""
SETTLED = 1  # steps that each driven run has ended before the death
KIT = [sys.executable, "-P", "-m", "pipelinekit"]
folder, records = Path(sys.argv[1]), sys.argv[2]
RUNS, DRIVEN = (int(given) for given in [*sys.argv[3:5], *("1000", "24")[len(sys.argv) - 3 :]])


def kit(*words: str) -> str:
    done = subprocess.run([*KIT, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def until(condition, seconds: float = 300.0) -> float:
    """How long it took until something was so."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it never came true"
        time.sleep(0.02)
    return time.monotonic() - began


class Server:
    """A server in a process of its own."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self._log = folder / f"serve-{time.time_ns()}.log"
        words = ["serve", "--port", "0", "--runs", str(DRIVEN), "--warm", "0"]
        with self._log.open("w") as stream:
            self.process = subprocess.Popen([*KIT, *words], cwd=folder, stderr=stream, stdout=stream)

    def url(self) -> str:
        """Where it listens; empty as long as it does not."""
        assert self.process.poll() is None, self._log.read_text()
        found = re.search(r"listening at (\S+)", self._log.read_text())
        return found[1] if found else ""

    def tree(self) -> list[int]:
        """It, and all that it has started; parents before their children."""
        found, waiting = [], [self.process.pid]
        while waiting:
            found.append(waiting.pop())
            with contextlib.suppress(OSError):
                for task in os.listdir(f"/proc/{found[-1]}/task"):
                    waiting += map(int, Path(f"/proc/{found[-1]}/task/{task}/children").read_text().split())
        return found

    def kill(self) -> None:
        """End all of them without a word, the server first."""
        for process in self.tree():
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        self.process.wait()


def memory(processes: list[int]) -> int:
    """Bytes, of which shared pages count for each process in part."""
    found = 0
    for process in processes:
        with contextlib.suppress(OSError):
            found += 1024 * int(
                re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE)[1]
            )
    return found


class Records:
    """The records, looked at beside all servers."""

    def __init__(self) -> None:
        if database is None:
            self._connection = sqlite3.connect(folder / ".pipelinekit" / "records.db", timeout=60, isolation_level=None)
        else:
            self._connection = psycopg.connect(os.environ["PIPELINEKIT_RECORDS"], autocommit=True)
            self._connection.execute("set search_path to pipelinekit")

    def __call__(self, statement: str) -> list:
        return self._connection.execute(statement).fetchall()


def ended() -> dict[str, int]:
    """How many steps of each run have ended."""
    return dict(sql("select run, count(*) from step_runs where status = 'Completed' group by run"))


def driven() -> set[str]:
    """The runs that a process drives."""
    return {row[0] for row in sql("select id from runs where status = 'Running' and owner <> ''")}


def begun_since(moment: float) -> set[str]:
    """The runs of which a step has begun since then."""
    return {row[0] for row in sql(f"select distinct run from step_runs where started_at > {moment}")}


def submit() -> None:
    """Record the runs, for whoever comes to drive them."""
    services = workspace.services
    services.launch = lambda _: None
    endpoint = workspace.pipeline_endpoints.get("naps")
    with services.records.batch():
        for number in range(RUNS):
            endpoint.submit(parameters={"number": 1000 * number})


database = None
if records == "postgres":
    import postgres_server
    import psycopg

    database = postgres_server.start(folder / "postgres")
server = None
try:
    (folder / "flows.py").write_text(textwrap.dedent(FILE))
    (folder / ".amlignore").write_text("postgres/\n*.log\n")  # beside the source, but no part of it
    kit("publish", "flows.py", "-p", "number=1", "--endpoint", "naps")
    workspace = Workspace.open(folder)
    sql = Records()
    submit()
    server = Server()
    until(lambda: len([count for count in ended().values() if count >= SETTLED]) >= DRIVEN)
    before = driven()
    ((there,),) = sql("select count(*) from runs where status in ('Queued', 'Running')")
    assert (there, len(before)) == (RUNS, DRIVEN), (there, len(before))
    server.kill()
    died = time.time()
    server = Server()
    found = {"listens_s": until(server.url)}
    for quantity, enough in (("first_s", 1), ("all_s", DRIVEN)):
        until(lambda enough=enough: len(begun_since(died) & before) >= enough)
        found[quantity] = time.monotonic() - server.began
    found["server_bytes"] = memory(server.tree()[:1])
    found["tree_bytes"] = memory(server.tree())
finally:
    if server is not None:
        server.kill()
    if database is not None:
        database.cleanup()
print(json.dumps(found))
