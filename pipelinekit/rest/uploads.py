"""Pipelines that come over HTTP from authors who share no disk with the server: blobs, then a run or a publication."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi import Path as InPath

from pipelinekit.bootstrap import Services
from pipelinekit.domain.idempotency import check_idempotency_key
from pipelinekit.domain.limits import READ, TRIGGER
from pipelinekit.domain.runs import RunOptions
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.errors import UsageError
from pipelinekit.rest import bodies, calls, repeats
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.routing import Route
from pipelinekit.wire.environments import environment_from_json, environment_to_json, lock_to_json
from pipelinekit.wire.uploads import unpack
from pipelinekit.workspace.published_pipelines import Call, Publication, PublishedPipelineHandle
from pipelinekit.workspace.runs import Run

router = APIRouter(tags=["uploads"], route_class=Route)

Sending = Annotated[Asked, Depends(Needs(Permission.SUBMIT, READ))]
Submitting = Annotated[Asked, Depends(Needs(Permission.SUBMIT, TRIGGER))]
Publishing = Annotated[Asked, Depends(Needs(Permission.PUBLISH, TRIGGER))]
Digest = Annotated[str, InPath(description="the digest of a blob", max_length=64)]
_BYTES = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_TEXTS = ("name", "python", "image", "dockerfile")
_KINDS: dict[str, type] = {**dict.fromkeys(_TEXTS, str), "packages": list, "variables": dict}
_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")


@router.post("/blobs/missing", operation_id="find_missing_blobs")
async def find_missing(asked: Sending, body: bodies.Digests) -> dict[str, Any]:
    """Which blobs are not in the store, and how many bytes of each have come from whoever asks."""

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        missing = services.uploads.missing(body.digests)
        return {"missing": sorted(missing), "parts": services.uploads.receiver.parts(_sender(principal), missing)}

    return await asked.do(work)


@router.post("/blobs", operation_id="store_blobs", openapi_extra=_BYTES)
async def store_blobs(asked: Sending, request: Request) -> dict[str, Any]:
    """Store small blobs: for each a line `DIGEST SIZE`, and so many bytes."""
    data = await request.body()
    return await asked.do(lambda services, _: {"stored": services.uploads.receiver.store(unpack(data))})


@router.put("/blobs/{digest}", operation_id="store_blob", openapi_extra=_BYTES)
async def store_blob(
    asked: Sending,
    request: Request,
    digest: Digest,
    content_range: Annotated[str, Header(max_length=64, description="bytes FIRST-LAST/SIZE, where it is a part")] = "",
) -> dict[str, Any]:
    """Store a blob, or a part of it behind the parts that have come; the same part may come again."""
    data = await request.body()
    begin, size = _part(content_range, len(data))

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        there = services.uploads.receiver.append(_sender(principal), digest, size, begin, data)
        return {"digest": digest, "bytes": there, "complete": there == size}

    return await asked.do(work)


@router.post("/environments/lock", operation_id="lock_environment")
async def lock_environment(asked: Sending, body: bodies.Environment) -> dict[str, Any]:
    """An environment, and what it is resolved to here: steps that are sent bring it with them."""
    if bool(body.name) == (body.environment is not None):
        raise UsageError("one of name and environment is needed", hint="give the one or the other")

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.environments.locked(body.name or environment_from_json(_whole(body.environment)))
        document = environment_to_json(found.environment)
        return {"environment": {**document, "version": found.environment.version}, "lock": lock_to_json(found.lock)}

    return await asked.do(work)


@router.post("/runs", operation_id="submit_run", status_code=202, responses=calls.ANSWERS)
async def submit_run(
    asked: Submitting,
    response: Response,
    body: bodies.Submission,
    idempotency_key: calls.Key = "",
    prefer: Annotated[str, Header(max_length=255)] = "",
) -> calls.Called:
    """Have a run of a pipeline driven that was uploaded. The answer comes before any step starts."""
    fields = body.model_dump(exclude={"upload", "max_seconds"})
    said = {"upload": body.upload, "max_seconds": body.max_seconds, **fields}
    call = bodies.Call.model_validate(fields)
    wanted = calls.Wanted(lambda services: upload_target(services, body), call, said, idempotency_key, prefer)
    return await calls.call(asked, response, wanted)


@router.post("/pipelines", operation_id="publish_pipeline", status_code=201, responses=calls.ANSWERS)
async def publish_pipeline(
    asked: Publishing, response: Response, body: bodies.Publication, idempotency_key: calls.Key = ""
) -> dict[str, Any]:
    """Publish a pipeline that was uploaded, or that of a run; with `endpoint` as a version of it."""
    if idempotency_key:
        check_idempotency_key(idempotency_key)
    if bool(body.upload) == bool(body.run):
        raise UsageError("one of upload and run is needed", hint="give the one or the other")
    if body.default and not body.endpoint:
        raise UsageError("default says nothing without an endpoint", hint="name one with the key endpoint")

    def work(services: Services, principal: Principal) -> tuple[dict[str, Any], bool]:
        upload = services.uploads.get(body.upload) if body.upload else None

        def make() -> dict[str, Any]:
            about = _about(body, services)
            if upload is not None:
                made = upload.publish(about, {"by": principal.name})
            else:
                run = services.records.runs.get(body.run)
                made = services.published_pipelines.publish_run(run, about, services.dataset_inputs().taken)
            document = _published(services, principal, body, made)
            services.audit.note("pipelines.publish", made.id, by=asked.origin(principal), after=made.record.graph)
            return document

        return repeats.once(asked, services, principal, idempotency_key, body.model_dump(), make)

    document, is_new = await asked.do(work)
    if not is_new:
        response.headers["Idempotency-Replayed"] = "true"
    return document


def _sender(principal: Principal) -> str:
    """Whose parts are put together."""
    return principal.token or "anybody"


def _part(header: str, count: int) -> tuple[int, int]:
    """The first byte of a part, and the size of the whole. Raises UsageError."""
    if not header:
        return 0, count
    found = _RANGE.fullmatch(header.strip())
    if found is None or int(found[2]) + 1 - int(found[1]) != count:
        raise UsageError(
            f"the header Content-Range does not say which {count} bytes these are",
            hint="write it as 'bytes FIRST-LAST/SIZE'",
        )
    return int(found[1]), int(found[3])


def _whole(document: Mapping[str, Any] | None) -> dict[str, Any]:
    """An environment's document, whose kinds are looked at. Raises UsageError."""
    found = dict(document or {})
    wrong = [name for name, value in found.items() if name not in _KINDS or not isinstance(value, _KINDS[name])]
    if wrong or "name" not in found or not all(isinstance(text, str) for text in _items(found)):
        words = f": {', '.join(map(repr, wrong))}" if wrong else ""
        raise UsageError(f"this is no environment{words}", hint=f"there are: {', '.join(_KINDS)}")
    return found


