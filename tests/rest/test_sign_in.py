"""Tokens of an issuer in requests: who is let in, what is written of it, and when it ends."""

import json
import time

import pytest
from oidc_issuer import AUDIENCE, oidc_issuer
from rest.conftest import Service

from pipelinekit.bootstrap import SystemClock
from pipelinekit.domain.sign_in import SignInPolicy
from pipelinekit.rest.desk import Desk
from pipelinekit.storage.issuers import WebIssuer
from pipelinekit.workspace.sign_in import SignIn

RUNS = "/api/v1/pipeline-endpoints/retraining/runs"


@pytest.fixture(scope="module")
def issuer():
    with oidc_issuer() as made:
        yield made


@pytest.fixture
def signed(service, issuer):
    """The same workspace with a server that takes the issuer's tokens, too."""
    made = Service(service.home)
    made.owner = service.owner
    made.desk._sign_in = SignIn(SignInPolicy(issuer.url, AUDIENCE), WebIssuer(issuer.url), SystemClock())
    yield made
    made.end()


def audit(service, count=1):
    return service("GET", f"/api/v1/tokens/audit/log?limit={count}").json()["rows"]


@pytest.mark.parametrize(
    ("role", "codes"), [("reader", (200, 403, 403)), ("contributor", (200, 202, 403)), ("owner", (200, 202, 200))]
)
def test_somebody_of_the_issuers_may_do_what_the_role_permits(signed, issuer, role, codes):
    token = issuer.token(roles=[role], sub="anna")
    answers = [
        signed("GET", "/api/v1/runs", token),
        signed("POST", RUNS, token, json={}),
        signed("GET", "/api/v1/tokens", token),
    ]
    assert tuple(answer.status_code for answer in answers) == codes
    assert signed("GET", "/api/v1/runs").status_code == 200, "tokens of the workspace are taken as before"


def test_the_audit_log_names_issuer_and_subject(signed, issuer):
    who = f"{issuer.url}#carla"
    run = signed("POST", RUNS, issuer.token(roles=["contributor"], sub="carla"), json={}).json()["id"]
    row = audit(signed)[0]
    assert (row["actor"], row["action"], row["after"]) == (who, "call", row["after"])
    assert row["token"].startswith("oidc_")
    assert signed.services().records.runs.get(run).details["user"] == who
    signed("GET", "/api/v1/tokens", issuer.token(sub="carla"))
    row = audit(signed)[0]
    assert (row["actor"], row["action"], row["outcome"]) == (who, "GET /api/v1/tokens", "refused")
    made = signed("POST", "/api/v1/tokens", issuer.token(roles=["owner"]), json={"name": "by-anna", "role": "reader"})
    assert made.json()["created_by"] == f"{issuer.url}#anna"


def test_who_is_refused_is_told_nothing_and_the_audit_log_why(signed, issuer):
    expired = issuer.token(exp=int(time.time()) - 100)
    answers = [signed("GET", "/api/v1/runs", token) for token in (expired, issuer.token(aud="other"), "eyJ.e30.x")]
    told = {json.dumps({**answer.json(), "request_id": ""}) for answer in answers}
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert len(told) == 1
    assert [row["reason"] for row in audit(signed, 3)] == [
        "issuer's token: malformed", "issuer's token: audience", "issuer's token: expired",
    ]  # fmt: skip


def test_who_has_no_role_is_told_that_and_it_is_written_down(signed, issuer):
    answer = signed("GET", "/api/v1/runs", issuer.token(roles=["guest"]))
    assert answer.status_code == 403
    assert "claim 'roles'" in answer.json()["hint"]
    assert "has no role" in audit(signed)[0]["reason"]


def test_without_an_issuer_its_tokens_are_as_any_text(service, issuer):
    assert service("GET", "/api/v1/runs", issuer.token(roles=["owner"])).status_code == 401


def test_an_idempotency_key_is_the_persons_whatever_token_is_shown(signed, issuer):
    def called(**claims):
        token = issuer.token(roles=["contributor"], **claims)
        return signed("POST", RUNS, token, json={}, headers={"idempotency-key": "once"}).json()["id"]

    first = called(sub="dora")
    assert called(sub="dora", exp=int(time.time()) + 900) == first
    assert called(sub="emil") != first


def test_an_issuer_that_is_away_is_trouble_for_its_tokens_only(service, issuer):
    away = SignIn(SignInPolicy(issuer.url, AUDIENCE), WebIssuer("http://127.0.0.1:9"), SystemClock())
    made = Service(service.home)
    try:
        made.owner = service.owner
        made.desk._sign_in = away
        answer = made("GET", "/api/v1/runs", issuer.token())
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert made("GET", "/api/v1/runs").status_code == 200
    finally:
        made.end()


def test_a_stream_ends_with_the_token(signed, issuer, monkeypatch):
    monkeypatch.setattr("pipelinekit.rest.run_events.BEAT_SECONDS", 0.05)
    run = signed("POST", RUNS, json={}).json()["id"]
    token = issuer.token(exp=int(time.time()) - 28)  # two more seconds, as clocks may differ by thirty
    answer = signed("GET", f"/api/v1/runs/{run}/events", token)
    assert answer.status_code == 200
    assert "event: end" not in answer.text


def test_a_desk_takes_what_it_is_given(service, issuer):
    policy = SignInPolicy(issuer.url, AUDIENCE)
    desk = Desk(service.services, 1, service.services().sign_in(policy))
    assert desk._sign_in.authenticate(issuer.token()).name.startswith(issuer.url)
    desk.close()
