"""Hostile texts in every place of every request, from the document that describes them; and what must never be run."""

import ast
import json
import pickle
import re
from pathlib import Path

import pytest
from rest.conftest import service_in
from rest.test_permissions import ROUTES, address, body

import pipelinekit
from pipelinekit.errors import UsageError
from pipelinekit.rest.server import Address

SECRET = "what-nobody-asked-for"
TEXTS = [
    "..", "../canary", "../../canary", "/etc/hostname", "..%2f..%2fcanary", "%2e%2e%2fcanary", "%252e%252e%252fcanary",
    "a#b", "a?b", "..\\canary", "a\0b", "\u2024\u2024/canary", "\uff0e\uff0e\uff0fcanary", "\u202eevil", "a\nb", "a\r\nset-cookie: x=1",
    " ", ".", "~/canary", "file:///etc/hostname", "file://../canary", "C:\\x", "\x1b]0;x\x07", "x" * 5000, "${jndi:ldap://x}", "{{7*7}}",
    "' or 1=1 --", "'; drop table runs; --", "\") union select digest from tokens --", "%' or '%'='", "a' || (select 1) || 'b",
    "<script>alert(1)</script>", "javascript:alert(1)", "$(touch canary2)", ";touch canary2", "`touch canary2`", "|touch canary2",
]  # fmt: skip


OFTEN = ["../../canary", "a\0b", "a\r\nset-cookie: x=1", "' or 1=1 --", "<script>alert(1)</script>", "$(touch canary2)"]
MANY = pytest.mark.parametrize("texts", [OFTEN, pytest.param(TEXTS, marks=pytest.mark.slow)], ids=["often", "all"])


@pytest.fixture(scope="module")
def harmless(tmp_path_factory):
    """A service of its own beside something that is nobody's business; in the end both are as they were."""
    root = tmp_path_factory.mktemp("root")
    (root / "canary").write_text(SECRET)
    (root / "project").mkdir()
    with service_in(root / "project") as made:
        yield made
        assert not list(root.rglob("canary2"))
        assert (root / "canary").read_text() == SECRET
        assert made("GET", "/api/v1/pipeline-endpoints").status_code == 200
        assert {item["name"] for item in made("GET", "/api/v1/pipeline-endpoints").json()["pipeline_endpoints"]} >= {
            "other"
        }
        assert made.services().database.check() == []
        assert made.services().audit.faults() == []


def check(answer, text):
    assert answer.status_code < 500, answer.text
    assert SECRET not in answer.text
    assert "root:" not in answer.text
    assert "Traceback" not in answer.text
    assert "sqlite" not in answer.text.lower()
    assert "set-cookie" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    if answer.content:
        assert answer.headers["content-type"].partition(";")[0] in (
            "application/json", "application/problem+json", "text/event-stream", "text/plain",
        ), "nothing that a browser would show as a page"  # fmt: skip


def quoted(text):
    return "".join(f"%{byte:02x}" for byte in text.encode())


@MANY
def test_no_text_in_an_address_leads_anywhere_or_breaks_anything(harmless, texts):
    for method, path, route in ROUTES:
        for place in re.findall(r"{(\w+)}", path):
            for text in texts:
                filled = path.replace(f"{{{place}}}", quoted(text))
                answer = harmless(method, address(method, filled), json=body(route))
                check(answer, text)
                assert answer.status_code >= 400 or place in ("subscription", "group", "workspace"), (path, text)
        for parameter in route.dependant.query_params:
            for text in texts:
                where = address(method, path)
                where += ("&" if "?" in where else "?") + f"{parameter.alias}={quoted(text)}"
                check(harmless(method, where, json=body(route)), text)


def fields(schema, components):
    """The keys of a body, with whether they are texts."""
    while "$ref" in schema or "anyOf" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema["anyOf"][0]
    return schema.get("properties", {})


@MANY
def test_no_text_in_a_body_leads_anywhere_or_breaks_anything(harmless, texts):
    document = harmless.bare.openapi()
    components, tried = document["components"]["schemas"], 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" not in content:
                continue
            known = fields(content["application/json"]["schema"], components)
            good = body_of(harmless, known)
            for key in known:
                for text in texts:
                    for value in shapes(text, known[key]):
                        answer = harmless(
                            method.upper(), address(method.upper(), path, "other"), json={**good, key: value}
                        )
                        check(answer, text)
                        tried += 1
    assert tried > 40 * len(texts)


