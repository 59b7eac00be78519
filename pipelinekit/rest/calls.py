"""Calls of published pipelines: from a request to a recorded run, once for each idempotency key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Header, Query, Response
from pydantic import BaseModel, Field

from pipelinekit.bootstrap import Services
from pipelinekit.classes import frozen
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.hosts import Place
from pipelinekit.domain.idempotency import check_idempotency_key
from pipelinekit.domain.runs import TRACEPARENT, RunOptions, RunRecord
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.errors import ConflictError, PipelinekitError, UsageError
from pipelinekit.rest import bodies, repeats
from pipelinekit.rest.desk import Asked, Desk, check
from pipelinekit.rest.parameters import read_parameters
from pipelinekit.rest.problems import ANSWERS as PROBLEMS
from pipelinekit.wire.run_records import run_to_json
from pipelinekit.wire.runs import run_document
from pipelinekit.workspace.pipelines import Arguments
from pipelinekit.workspace.published_pipelines import Call, PreparedCall, PublishedPipelineHandle
from pipelinekit.workspace.runs import Run

ANSWERS: dict[int | str, dict[str, Any]] = {409: PROBLEMS[409]}
LONGEST_WAIT = 60.0
OF_ONES_OWN = ("id", "status", "error", "outputs", "created_at", "started_at", "ended_at")  # that triggers are told
MOST_TRIES = 5  # to call a default version that others change meanwhile
RUNS = "/api/v1/runs/"
_WAIT = re.compile(r"\bwait\s*=\s*(\d{1,6})")

Key = Annotated[str, Header(alias="Idempotency-Key", max_length=255, description="the same key calls once")]
Records = Annotated[bool, Query(description="runs whole, as the records hold them")]
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
    pipeline: str = Field("", description="the id of the published pipeline; empty for what was not published")
    endpoint: str = Field("", description="the pipeline endpoint that was called, by name")
    version: int | None = Field(None, description="the version of the endpoint that was called")
    experiment: str
    number: int
    expected: Expected
    callback_secret: str = Field("", description="what the call-back is signed with, where the call asked for one")
    run: dict[str, Any] | None = Field(None, description="the run itself, where it was waited for")


@frozen
class Prepared:
    """A run that can be recorded at once; `record` gives None where what was prepared is no longer what is called.

    It is recorded with the services of whichever thread has its turn to write.
    """

    arguments: Arguments
    options: RunOptions
    record: Callable[[Services], Run | None]


@frozen
class Target:
    """What is called: its graph, how a call of it is prepared, and what names it in the audit log."""

    name: str
    graph: Graph
    prepare: Callable[[Mapping[str, Any], Call], Prepared]
    pipeline: str = ""
    endpoint: str = ""
    version: int | None = None


def pipeline_target(services: Services, pipeline: str) -> Target:
    """A published pipeline as what is called."""
    handle = services.published_pipelines.get(pipeline)

    def record(services: Services, prepared: PreparedCall) -> Run:
        return services.published_pipelines.handle(handle.record).record_prepared(prepared)

    return Target(f"pipelines/{handle.id}", handle.graph, _preparing(handle, record), handle.id)


def endpoint_target(services: Services, endpoint: str, version: int | None) -> Target:
    """A version of a pipeline endpoint as what is called."""
    handle = services.pipeline_endpoints.get(endpoint)
    handle.record.check_active()
    found = handle.record.version(version)
    pipeline = handle.pipeline(found.number)

    def record(services: Services, prepared: PreparedCall) -> Run | None:
        return services.pipeline_endpoints.handle(handle.record).record_prepared(version, prepared)

    prepare = _preparing(pipeline, record)
    name = f"pipeline-endpoints/{handle.name}"
    return Target(name, pipeline.graph, prepare, pipeline.id, handle.name, found.number)


def draft_target(services: Services, draft: str) -> Target:
    """A pipeline draft as what is called."""
    handle = services.pipeline_drafts.get(draft)

    def prepare(given: Mapping[str, Any], call: Call) -> Prepared:
        prepared = handle.prepare(given, call)

        def record(services: Services) -> Run | None:
            return services.pipeline_drafts.handle(handle.record).record_prepared(prepared)

        return Prepared(prepared.arguments, prepared.options, record)

    return Target(f"pipeline-drafts/{handle.id}", handle.graph, prepare)


def _preparing(
    pipeline: PublishedPipelineHandle, record: Callable[[Services, PreparedCall], Run | None]
) -> Callable[[Mapping[str, Any], Call], Prepared]:
    def prepare(given: Mapping[str, Any], call: Call) -> Prepared:
        prepared = pipeline.prepare(given, call)
        return Prepared(prepared.arguments, prepared.options, lambda services: record(services, prepared))

    return prepare


@frozen
class Wanted:
    """What a request asks for.

    `said` is all that it said, by which another one with its key is compared. `read` gives the values of parameters
    where they do not stand in the body; `source` says who the request comes from elsewhere than HTTP.
    """

    target: Callable[[Services], Target]
    body: bodies.Call
    said: Any
    key: str = ""
    prefer: str = ""
    endpoint: Callable[[Services], str] | None = None
    read: Callable[[Graph], dict[str, Any]] | None = None
    source: str = ""


async def call(asked: Asked, response: Response, wanted: Wanted) -> Called:
    """Record the run that a request asks for and have it driven; wait for it as far as that is preferred."""
    if wanted.key:
        check_idempotency_key(wanted.key)

    def work(services: Services, principal: Principal) -> tuple[Called, bool]:
        for _ in range(MOST_TRIES):
            if (done := _try(asked, services, principal, wanted)) is not None:
                return done
        raise ConflictError(
            "what is called was changed again and again", hint="name the version to be called, or try again"
        )

    made, is_new = await asked.do(work, wanted.endpoint)
    asked.request.state.run = made.id  # for the log
    response.headers["Location"] = made.url
    if not is_new:
        response.headers["Idempotency-Replayed"] = "true"
    if seconds := _preferred_wait(wanted.prefer):
        made.run = await _waited(asked, made.id, seconds)
        response.headers["Preference-Applied"] = f"wait={seconds:g}"
        if made.run["ended_at"] is not None:
            made.status = made.run["status"]
            response.status_code = 200
    return made


def _try(asked: Asked, services: Services, principal: Principal, wanted: Wanted) -> tuple[Called, bool] | None:
    """The run and whether it is new; None where what was prepared is no longer what is called.

    What takes long is done before the transaction: others write meanwhile. A key that came before counts more than
    what is wrong with the call by now; a call that fails leaves its key free.
    """
    failure, ready = None, None
    try:
        target, prepared, place = prepare(asked, services, principal, wanted)
        ready = target, prepared, Expected(**_expected(services, target, prepared)), place
    except PipelinekitError as error:
        if not wanted.key:
            raise
        failure = error

    def write(services: Services) -> tuple[Called, bool] | None:
        if wanted.key and (replay := repeats.begun(asked, services, principal, wanted.key, wanted.said)):
            return _replayed(services, wanted, replay), False
        if failure is not None:
            raise failure
        assert ready is not None
        target, prepared, expected, place = ready
        run = prepared.record(services)
        if run is None:
            if wanted.key:
                repeats.abandon(asked, services, principal, wanted.key)
            return None
        made = _called(target, run.seen, expected)
        secret = services.webhooks.call_back(run.id, place) if place is not None else ""
        services.audit.note("call", target.name, by=asked.origin(principal), after=run.id)
        if wanted.key:
            repeats.finish(asked, services, principal, wanted.key, run.id, made.model_dump_json())
        made.callback_secret = secret  # which the records do not keep
        return made, True

    desk: Desk = asked.request.app.state.desk
    done = desk.writing.do(services, write)
    if done is not None and done[1]:
        services.launch(done[0].id)
    return done


def _callback_place(services: Services, principal: Principal, wanted: Wanted) -> Place | None:
    """Where the end of the run is to be told, if anywhere. Raises UsageError."""
    if not wanted.body.callback:
        return None
    anywhere = principal.permits(Permission.ADMINISTER)
    return services.webhooks.check_callback(wanted.body.callback, anywhere=anywhere)


def prepare(
    asked: Asked, services: Services, principal: Principal, wanted: Wanted
) -> tuple[Target, Prepared, Place | None]:
    """What a request asks for, with all that is looked up before anything is recorded. Raises what is wrong with it."""
    if (wanted.body.priority or 0) > 0:
        check(services, asked.request, principal, Permission.SUBMIT)  # a trigger may not pass others by
    target = wanted.target(services)
    place = _callback_place(services, principal, wanted)
    graph = target.graph
    given = wanted.read(graph) if wanted.read else read_parameters(graph.parameters, wanted.body.parameters)
    call = _call_of(wanted.body, principal, wanted.source, asked.trace, place)
    return target, target.prepare(given, call), place


def _expected(services: Services, target: Target, prepared: Prepared) -> Mapping[str, int]:
    return services.expected(target.graph, prepared.arguments, prepared.options)


def _replayed(services: Services, wanted: Wanted, response: str) -> Called:
    """What was answered before, with the secret that answers do not keep."""
    made = Called.model_validate_json(response)
    if wanted.body.callback:
        made.callback_secret = services.webhooks.callback_secret(made.id)
    return made


def _call_of(body: bodies.Call, principal: Principal, source: str, trace: str, place: Place | None) -> Call:
    regenerate = body.regenerate
    patterns = tuple(regenerate) if isinstance(regenerate, list) else ("*",) if regenerate else ()
    details = {"user": principal.name, "via": source or "HTTP", **({TRACEPARENT: trace} if trace else {})}
    if place is not None:
        details["callback"] = place.origin
    return Call(
        body.experiment,
        patterns,
        body.continue_on_step_failure,
        body.compute,
        body.tags,
        body.display_name,
        details=details,
        priority=body.priority,
        max_queue_seconds=body.max_queue_seconds,
    )


def _called(target: Target, record: RunRecord, expected: Expected) -> Called:
    return Called(
        id=record.id,
        status=str(record.status),
        url=RUNS + record.id,
        pipeline=target.pipeline,
        endpoint=target.endpoint,
        version=target.version,
        experiment=record.experiment,
        number=record.number,
        expected=expected,
    )


def _preferred_wait(prefer: str) -> float:
    found = _WAIT.search(prefer)
    return min(float(found[1]), LONGEST_WAIT) if found else 0.0


async def _waited(asked: Asked, run: str, seconds: float) -> dict[str, Any]:
    """The run as it is when it has ended, or when the time is over; what of it the caller may see."""
    desk: Desk = asked.request.app.state.desk
    await desk.watch.ended(run, seconds)
    document = await desk.do(lambda services: services.runs.get(run).document())
    if asked.principal.permits(Permission.VIEW):
        return document
    return {name: document[name] for name in OF_ONES_OWN if name in document}


def check_version(text: str) -> int | None:
    """The number of a version as an address gives it. Raises UsageError."""
    if not text:
        return None
    if not text.isdigit() or len(text) > 9:
        raise UsageError(f"{text!r} is no version of a pipeline endpoint", hint="give its number")
    return int(text)


def run_shown(run: Run, *, whole: bool) -> dict[str, Any]:
    """A run of a list, as people's programs read it, or `whole` for clients that show it as the workspace does."""
    return run_to_json(run.seen) if whole else run_document(run.seen)
