"""What requests may be, and what answers are: hosts, sizes, bodies, headers, problems, the log."""

import asyncio
import json

import httpx
import pytest
from rest.conftest import BASE, Service

from pipelinekit.rest.guard import Guard
from pipelinekit.rest.logs import log_to, stop

CALL = "/api/v1/pipeline-endpoints/retraining/runs"
SAFE = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


def problem(answer, status, words=""):
    """The problem document of an answer, which must be whole."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert set(told) == {"type", "title", "status", "detail", "hint", "faults", "request_id"}
    assert told["status"] == status
    assert told["request_id"] == answer.headers["x-request-id"]
    assert words in answer.text
    return told


def sent(service, body, content_type="application/json", **headers):
    return service("POST", CALL, content=body, headers={"content-type": content_type, **headers})


def test_every_answer_has_the_headers_that_keep_browsers_in_check(service):
    answers = [
        service("GET", "/health", ""),
        service("GET", "/api/v1/runs"),
        service("GET", "/api/v1/runs", ""),
        service("GET", "/nothing", ""),
        service("PUT", "/health", ""),
        service("GET", "/health", "", headers={"host": "evil.example"}),
        sent(service, b"{"),
        service("DELETE", "/api/v1/pipelines/nothing"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 401, 404, 405, 421, 400, 404]
    for answer in answers:
        assert {name: answer.headers[name] for name in SAFE} == SAFE
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "access-control-allow-origin" not in answer.headers
        assert len(answer.headers["x-request-id"]) == 16


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.2", "evil.example:8470", "[::1"]
)
def test_a_server_is_not_asked_for_under_other_names(service, host):
    problem(service("GET", "/health", "", headers={"host": host}), 421, "--allow-host")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:1", "127.0.0.1:8470"])
def test_a_server_is_asked_for_under_its_own_names_at_any_port(service, host):
    assert service("GET", "/health", "", headers={"host": host}).status_code == 200


def test_bodies_say_that_they_are_json(service):
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
    ):
        problem(sent(service, b"{}", kind), 415, "Content-Type: application/json")
    problem(sent(service, b"{}", **{"content-encoding": "gzip"}), 415, "not compressed")
    assert sent(service, b"{}", "application/json; charset=utf-8").status_code == 202


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "cannot be read as JSON"),
        (b"[" * 100_000, "nested more than 64 deep"),
        (b'{"parameters": ' + b"[" * 70 + b"]" * 70 + b"}", "nested more than 64 deep"),
        (b'{"experiment": "a", "experiment": "b"}', "'experiment' is there more than once"),
        (b'{"parameters": {"rate": NaN}}', "NaN is no number of JSON"),
        (b'{"parameters": {"rate": -Infinity}}', "-Infinity is no number"),
        (b'{"parameters": {"rate": 1e999}}', "too large"),
        (b'{"parameters": {"rows": ' + b"9" * 5000 + b"}}", "4300 digits"),
        (b'{"experiment": "\xff"}', "not UTF-8"),
        (b'{"experiment": "a\\u0000"}', "characters that texts cannot have"),
        (b'{"experiment": "\\ud800"}', "characters that texts cannot have"),
        (b"[]", "body"),
        (b'"text"', "body"),
        (b'{"experiment": 1}', "experiment: "),
        (b'{"version": 1.5}', "version: "),
        (b'{"version": true}', "version: "),
        (b'{"version": -1}', "version: "),
        (b'{"version": 99}', "99"),
        (b'{"version": 99999999999999999999999}', "99999999999999999999999"),
        (b'{"tags": {"a": 1}}', "tags.a: "),
        (b'{"experiment": "../x"}', "../x"),
        (b'{"compute": "nowhere"}', "nowhere"),
        (b'{"parameters": {"rate": "fast"}}', "parameter 'rate'"),
        (b'{"parameters": {"rows": 1.5}}', "parameter 'rows'"),
        (b'{"parameters": {"rate": 1, "pace": 2}}', "pace"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told(service, body, words):
    answer = sent(service, body)
    assert answer.status_code in (400, 404), answer.text
    problem(answer, answer.status_code, words)


def test_unknown_keys_are_told_with_those_that_are_known(service):
    told = problem(sent(service, b'{"experiment": "e", "parametres": {}, "x": 1}'), 400)
    assert "'parametres', 'x'" in told["faults"][0]["message"]
    assert {"experiment", "parameters"} <= set(told["faults"][0]["hint"].removeprefix("there are: ").split(", "))


def test_unknown_parameters_of_an_address_are_told_with_those_that_are_known(service):
    told = problem(service("GET", "/api/v1/runs?limit=1&sortt=a"), 400)
    assert "'sortt'" in told["detail"]
    assert "limit" in told["hint"]
    assert problem(service("GET", "/api/v1/runs/latest?x=1"), 400)["hint"] == "there are none"


def test_every_parameter_that_is_wrong_is_told_at_once(service):
    body = {"parameters": {"rate": "fast", "rows": "many", "pace": 1}}
    told = problem(service("POST", CALL, json=body), 400)
    assert len(told["faults"]) == 3


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "data/numbers.txt",
        "../x",
        "file:///etc/passwd",
        "",
        "datastore:",
        "dataset:",
        "datastore:x/../../y",
    ],
)
def test_no_file_of_the_server_is_read_for_a_caller(service, path):
    answer = service("POST", CALL, json={"parameters": {"data": path}})
    assert answer.status_code in (400, 404), answer.text
    assert "root:" not in answer.text
    entity = "/pipelines/v1.0/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
    where = f"{entity}/PipelineRuns/PipelineEndpointSubmit/Name?name=retraining"
    answer = service("POST", where, json={"ExperimentName": "e", "ParameterAssignments": {"data": path}})
    assert answer.status_code in (400, 404), answer.text


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "%2e%2e",
        "%252e%252e",
        "%00",
        "a%00b",
        "%0a",
        "a%5Cb",
        "%23",
        "%3f",
        "%E2%80%AE",
        "%ff",
        "x" * 5000,
        "'%20or%201=1--",
        "%25",
        "_",
    ],
)
def test_odd_names_in_addresses_are_refused_or_unknown(service, name):
    for path in (
        "/api/v1/runs/{}",
        "/api/v1/runs/{}/logs",
        "/api/v1/pipelines/{}",
        "/api/v1/pipeline-endpoints/{}",
        "/api/v1/runs?experiment={}",
        "/api/v1/runs?after={}",
        "/api/v1/runs?sort={}",
        "/api/v1/runs?where={}",
        "/api/v1/runs?tag={}",
    ):
        answer = service("GET", path.format(name))
        assert answer.status_code in (200, 400, 404), (path, answer.text)
        if answer.status_code == 200 and "{}" not in path[-2:]:
            raise AssertionError(answer.text)


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({}, 202),
        ({"sec-fetch-site": "same-origin", "origin": BASE}, 202),
        ({"sec-fetch-site": "none"}, 202),
        ({"origin": "https://127.0.0.1"}, 202),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:3000"}, 403),
        ({"sec-fetch-site": "same-origin", "origin": "http://evil.example"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1.evil.example"}, 403),
        ({"origin": "http://127.0.0.1@evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "evil"}, 403),
    ],
)
def test_pages_of_other_sites_change_nothing_whatever_token_they_have(service, told, status):
    assert service("POST", CALL, json={}, headers=told).status_code == status
    assert service("GET", "/api/v1/runs?limit=1", headers=told).status_code == 200
    answer = service("OPTIONS", CALL, "", headers={**told, "access-control-request-method": "POST"})
    assert answer.status_code == 405, "no page of another site is told that it may"


# -- sizes ---------------------------------------------------------------------------------------------------------------


def ask(app, headers, chunks=(), method="POST", path=CALL, hold=False):
    """Send a request as raw messages; the answer's status and body, and how many chunks were taken."""

    async def go():
        taken, told = 0, []
        left = list(chunks)

        async def receive():
            nonlocal taken
            if left:
                taken += 1
                return {"type": "http.request", "body": left.pop(0), "more_body": bool(left) or hold}
            return await asyncio.Event().wait()

        async def send(message):
            told.append(message)

        raw = [(name.encode(), value.encode()) for name, value in {"host": "127.0.0.1", **headers}.items()]
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(),
            "root_path": "", "scheme": "http", "query_string": b"", "headers": raw, "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8470), "asgi": {"version": "3.0"},
        }  # fmt: skip
        async with asyncio.timeout(30):
            await app(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in told)
        return told[0]["status"], body, taken

    return go()


