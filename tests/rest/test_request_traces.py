"""Requests as spans: which are told, with what, and what becomes of their runs."""

import pytest
from rest.conftest import Service

from pipelinekit.domain.runs import TRACEPARENT
from pipelinekit.rest.app import make_app
from pipelinekit.testing.traces import MemoryTracing

RUNS = "/api/v1/pipeline-endpoints/retraining/runs"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADER = {TRACEPARENT: f"00-{TRACE}-{SPAN}-01"}


@pytest.fixture
def traced(service):
    made = Service(service.home)
    made.owner = service.owner
    made.tracing = MemoryTracing()
    made.app = make_app(made.desk, ("127.0.0.1",), tracing=made.tracing)
    yield made
    made.end()


def test_a_request_is_a_span_of_the_callers_trace_and_says_nothing_of_what_was_said(traced):
    traced("GET", "/api/v1/runs?experiment=hidden", headers=HEADER)
    traced("GET", "/api/v1/runs/nobody", "")
    first, second = traced.tracing.spans
    assert (first.context.trace, first.parent, first.name, first.failed) == (TRACE, SPAN, "GET /api/v1/runs", False)
    assert first.attributes["http.route"] == "/api/v1/runs"
    assert first.attributes["pipelinekit.token.id"] == traced.owner.split("_")[1]
    assert (second.parent, second.attributes["http.response.status_code"]) == ("", 401)
    assert "hidden" not in str(traced.tracing.spans)
    assert "nobody" not in str(traced.tracing.spans)


def test_what_watches_the_server_is_no_span(traced):
    for path in ("/health", "/ready", "/metrics"):
        assert traced("GET", path).status_code == 200
    assert traced.tracing.spans == []


def test_a_run_keeps_the_span_of_its_request(traced):
    run = traced("POST", RUNS, json={}, headers=HEADER).json()["id"]
    (span,) = traced.tracing.spans
    assert traced.services().records.runs.get(run).details[TRACEPARENT] == span.context.header
    assert traced("GET", f"/api/v1/runs/{run}").json()["trace"] == TRACE


def test_where_nobody_collects_a_run_is_part_of_its_callers_trace_all_the_same(service):
    run = service("POST", RUNS, json={}, headers=HEADER).json()["id"]
    other = service("POST", RUNS, json={}, headers={TRACEPARENT: "nonsense"}).json()["id"]
    records = service.services().records.runs
    assert records.get(run).details[TRACEPARENT] == HEADER[TRACEPARENT]
    assert TRACEPARENT not in records.get(other).details


def test_a_request_that_fails_within_is_a_failed_span(traced):
    traced.desk._open = None  # nothing works any more
    assert traced("GET", "/api/v1/runs", headers=HEADER).status_code == 500
    assert traced.tracing.spans[-1].failed
