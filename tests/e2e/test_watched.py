"""`pipelinekit serve` as somebody watches it: its metrics, its log."""

import json
import signal
from datetime import datetime

import httpx
import pytest
from conftest import Project, wait_for
from e2e.test_http import CALL, call, published, serving
from oidc_issuer import AUDIENCE, make_key, oidc_issuer, public
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


def logged(project):
    """The lines of the server's log."""
    return [json.loads(line) for line in (project.home / "cache" / "server.log").read_text().splitlines()]


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
        wait_for(lambda: len(logged(project)) == len(told(server)))  # one is written after the other
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
    for text in ((project.home / "cache" / "server.log").read_text(), "".join(server.told)):
        assert project.token.split("_")[2] not in text
    assert [line["event"] for line in logged(project)].count("request") == len(requests)
    with serving(project) as server:
        assert numbers(server)["pipelinekit_runs_total", "Completed"] >= ended(after)
        call(server, {"number": 21})
    assert "request" not in "".join(server.told), "what is for people says what happens, and no requests unasked"


def ended(found):
    return found["pipelinekit_runs_total", "Completed"]


def test_lines_for_machines_do_not_tell_the_first_owners_token(tmp_path):
    fresh = Project(tmp_path)
    fresh.token = ""
    with serving(fresh, "--log-format", "json") as server:
        text = (fresh.home / "bootstrap.token").read_text().strip()
        wait_for(lambda: "bootstrap.token" in "".join(server.told))
        assert text not in "".join(server.told)
        assert all(json.loads(line) for line in server.told)


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


def test_who_signs_in_with_an_issuer_is_known_by_name_and_the_token_is_nowhere(project):
    with oidc_issuer() as issuer:
        words = ("--oidc-issuer", issuer.url, "--oidc-audience", AUDIENCE, "--oidc-role", "ml=contributor")
        token = issuer.token(roles=["ml"])
        with serving(project, *words, "--log-format", "json") as server:
            headers = {"authorization": f"Bearer {token}"}
            made = server.post(CALL, json={"parameters": {"number": 77}}, headers={**headers, "prefer": "wait=60"})
            assert (made.status_code, made.json()["status"]) == (200, "Completed")
            assert server.get("/api/v1/tokens", headers=headers).status_code == 403
            plain = issuer.token(roles=["owner"])
            assert server.get("/api/v1/runs", headers={"authorization": f"Bearer {plain}"}).status_code == 403
            unsigned = issuer.token("", algorithm="none", roles=["owner", "ml"])
            assert server.get("/api/v1/runs", headers={"authorization": f"Bearer {unsigned}"}).status_code == 401
            old, issuer.key = issuer.key, make_key("RS256")
            issuer.show(public(issuer.key, "second"))
            assert server.get("/api/v1/runs", headers=headers).status_code == 200, "keys are kept for a while"
        with serving(project, *words) as server:
            rotated = issuer.token(kid="second", roles=["ml"])
            assert server.get("/api/v1/runs", headers={"authorization": f"Bearer {rotated}"}).status_code == 200
            stale = issuer.token(old, roles=["ml"])
            assert server.get("/api/v1/runs", headers={"authorization": f"Bearer {stale}"}).status_code == 401
    written = (project.home / "cache" / "server.log").read_text()
    assert f"{issuer.url}#anna" in written
    assert "eyJ" not in written


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--oidc-issuer", "http://login.example.org", "--oidc-audience", "x"), "no address of an issuer"),
        (("--oidc-issuer", "https://login.example.org"), "one audience only"),
        (("--oidc-audience", "x"), "no issuer"),
        (("--oidc-role", "x=boss"), "which role"),
    ],
)
def test_settings_of_an_issuer_that_would_take_too_much_end_the_server(project, words, said):
    assert said in project("serve", "--port", "0", *words, code=2).err


def test_a_run_of_a_schedule_is_counted_and_told(project):
    project("schedules", "create", "soon", "--cron", "0 0 29 2 *", "--endpoint", "doubling", "--experiment", "nightly")
    project("schedules", "run-now", "soon")
    with serving(project, "--log-format", "json") as server:
        wait_for(lambda: numbers(server).get(("pipelinekit_schedule_ticks_total", "Fired")) == 1)
        line = wait_for(lambda: [item for item in told(server) if item["event"] == "schedules"])[0]
        assert line["message"] == f"run {line['run']} is recorded for a schedule"
        assert numbers(server)["pipelinekit_schedule_lateness_seconds_count",] == 0, "nobody waited for it"
    project("schedules", "delete", "soon")