def body_of(service, known):
    """Something that fits, for the keys that there are."""
    given = {"name": "n", "pipeline": service.published[0], "endpoint": "other", "experiment": "e", "cron": "0 6 1 1 *"}
    given |= {"ExperimentName": "e", "description": "d", "since": "2026-01-01", "until": "2026-01-02"}
    return {key: given[key] for key in known if key in given}


def shapes(text, schema):
    """A text as a value of a key."""
    kinds = {item.get("type") for item in (schema, *schema.get("anyOf", ()))}
    found = [text]
    if "object" in kinds:
        found += [{text: text}, {"data": text}]
    if "array" in kinds:
        found.append([text])
    return found


def test_what_was_written_is_told_as_data_and_nothing_else(harmless):
    """Markup that somebody stores comes back as JSON, which no browser shows as a page."""
    mark = "<img src=x onerror=alert(1)>"
    made = harmless("POST", "/api/v1/pipeline-endpoints/other/runs", json={"tags": {"a": mark}, "display_name": mark})
    answer = harmless("GET", made.json()["url"])
    assert answer.json()["tags"] == {"a": mark}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


CALL, SCHEDULES = "/api/v1/pipeline-endpoints/other/runs", "/api/v1/schedules"
DAILY = {"name": "n", "endpoint": "other", "experiment": "e", "cron": "0 6 * * *"}
COSTLY = {
    "a rule of many parts": (SCHEDULES, {**DAILY, "cron": "0," * 250_000 + "1 * * * *"}),
    "a rule of many fields": (SCHEDULES, {**DAILY, "cron": "0 " * 300_000}),
    "hours again and again": (SCHEDULES, {**DAILY, "cron": "", "recurrence": {"frequency": "Day", "hours": [1] * 100_000, "minutes": [1] * 100_000}}),
    "an interval without end": (SCHEDULES, {**DAILY, "cron": "", "recurrence": {"frequency": "Minute", "interval": 10**300}}),
    "a start far ahead": (SCHEDULES, {**DAILY, "start": 1e300}),
    "a start before all time": (SCHEDULES, {**DAILY, "start": -1e12}),
    "a start in the first year": (SCHEDULES, {**DAILY, "cron": "", "recurrence": {"frequency": "Minute"}, "start": "0001-01-01T00:00"}),
    "an end in the last year": (SCHEDULES, {**DAILY, "end": "9999-12-31T23:59"}),
    "a backfill of all time": (f"{SCHEDULES}/often/backfills", {"since": "0001-01-01", "until": "2026-01-01"}),
    "a template in a template": (SCHEDULES, {**DAILY, "parameters": {"rate": "{{" * 200_000}}),
    "a template that does not end": (SCHEDULES, {**DAILY, "parameters": {"rate": "{{due" + " " * 400_000}}),
    "a pattern of many stars": (CALL, {"regenerate": ["*a" * 200_000]}),
    "very many patterns": (CALL, {"regenerate": ["*a" * 20 + "b"] * 10_000}),
    "very many parameters": (CALL, {"parameters": {f"k{number}": "v" for number in range(30_000)}}),
    "very many keys": (CALL, {f"k{number}": "v" for number in range(60_000)}),
    "very many tags": (CALL, {"tags": {f"k{number}": "v" for number in range(30_000)}}),
    "a key that comes again after very many": (CALL, "{" + ",".join(f'"k{number}": 1' for number in range(60_000)) + ', "k59999": 1}'),
}  # fmt: skip


@pytest.mark.parametrize("what", COSTLY)
@pytest.mark.timeout(60)  # many of them took minutes once
def test_a_request_that_would_cost_much_more_than_it_is_long_is_refused(harmless, what):
    path, sent = COSTLY[what]
    harmless("POST", SCHEDULES, json={**DAILY, "name": "often", "cron": "* * * * *"})
    content = sent if isinstance(sent, str) else json.dumps(sent)
    answer = harmless("POST", path, content=content, headers={"content-type": "application/json"})
    check(answer, "")
    assert answer.status_code == 400, answer.text[:500]
    assert len(answer.content) < len(content) + 1000


