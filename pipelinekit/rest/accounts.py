"""What reuse saved, and how the workspace is set, over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from pipelinekit import config
from pipelinekit.bootstrap import Services
from pipelinekit.domain.limits import READ
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.rest import bodies
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.routing import Route
from pipelinekit.wire.accounting import kept_document, use_document
from pipelinekit.workspace.reuse import Criteria

router = APIRouter(tags=["accounts and settings"], route_class=Route)

Viewing = Annotated[Asked, Depends(Needs(Permission.VIEW, READ))]
Administering = Annotated[Asked, Depends(Needs(Permission.ADMINISTER, READ))]


@router.get("/reuse/uses", operation_id="list_step_uses")
async def list_uses(
    asked: Viewing, since: Annotated[float, Query(ge=0, description="runs since then, in seconds since 1970")] = 0.0
) -> dict[str, Any]:
    """Step runs with what their executions took, by which it is told what reuse saved, and why steps ran."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return {"uses": [use_document(use) for use in services.accounts.uses(since)]}

    return await asked.do(work)


@router.post("/reuse/invalidations", operation_id="invalidate_results")
async def invalidate(asked: Administering, body: bodies.Invalidation) -> dict[str, Any]:
    """Make results unusable that fit all that is said, so that their steps run again; or only tell which."""
    criteria = Criteria(body.step, body.pipeline, body.run, body.before, body.cause)

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        with services.records.batch():
            found = services.invalidate(criteria, body.why, dry_run=body.dry_run)
            if not body.dry_run:
                services.audit.note("reuse.invalidate", body.step or body.run, by=asked.origin(principal))
        return {"dry_run": body.dry_run, "results": [kept_document(kept) for kept in found]}

    return await asked.do(work)


@router.get("/settings", operation_id="list_settings")
async def list_settings(asked: Administering) -> dict[str, Any]:
    """All settings with their values, and where these come from."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return config.settings_document(services.folder, services.settings)

    return await asked.do(work)
