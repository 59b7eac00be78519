"""From a request to the steps of its run, one trace: through a real server, its driver processes and a collector."""

import secrets

import pytest
from conftest import wait_for
from e2e.test_http import published, serving
from otlp_collector import collector

FAILING = """
    from pipelinekit import pipeline, step

    @step(retries=1)
    def burst(number: int) -> int:
        raise ValueError(f"no {number}")

    @step
    def after(number: int) -> int:
        return number

    @pipeline
    def bursting(number: int):
        return after(burst(number))
"""
CALLS = "/api/v1/pipeline-endpoints/{}/runs"
ERROR, SERVER = 2, 2


@pytest.fixture(scope="module")
def collected():
    with collector() as made:
        yield made


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = published(tmp_path_factory.mktemp("traces") / "project").write(bursting=FAILING)
    made("publish", "bursting.py", "-p", "number=1", "--endpoint", "bursting", "--json")
    return made


def switched_on(collected, **more):
    headers = "x-key=abc"
    return {"env": {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.url, "OTEL_EXPORTER_OTLP_HEADERS": headers,
                    "OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_SERVICE_NAME": "training", **more}}  # fmt: skip


@pytest.fixture(scope="module")
def server(project, collected):
    with serving(project, **switched_on(collected)) as client:
        yield client


def traced(server, endpoint, parameters, *, flags="01", wait=60):
    """A call as part of a trace; the run, the trace's id, and that of the caller's span."""
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    headers = {"traceparent": f"00-{trace}-{span}-{flags}", "prefer": f"wait={wait}"}
    answer = server.post(CALLS.format(endpoint), json={"parameters": parameters}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["run"], trace, span


def whole(collected, trace):
    """The spans of a trace by name, once the run and its request are there."""

    def found():
        spans = collected.of(trace)
        kinds = {span["name"].split()[0] for span in spans}
        return {"run", "POST"} <= kinds and spans

    spans = wait_for(found)
    names = [span["name"] for span in spans]
    assert len({span["id"] for span in spans}) == len(spans)
    return {span["name"]: span for span in spans if names.count(span["name"]) == 1}, spans


def test_a_call_its_run_and_its_steps_are_one_trace(server, collected):
    run, trace, caller = traced(server, "doubling", {"number": 31})
    named, spans = whole(collected, trace)
    request, ran, step = (
        named["POST /api/v1/pipeline-endpoints/{endpoint}/runs"],
        named["run doubling"],
        named["step double"],
    )
    assert (request["parent"], ran["parent"], step["parent"]) == (caller, request["id"], ran["id"])
    assert (request["kind"], request["http.response.status_code"]) == (SERVER, 200)
    assert request["pipelinekit.run.id"] == ran["pipelinekit.run.id"] == step["pipelinekit.run.id"] == run["id"]
    assert (ran["pipelinekit.run.status"], ran["pipelinekit.steps.executed"]) == ("Completed", 1)
    assert (step["pipelinekit.step.status"], step["pipelinekit.step.reused"]) == ("Completed", False)
    assert step["pipelinekit.step.attempts"] == 1
    assert ran["began"] <= step["began"] <= step["ended"] <= ran["ended"] + 0.001
    phases = [span for span in spans if span["parent"] == step["id"]]
    assert {span["name"] for span in phases} <= {"queued", "prepare", "run"}
    assert "prepare" in {span["name"] for span in phases}
    assert all(step["began"] - 1e-6 <= span["began"] <= span["ended"] <= step["ended"] + 1e-6 for span in phases)
    assert collected.resources[-1]["service.name"] == "training"
    assert collected.headers["x-key"] == "abc"
    assert run["trace"] == trace


def test_a_step_that_is_reused_says_whose_result_it_shows(server, collected):
    first, _, _ = traced(server, "doubling", {"number": 32})
    again, trace, _ = traced(server, "doubling", {"number": 32})
    named, spans = whole(collected, trace)
    step = named["step double"]
    assert (step["pipelinekit.step.reused"], step["pipelinekit.step.original_run"]) == (True, first["id"])
    assert step["began"] == step["ended"]
    assert not [span for span in spans if span["parent"] == step["id"]]
    assert again["id"] != first["id"]


def test_a_failure_is_told_where_it_was(server, collected):
    run, trace, _ = traced(server, "bursting", {"number": 5})
    assert run["status"] == "Failed"
    named, _ = whole(collected, trace)
    burst, after = named["step burst"], named["step after"]
    assert (burst["status"], burst["pipelinekit.step.attempts"]) == (ERROR, 2)
    assert "no 5" in burst["message"]
    assert burst["pipelinekit.step.failure.kind"] == "user"
    assert (after["status"], after["pipelinekit.step.status"]) == (0, "Canceled")
    assert named["run bursting"]["status"] == ERROR


def test_what_is_not_sampled_is_sent_nowhere_and_headers_that_say_nothing_begin_a_trace(server, collected):
    _, silent, _ = traced(server, "doubling", {"number": 33}, flags="00")
    headers = {"traceparent": "00-nonsense", "prefer": "wait=60"}
    run = server.post(CALLS.format("doubling"), json={"parameters": {"number": 33}}, headers=headers).json()["run"]
    named, _ = whole(collected, run["trace"])
    request = named["POST /api/v1/pipeline-endpoints/{endpoint}/runs"]
    assert (request["parent"], named["run doubling"]["parent"]) == ("", request["id"])
    assert not collected.of(silent)
    assert not [span for span in collected.spans if span["name"].endswith(("/health", "/ready", "/metrics"))]


def test_a_run_by_hand_is_a_trace_of_its_own(project, collected):
    run = project.run("doubling.py", "-p", "number=34", **switched_on(collected))
    (ran,) = wait_for(
        lambda: [span for span in collected.spans if span.get("pipelinekit.run.id") == run["id"] and not span["parent"]]
    )
    assert ran["name"] == "run doubling"


def test_a_collector_that_is_away_costs_a_run_nothing(project):
    away = {"env": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}}
    assert project.run("doubling.py", "-p", "number=35", **away)["status"] == "Completed"
    with serving(project, **away) as server:
        assert traced(server, "doubling", {"number": 35})[0]["status"] == "Completed"


def test_a_protocol_that_is_not_spoken_is_said_once_and_nothing_is_loaded_without_a_collector(project):
    spoken = {"env": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}}
    with serving(project, **spoken) as server:
        assert server.get("/health").status_code == 200
    assert "".join(server.told).count("no traces are sent") == 1
    found = project("run", "doubling.py", "-p", "number=35", env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert "opentelemetry" not in found.err
    assert "pipelinekit.runtime.driver" in found.err
