"""`pipelinekit serve` over HTTP, as processes: calls, keys, waiting, death of the server, several servers."""

import json
import re
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psutil
import pytest
from conftest import Project, wait_for

FILE = """
    from pipelinekit import pipeline, step

    @step
    def double(number: int) -> int:
        return 2 * number

    @pipeline
    def doubling(number: int, label: str = "none"):
        return double(number)
"""
CALL = "/api/v1/pipeline-endpoints/doubling/runs"
ENTITY = "/pipelines/v1.0/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


@contextmanager
def serving(project, *words, **options):
    """A server with a client of it; it is ended at the end, if it still lives."""
    process = project.start("serve", "--port", "0", *words, **options)
    told = []
    reading = threading.Thread(target=lambda: told.extend(iter(process.stderr.readline, "")))
    reading.start()
    try:
        found = wait_for(
            lambda: re.search(r"listening at (http[^\s\x22]+)", "".join(told)) or process.poll() is not None
        )
        assert found is not True, "".join(told)
        headers = {"authorization": f"Bearer {project.token}"}
        with httpx.Client(base_url=found[1], headers=headers, timeout=90) as client:
            client.process, client.told = process, told
            yield client
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        reading.join()
        process.stdout.close()
        process.stderr.close()


def published(folder, **options):
    folder.mkdir()
    project = Project(folder).write(doubling=FILE)
    for number in (1, 10):
        project("publish", "doubling.py", "-p", f"number={number}", "--endpoint", "doubling", "--json", **options)
    project("pipeline-endpoints", "set-default", "doubling", "1", **options)
    project.token = project("tokens", "create", "ci", "--role", "owner", **options).out.strip()
    return project


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return published(tmp_path_factory.mktemp("http") / "project")


@pytest.fixture(scope="module")
def server(project):
    with serving(project) as client:
        yield client


def call(client, parameters=None, *, wait=60, **options):
    headers = {"prefer": f"wait={wait}", **options.pop("headers", {})}
    return client.post(CALL, json={"parameters": parameters or {}, **options}, headers=headers)


def ids(client):
    return {run["id"] for run in client.get("/api/v1/runs?limit=500").json()["runs"]}


def test_a_call_is_answered_with_the_run_that_it_waited_for(server):
    answer = call(server, {"number": 21})
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert (made["status"], made["endpoint"], made["version"]) == ("Completed", "doubling", 1)
    assert made["expected"] == {"reuse": 0, "run": 1, "maybe": 0, "skip": 0}
    assert made["run"]["outputs"] == {"output": 42}
    assert answer.headers["location"] == f"/api/v1/runs/{made['id']}"
    again = call(server, {"number": 21}).json()
    assert again["id"] != made["id"]
    assert again["expected"] == {"reuse": 1, "run": 0, "maybe": 0, "skip": 0}
    assert [step["status"] for step in again["run"]["steps"]] == ["Reused"]


def test_a_trigger_is_told_what_came_of_its_own_run_and_nothing_else(server, project):
    token = project("tokens", "create", "trigger", "--endpoint", "doubling").out.strip()
    headers = {"authorization": f"Bearer {token}"}
    run = call(server, {"number": 23}, headers=headers).json()["run"]
    assert (run["status"], run["outputs"]) == ("Completed", {"output": 46})
    assert not {"submitted", "steps", "parameters"} & run.keys()
    assert server.get(f"/api/v1/runs/{run['id']}", headers=headers).status_code == 403


def test_an_answer_that_does_not_wait_comes_before_the_run_ends(server):
    answer = call(server, {"number": 22}, wait=0)
    assert (answer.status_code, answer.json()["status"], answer.json()["run"]) == (202, "Queued", None)
    shown = wait_for(
        lambda: (found := server.get(answer.headers["location"]).json())["status"] == "Completed" and found
    )
    assert shown["outputs"] == {"output": 44}


def test_any_version_is_called_by_its_number_and_pinned(server):
    outputs = [call(server, version=version).json()["run"]["outputs"]["output"] for version in (0, 1)]
    assert outputs == [2, 20]
    assert call(server).json()["run"]["outputs"] == {"output": 20}
    runs = server.get(f"{CALL}?version=0").json()["runs"]
    assert len(runs) == 1
    answer = call(server, version=7)
    assert answer.status_code == 404
    assert "its versions: 0, 1" in answer.json()["hint"]


def test_one_key_sent_fifty_times_at_once_calls_once(server):
    before = ids(server)
    headers = {"idempotency-key": "fifty"}
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: call(server, {"number": 50}, wait=0, headers=headers), range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert ids(server) - before == {answers[0].json()["id"]}


