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

MOST_ROWS = 1 << 53  # a number that every reader of JSON knows, and the records can hold
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


@router.get("/{token}", operation_id="show_token")
async def show_token(asked: Administering, token: Name) -> dict[str, Any]:
    """What may be told of one: the live one of a name, or the newest."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return token_document(services.tokens.get(token), services.clock.now())

    return await asked.do(work)


@router.delete("/{token}", operation_id="revoke_token", status_code=204, response_class=Response)
async def revoke_token(asked: Administering, token: Name) -> None:
    """Let a token open nothing from now on."""
    await asked.do(lambda services, principal: services.tokens.revoke(token, by=asked.origin(principal)))


@router.get("/audit/log", operation_id="show_audit_log")
async def show_audit(
    asked: Administering,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[int | None, Query(ge=1, le=MOST_ROWS, description="rows with numbers less than this")] = None,
) -> dict[str, Any]:
    """Who did what, the newest first."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return {"rows": [audit_document(row) for row in services.audit.list(limit, before)]}

    return await asked.do(work)


@router.get("/audit/verification", operation_id="verify_audit_log")
async def verify_audit(
    asked: Administering,
    known: Annotated[str, Query(max_length=200, description="the digest of a row that was there before")] = "",
) -> dict[str, Any]:
    """Whether a row of the audit log was changed or taken out."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.audit.verify(known)
        return {"rows": found.rows, "newest": found.newest, "faults": list(found.faults)}

    return await asked.do(work)