def allowed(service, **headers):
    return {"authorization": f"Bearer {service.owner}", "content-type": "application/json", **headers}


def test_a_body_that_announces_too_much_is_refused_unread(service):
    for length in (str((1 << 20) + 1), str(1 << 30), "1e3", "-1", "9" * 400):
        status, _, taken = service.wait(ask(service.app, allowed(service, **{"content-length": length}), [b"x"]))
        assert (status, taken) == (413, 0)


def test_a_body_that_is_longer_than_it_may_be_is_refused_whatever_it_announced(service):
    chunks = [b" " * (1 << 18)] * 40
    for headers in ({"content-length": "2"}, {"transfer-encoding": "chunked"}):
        status, body, taken = service.wait(ask(service.app, allowed(service, **headers), chunks))
        assert (status, taken) == (413, 5)
        assert b"1048576 bytes" in body


def test_a_body_of_the_largest_size_is_read(service):
    chunks = [b"{}" + b" " * ((1 << 20) - 2)]
    assert service.wait(ask(service.app, allowed(service, **{"transfer-encoding": "chunked"}), chunks))[0] == 202


def test_a_body_that_does_not_end_is_given_up(service):
    app = Guard(service.bare, ("127.0.0.1",), body_seconds=0.05)
    headers = allowed(service, **{"content-length": "10"})
    status, body, _ = service.wait(ask(app, headers, [b"{"], hold=True))
    assert status == 408
    assert b"did not come within 0.05 s" in body


