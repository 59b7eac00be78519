"""Checks and clean-up of the workspace over HTTP, for its owners."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from pipelinekit.bootstrap import Services
from pipelinekit.domain.limits import READ
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.domain.upkeep import RetentionPolicy
from pipelinekit.rest import bodies
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.routing import Route
from pipelinekit.wire.upkeep import clean_up_document, faults_document

router = APIRouter(tags=["checks and clean-up"], route_class=Route)

Administering = Annotated[Asked, Depends(Needs(Permission.ADMINISTER, READ))]
# Both take long in a large workspace, so no transaction is around them; the row that tells of a change comes before it.


@router.get("/checks", operation_id="check_workspace")
async def check_workspace(
    asked: Administering,
    quick: Annotated[bool, Query(description="look whether blobs are there, without reading them")] = False,
) -> dict[str, Any]:
    """What is wrong with records and store. Nothing is changed."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return faults_document(services.check(quick=quick), repaired=False)

    return await asked.do(work, is_long=True)


@router.post("/checks/repairs", operation_id="repair_workspace")
async def repair_workspace(asked: Administering, body: bodies.Repair | None = None) -> dict[str, Any]:
    """Check, set damaged blobs aside, no longer reuse what needs them, end claims that nobody holds."""
    quick = bool(body and body.quick)

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        services.audit.note("workspace.repair", "", by=asked.origin(principal))
        return faults_document(services.check(quick=quick, repair=True), repaired=True)

    return await asked.do(work, is_long=True)


@router.post("/clean-ups", operation_id="clean_up_workspace")
async def clean_up(asked: Administering, body: bodies.CleanUp | None = None) -> dict[str, Any]:
    """Remove what nothing refers to, and what is said to go; or only tell what that would be."""
    said = body or bodies.CleanUp()
    policy = RetentionPolicy(said.keep_days, said.keep_runs, said.unused_days, said.max_bytes, said.grace_seconds)

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        if not said.dry_run:
            services.audit.note("workspace.clean-up", "", by=asked.origin(principal))
        return clean_up_document(services.clean_up(policy, dry=said.dry_run), dry=said.dry_run)

    return await asked.do(work, is_long=True)
