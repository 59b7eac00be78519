"""Calls of a pipeline endpoint over HTTP: how many a second, and how long each takes, with so many connections.

    python3 benchmarks/workloads/http_calls.py [CONNECTIONS] [SECONDS]

A server of its own on SQLite takes the calls, and drives one run after another meanwhile. Each connection has a token
of its own.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import httpx

FILE = """
    from pipelinekit import pipeline, step

    @step
    def double(number: int) -> int:
        return 2 * number

    @step
    def add(left: int, right: int) -> int:
        return left + right

    @pipeline
    def sums(number: int):
        return add(double(number), double(number))
"""
CALL = "/api/v1/pipeline-endpoints/sums/runs"
KIT = [sys.executable, "-P", "-m", "pipelinekit"]


def kit(folder: Path, *words: str) -> str:
    return subprocess.run([*KIT, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def serve(folder: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [*KIT, "serve", "--port", "0", "--runs", "1", "--warm", "0"], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr
    for line in process.stderr:
        if found := re.search(r"listening at (\S+)", line):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process, found[1]
    raise SystemExit("the server did not start")


def calls(url: str, token: str, until: float, took: list[float], refused: list[int]) -> None:
    with httpx.Client(base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=60) as client:
        number = 0
        while time.monotonic() < until:
            number += 1
            began = time.monotonic()
            answer = client.post(
                CALL, json={"parameters": {"number": number}}, headers={"idempotency-key": os.urandom(8).hex()}
            )
            if answer.status_code == 202:
                took.append(time.monotonic() - began)
            else:
                refused.append(answer.status_code)
                time.sleep(0.05)


def main(connections: int = 16, seconds: float = 10.0) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sums.py").write_text(textwrap.dedent(FILE))
        kit(folder, "publish", "sums.py", "-p", "number=1", "--endpoint", "sums")
        tokens = [kit(folder, "tokens", "create", f"t{n}", "--role", "contributor") for n in range(connections)]
        process, url = serve(folder)
        try:
            took: list[float] = []
            refused: list[int] = []
            until = time.monotonic() + seconds
            threads = [threading.Thread(target=calls, args=(url, token, until, took, refused)) for token in tokens]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            process.kill()
            process.wait()
    took.sort()
    told = {
        "connections": connections,
        "calls_per_second": round(len(took) / seconds, 1),
        "median_ms": round(1000 * statistics.median(took), 1),
        "p99_ms": round(1000 * took[int(len(took) * 0.99)], 1),
        "refused": len(refused),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:3]))
