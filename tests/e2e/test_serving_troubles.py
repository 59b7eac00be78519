"""A server over HTTP while its records are away, its disk is full, it is killed or overrun: what callers are told."""

import json
import re
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
from conftest import wait_for
from e2e.test_http import CALL, call, ids, published, serving
from mortal import mortal
from postgres import Server
from seams import Child, small_disk

from pipelinekit.storage.sqlite_library import sqlite3

PATIENT = """
    import time
    from pathlib import Path
    from pipelinekit import pipeline, step

    @step
    def patient(folder: str) -> int:
        with open(f"{folder}/begun", "a") as log:
            log.write("x")
        while not Path(folder, "go").exists():
            time.sleep(0.01)
        return 7

    @pipeline
    def waiting(folder: str):
        return patient(folder)
"""


def test_a_server_that_is_killed_while_somebody_waits_has_made_one_run(tmp_path):
    with mortal(tmp_path / "project") as site:
        site.project.write(patient=PATIENT)
        made = site.project("publish", "patient.py", "-p", f"folder={tmp_path}", "--json").json["id"]
        path, headers = f"/api/v1/pipelines/{made}/runs", {"idempotency-key": "waits", "prefer": "wait=60"}
        with ThreadPoolExecutor(3) as pool:
            client = site.live()
            waiting = [pool.submit(client.post, path, json={}, headers=headers) for _ in range(3)]
            wait_for((tmp_path / "begun").exists)
            site.process.kill()
            assert {type(item.exception(60)) for item in waiting} <= {httpx.RemoteProtocolError, httpx.ReadError}
        again = [site.ask("POST", path, json={}, headers={"idempotency-key": "waits"}) for _ in range(2)]
        (tmp_path / "go").touch()
        last = site.ask("POST", path, json={}, headers=headers)
        assert [answer.status_code for answer in (*again, last)] == [202, 202, 200]
        assert len({answer.json()["id"] for answer in (*again, last)}) == 1
        assert last.json()["run"]["outputs"] == {"output": 7}
        assert (tmp_path / "begun").read_text() == "x", "its driver went on, and executed it once"
        assert len(site.workspace.runs.list()) == 1


def test_while_the_records_are_away_callers_are_told_to_come_again_and_nothing_is_half_written(tmp_path):
    server = Server()
    try:
        options = {"env": {"PIPELINEKIT_RECORDS": server.new()}}
        project = published(tmp_path / "project", **options)
        headers = {"idempotency-key": "later"}
        server.stop(signal.SIGQUIT)
        with serving(project, **options) as client:
            assert client.get("/health").status_code == 200, "it listens before it has reached the records"
            assert [client.get(path).status_code for path in ("/ready", "/api/v1/runs")] == [503, 503]
            server.start()
            wait_for(lambda: client.get("/ready").status_code == 200)
            first = call(client, {"number": 1}).json()["id"]
            server.stop(signal.SIGQUIT)
            refused = call(client, {"number": 2}, wait=0, headers=headers)
            assert (refused.status_code, refused.json()["type"]) == (503, "pipelinekit:storage")
            assert int(refused.headers["retry-after"]) >= 1
            assert "password" not in refused.text
            assert client.get("/ready").status_code == 503
            assert client.get("/health").status_code == 200
            with ThreadPoolExecutor(40) as pool:
                statuses = list(pool.map(lambda _: client.get("/api/v1/runs").status_code, range(40)))
            assert statuses == [503] * 40, "they do not wait for each other"
            server.start()
            wait_for(lambda: client.get("/ready").status_code == 200)
            answers = [call(client, {"number": 2}, headers=headers) for _ in range(2)]
            assert [answer.json()["run"]["outputs"] for answer in answers] == [{"output": 4}] * 2
            assert ids(client) == {first, answers[0].json()["id"]}
            assert client.process.poll() is None
        assert project("fsck", "--json", **options).json["clean"] is True
    finally:
        server.end()


def test_a_server_listens_though_a_process_that_hangs_holds_the_write_lock(project):
    project("workspace", "create")
    project.token = "none"
    hanging = sqlite3.connect(project.home / "records.db", isolation_level=None)
    with closing(hanging):
        hanging.execute("begin immediate")
        with serving(project) as client:
            assert [client.get(path).status_code for path in ("/health", "/ready")] == [200, 200]
            assert "the first owner's token" not in "".join(client.told)
            hanging.execute("rollback")
            wait_for(lambda: re.search(r"the first owner's token, .*: pk_.*\n.*  serving ", "".join(client.told)))


