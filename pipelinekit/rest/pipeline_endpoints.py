"""Pipeline endpoints over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi import Path as InPath

from pipelinekit.bootstrap import Services
from pipelinekit.domain.limits import READ, TRIGGER
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.rest import bodies, calls
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.routing import Route
from pipelinekit.rest.schemas import endpoint_openapi
from pipelinekit.wire.publishing import endpoint_document
from pipelinekit.wire.version_differences import difference_document
from pipelinekit.workspace.pipeline_endpoints import PipelineEndpointHandle

router = APIRouter(prefix="/pipeline-endpoints", tags=["pipeline endpoints"], route_class=Route)

Viewing = Annotated[Asked, Depends(Needs(Permission.VIEW, READ))]
Publishing = Annotated[Asked, Depends(Needs(Permission.PUBLISH, READ))]
Calling = Annotated[Asked, Depends(Needs(Permission.CALL, TRIGGER))]
Name = Annotated[str, InPath(description="the name or id of a pipeline endpoint", max_length=255)]


@router.get("", operation_id="list_pipeline_endpoints")
async def list_endpoints(asked: Viewing, all: bool = False) -> dict[str, Any]:  # noqa: A002
    """Those that may be called; with `all` disabled and archived ones, too."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.pipeline_endpoints.list(active_only=not all)
        return {"pipeline_endpoints": [endpoint_document(item.record) for item in found]}

    return await asked.do(work)


@router.post("", operation_id="create_pipeline_endpoint", status_code=201)
async def create_endpoint(asked: Publishing, body: bodies.NewEndpoint) -> dict[str, Any]:
    """Make an endpoint for a published pipeline."""

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        with services.records.batch():
            made = services.pipeline_endpoints.create(
                body.name,
                body.pipeline,
                description=body.description,
                tags=body.tags,
                proven=body.proven,
                by=principal.name,
            )
            services.audit.note("pipeline-endpoints.create", made.name, by=asked.origin(principal))
        return made.document()

    return await asked.do(work)


@router.get("/{endpoint}", operation_id="show_pipeline_endpoint")
async def show_endpoint(asked: Viewing, endpoint: Name) -> dict[str, Any]:
    """One of them, with its versions, and the parameters of its default version."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        handle = services.pipeline_endpoints.get(endpoint)
        return {**handle.document(), "parameters": handle.pipeline().document()["parameters"]}

    return await asked.do(work)


@router.get("/{endpoint}/openapi.json", operation_id="describe_pipeline_endpoint_calls")
async def show_openapi(asked: Viewing, endpoint: Name) -> dict[str, Any]:
    """An OpenAPI document of the calls of this endpoint, with the parameters of each version."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return endpoint_openapi(services.pipeline_endpoints.get(endpoint))

    return await asked.do(work)


@router.patch("/{endpoint}", operation_id="change_pipeline_endpoint")
async def change_endpoint(asked: Publishing, endpoint: Name, body: bodies.EndpointChange) -> dict[str, Any]:
    """Change its description, its tags, its rule or its default version."""

    def how(handle: PipelineEndpointHandle, _: Principal) -> None:
        handle.update(description=body.description, tags=body.tags, proven=body.proven)
        if body.default_version is not None:
            handle.set_default(body.default_version)

    return await _change(asked, endpoint, "change", how)


@router.post("/{endpoint}/versions", operation_id="add_pipeline_endpoint_version", status_code=201)
async def add_version(asked: Publishing, endpoint: Name, body: bodies.NewVersion) -> dict[str, Any]:
    """Add a published pipeline as a further version."""

    def how(handle: PipelineEndpointHandle, principal: Principal) -> None:
        handle.add_version(body.pipeline, default=body.default, by=principal.name)

    return await _change(asked, endpoint, "add-version", how)


@router.post("/{endpoint}/enable", operation_id="enable_pipeline_endpoint")
async def enable_endpoint(asked: Publishing, endpoint: Name) -> dict[str, Any]:
    """Have it called again."""
    return await _change(asked, endpoint, "enable", lambda handle, _: handle.enable())


