"""Dagster's server under load: runs of a job are asked for, which it records in SQLite and puts into its queue.

    python3 benchmarks/workloads/busy_dagster.py FOLDER

No daemon takes them from the queue: what is measured is the server alone.
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

SECONDS, CONNECTIONS = 15.0, 16
JOB = """
from dagster import Definitions, job, op

@op(config_schema={"number": int})
def double(context) -> int:
    return 2 * context.op_config["number"]

@job
def sums():
    double()

defs = Definitions(jobs=[sums])
"""
LAUNCH = """
mutation ($run: RunConfigData!) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "flows.py", repositoryName: "__repository__", jobName: "sums"}
    runConfigData: $run
  }) { __typename ... on LaunchRunSuccess { run { runId status } } ... on PythonError { message } }
}
"""
folder = Path(sys.argv[1])


def ask(address: str, body: dict) -> dict:
    asked = urllib.request.Request(address, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.loads(answer.read())


def body_of(number: int) -> dict:
    return {"query": LAUNCH, "variables": {"run": {"ops": {"double": {"config": {"number": number}}}}}}


(folder / "flows.py").write_text(JOB)
with socket.socket() as found:
    found.bind(("127.0.0.1", 0))
    port = str(found.getsockname()[1])
url = f"http://127.0.0.1:{port}"
queued = "run_coordinator:\n  module: dagster._core.run_coordinator\n  class: QueuedRunCoordinator\n"
(folder / "dagster.yaml").write_text(f"{queued}telemetry:\n  enabled: false\n")
program = [str(Path(sys.executable).with_name("dagster-webserver")), "-f", "flows.py", "-p", port, "-h", "127.0.0.1"]
log = folder / "server.log"
with log.open("w") as stream:
    process = subprocess.Popen(
        program, cwd=folder, env={**os.environ, "DAGSTER_HOME": str(folder)}, stdout=stream, stderr=stream
    )
try:
    while True:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            answer = ask(f"{url}/graphql", body_of(-1))
            break
        except OSError:
            time.sleep(0.2)
    assert answer["data"]["launchRun"]["__typename"] == "LaunchRunSuccess", answer
    number = iter(range(10**9))

    def calls():
        while True:
            yield load.request("/graphql", json.dumps(body_of(next(number))).encode())

    told = load.press(url, [calls() for _ in range(CONNECTIONS)], 200, SECONDS).told(SECONDS)
    count = ask(f"{url}/graphql", {"query": "{ runsOrError { ... on Runs { count } } }"})["data"]["runsOrError"][
        "count"
    ]
    assert count >= told["per_second"] * SECONDS, (count, told)
    print(json.dumps(told))
finally:
    process.terminate()
    process.wait(60)