def _items(environment: Mapping[str, Any]) -> list[Any]:
    return [*environment.get("packages", ()), *environment.get("variables", {}).values()]


def upload_target(services: Services, body: bodies.Submission) -> calls.Target:
    """A pipeline that was uploaded as what is called."""
    upload = services.uploads.get(body.upload)

    def prepare(_: Mapping[str, Any], call: Call) -> calls.Prepared:
        arguments, options = upload.prepare(call, body.max_seconds)

        def record(services: Services) -> Run:
            return services.uploads.handle(upload.content).record(arguments, options, call)

        return calls.Prepared(arguments, options, record)

    return calls.Target(f"uploads/{upload.graph.name}", upload.graph, prepare)


def _about(body: bodies.Publication, services: Services) -> Publication:
    options = RunOptions(
        (), body.continue_on_step_failure, body.compute or services.settings.compute, max_seconds=body.max_seconds
    )
    return Publication(body.name, body.description, body.version, body.experiment, options, body.tags)


def _published(
    services: Services, principal: Principal, body: bodies.Publication, made: PublishedPipelineHandle
) -> dict[str, Any]:
    document = made.document()
    if body.endpoint:
        handle, version = services.pipeline_endpoints.grow(body.endpoint, made, default=body.default, by=principal.name)
        document["endpoint"] = {
            "id": handle.id,
            "name": handle.name,
            "version": version.number,
            "default_version": handle.default_version,
        }
    return document