@router.post("/{endpoint}/disable", operation_id="disable_pipeline_endpoint")
async def disable_endpoint(asked: Publishing, endpoint: Name) -> dict[str, Any]:
    """Refuse calls of it."""
    return await _change(asked, endpoint, "disable", lambda handle, _: handle.disable())


@router.post("/{endpoint}/archive", operation_id="archive_pipeline_endpoint")
async def archive_endpoint(asked: Publishing, endpoint: Name) -> dict[str, Any]:
    """Refuse calls of it, and let others have its name."""
    return await _change(asked, endpoint, "archive", lambda handle, _: handle.archive())


@router.post("/{endpoint}/reactivate", operation_id="reactivate_pipeline_endpoint")
async def reactivate_endpoint(
    asked: Publishing, endpoint: Name, body: bodies.Reactivation | None = None
) -> dict[str, Any]:
    """Use an archived one again."""
    name = body.name if body else ""
    return await _change(asked, endpoint, "reactivate", lambda handle, _: handle.reactivate(name))


@router.delete("/{endpoint}", operation_id="delete_pipeline_endpoint", status_code=204, response_class=Response)
async def delete_endpoint(asked: Publishing, endpoint: Name) -> None:
    """Forget it; its pipelines stay published, its runs stay."""

    def work(services: Services, principal: Principal) -> None:
        with services.records.batch():
            found = services.pipeline_endpoints.get(endpoint)
            services.pipeline_endpoints.delete(found.id)
            services.audit.note("pipeline-endpoints.delete", found.name, by=asked.origin(principal))

    await asked.do(work)


@router.get("/{endpoint}/runs", operation_id="list_pipeline_endpoint_runs")
async def list_runs(
    asked: Viewing,
    endpoint: Name,
    version: int | None = None,
    limit: calls.Limit = 50,
    records: calls.Records = False,
) -> dict[str, Any]:
    """Its runs, or those of a version; the newest first."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.pipeline_endpoints.get(endpoint).runs(version=version, limit=limit)
        return {"runs": [calls.run_shown(run, whole=records) for run in found]}

    return await asked.do(work)


@router.post("/{endpoint}/runs", operation_id="call_pipeline_endpoint", status_code=202)
async def call_endpoint(
    asked: Calling,
    response: Response,
    endpoint: Name,
    body: bodies.Call | None = None,
    idempotency_key: calls.Key = "",
    prefer: Annotated[str, Header(max_length=255)] = "",
) -> calls.Called:
    """Call its default version, or another: have a run driven. The answer comes before any step starts."""
    call = body or bodies.Call()
    wanted = calls.Wanted(
        lambda services: calls.endpoint_target(services, endpoint, call.version),
        call,
        call.model_dump(),
        idempotency_key,
        prefer,
        lambda services: services.pipeline_endpoints.get(endpoint).name,
    )
    return await calls.call(asked, response, wanted)


@router.get("/{endpoint}/differences/{before}", operation_id="compare_pipeline_endpoint_versions")
async def show_difference(
    asked: Viewing,
    endpoint: Name,
    before: Annotated[int, InPath(ge=0, lt=1 << 31)],
    after: Annotated[int | None, Query(ge=0, lt=1 << 31, description="the default version by default")] = None,
) -> dict[str, Any]:
    """In what two of its versions differ: steps, parameters, files."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return difference_document(services.pipeline_endpoints.get(endpoint).diff(before, after))

    return await asked.do(work)


async def _change(asked: Asked, endpoint: str, verb: str, how: Any) -> dict[str, Any]:
    def work(services: Services, principal: Principal) -> dict[str, Any]:
        with services.records.batch():
            handle = services.pipeline_endpoints.get(endpoint)
            how(handle, principal)
            services.audit.note(f"pipeline-endpoints.{verb}", handle.name, by=asked.origin(principal))
        return handle.document()

    return await asked.do(work)