FULL = """
    import json, re, subprocess, sys, time, urllib.error, urllib.request
    from pathlib import Path
    folder, text = Path(sys.argv[1]), sys.argv[2]
    project = folder / "project"
    project.mkdir()
    (project / "doubling.py").write_text(text)
    program = [sys.executable, "-P", "-m", "pipelinekit"]
    def run(*words):
        return subprocess.run([*program, *words], cwd=project, check=True, text=True, capture_output=True).stdout
    run("publish", "doubling.py", "-p", "number=1", "--endpoint", "doubling")
    token = run("tokens", "create", "ci", "--role", "owner").strip()
    server = subprocess.Popen([*program, "serve", "--port", "0"], cwd=project, text=True, stderr=subprocess.PIPE)
    url = ""
    while "listening" not in url:
        url = server.stderr.readline()
    url = re.search(r"http\\S+", url)[0]
    def ask(method, path, body=None, key=""):
        request = urllib.request.Request(url + path, None if body is None else json.dumps(body).encode(), method=method)
        request.add_header("authorization", f"Bearer {token}")
        request.add_header("content-type", "application/json")
        request.add_header("prefer", "wait=60")
        if key:
            request.add_header("idempotency-key", key)
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())
    calls = "/api/v1/pipeline-endpoints/doubling/runs"
    told = {"before": ask("POST", calls, {"parameters": {"number": 2}}, "first")}
    with open(folder / "ballast", "wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(512))
        except OSError:
            pass
    told["full"] = [ask("POST", calls, {"parameters": {"number": n, "label": "x" * 20000}}, f"full-{n}") for n in (3, 4)]
    told["changed"] = ask("PATCH", "/api/v1/pipeline-endpoints/doubling", {"description": "x" * 20000})
    told["looked"] = ask("GET", "/api/v1/runs")
    (folder / "ballast").unlink()
    told["after"] = [ask("POST", calls, {"parameters": {"number": n, "label": "x" * 20000}}, f"full-{n}") for n in (3, 4, 4)]
    told["shown"] = ask("GET", "/api/v1/pipeline-endpoints/doubling")
    told["runs"] = ask("GET", "/api/v1/runs")
    server.terminate()
    told["said"] = server.communicate(timeout=60)[1]
    told["clean"] = json.loads(run("fsck", "--json"))["clean"]
    print(json.dumps(told))
"""
DOUBLING = """
from pipelinekit import pipeline, step

@step
def double(number: int, label: str) -> int:
    return 2 * number

@pipeline
def doubling(number: int, label: str = "none"):
    return double(number, label)
"""


def test_on_a_full_disk_callers_are_told_and_when_there_is_room_it_goes_on(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    child = Child(FULL, disk, DOUBLING, prefix=small_disk(disk, "3m"))
    told = json.loads(child.end(seconds=200).splitlines()[-1])
    assert told["before"][0] == 200, told
    for status, answer in (*told["full"], told["changed"]):
        assert (status, answer["type"]) == (503, "pipelinekit:storage"), told
        assert "free space" in answer["hint"]
    assert told["looked"][0] == 200
    assert [answer["id"] for answer in told["looked"][1]["runs"]] == [told["before"][1]["id"]]
    assert [(status, answer["run"]["outputs"]) for status, answer in told["after"]] == [
        (200, {"output": 6}), (200, {"output": 8}), (200, {"output": 8})
    ]  # fmt: skip
    assert len(told["runs"][1]["runs"]) == 3
    assert told["shown"][1]["description"] == ""
    assert "Traceback" not in told["said"], told["said"]
    assert told["clean"] is True


def test_a_crowd_that_comes_at_once_when_the_server_is_back_is_served(tmp_path):
    """Each with its own key, again and again until there is an answer: each has one run."""
    with mortal(tmp_path / "project") as site:
        tokens = [site.project("tokens", "create", f"t{n}", "--role", "contributor").out.strip() for n in range(2)]
        site.live()
        url = str(site.client.base_url)

        def come(number):
            headers = {"authorization": f"Bearer {tokens[number % 2]}", "idempotency-key": f"crowd-{number}"}
            statuses = Counter()
            while not statuses[202]:
                try:
                    answer = httpx.post(url + CALL, json={}, headers=headers, timeout=90)
                except httpx.TransportError:
                    continue
                statuses[answer.status_code] += 1
            return answer.json()["id"], set(statuses)

        with ThreadPoolExecutor(120) as pool:
            found = list(pool.map(come, range(120)))
        assert len({run for run, _ in found}) == 120
        assert set().union(*(statuses for _, statuses in found)) <= {202, 429, 503}
        with closing(sqlite3.connect(site.project.home / "records.db")) as records:
            assert records.execute("select count(*) from runs").fetchone() == (120,)
        site.process.kill()
        site.process.wait()
        assert site.ask("GET", "/api/v1/runs?limit=1").status_code == 200
