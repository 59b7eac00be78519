"""Calls of published pipelines: from a request to a recorded run, once for each idempotency key."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Header, Query, Response
from pydantic import BaseModel, Field

from pipelinekit.bootstrap import Services
from pipelinekit.domain.digests import encode, strong_digest
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.idempotency import KEPT_SECONDS, Different, InProgress, Replay, check_idempotency_key
from pipelinekit.domain.tokens import Principal
from pipelinekit.errors import ConflictError, UsageError
from pipelinekit.rest import bodies
from pipelinekit.rest.desk import Asked, Desk
from pipelinekit.rest.parameters import read_parameters
from pipelinekit.rest.problems import ANSWERS as PROBLEMS
from pipelinekit.workspace.published_pipelines import Call
from pipelinekit.workspace.runs import Run

ANSWERS: dict[int | str, dict[str, Any]] = {409: PROBLEMS[409]}
LONGEST_WAIT = 60.0
LOOK_SECONDS = 0.1  # between two looks at a run that a request waits for
RUNS = "/api/v1/runs/"
_WAIT = re.compile(r"\bwait\s*=\s*(\d{1,6})")

Key = Annotated[str, Header(alias="Idempotency-Key", max_length=255, description="the same key calls once")]
Limit = Annotated[int, Query(ge=1, le=500, description="how many at most")]


class Expected(BaseModel):
    """What the steps of a run are expected to do, as far as that can be told before it starts."""

    reuse: int = Field(description="steps whose results are there")
    run: int = Field(description="steps that must execute")
    maybe: int = Field(description="steps for which it depends on what comes out of others")
    skip: int = Field(description="steps that are not taken")


class Called(BaseModel):
    """A run that was recorded, and is driven."""

    id: str
    status: str
    url: str
    pipeline: str = Field(description="the id of the published pipeline")
    endpoint: str = Field("", description="the pipeline endpoint that was called, by name")
    version: int | None = Field(None, description="the version of the endpoint that was called")
    experiment: str
    number: int
    expected: Expected
    run: dict[str, Any] | None = Field(None, description="the run itself, where it was waited for")


class Target:
    """What is called: the graph that it has, how a run of it is recorded, and what names it in the audit log."""

    def __init__(
        self,
        name: str,
        pipeline: str,
        graph: Graph,
        record: Callable[[dict[str, Any], Call], Run],
        endpoint: str = "",
        version: int | None = None,
    ) -> None:
        self.name = name
        self.pipeline = pipeline
        self.graph = graph
        self.record = record
        self.endpoint = endpoint
        self.version = version


def pipeline_target(services: Services, pipeline: str) -> Target:
    """A published pipeline as what is called."""
    handle = services.published_pipelines.get(pipeline)
    return Target(f"pipelines/{handle.id}", handle.id, handle.graph, handle.record_call)


def endpoint_target(services: Services, endpoint: str, version: int | None) -> Target:
    """A version of a pipeline endpoint as what is called."""
    handle = services.pipeline_endpoints.get(endpoint)
    handle.record.check_active()
    found = handle.record.version(version)
    pipeline = handle.pipeline(found.number)
    return Target(
        f"pipeline-endpoints/{handle.name}",
        pipeline.id,
        pipeline.graph,
        lambda given, call: handle.record_call(found.number, given, call),
        handle.name,
        found.number,
    )


async def call(
    asked: Asked,
    response: Response,
    target: Callable[[Services], Target],
    body: bodies.Call,
    key: str,
    prefer: str,
    *,
    endpoint: Callable[[Services], str] | None = None,
    read: Callable[[Target], dict[str, Any]] | None = None,
    source: str = "",
) -> Called:
    """Record the run that a request asks for and have it driven; wait for it as far as that is preferred.

    `endpoint` tells the name of the pipeline endpoint that is called, `read` the values of parameters where they do not
    stand in the body, `source` who says that the request comes from elsewhere than HTTP.
    """

    def work(services: Services, principal: Principal) -> tuple[Called, bool]:
        with services.records.batch():
            if key and (replay := _begun(asked, services, principal, key, body)):
                return replay, False
            found = target(services)
            given = read(found) if read else read_parameters(found.graph.parameters, body.parameters)
            run = found.record(given, _call_of(body, principal, source))
            made = _called(services, found, run)
            services.audit.note("call", found.name, by=asked.origin(principal), after=run.id)
            if key:
                services.idempotency.finish(principal.token, _scope(asked), key, run.id, made.model_dump_json())
        services.launch(run.id)
        return made, True

    made, is_new = await asked.do(work, endpoint)
    response.headers["Location"] = made.url
    if not is_new:
        response.headers["Idempotency-Replayed"] = "true"
    if seconds := _preferred_wait(prefer):
        made.run = await _wait(asked, made.id, seconds)
        response.headers["Preference-Applied"] = f"wait={seconds:g}"
        if made.run["ended_at"] is not None:
            made.status = made.run["status"]
            response.status_code = 200
    return made


def _scope(asked: Asked) -> str:
    """What a key is unique within, besides whoever sends it: the address that is called."""
    return asked.request.url.path


def _begun(asked: Asked, services: Services, principal: Principal, key: str, body: bodies.Call) -> Called | None:
    """What was answered when the key came before; None when it is new. Raises ConflictError."""
    check_idempotency_key(key)
    request = strong_digest(encode(json.dumps([body.model_dump(), asked.request.url.query], sort_keys=True)))
    until = services.clock.now() + KEPT_SECONDS
    match services.idempotency.begin(principal.token, _scope(asked), key, request, until):
        case Replay(response=response):
            return Called.model_validate_json(response)
        case Different():
            raise ConflictError(
                f"the idempotency key {key!r} came with another request before", hint="give each request its own key"
            )
        case InProgress():
            raise ConflictError(f"a request with the idempotency key {key!r} is in progress", hint="send it again")
        case _:
            return None


def _call_of(body: bodies.Call, principal: Principal, source: str) -> Call:
    regenerate = body.regenerate
    patterns = tuple(regenerate) if isinstance(regenerate, list) else ("*",) if regenerate else ()
    details = {"user": principal.name, "via": source or "HTTP"}
    return Call(
        body.experiment,
        patterns,
        body.continue_on_step_failure,
        body.compute,
        body.tags,
        body.display_name,
        details=details,
    )


def _called(services: Services, target: Target, run: Run) -> Called:
    record = run.record
    counts = services.expected(target.graph, record)
    return Called(
        id=record.id,
        status=str(record.status),
        url=RUNS + record.id,
        pipeline=target.pipeline,
        endpoint=target.endpoint,
        version=target.version,
        experiment=record.experiment,
        number=record.number,
        expected=Expected(**counts),
    )


def _preferred_wait(prefer: str) -> float:
    found = _WAIT.search(prefer)
    return min(float(found[1]), LONGEST_WAIT) if found else 0.0


async def _wait(asked: Asked, run: str, seconds: float) -> dict[str, Any]:
    """The run as it is when it has ended, or when the time is over."""
    desk: Desk = asked.request.app.state.desk
    until = time.monotonic() + seconds

    def look(services: Services) -> dict[str, Any] | None:
        handle = services.runs.get(run)
        if handle.record.status.final or time.monotonic() >= until:
            return handle.document()
        return None

    while True:
        if (document := await desk.do(look)) is not None:
            return document
        await asyncio.sleep(LOOK_SECONDS)


def check_version(text: str) -> int | None:
    """The number of a version as an address gives it. Raises UsageError."""
    if not text:
        return None
    if not text.isdigit() or len(text) > 9:
        raise UsageError(f"{text!r} is no version of a pipeline endpoint", hint="give its number")
    return int(text)
