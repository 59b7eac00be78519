"""Prefect's server under load: flow runs of a deployment are asked for, which it records in SQLite.

    python3 benchmarks/workloads/busy_prefect.py FOLDER

No worker takes them: what is measured is the server alone. One connection asks: when several do, it answers most of
them with 503, because its database is locked, and fewer flow runs come of it.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import load

SECONDS, CONNECTIONS = 15.0, 1
folder = Path(sys.argv[1])


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def ask(path: str, body: dict | None = None):
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"{url}{path}", data, {"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return json.loads(answer.read())


port = free_port()
url = f"http://127.0.0.1:{port}/api"
variables = {**os.environ, "PREFECT_HOME": str(folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
program = [str(Path(sys.executable).with_name("prefect")), "server", "start", "--port", str(port), "--no-ui"]
with (folder / "server.log").open("w") as stream:
    process = subprocess.Popen(program, env=variables, stdout=stream, stderr=stream, start_new_session=True)
try:
    while True:
        assert process.poll() is None, (folder / "server.log").read_text()[-2000:]
        try:
            ask("/health")
            break
        except OSError:
            time.sleep(0.2)
    flow = ask("/flows/", {"name": "sums"})["id"]
    deployment = ask("/deployments/", {"name": "sums", "flow_id": flow, "paused": False})["id"]
    path = f"/api/deployments/{deployment}/create_flow_run"
    number = iter(range(10**9))

    def calls():
        while True:
            body = {"parameters": {"number": next(number)}, "idempotency_key": os.urandom(8).hex()}
            yield load.request(path, json.dumps(body).encode())

    print(json.dumps(load.press(url, [calls() for _ in range(CONNECTIONS)], 201, SECONDS).told(SECONDS)))
finally:
    process.terminate()
    process.wait(60)
