"""What is told to Prometheus: read by its own parser, counted right, shown to whom it may be shown."""

import asyncio
import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from rest.conftest import BASE, Service

from pipelinekit.domain.limits import READ
from pipelinekit.domain.runs import RunStatus
from pipelinekit.rest import vitals
from pipelinekit.rest.app import make_app
from pipelinekit.rest.guard import LOOPBACK
from pipelinekit.rest.server import Address
from pipelinekit.testing.clock import HandClock

RUNS = "/api/v1/pipeline-endpoints/retraining/runs"


@pytest.fixture
def fresh(service):
    """The same workspace with a server that has answered nothing yet, and asks the records anew each time."""
    made = Service(service.home)
    made.owner = service.owner
    yield made
    made.end()


def read(made, token=None):
    """All numbers by name and labels; the families by name."""
    made.app._app.state.observed._until = 0.0
    answer = made("GET", "/metrics", token)
    assert answer.status_code == 200, answer.text
    return parsed(answer.text)


def parsed(text):
    families = list(text_string_to_metric_families(text))
    numbers = {(item.name, *sorted(item.labels.items())): item.value for family in families for item in family.samples}
    assert len(numbers) == sum(len(family.samples) for family in families), "a number is told twice"
    return numbers, {family.name: family for family in families}


def of(numbers, name, **labels):
    return numbers.get((name, *sorted(labels.items())))


def test_it_is_what_prometheus_reads_and_every_number_says_what_it_is(fresh):
    numbers, families = read(fresh)
    assert len(families) > 20
    for name, family in families.items():
        assert name.startswith(("pipelinekit_", "process_")), name
        assert family.documentation.endswith((".", "1970.")), name
        assert family.type in ("counter", "gauge", "histogram"), name
        told = {item.name for item in family.samples}
        if family.type == "counter":
            assert told == {f"{name}_total"}
    assert of(numbers, "pipelinekit_records_up") == 1
    assert of(numbers, "pipelinekit_records_size_bytes") > 10_000
    assert set(statuses(numbers, "pipelinekit_runs_open")) == {str(item) for item in RunStatus if not item.final}


def statuses(numbers, name):
    return {dict(key[1:])["status"]: value for key, value in numbers.items() if key[0] == name}


def test_requests_are_counted_by_route_and_never_by_address(fresh):
    for path in ("/api/v1/runs/nobody", "/api/v1/runs/else", "/api/v1/runs", "/nowhere", "/api/v1/elsewhere"):
        fresh("GET", path)
    fresh("GET", "/api/v1/runs", "")
    fresh("BREW", "/api/v1/runs")
    fresh.wait(fresh.send("GET", "/health", headers={"host": "evil.example"}))
    numbers, _ = read(fresh)

    def requests(route, status, method="GET"):
        return of(numbers, "pipelinekit_http_requests_total", route=route, method=method, status=str(status))

    assert requests("/api/v1/runs/{run}", 404) == 2
    assert requests("/api/v1/runs", 200) == 1
    assert requests("/api/v1/runs", 401) == 1
    assert requests("other", 404) == 2
    assert requests("other", 421) == 1
    assert any(dict(key[1:]).get("method") == "other" for key in numbers)
    assert not any("nobody" in str(key) or "BREW" in str(key) for key in numbers)
    place = {"route": "/api/v1/runs/{run}", "method": "GET"}
    assert of(numbers, "pipelinekit_http_request_duration_seconds_count", **place) == 2
    assert of(numbers, "pipelinekit_http_request_duration_seconds_bucket", **place, le="+Inf") == 2
    assert of(numbers, "pipelinekit_http_request_duration_seconds_sum", **place) > 0
    assert of(numbers, "pipelinekit_http_refused_total", reason="host") == 1
    assert of(numbers, "pipelinekit_http_refused_total", reason="unauthenticated") == 1
    assert of(numbers, "pipelinekit_http_requests_in_progress") == 1, "this one"


