"""`pipelinekit serve` as somebody watches it: its metrics, its log."""

import json
import signal
from datetime import datetime

import httpx
import pytest
from conftest import wait_for
from e2e.test_http import CALL, call, published, serving
from prometheus_client.parser import text_string_to_metric_families


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return published(tmp_path_factory.mktemp("watched") / "project")


def numbers(client):
    answer = httpx.get(client.base_url.join("/metrics"))
    assert answer.status_code == 200
    found = text_string_to_metric_families(answer.text)
    return {(item.name, *item.labels.values()): item.value for family in found for item in family.samples}


def told(client):
    """The lines of JSON on standard error."""
    return [json.loads(line) for line in "".join(client.told).splitlines() if line.startswith("{")]


def test_what_was_done_is_counted_across_a_killed_server_and_told_line_by_line(project):
    with serving(project, "--log-format", "json") as server:
        before = numbers(server)
        first = call(server, {"number": 21}).json()
        again = call(server, {"number": 21}).json()
        odd = server.get("/api/v1/runs/nobody%1b%5b31m")
        assert (first["status"], again["status"]) == ("Completed", "Completed")
        after = wait_for(lambda: ended(found := numbers(server)) == ended(before) + 2 and found)
        assert after["pipelinekit_steps_total", "Completed"] == before["pipelinekit_steps_total", "Completed"] + 1
        assert after["pipelinekit_steps_total", "Reused"] == before["pipelinekit_steps_total", "Reused"] + 1
        route = "/api/v1/pipeline-endpoints/{endpoint}/runs"
        assert after["pipelinekit_http_requests_total", route, "POST", "200"] == 2
        assert after["pipelinekit_servers",] == 1
        wait_for(lambda: any(f"run {again['id']} Completed" in line.get("message", "") for line in told(server)))
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    lines = told(server)
    requests = [line for line in lines if line["event"] == "request"]
    called = next(line for line in requests if line["method"] == "POST")
    assert (called["route"], called["status"], called["who"]) == (route, 200, "ci")
    assert called["token"] == project.token.split("_")[1]
    assert called["run"] == first["id"]
    assert called["seconds"] >= 0
    assert len(called["request"]) == 16
    assert datetime.fromisoformat(called["time"]).utcoffset().total_seconds() == 0
    assert odd.status_code == 400
    assert not any("\x1b" in json.dumps(line, ensure_ascii=False) for line in requests)
    begun = [line for line in lines if line["event"] == "service" and line.get("run") == first["id"]]
    assert [line["message"].split()[-1] for line in begun] == ["begins", "Completed"]
    written = (project.home / "cache" / "server.log").read_text()
    for text in (written, "".join(server.told)):
        assert project.token.split("_")[2] not in text
    assert [json.loads(line)["event"] for line in written.splitlines()].count("request") == len(requests)
    with serving(project) as server:
        assert numbers(server)["pipelinekit_runs_total", "Completed"] >= ended(after)
        call(server, {"number": 21})
    assert "request" not in "".join(server.told), "what is for people says what happens, and no requests unasked"


def ended(found):
    return found["pipelinekit_runs_total", "Completed"]


def test_requests_can_be_told_in_words(project):
    with serving(project, "--log-format", "text") as server:
        server.get("/api/v1/runs?limit=1")
        wait_for(lambda: "GET /api/v1/runs  200" in "".join(server.told))
    (line,) = [line for line in server.told if "GET /api/v1/runs" in line]
    assert f"  ci ({project.token.split('_')[1]})  request " in line


def test_beyond_this_machine_metrics_need_a_readers_token(project):
    with serving(project, "--behind-proxy") as server:
        assert httpx.get(server.base_url.join("/metrics")).status_code == 401
        assert server.get("/metrics").status_code == 200
    assert CALL not in "".join(server.told)
