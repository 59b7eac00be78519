"""Webhooks and call-backs over HTTP: who may have whom told of what, and what each is shown of it."""

import json

import pytest
from hook_server import hook_server
from rest.test_requests import problem

from pipelinekit.domain.runs import RunStatus

HOOKS = "/api/v1/webhooks"
CALL = "/api/v1/pipeline-endpoints/{}/runs"
PUBLIC = "https://hooks.example/T0/secret-path"


@pytest.fixture(scope="module")
def hooks():
    with hook_server() as server:
        yield server


@pytest.fixture
def allowed(service, hooks):
    """The server on loopback as a host that an owner allowed."""
    path = f"{HOOKS}/hosts/allowed/127.0.0.1:{hooks.port}"
    assert service("PUT", path).json()["host"] == f"127.0.0.1:{hooks.port}"
    yield hooks
    service("DELETE", path)
    for item in service("GET", HOOKS).json()["webhooks"]:
        service("DELETE", f"{HOOKS}/{item['id']}")
    hooks.got.clear()


def create(service, token=None, **body):
    return service("POST", HOOKS, token, json={"name": "ops", "url": PUBLIC, **body})


def test_a_contributor_makes_webhooks_on_hosts_that_an_owner_allowed_only(service, tokens, allowed):
    told = problem(create(service, tokens.contributor), 400, "not among the hosts")
    assert "secret-path" not in json.dumps(told)
    made = create(service, tokens.contributor, url=allowed.url)
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    assert made.json()["created_by"] == "carl"
    assert create(service, name="elsewhere").status_code == 201
    problem(create(service, name="plain", url="http://hooks.example/"), 400, "it is not https")
    problem(service("PUT", f"{HOOKS}/hosts/allowed/10.0.0.1", tokens.contributor), 403)
    assert [item["host"] for item in service("GET", f"{HOOKS}/hosts/allowed", tokens.reader).json()["hosts"]] == [
        f"127.0.0.1:{allowed.port}"
    ]


def test_a_secret_is_shown_once_and_the_path_of_an_address_to_those_who_make_some(service, tokens, allowed):
    made = create(service, url=allowed.url).json()
    shown = service("GET", f"{HOOKS}/ops", tokens.contributor)
    assert shown.json()["url"] == allowed.url
    for token in (tokens.reader, tokens.contributor, None):
        for path in (HOOKS, f"{HOOKS}/ops", f"{HOOKS}/ops/deliveries"):
            assert made["secret"] not in service("GET", path, token).text
    assert service("GET", f"{HOOKS}/ops", tokens.reader).json()["url"] == allowed.url.removesuffix("/hook")
    rotated = service("POST", f"{HOOKS}/ops/rotate-secret", tokens.contributor).json()
    assert rotated["secret"] != made["secret"]
    assert service("POST", f"{HOOKS}/ops/test", tokens.contributor).json()["state"] == "Delivered"
    allowed.check(rotated["secret"])
    allowed.check(made["secret"])  # for a day, receivers may know either
    last = service("POST", f"{HOOKS}/ops/rotate-secret?at_once=true", tokens.contributor).json()
    assert (last["secret_version"], last["previous_until"]) == (3, None)


def test_a_test_says_how_it_was_answered(service, tokens, allowed):
    create(service, url=allowed.url)
    allowed.answers = [500]
    answer = service("POST", f"{HOOKS}/ops/test").json()
    assert (answer["state"], answer["status"], answer["tries"]) == ("Failed", 500, 1)
    deliveries = service("GET", f"{HOOKS}/ops/deliveries?limit=1", tokens.reader).json()["deliveries"]
    assert [(item["id"], item["event"]) for item in deliveries] == [(answer["id"], "webhook.test")]


def test_states_change_and_names_are_freed(service, tokens, allowed):
    create(service, url=allowed.url, on=["run.failed"], endpoint="retraining", experiment="e")
    assert service("POST", f"{HOOKS}/OPS/disable", tokens.contributor).json()["state"] == "Disabled"
    shown = service("POST", f"{HOOKS}/ops/enable", tokens.contributor).json()
    assert {name: shown[name] for name in ("state", "events", "endpoint", "schedule", "experiment")} == {
        "state": "Active", "events": ["run.failed"], "endpoint": "retraining", "schedule": "", "experiment": "e",
    }  # fmt: skip
    problem(create(service, url=allowed.url), 409)
    assert service("DELETE", f"{HOOKS}/ops", tokens.contributor).status_code == 204
    problem(service("GET", f"{HOOKS}/ops"), 404)
    assert create(service, url=allowed.url).status_code == 201
    problem(create(service, name="x", url=allowed.url, endpoint="nothing"), 404)
    problem(create(service, name="x", url=allowed.url, on=["run.exploded"]), 400, "run.exploded")
    problem(create(service, name="x", url="nonsense"), 400)