# -- failures and the log ------------------------------------------------------------------------------------------------


@pytest.fixture
def broken(service):
    """The same workspace, where a look at runs fails in an unforeseen way."""
    made = Service(service.home)
    made.owner = service.owner

    class Broken:
        def get(self, run):
            raise RuntimeError(f"secret place {service.home}, token {service.owner}")

    opened = made.services

    def services():
        found = opened()
        found.runs = Broken()
        return found

    made.desk._open = services
    yield made
    made.end()


@pytest.fixture
def log(tmp_path):
    """The server's log file, while it is written."""
    handler = log_to(tmp_path / "server.log")
    yield tmp_path / "server.log"
    stop(handler)


def test_an_unforeseen_error_tells_nothing_but_the_requests_id(broken, service, log):
    answer = broken("GET", "/api/v1/runs/latest")
    told = problem(answer, 500, "its log says more")
    for leak in ("secret", str(service.home), "RuntimeError", "Traceback", ".py", service.owner):
        assert leak not in answer.text
    written = log.read_text()
    assert f"request {told['request_id']} failed" in written
    assert "RuntimeError: secret place" in written
    assert written.count("Traceback") == 1
    assert service.owner.rsplit("_", 1)[0] not in written


def test_the_log_has_a_line_for_each_request_and_no_token(service, log):
    token = service.owner
    service("GET", f"/api/v1/runs?experiment={token}")
    service("GET", f"/api/v1/runs/{token}")
    service("GET", "/api/v1/runs", token + "x")
    made = service("POST", "/api/v1/tokens", json={"name": "fresh", "role": "reader"}).json()["text"]
    service("GET", "/api/v1/runs/%0aforged", "")
    lines = log.read_text().splitlines()
    told = [json.loads(line) for line in lines]
    assert [(item["method"], item["status"], item["who"]) for item in told] == [
        ("GET", 200, "anna"), ("GET", 400, "anna"), ("GET", 401, ""), ("POST", 201, "anna"), ("GET", 400, ""),
    ]  # fmt: skip
    assert told[0]["path"] == "/api/v1/runs"
    for secret in (token, made):
        assert secret.split("_")[2] not in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_a_number_that_records_cannot_hold_is_no_number_of_a_row(service):
    problem(service("GET", f"/api/v1/tokens/audit/log?before={1 << 63}"), 400, "less than or equal")


def test_a_token_is_never_in_an_answer_or_in_the_records(service):
    secret = service.owner.split("_")[2]
    for path in ("/api/v1/tokens?all=true", "/api/v1/tokens/audit/log"):
        assert secret not in service("GET", path).text
    for file in service.home.rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes()


def test_a_token_counts_in_the_header_only(service):
    for path in (f"/api/v1/runs?token={service.owner}", f"/api/v1/runs?access_token={service.owner}"):
        assert service("GET", path, "", headers={"cookie": f"token={service.owner}"}).status_code == 401
    for header in (f"Basic {service.owner}", service.owner, f"Bearer{service.owner}", "Bearer", "Bearer  "):
        assert service("GET", "/api/v1/runs", "", headers={"authorization": header}).status_code == 401


# -- how often -----------------------------------------------------------------------------------------------------------


def test_who_asks_too_often_is_told_when_to_ask_again_and_others_are_not_held_up(service, tokens):
    async def many():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(service.app), base_url=BASE) as client:
            headers = {"authorization": f"Bearer {tokens.contributor}"}
            return [await client.post("/api/v1/pipelines/nothing/runs", headers=headers) for _ in range(200)]

    answers = service.wait(many())
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert int(refused[0].headers["retry-after"]) >= 1
    problem(refused[0], 429, "ask again in")
    assert {answer.status_code for answer in answers} == {404, 429}
    assert (
        service.wait(
            service.send("GET", "/api/v1/runs", headers={"authorization": f"Bearer {tokens.reader}"})
        ).status_code
        == 200
    )


def test_refused_tokens_do_not_fill_the_audit_log(service):
    def rows():
        return service("GET", "/api/v1/tokens/audit/log?limit=1").json()["rows"][0]["number"]

    before = rows()
    for _ in range(300):
        assert service("GET", "/api/v1/runs", "pk_wrong").status_code == 401
    assert rows() - before < 250  # a hundred at once, and one a second