def test_what_is_asked_for_too_often_is_counted(fresh):
    opened, clock = fresh.desk._open, HandClock(time.time())

    def stopped():
        services = opened()
        services.clock = clock  # the bucket is not filled meanwhile, however long this takes
        return services

    fresh.desk._open = stopped

    async def many():
        transport = httpx.ASGITransport(fresh.app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            headers = {"authorization": f"Bearer {fresh.owner}"}
            return await asyncio.gather(*(client.get("/api/v1/runs?limit=1", headers=headers) for _ in range(210)))

    refused = [answer for answer in fresh.wait(many()) if answer.status_code == 429]
    numbers, _ = read(fresh)
    assert len(refused) == 210 - READ.burst
    assert of(numbers, "pipelinekit_http_refused_total", reason="rate") == len(refused)


def test_runs_are_counted_as_they_wait_and_when_they_have_ended_also_by_the_next_server(fresh, service):
    before, _ = read(fresh)
    run = fresh("POST", RUNS, json={}).json()["id"]
    waiting, _ = read(fresh)
    assert of(waiting, "pipelinekit_queue_runs") == of(before, "pipelinekit_queue_runs") + 1
    assert of(waiting, "pipelinekit_runs_open", status="Queued") >= 1
    assert of(waiting, "pipelinekit_queue_oldest_age_seconds") > 0
    fresh("POST", f"/api/v1/runs/{run}/cancel")
    numbers, _ = read(fresh)
    ended = of(before, "pipelinekit_runs_total", status="Canceled") + 1
    assert of(numbers, "pipelinekit_runs_total", status="Canceled") == ended
    other = Service(service.home)
    try:
        other.owner = service.owner
        assert of(read(other)[0], "pipelinekit_runs_total", status="Canceled") == ended
    finally:
        other.end()


def test_records_are_asked_once_in_a_while_and_told_to_be_away(fresh):
    def broken(services):
        raise AssertionError("the records were asked again")

    read(fresh)
    fresh.app._app.state.observed._until = float("inf")
    kept, vitals._read = vitals._read, broken
    try:
        assert of(parsed(fresh("GET", "/metrics").text)[0], "pipelinekit_records_up") == 1
    finally:
        vitals._read = kept


def test_a_server_whose_records_are_away_still_tells_of_itself(fresh, tmp_path):
    app = make_app(fresh.desk, ("127.0.0.1",), open_metrics=True)
    fresh.app = app
    opened = fresh.desk._open

    def away():
        found = opened()
        found.settings = type(found.settings)(records="postgresql://nobody@127.0.0.1:1/none")
        return found

    fresh.desk._open = away
    numbers, _ = parsed(fresh("GET", "/metrics", "").text)
    assert of(numbers, "pipelinekit_records_up") == 0
    assert of(numbers, "pipelinekit_live_views") == 0
    assert of(numbers, "pipelinekit_runs_open", status="Queued") is None


def test_only_who_is_on_this_machine_needs_no_token(fresh):
    assert fresh("GET", "/metrics", "").status_code == 401
    fresh.app = make_app(fresh.desk, LOOPBACK, open_metrics=True)
    assert fresh("GET", "/metrics", "").status_code == 200
    assert Address().is_of_this_machine
    assert not Address(behind_proxy=True).is_of_this_machine
    assert not Address(hosts=("example.org",)).is_of_this_machine
    assert not Address("0.0.0.0", behind_proxy=True).is_of_this_machine


def test_labels_and_numbers_are_written_so_that_nothing_breaks_out():
    from pipelinekit.rest.exposition import GAUGE, Family, Sample, exposition

    odd = 'a"} 1\nforged{x="\\'
    text = exposition([Family("n", GAUGE, "one\ntwo \\", [Sample(float("inf"), {"l": odd}), Sample(0.25)])])
    numbers, families = parsed(text)
    assert numbers == {("n", ("l", odd)): float("inf"), ("n",): 0.25}
    assert families["n"].documentation == "one\ntwo \\"
