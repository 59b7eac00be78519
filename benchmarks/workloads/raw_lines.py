"""The same lines as in `telling`, carried by hand: a child's pipe is read, and what came is kept in SQLite."""

import os
import sqlite3
import subprocess
import sys
import time

SECONDS = 0.25  # between transactions
SIZE = 64 * 1024
count, steps, state = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
code = f"import bodies; bodies.write_lines({count}, 'nothing')"
database = sqlite3.connect(f"{state}/lines.db", isolation_level=None)
database.execute("pragma synchronous = full")
database.execute("create table if not exists lines(step int, number int, body text, primary key (step, number))")
for step in range(steps):
    child = subprocess.Popen([sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, cwd=os.path.dirname(__file__))
    waiting, number, kept_at = [], 0, time.monotonic()
    while data := os.read(child.stdout.fileno(), SIZE):
        waiting.append((step, number, data.decode()))
        number += 1
        if time.monotonic() - kept_at > SECONDS:
            database.execute("begin")
            database.executemany("insert into lines values (?, ?, ?)", waiting)
            database.execute("commit")
            waiting, kept_at = [], time.monotonic()
    database.execute("begin")
    database.executemany("insert into lines values (?, ?, ?)", waiting)
    database.execute("commit")
    assert child.wait() == 0
