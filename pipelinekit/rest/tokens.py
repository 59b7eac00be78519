"""Access tokens and the audit log over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath

from pipelinekit.bootstrap import Services
from pipelinekit.domain.limits import READ
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.rest import bodies
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.routing import Route
from pipelinekit.wire.tokens import audit_document, new_token_document, token_document

router = APIRouter(prefix="/tokens", tags=["access"], route_class=Route)

Administering = Annotated[Asked, Depends(Needs(Permission.ADMINISTER, READ))]
Name = Annotated[str, InPath(description="the name or id of a token", max_length=255)]


@router.get("", operation_id="list_tokens")
async def list_tokens(asked: Administering, all: bool = False) -> dict[str, Any]:  # noqa: A002
    """Tokens that are live; with `all` the others, too. Nothing shows their secrets."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        now = services.clock.now()
        return {"tokens": [token_document(token, now) for token in services.tokens.list(all=all)]}

    return await asked.do(work)


@router.post("", operation_id="create_token", status_code=201)
async def create_token(asked: Administering, body: bodies.NewToken) -> dict[str, Any]:
    """Make a token. Its text is in this answer, and nowhere else."""

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        made = services.tokens.create(
            body.name,
            role=body.role,
            kind=body.kind,
            endpoint=body.endpoint,
            expires=body.expires,
            by=asked.origin(principal),
        )
        return new_token_document(made, services.clock.now())

    return await asked.do(work)


@router.delete("/{token}", operation_id="revoke_token", status_code=204, response_class=Response)
async def revoke_token(asked: Administering, token: Name) -> None:
    """Let a token open nothing from now on."""
    await asked.do(lambda services, principal: services.tokens.revoke(token, by=asked.origin(principal)))


@router.get("/audit/log", operation_id="show_audit_log")
async def show_audit(
    asked: Administering,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[int | None, Query(ge=1, le=1 << 53, description="rows with numbers less than this")] = None,
) -> dict[str, Any]:
    """Who did what, the newest first."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return {"rows": [audit_document(row) for row in services.audit.list(limit, before)]}

    return await asked.do(work)
