"""Environments over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath

from pipelinekit.bootstrap import Services
from pipelinekit.domain.environments import LATEST, Environment, split_label
from pipelinekit.domain.limits import READ
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.errors import UsageError
from pipelinekit.rest import bodies
from pipelinekit.rest.changes import change
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.routing import Route
from pipelinekit.wire.environments import environment_document, lock_to_json

router = APIRouter(prefix="/environments", tags=["environments"], route_class=Route)

Viewing = Annotated[Asked, Depends(Needs(Permission.VIEW, READ))]
Submitting = Annotated[Asked, Depends(Needs(Permission.SUBMIT, READ))]
Administering = Annotated[Asked, Depends(Needs(Permission.ADMINISTER, READ))]
Label = Annotated[str, InPath(description="NAME, or NAME:VERSION; the newest by default", max_length=300)]


@router.get("", operation_id="list_environments")
async def list_environments(
    asked: Viewing,
    name: Annotated[str, Query(max_length=255)] = "",
    unregistered: Annotated[bool, Query(description="those instead that runs used, and nobody registered")] = False,
) -> dict[str, Any]:
    """Registered environments by name, the newest version first."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.environments.list(name)
        if unregistered:
            found = [item for item in services.environments.unregistered() if name in ("", item.name)]
        return {"environments": [environment_document(item) for item in found]}

    return await asked.do(work)


@router.post("", operation_id="register_environment", status_code=201)
async def register_environment(asked: Submitting, body: bodies.NewEnvironment) -> dict[str, Any]:
    """Keep an environment under a name, as its next version; an equal one gives back the version that has it."""
    declared = Environment(
        body.name, tuple(body.packages), body.variables, body.python, body.image, body.dockerfile
    )  # fmt: skip

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        made = services.environments.register(declared, body.version or LATEST)
        return made.label, environment_document(made)

    return await change(asked, "environments.register", how)


@router.get("/{environment}", operation_id="show_environment")
async def show_environment(asked: Viewing, environment: Label) -> dict[str, Any]:
    """What it is made of, what it was resolved to, and whether that is built."""
    return await asked.do(lambda services, _: services.environments.show(environment))


@router.post("/{environment}/lock", operation_id="lock_registered_environment")
async def lock_environment(asked: Submitting, environment: Label, upgrade: bool = False) -> dict[str, Any]:
    """Resolve it to exact versions with hashes, once; with `upgrade` anew."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        return environment, lock_to_json(services.environments.lock(environment, upgrade=upgrade))

    return await change(asked, "environments.lock", how, is_long=True)


@router.post("/{environment}/build", operation_id="build_environment")
async def build_environment(asked: Submitting, environment: Label) -> dict[str, Any]:
    """Build it on the server's machine ahead of need, or make a damaged one again."""

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        python = services.environments.build(environment)  # for minutes, in which others write
        services.audit.note("environments.build", environment, by=asked.origin(principal))
        return {"name": environment, "python": python}

    return await asked.do(work, is_long=True)


@router.post("/{environment}/clones", operation_id="clone_environment", status_code=201)
async def clone_environment(asked: Submitting, environment: Label, body: bodies.Clone) -> dict[str, Any]:
    """Register a copy under another name."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        made = services.environments.clone(environment, body.name)
        return made.label, environment_document(made)

    return await change(asked, "environments.clone", how)


@router.delete("/{environment}", operation_id="delete_environment", status_code=204, response_class=Response)
async def delete_environment(asked: Administering, environment: Label) -> None:
    """Take a version away; what was compiled with it keeps its lock."""
    name, version = split_label(environment)
    if not version:
        raise UsageError(f"{environment!r} does not say which version", hint=f"name it: '{name}:1'")

    def how(services: Services) -> tuple[str, None]:
        services.environments.delete(name, version)
        return environment, None

    await change(asked, "environments.delete", how)
