"""Secrets over HTTP: values go in, and nothing shows them."""

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
from pipelinekit.wire.secrets import secret_document

router = APIRouter(prefix="/secrets", tags=["secrets"], route_class=Route)

Administering = Annotated[Asked, Depends(Needs(Permission.ADMINISTER, READ))]
Name = Annotated[str, InPath(description="the name of a secret", max_length=255)]


@router.get("", operation_id="list_secrets")
async def list_secrets(asked: Administering) -> dict[str, Any]:
    """Names, versions, when each was set and by whom."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return {"secrets": [secret_document(item) for item in services.secrets.list()]}

    return await asked.do(work)


@router.put("/{secret}", operation_id="set_secret")
async def set_secret(asked: Administering, secret: Name, body: bodies.SecretValue) -> dict[str, Any]:
    """Keep a value under a name, as a new version if there is one already; the older value is dropped."""

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        with services.records.batch():
            kept = services.secrets.set(secret, body.value, by=principal.name)
            services.audit.note("secrets.set", kept.name, by=asked.origin(principal))
        return secret_document(kept)

    return await asked.do(work)


@router.post("/rotate-key", operation_id="rotate_secrets_key")
async def rotate_key(asked: Administering) -> dict[str, int]:
    """Encrypt all secrets with a new key of the server's; how many secrets, and how many older keys stay."""

    def work(services: Services, principal: Principal) -> dict[str, int]:
        count, older = services.secrets.rotate_key()
        services.audit.note("secrets.rotate-key", "", by=asked.origin(principal))
        return {"secrets": count, "older_keys": older}

    return await asked.do(work)


@router.delete("", operation_id="delete_secrets", status_code=204, response_class=Response)
async def delete_secrets(
    asked: Administering,
    name: Annotated[list[str], Query(min_length=1, max_length=100, description="all of these, or none")],
) -> None:
    """Drop secrets: all of these, or none where one is not there."""

    def work(services: Services, principal: Principal) -> None:
        with services.records.batch():
            services.secrets.delete(*name, by=principal.name)
            for item in name:
                services.audit.note("secrets.delete", item, by=asked.origin(principal))

    await asked.do(work)
