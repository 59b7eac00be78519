"""What a call would do, and why, over HTTP: it is prepared like any other, and nothing is recorded."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi import Path as InPath

from pipelinekit.bootstrap import Services
from pipelinekit.domain.limits import TRIGGER
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.rest import bodies, calls
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.routing import Route
from pipelinekit.rest.uploads import upload_target
from pipelinekit.wire.planning import plan_document

router = APIRouter(tags=["plans"], route_class=Route)

Submitting = Annotated[Asked, Depends(Needs(Permission.SUBMIT, TRIGGER))]  # triggers are not told of steps
Id = Annotated[str, InPath(description="the id of a published pipeline", max_length=64)]
Name = Annotated[str, InPath(description="the name or id of a pipeline endpoint", max_length=255)]


@router.post("/pipelines/{pipeline}/plan", operation_id="plan_pipeline")
async def plan_pipeline(asked: Submitting, pipeline: Id, body: bodies.Call | None = None) -> dict[str, Any]:
    """The decision for every step of a call of it, and why. Nothing is recorded."""
    call = body or bodies.Call()
    return await _plan(asked, calls.Wanted(lambda services: calls.pipeline_target(services, pipeline), call, None))


@router.post("/pipeline-endpoints/{endpoint}/plan", operation_id="plan_pipeline_endpoint")
async def plan_endpoint(asked: Submitting, endpoint: Name, body: bodies.Call | None = None) -> dict[str, Any]:
    """The decision for every step of a call of one of its versions, and why. Nothing is recorded."""
    call = body or bodies.Call()

    def target(services: Services) -> calls.Target:
        return calls.endpoint_target(services, endpoint, call.version)

    return await _plan(asked, calls.Wanted(target, call, None))


@router.post("/plans", operation_id="plan_upload")
async def plan_upload(asked: Submitting, body: bodies.Submission) -> dict[str, Any]:
    """The decision for every step of a run of a pipeline that was uploaded, and why. Nothing is recorded."""
    call = bodies.Call.model_validate(body.model_dump(exclude={"upload", "max_seconds"}))
    return await _plan(asked, calls.Wanted(lambda services: upload_target(services, body), call, None))


async def _plan(asked: Asked, wanted: calls.Wanted) -> dict[str, Any]:
    def work(services: Services, principal: Principal) -> dict[str, Any]:
        target, prepared, _ = calls.prepare(asked, services, principal, wanted)
        steps = services.planned(target.graph, prepared.arguments, prepared.options)
        return plan_document(target.graph.name, steps)

    return await asked.do(work)