def test_numbers_that_nothing_can_hold_are_refused(harmless):
    large = "9" * 4000
    for sent in (
        '{"parameters": {"rate": ' + large + "}}",
        '{"parameters": {"data": "dataset:x@' + large + '"}}',
        '{"parameters": {"data": "dataset:x@' + large * 2 + '"}}',
        '{"version": ' + large + "}",
    ):
        answer = harmless("POST", CALL, content=sent, headers={"content-type": "application/json"})
        check(answer, "")
        assert answer.status_code in (400, 404), answer.text
    harmless("POST", SCHEDULES, json={**DAILY, "name": "often", "cron": "* * * * *"})
    for path in (
        "/api/v1/tokens/audit/log?before=",
        "/api/v1/runs/latest/logs?after=",
        f"{CALL}?version=",
        f"{SCHEDULES}/often/preview?count=",
    ):
        answer = harmless("GET", path + "9" * 30)
        check(answer, "")
        assert answer.status_code in (400, 404), (path, answer.text)
    filled = {"since": "2026-01-01", "until": "2026-01-01T00:05", "at_once": 10**30}
    assert harmless("POST", f"{SCHEDULES}/often/backfills", json=filled).status_code == 400


# -- other workspaces ------------------------------------------------------------------------------------------------------


def test_tokens_and_ids_of_another_workspace_open_nothing(service, harmless):
    run = service("POST", "/api/v1/pipeline-endpoints/other/runs", json={}).json()["id"]
    assert harmless("GET", "/api/v1/runs", service.owner).status_code == 401
    for path in (f"/api/v1/runs/{run}", f"/api/v1/runs/{run}/logs", f"/api/v1/pipelines/{service.published[0]}"):
        assert service("GET", path).status_code == 200
        assert harmless("GET", path).status_code == 404
    assert harmless("POST", f"/api/v1/runs/{run}/cancel").status_code == 404
    assert harmless("POST", f"/api/v1/pipelines/{service.published[0]}/runs", json={}).status_code == 404


# -- code that must not run ------------------------------------------------------------------------------------------------


class Bomb:
    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return Path.touch, (self.place,)


def test_what_others_pickled_is_not_opened_for_anybody_who_asks(harmless, tmp_path):
    """Wherever the bytes of a pickle lie, the server hands out what is known of them and no more."""
    place = tmp_path / "marked"
    bomb = pickle.dumps(Bomb(place))
    services = harmless.services()
    services.blobs.put(bomb)
    made = harmless("POST", "/api/v1/pipeline-endpoints/other/runs", json={}).json()["id"]
    for path in ("", "/logs", "/metrics", "/outputs"):
        assert harmless("GET", f"/api/v1/runs/{made}{path}").status_code == 200
    kind = {"content-type": "application/json"}
    assert harmless("POST", "/api/v1/pipeline-endpoints/other/runs", content=bomb, headers=kind).status_code == 400
    assert not place.exists()


OPENERS = {"pickle", "cloudpickle", "dill", "shelve", "marshal", "joblib", "torch", "skops"}
MAY = {
    "formats/models.py": "the author's choice",
    "harness/dask_clients.py": "a client inside of a step's process",
    "bundled.py": "bytecode of the package, beside that which Python reads itself",
    "bundling.py": "writes it",
}


def test_nothing_that_opens_pickles_is_imported_but_where_steps_run():
    folder = Path(pipelinekit.__file__).parent
    found = set()
    for file in sorted(folder.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if any(name in text for name in OPENERS) else ():
            named = [item.name for item in node.names] if isinstance(node, ast.Import) else []
            named += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if {name.partition(".")[0] for name in named} & OPENERS:
                found.add(str(file.relative_to(folder)))
    assert found == set(MAY)


# -- where it listens ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.1", "10.0.0.1", "fe80::1", "example.org", "169.254.1.1", "0"]
)
def test_a_server_that_others_can_reach_is_protected_or_not_started(host, tmp_path):
    with pytest.raises(UsageError, match="without encryption"):
        Address(host, 0)
    with pytest.raises(UsageError, match="there is no file"):
        Address(host, 0, certificate=str(tmp_path / "a"), key=str(tmp_path / "b"))
    with pytest.raises(UsageError, match="needs a certificate and its key"):
        Address(host, 0, certificate=str(tmp_path / "a"))
    assert Address(host, 0, behind_proxy=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_on_this_machine_it_needs_nothing(host):
    assert Address(host, 0)
