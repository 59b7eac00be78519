"""Requests made from the OpenAPI document: nothing that it allows, or nearly allows, breaks the server."""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rest.conftest import service_in
from schemathesis import GenerationMode
from schemathesis.core.transport import Response

from pipelinekit.rest import vitals
from pipelinekit.rest.problems import MEDIA_TYPE

SLOW_EXAMPLES, EXAMPLES = 100, 4
NOWHERE = (404, 405, 413, 414, 415, 421, 431)  # before it is known which operation is asked for


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with service_in(tmp_path_factory.mktemp("service")) as made:
        yield made


def operations(service):
    schema = schemathesis.openapi.from_dict(service.bare.openapi())
    found = [result.ok() for result in schema.get_all_operations()]
    return [item for item in found if not item.path.endswith("/events")]  # a stream, which ends when the run does


def try_all(service, examples):
    """Ask for everything so often, with what fits the document and what does not."""
    for operation in operations(service):
        cases = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode))
        _property(service, operation, cases, examples)()


def _property(service, operation, cases, examples):
    told = operation.definition.raw["responses"]
    checks = list(HealthCheck)

    @given(case=cases)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=checks,
        phases=[Phase.generate],
        derandomize=True,
    )
    def ask(case):
        sent = case.as_transport_kwargs(base_url="http://127.0.0.1:8470")
        try:
            answer = service.wait(service.send(sent["method"], sent["url"], **_as_httpx(service, sent)))
        except httpx.InvalidURL:  # an address that the client cannot send: with control characters, or 64 KiB long
            return
        service.desk._buckets.clear()
        assert answer.status_code < 500, (case.method, sent["url"], answer.text)
        assert str(answer.status_code) in told or answer.status_code in NOWHERE, answer.text
        if answer.content and answer.headers["content-type"] != MEDIA_TYPE:
            if operation.path == vitals.PATH:
                assert answer.headers["content-type"].startswith("text/plain;")
                return
            assert answer.headers["content-type"] == "application/json"
            operation.validate_response(Response.from_httpx(answer, verify=False))

    return ask


def _as_httpx(service, sent):
    headers = {str(name): str(value) for name, value in dict(sent.get("headers") or {}).items()}
    headers = {
        name: value
        for name, value in headers.items()
        if name.lower() not in ("authorization", "host") and value.isascii() and value.isprintable()
    }
    headers["authorization"] = f"Bearer {service.owner}"
    found = {"headers": headers, "params": sent.get("params") or None}
    if "json" in sent:
        found["json"] = sent["json"]
    elif sent.get("data") is not None:
        found["content"] = sent["data"] if isinstance(sent["data"], bytes | str) else str(sent["data"])
    return found


def test_what_the_document_allows_and_nearly_allows_breaks_nothing(served):
    try_all(served, EXAMPLES)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nor_does_it_when_tried_often(served):
    try_all(served, SLOW_EXAMPLES)
