"""A server under load: calls of a pipeline endpoint, a burst of them, 10,000 schedules, 200 who look at a run.

    python3 benchmarks/workloads/busy_server.py FOLDER sqlite|postgres

Prints one line of JSON. The server drives one run after another meanwhile, as it would.
"""

import asyncio
import contextlib
import datetime
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import load
import postgres_server
import psycopg

from pipelinekit import Workspace
from pipelinekit.storage.sqlite_library import sqlite3

SECONDS = 15.0
CONNECTIONS = 16
RATE = 100.0  # calls a second that are aimed at
BURST, SENDERS = 1000, 100
OPEN = 1000
SCHEDULES, DUE = 10_000, 1_000
VIEWERS, VIEWERS_EACH = 200, 10
FILE = """
    import time
    from pipelinekit import pipeline, step

    @step
    def double(number: int) -> int:
        return 2 * number

    @step
    def nap(number: int, seconds: float) -> int:
        time.sleep(seconds)
        return number

    @pipeline
    def sums(number: int):
        return double(number)

    @pipeline
    def naps(number: int):
        return nap(nap(number, 3.0), 1.0)
"""
KIT = [sys.executable, "-P", "-m", "pipelinekit"]
folder, records = Path(sys.argv[1]), sys.argv[2]


def kit(*words: str) -> str:
    done = subprocess.run([*KIT, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextlib.contextmanager
def served(*words: str):
    """A server; its address."""
    log = folder / "serve.log"
    with log.open("w") as stream:
        process = subprocess.Popen([*KIT, "serve", "--port", "0", *words], cwd=folder, stderr=stream, stdout=stream)
    try:
        while not (found := re.search(r"listening at (\S+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield found[1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def call(token: str, number: int) -> bytes:
    body = json.dumps({"parameters": {"number": number}}).encode()
    key = os.urandom(8).hex()
    path = "/api/v1/pipeline-endpoints/sums/runs"
    return load.request(path, body, authorization=f"Bearer {token}", idempotency_key=key)


def sustained(
    url: str, tokens: list[str], seconds: float = SECONDS, connections: int = CONNECTIONS, per_second: float = 0.0
) -> dict[str, float]:
    """Calls without a pause, or so many a second."""
    numbers, tokens_in_turn = itertools.count(), itertools.cycle(tokens)

    def calls() -> Iterator[bytes]:
        while True:
            yield call(next(tokens_in_turn), next(numbers))

    return load.press(url, [calls() for _ in range(connections)], 202, seconds, per_second).told(seconds)


def at_a_rate(url: str, tokens: list[str]) -> dict[str, float]:
    """Calls that come evenly at the rate that is aimed at, whether or not those before were answered."""
    told = sustained(url, tokens, connections=SENDERS, per_second=RATE)
    return {f"steady_{name}": told[name] for name in ("per_second", "median_ms", "p99_ms")}


def beside_open_runs(url: str, tokens: list[str]) -> dict[str, float]:
    """How the server answers while a thousand runs are open: calls, and a list of a hundred of these."""
    there = int(sql("select count(*) from runs where status in ('Queued', 'Running')")[0][0])
    assert there >= OPEN, f"{there} are open"
    calls = sustained(url, tokens, 5.0)
    path = "/api/v1/runs?status=Queued&limit=100"
    lists = [load.request(path, b"", "GET", authorization=f"Bearer {token}") for token in tokens[:20]]
    listed = load.press(url, [lists], 200, 30.0)
    assert len(listed.good) == len(lists), listed.other
    return {"open_calls": calls["per_second"], "open_p99_ms": calls["p99_ms"], "open_list_ms": 1000 * max(listed.good)}


def burst(url: str, tokens: list[str]) -> dict[str, float]:
    """A thousand calls at once, and whether each is a run."""
    before = count()
    each = [[call(token, 10**6 + n) for n in range(BURST // SENDERS)] for token in tokens]
    began = time.monotonic()
    found = load.press(url, each, 202, 300.0)
    assert found.other == {}, found.other
    assert count() - before == BURST
    return {"burst_s": max(found.ended) - began}


def count() -> int:
    """How many runs there are."""
    return int(sql("select count(*) from runs")[0][0])


def sql(statement: str) -> list:
    """Rows of the records, asked for beside the server."""
    if database is not None:
        with psycopg.connect(os.environ["PIPELINEKIT_RECORDS"]) as connection:
            connection.execute("set search_path to pipelinekit")
            return connection.execute(statement).fetchall()
    with contextlib.closing(sqlite3.connect(folder / ".pipelinekit" / "records.db", timeout=60)) as connection:
        return connection.execute(statement).fetchall()


def schedules() -> dict[str, float]:
    """Ten thousand schedules, of which a thousand come due at one instant: how long until all of these have fired."""
    due = datetime.datetime.now(datetime.UTC).replace(second=0, microsecond=0) + datetime.timedelta(minutes=4)
    began = time.monotonic()
    with workspace.services.records.batch():
        for number in range(SCHEDULES):
            when = due if number < DUE else due + datetime.timedelta(days=100 + number % 200)
            workspace.schedules.create(
                f"s{number}",
                f"{when.minute} {when.hour} {when.day} {when.month} *",
                experiment="due",
                endpoint="sums",
                parameters={"number": 2 * 10**6 + number % 3},
            )
    made = time.monotonic() - began
    assert datetime.datetime.now(datetime.UTC) < due, f"it took {made:.0f} s to make them"
    with served("--runs", "1", "--warm", "0") as url:
        calm = sustained(url, names, 5.0)  # while nine thousand others are looked after
        time.sleep(max(0.0, due.timestamp() - time.time()))
        while len(fired := ticks()) < DUE:
            assert time.time() < due.timestamp() + 120, f"{len(fired)} have fired"
            time.sleep(0.5)
    late = sorted(at - due.timestamp() for at in fired)
    return {
        "schedules_s": late[-1],
        "schedules_median_s": late[len(late) // 2],
        "schedules_made_s": made,
        "calls_beside": calm["per_second"],
    }


def ticks() -> list[float]:
    """When each tick was fired."""
    return [float(row[0]) for row in sql("select decided_at from schedule_ticks where run <> ''")]


async def _view(address, path: str, token: str, seen: list[float]) -> None:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n".encode())
    while line := await reader.readline():
        if b"Completed" in line and b"nap" in line:
            seen.append(time.time())
            break
    writer.close()


def viewers(url: str, tokens: list[str]) -> dict[str, float]:
    """Two hundred who follow a run: how long after a step has ended the last of them knows."""
    run = kit("pipelines", "submit", published["naps"], "-p", f"number={time.time_ns()}")
    parts = urlsplit(url)
    seen: list[float] = []

    async def look() -> None:
        path = f"/api/v1/runs/{run}/events"
        address = parts.hostname, parts.port
        await asyncio.gather(*(_view(address, path, tokens[n // VIEWERS_EACH], seen) for n in range(VIEWERS)))

    thread = threading.Thread(target=lambda: asyncio.run(look()))
    thread.start()
    thread.join(60)
    assert len(seen) == VIEWERS, f"{len(seen)} have seen it"
    ended = workspace.runs.get(run).steps[0].record.ended_at
    return {"viewers_s": max(seen) - ended, "viewers_median_s": sorted(seen)[VIEWERS // 2] - ended}


def cancel_all() -> None:
    """End what waits, so that what comes next does not wait for it."""
    while runs := workspace.runs.list(status="Queued", limit=500):
        with workspace.services.records.batch():
            for run in runs:
                run.cancel()


database = None
if records == "postgres":
    database = postgres_server.start(folder / "postgres")
try:
    (folder / "flows.py").write_text(textwrap.dedent(FILE))
    (folder / ".amlignore").write_text("postgres/\nserve.log\n")  # beside the source, but no part of it
    published = {
        "sums": kit("publish", "flows.py:sums", "-p", "number=1", "--endpoint", "sums"),
        "naps": json.loads(kit("publish", "flows.py:naps", "-p", "number=1", "--json"))["id"],
    }
    workspace = Workspace.open(folder)
    names = [workspace.tokens.create(f"t{n}", role="contributor").text for n in range(SENDERS)]
    found = {}
    with served("--runs", "1", "--warm", "0") as url:
        found.update(sustained(url, names))
        found["one_per_second"] = sustained(url, names, 5.0, connections=1)["per_second"]
        found.update(burst(url, names))
        found.update(beside_open_runs(url, names))
        cancel_all()
        found.update(at_a_rate(url, names))
        cancel_all()
        found.update(viewers(url, names))
    if records == "sqlite":
        found.update(schedules())
finally:
    if database is not None:
        database.cleanup()
print(json.dumps(found))