def test_a_key_belongs_to_one_request(server):
    headers = {"idempotency-key": "mine"}
    first = call(server, {"number": 3}, headers=headers)
    other = call(server, {"number": 4}, headers=headers)
    assert other.status_code == 409
    assert "came with another request before" in other.json()["detail"]
    assert call(server, {"number": 3}, headers=headers).json()["id"] == first.json()["id"]
    assert call(server, {"number": 3}).json()["id"] != first.json()["id"]


def test_a_key_of_a_call_that_failed_is_free(server):
    headers = {"idempotency-key": "free"}
    assert call(server, {"number": "x"}, headers=headers).status_code == 400
    answer = call(server, {"number": 5}, headers=headers)
    assert (answer.status_code, answer.json()["run"]["outputs"]) == (200, {"output": 10})


def test_a_key_is_remembered_though_the_endpoint_is_disabled_by_now(server):
    headers = {"idempotency-key": "late"}
    first = call(server, {"number": 6}, wait=0, headers=headers)
    server.post("/api/v1/pipeline-endpoints/doubling/disable")
    try:
        assert call(server, {"number": 6}, wait=0, headers=headers).content == first.content
        assert call(server, {"number": 6}).status_code == 409
    finally:
        server.post("/api/v1/pipeline-endpoints/doubling/enable")


def test_what_was_written_for_the_reference_system_works_with_another_address(server):
    """The ways in which its documentation and clients call published pipelines."""
    shown = server.get("/api/v1/pipeline-endpoints/doubling").json()
    body = {
        "ExperimentName": "ref",
        "ParameterAssignments": {"number": "7", "label": "x"},
        "RunSource": "SDK",
        "tags": {"a": "b"},
    }
    runs = f"{ENTITY}/PipelineRuns"
    for path in (
        f"PipelineSubmit/{shown['versions'][1]['pipeline']}",
        f"PipelineEndpointSubmit/Id/{shown['id']}",
        f"PipelineEndpointSubmit/Id/{shown['id']}?pipelineVersion=1",
        f"PipelineEndpointSubmit/Id/{shown['id']}/1?pipelineVersion=1",
        "PipelineEndpointSubmit/Name?name=doubling",
        "PipelineEndpointSubmit/Name?name=doubling&pipelineVersion=1",
    ):
        answer = server.post(f"{runs}/{path}", json=body)
        assert answer.status_code == 200, (path, answer.text)
        entity = answer.json()
        assert entity["RunHistoryExperimentName"] == "ref"
        assert entity["tags"] == {"a": "b"}
        wait_for(
            lambda entity=entity: server.get(f"{runs}/{entity['Id']}").json()["Status"]["StatusCode"] == "Finished"
        )
        assert server.get(f"/api/v1/runs/{entity['Id']}").json()["outputs"] == {"output": 14}
    assert server.post(f"{runs}/PipelineEndpointSubmit/Name?name=doubling", json={}).status_code == 400
    assert (
        server.post(f"{runs}/PipelineEndpointSubmit/Id/{shown['id']}/1?pipelineVersion=0", json=body).status_code == 400
    )
    same, other = {"number": "8"}, {"number": "9"}
    answers = [
        server.post(
            f"{runs}/PipelineEndpointSubmit/Name?name=doubling",
            json={**body, "ParameterAssignments": given},
            headers={"idempotency-key": "ref"},
        )
        for given in (same, same, other)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 409]
    assert answers[0].json()["Id"] == answers[1].json()["Id"]


# -- following -----------------------------------------------------------------------------------------------------------


