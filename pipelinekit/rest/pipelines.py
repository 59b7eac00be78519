"""Published pipelines over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Response
from fastapi import Path as InPath

from pipelinekit.bootstrap import Services
from pipelinekit.domain.limits import READ, TRIGGER
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.rest import bodies, calls
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.routing import Route
from pipelinekit.wire.publishing import published_document
from pipelinekit.wire.version_differences import difference_document

router = APIRouter(prefix="/pipelines", tags=["published pipelines"], route_class=Route)

Viewing = Annotated[Asked, Depends(Needs(Permission.VIEW, READ))]
Publishing = Annotated[Asked, Depends(Needs(Permission.PUBLISH, READ))]
Submitting = Annotated[Asked, Depends(Needs(Permission.SUBMIT, TRIGGER))]
Id = Annotated[str, InPath(description="the id of a published pipeline", max_length=64)]


@router.get("", operation_id="list_pipelines")
async def list_pipelines(asked: Viewing, name: str = "", all: bool = False) -> dict[str, Any]:  # noqa: A002
    """Those that may be called, the newest first; with `all` disabled ones, too."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.published_pipelines.list(name=name, active_only=not all)
        return {"pipelines": [published_document(item.record) for item in found]}

    return await asked.do(work)


@router.get("/{pipeline}", operation_id="show_pipeline")
async def show_pipeline(asked: Viewing, pipeline: Id) -> dict[str, Any]:
    """One of them, with its parameters."""
    return await asked.do(lambda services, _: services.published_pipelines.get(pipeline).document())


@router.post("/{pipeline}/enable", operation_id="enable_pipeline")
async def enable_pipeline(asked: Publishing, pipeline: Id) -> dict[str, Any]:
    """Have it called again."""
    return await _change(asked, pipeline, "enable")


@router.post("/{pipeline}/disable", operation_id="disable_pipeline")
async def disable_pipeline(asked: Publishing, pipeline: Id) -> dict[str, Any]:
    """Refuse calls of it."""
    return await _change(asked, pipeline, "disable")


@router.patch("/{pipeline}", operation_id="describe_pipeline")
async def describe_pipeline(asked: Publishing, pipeline: Id, body: bodies.Description) -> dict[str, Any]:
    """Change its description."""
    return await _change(asked, pipeline, "describe", body.description)


@router.delete("/{pipeline}", operation_id="delete_pipeline", status_code=204, response_class=Response)
async def delete_pipeline(asked: Publishing, pipeline: Id) -> None:
    """Forget it; its runs stay. Refused while an endpoint has it."""

    def work(services: Services, principal: Principal) -> None:
        with services.records.batch():
            found = services.published_pipelines.get(pipeline).id
            services.published_pipelines.delete(found)
            services.audit.note("pipelines.delete", found, by=asked.origin(principal))

    await asked.do(work)


@router.get("/{pipeline}/runs", operation_id="list_pipeline_runs")
async def list_runs(
    asked: Viewing, pipeline: Id, limit: calls.Limit = 50, records: calls.Records = False
) -> dict[str, Any]:
    """Its runs, the newest first."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.published_pipelines.get(pipeline).runs(limit=limit)
        return {"runs": [calls.run_shown(run, whole=records) for run in found]}

    return await asked.do(work)


@router.post("/{pipeline}/runs", operation_id="call_pipeline", status_code=202, responses=calls.ANSWERS)
async def call_pipeline(
    asked: Submitting,
    response: Response,
    pipeline: Id,
    body: bodies.Call | None = None,
    idempotency_key: calls.Key = "",
    prefer: Annotated[str, Header(max_length=255)] = "",
) -> calls.Called:
    """Have a run of it driven. The answer comes before any step starts."""
    call = body or bodies.Call()
    wanted = calls.Wanted(
        lambda services: calls.pipeline_target(services, pipeline), call, call.model_dump(), idempotency_key, prefer
    )
    return await calls.call(asked, response, wanted)


@router.get("/{pipeline}/differences/{other}", operation_id="compare_pipelines")
async def show_difference(
    asked: Viewing, pipeline: Id, other: Annotated[str, InPath(description="the later one", max_length=64)]
) -> dict[str, Any]:
    """In what two of them differ: steps, parameters, files."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return difference_document(services.published_pipelines.diff(pipeline, other))

    return await asked.do(work)


async def _change(asked: Asked, pipeline: str, verb: str, *words: str) -> dict[str, Any]:
    def work(services: Services, principal: Principal) -> dict[str, Any]:
        with services.records.batch():
            handle = services.published_pipelines.get(pipeline)
            getattr(handle, verb)(*words)
            services.audit.note(f"pipelines.{verb}", handle.id, by=asked.origin(principal))
        return published_document(handle.record)

    return await asked.do(work)