def test_a_webhook_is_changed_and_a_message_sent_again(service, tokens, allowed):
    create(service, name="ops", url=allowed.url, on=["run.failed"], endpoint="retraining")
    allowed.answers = [500]
    failed = service("POST", f"{HOOKS}/ops/test").json()
    changed = service("PATCH", f"{HOOKS}/ops", tokens.contributor, json={"on": ["run.submitted"], "endpoint": ""})
    assert (changed.json()["events"], changed.json()["endpoint"]) == (["run.submitted"], "")
    assert changed.json()["url"] == allowed.url
    problem(service("PATCH", f"{HOOKS}/ops", tokens.contributor, json={"url": PUBLIC}), 400, "not among the hosts")
    problem(service("PATCH", f"{HOOKS}/ops", tokens.contributor, json={"on": ["run.exploded"]}), 400, "run.exploded")
    again = service("POST", f"{HOOKS}/deliveries/{failed['id']}/redeliver", tokens.contributor).json()
    assert (again["id"], again["state"], again["tries"]) == (failed["id"], "Pending", 0)
    problem(service("POST", f"{HOOKS}/deliveries/{failed['id']}/redeliver"), 409, "still to be sent")
    problem(service("POST", f"{HOOKS}/deliveries/msg_nothing/redeliver"), 404)
    service("POST", CALL.format("retraining"), tokens.contributor, json={"parameters": {"rate": 5.0}})
    told = service("GET", f"{HOOKS}/ops/deliveries").json()["deliveries"]
    assert [item["event"] for item in told] == ["run.submitted", "webhook.test"]


def called(service, token, url, key="", endpoint="retraining"):
    sent = {"parameters": {"rate": 5.0}, "callback": url}
    headers = {"idempotency-key": key} if key else {}
    return service("POST", CALL.format(endpoint), token, json=sent, headers=headers)


def test_a_call_has_the_end_of_its_run_told(service, tokens, allowed):
    made = called(service, tokens.trigger, allowed.url, "key-1")
    assert made.status_code == 202, made.text
    again = called(service, tokens.trigger, allowed.url, "key-1")
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["callback_secret"] == made.json()["callback_secret"] != ""
    run = made.json()["id"]
    services = service.services()
    assert services.runs.get(run).record.details["callback"] == f"http://127.0.0.1:{allowed.port}"
    kept = [dict(row) for row in services.database.select("select * from idempotency")]
    assert "whsec_" not in str(kept)
    (waiting,) = service("GET", f"{HOOKS}/callbacks/deliveries", tokens.reader).json()["deliveries"]
    assert (waiting["run"], waiting["state"], waiting["event"]) == (run, "Waiting", "run.ended")
    taken = services.records.driving.take(run, "somebody")
    services.records.driving.finish(run, taken.epoch, RunStatus.COMPLETED, {}, None)
    (due,) = service("GET", f"{HOOKS}/callbacks/deliveries").json()["deliveries"]
    assert (due["state"], due["event"]) == ("Pending", "run.completed")
    body = json.loads(services.webhooks.deliveries()[0].body)
    assert body["data"]["endpoint"]["name"] == "retraining"
    assert body["data"]["endpoint"]["version"] == 0
    assert services.webhooks.secrets_of(services.webhooks.deliveries()[0]) == [made.json()["callback_secret"]]


def test_a_call_back_goes_where_a_webhook_might(service, tokens, allowed):
    count = len(service("GET", "/api/v1/runs?limit=500").json()["runs"])
    for token in (tokens.trigger, tokens.contributor):
        problem(called(service, token, PUBLIC), 400, "not among the hosts")
    for url in ("http://127.0.0.1:1/", "https://169.254.169.254/", "https://user:hunter2@x.example/", "ftp://x"):
        answer = called(service, None, url)
        problem(answer, 400)
        assert "hunter2" not in answer.text
    assert len(service("GET", "/api/v1/runs?limit=500").json()["runs"]) == count
    assert called(service, None, PUBLIC).status_code == 202
    assert called(service, None, "").json()["callback_secret"] == ""