def events(client, run, after=None):
    """Events of a run until its end, as (id, kind, data)."""
    found = []
    headers = {"last-event-id": str(after)} if after is not None else {}
    with client.stream("GET", f"/api/v1/runs/{run}/events", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for block in "".join(answer.iter_text()).split("\n\n"):
            told = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
            if "data" in told:
                found.append((int(told["id"]), told["event"], json.loads(told["data"])))
    return found


def test_a_run_is_followed_to_its_end_and_from_any_event_on(server):
    run = call(server, {"number": 31}, wait=0).json()["id"]
    told = events(server, run)
    numbers, kinds = [item[0] for item in told], [item[1] for item in told]
    assert numbers[:-1] == list(range(1, len(told)))
    assert kinds == [*["change"] * (len(told) - 1), "end"]
    steps = [step["status"] for _, kind, data in told if kind == "change" for step in data["steps"]]
    assert steps in (["Queued", "Running", "Completed"], ["Queued", "Completed"])  # a short one is told at once
    assert told[-1][2]["status"] == "Completed"
    for number in range(len(told)):
        assert events(server, run, number) == [item for item in told[:-1] if item[0] > number] + [told[-1]]
    assert events(server, call(server, {"number": 31}).json()["id"])[-1][2]["status"] == "Completed"
    assert server.get("/api/v1/runs/latest/events", headers={"last-event-id": "x"}).status_code == 400


# -- ends ----------------------------------------------------------------------------------------------------------------


def test_a_killed_server_loses_no_call_and_doubles_none(tmp_path):
    project = published(tmp_path / "project")
    headers = {"idempotency-key": "once"}
    with serving(project, "--runs", "1") as client:
        answers = [call(client, {"number": number}, wait=0) for number in (1, 2, 3)]
        answers.append(call(client, {"number": 4}, wait=0, headers=headers))
        client.process.kill()
        client.process.wait()
    runs = [answer.json()["id"] for answer in answers]
    with serving(project) as client:
        assert call(client, {"number": 4}, wait=0, headers=headers).content == answers[-1].content
        assert ids(client) == set(runs)
        for number, run in enumerate(runs, start=1):
            shown = wait_for(lambda run=run: (found := client.get(f"/api/v1/runs/{run}").json())["ended_at"] and found)
            assert (shown["status"], shown["outputs"]) == ("Completed", {"output": 2 * number})


def test_a_server_that_is_to_end_answers_what_it_has_taken_in(tmp_path):
    project = published(tmp_path / "project")
    with serving(project) as client:
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(call, client, {"number": 1})
            wait_for(lambda: ids(client))
            client.process.send_signal(signal.SIGTERM)
            answer = waiting.result()
        assert answer.status_code in (200, 202)
        assert client.process.wait(timeout=60) == 0
    assert "ended" in client.told[-1]
    run = answer.json()["id"]
    project("runs", "wait", run)
    assert project("runs", "show", run, "--json").json["outputs"] == {"output": 2}


def test_two_servers_on_one_postgres_share_calls_and_keys(tmp_path, postgres):
    options = {"env": {"PIPELINEKIT_RECORDS": postgres.new()}}
    project = published(tmp_path / "project", **options)
    headers = {"idempotency-key": "shared"}
    with serving(project, **options) as first, serving(project, **options) as second:
        with ThreadPoolExecutor(20) as pool:
            sent = [(first, second)[number % 2] for number in range(20)]
            answers = list(pool.map(lambda client: call(client, {"number": 9}, wait=0, headers=headers), sent))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.content for answer in answers}) == 1
        run = answers[0].json()["id"]
        assert ids(first) == ids(second) == {run}
        assert events(second, run)[-1][2]["outputs"] == {"output": 18}
        made = first.post("/api/v1/tokens", json={"name": "x", "role": "reader"}).json()
        reader = {"authorization": f"Bearer {made['text']}"}
        assert second.get("/api/v1/runs", headers=reader).status_code == 200
        first.delete("/api/v1/tokens/x")
        assert second.get("/api/v1/runs", headers=reader).status_code == 401


def test_a_server_out_of_this_machine_has_tls_or_is_not_started(project):
    said = project("serve", "--host", "0.0.0.0", "--port", "0", code=2).err
    assert "without encryption" in said
    assert "--behind-proxy" in said


# -- raw connections -----------------------------------------------------------------------------------------------------


def raw(client, sent):
    """What a server answers to bytes, until it closes the connection."""
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=30) as connection:
        connection.sendall(sent)
        found = b""
        while part := connection.recv(1 << 16):
            found += part
    return found


def test_requests_that_are_none_are_refused_and_the_connection_is_closed(server):
    host, auth = b"host: 127.0.0.1\r\n", f"authorization: Bearer {server.headers['authorization'][7:]}\r\n".encode()
    post = b"POST " + CALL.encode() + b" HTTP/1.1\r\n" + host + auth + b"content-type: application/json\r\n"
    for sent, status in (
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\n" + host + b"connection: close\r\n\r\n", b"414"),
        (
            b"GET /health HTTP/1.1\r\n"
            + host
            + b"".join(b"h%d: x\r\n" % n for n in range(3_000))
            + b"connection: close\r\n\r\n",
            b"431",
        ),
        (b"GET /health HTTP/1.1\r\nhost: a\r\nhost: 127.0.0.1\r\n\r\n", b"400"),
        (b"GET /health HTTP/1.1\r\n\r\n", b"400"),
        (post + b"content-length: 1073741824\r\n\r\n", b"413"),
        (post + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}", b"400"),
    ):
        assert raw(server, sent).split(b" ", 2)[1] == status, sent[:60]
    assert server.get("/health").status_code == 200


def test_memory_stays_flat_under_large_bodies(server):
    process = psutil.Process(server.process.pid)
    content = b'{"experiment": "' + b"x" * 1_000_000 + b'"}'
    for _ in range(20):
        server.post(CALL, content=content, headers={"content-type": "application/json"})
    before = process.memory_info().rss
    for _ in range(60):
        assert server.post(CALL, content=content, headers={"content-type": "application/json"}).status_code in (
            400,
            429,
        )
    assert process.memory_info().rss - before < 50 << 20
