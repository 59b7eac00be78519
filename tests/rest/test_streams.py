"""Streams of a run's events: who may hold one, and how many."""

import asyncio

import pytest
from conftest import wait_for

from pipelinekit.rest import run_events
from pipelinekit.rest.streams import MOST_OF_ONE


@pytest.fixture
def run(service):
    """A run that nobody drives; it is canceled in the end, so that every stream of it ends."""
    path = "/api/v1/pipeline-endpoints/retraining/runs"
    made = service("POST", path, json={}).json()["id"]
    yield made
    service("POST", f"/api/v1/runs/{made}/cancel")


def follow(service, run, token):
    """Begin to follow a run; the answer comes when the stream has ended."""
    asked = service.send("GET", f"/api/v1/runs/{run}/events", headers={"authorization": f"Bearer {token}"})
    return asyncio.run_coroutine_threadsafe(asked, service._loop)


def test_the_stream_of_a_token_that_is_revoked_ends(service, run, monkeypatch):
    monkeypatch.setattr(run_events, "BEAT_SECONDS", 0.05)
    stream = follow(service, run, service.token("short", role="reader"))
    wait_for(lambda: service.desk.streams._open.total() == 1)
    service.services().tokens.revoke("short")
    answer = stream.result(60)
    assert answer.status_code == 200
    assert answer.text.startswith("retry: ")
    assert "event: end" not in answer.text
    assert service.desk.streams._open.total() == 0


def test_a_token_holds_so_many_streams_and_no_more(service, run):
    token = service.token("many", role="reader")
    streams = [follow(service, run, token) for _ in range(MOST_OF_ONE)]
    wait_for(lambda: service.desk.streams._open.total() == MOST_OF_ONE)
    refused = follow(service, run, token).result(60)
    assert (refused.status_code, refused.json()["type"]) == (429, "pipelinekit:busy")
    assert int(refused.headers["retry-after"]) >= 1
    other = follow(service, run, service.token("other", role="reader"))
    service("POST", f"/api/v1/runs/{run}/cancel")
    for stream in (*streams, other):
        assert "event: end" in stream.result(60).text
