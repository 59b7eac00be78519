"""How long things take that a team waits for: a first step, a node, and going on after something was killed.

Seconds of the clock, since nobody computes meanwhile. A run of many short steps is under way; it has gone on when one
more of them has ended.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import psutil

from pipelinekit.storage.sqlite_library import sqlite3

STEPS = """
import time
from pipelinekit import fixed, pipeline, step

@step
def nap(n: int, seconds: float) -> int:
    time.sleep(seconds)
    return n

@pipeline
def one(n: int):
    return nap(n, 0.0)

@pipeline
def many(first: int, count: int = 400, seconds: float = 0.05):
    return nap.map(n=list(range(first, first + count)), seconds=fixed(seconds))
"""
SETTLING = 0.5  # seconds until what was on its way at a death has been recorded
IDLE = 2  # seconds that a node may be idle
folder = Path(sys.argv[1])
home = folder / ".pipelinekit"
program = [sys.executable, "-P", "-m", "pipelinekit"]


def command(*words):
    done = subprocess.run([*program, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def sql(statement):
    with closing(sqlite3.connect(home / "records.db", timeout=30)) as connection:
        return connection.execute(statement).fetchall()


def until(condition, seconds=120.0):
    """How long it took until something was so."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it never came true"
        time.sleep(0.005)
    return time.monotonic() - began


def ended(run):
    return sql(f"select count(*) from step_runs where run = '{run}' and status = 'Completed'")[0][0]


def process_of(statement):
    rows = sql(statement)
    return int(rows[0][0].split("|")[2]) if rows and rows[0][0] else 0


def first_step(number):
    run = command("run", "--detach", "steps.py:one", "-p", f"n={number}")
    until(lambda: sql(f"select status from runs where id = '{run}'")[0][0] == "Completed")
    ((began,),) = sql(f"select min(started_at) from step_runs where run = '{run}'")
    ((submitted,),) = sql(f"select created_at from runs where id = '{run}'")
    return began - submitted


def recovery(number, victim, *words):
    """Kill something in the middle of a run: seconds until the run has gone on."""
    run = command("run", "--detach", "steps.py:many", "-p", f"first={number}", *words)
    until(lambda: ended(run) > 20)
    os.kill(victim(run), signal.SIGKILL)
    killed = time.monotonic()
    time.sleep(SETTLING)
    before = ended(run)
    until(lambda: ended(run) > before)
    took = time.monotonic() - killed
    command("runs", "wait", run)
    return took


def driver(run):
    return process_of(f"select owner from runs where id = '{run}'")


def keeper(_=None):
    return process_of("select owner from compute_keepers")


def node(_):
    found = psutil.Process(keeper()).children()
    return next(item.pid for item in found if "spawn_main" in " ".join(item.cmdline()))


def nodes():
    with suppress(IndexError, ValueError):
        return len(json.loads(sql("select said from compute_keepers")[0][0])["nodes"])
    return 0


(folder / "steps.py").write_text(STEPS)
command("workspace", "create")
server = subprocess.Popen([*program, "serve", "--no-http"], cwd=folder, stderr=subprocess.DEVNULL)
try:
    until(lambda: sql("select count(*) from servers")[0][0])
    firsts = [first_step(number) for number in range(7)]
    found = {"first_step": statistics.median(firsts[1:]), "driver": recovery(10_000, driver)}
    pool = ("--compute", "pool")
    command("computes", "create", "pool", "--max-nodes", "1", "--cores", "2", "--idle-time", f"{IDLE}s")
    try:
        run = command("run", "--detach", "steps.py:many", "-p", "first=0", "-p", "count=4", *pool)
        found["scale_up"] = until(lambda: nodes() == 1)
        command("runs", "wait", run)
        ((ended_at,),) = sql(f"select ended_at from runs where id = '{run}'")
        until(lambda: nodes() == 0)
        found["scale_down"] = time.time() - ended_at - IDLE
        found["node"] = recovery(20_000, node, *pool)
        found["scheduler"] = recovery(30_000, keeper, *pool)
    finally:
        command("computes", "delete", "pool")
finally:
    server.terminate()
    server.wait()
print(json.dumps(found))
