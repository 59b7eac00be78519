"""Compute targets over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Response
from fastapi import Path as InPath

from pipelinekit.bootstrap import Services
from pipelinekit.domain.audit import DONE, FAILED
from pipelinekit.domain.computes import BUILT_IN
from pipelinekit.domain.limits import READ
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.errors import PipelinekitError
from pipelinekit.rest import compute_bodies
from pipelinekit.rest.changes import change
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.routing import Route
from pipelinekit.wire.computes import compute_document, keeper_to_json, nodes_document
from pipelinekit.wire.providers import provider_from_json
from pipelinekit.workspace.computes import ComputeHandle

T = TypeVar("T")

router = APIRouter(prefix="/computes", tags=["compute targets"], route_class=Route)

Viewing = Annotated[Asked, Depends(Needs(Permission.VIEW, READ))]
Administering = Annotated[Asked, Depends(Needs(Permission.ADMINISTER, READ))]
Name = Annotated[str, InPath(description="the name of a compute target", max_length=255)]


@router.get("", operation_id="list_computes")
async def list_computes(asked: Viewing) -> dict[str, Any]:
    """Those that are registered, by name, with who keeps each; `local` and `in-process` are always there."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.computes
        return {"computes": [_shown(item) for item in found.list()], "limits": dict(found.limits())}

    return await asked.do(work)


@router.post("", operation_id="create_compute", status_code=201)
async def create_compute(asked: Administering, body: compute_bodies.NewCluster) -> dict[str, Any]:
    """Make a cluster, of processes on the server's machine unless the provider says otherwise, and start it."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        made = services.computes.create(**_given(body))
        return made.name, _shown(made)

    return await _outside(asked, "create", body.name, how)


@router.post("/instances", operation_id="create_compute_instance", status_code=201)
async def create_instance(asked: Administering, body: compute_bodies.NewInstance) -> dict[str, Any]:
    """Register one machine for several steps at once, and start it: the server's, or a host by SSH."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        made = services.computes.create_instance(**_given(body))
        return made.name, _shown(made)

    return await _outside(asked, "create", body.name, how)


def _given(body: compute_bodies.NewCluster | compute_bodies.NewInstance) -> dict[str, Any]:
    return {**body.model_dump(), "provider": provider_from_json(body.provider.model_dump())}


@router.post("/attachments", operation_id="attach_compute", status_code=201)
async def attach_compute(asked: Administering, body: compute_bodies.NewAttachment) -> dict[str, Any]:
    """Give a Dask cluster that runs elsewhere a name."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        made = services.computes.attach(**body.model_dump())
        return made.name, _shown(made)

    return await change(asked, "computes.attach", how, is_long=True)


@router.get("/{compute}", operation_id="show_compute")
async def show_compute(asked: Viewing, compute: Name) -> dict[str, Any]:
    """One of them, and who keeps it."""
    return await asked.do(lambda services, _: _shown(services.computes.get(compute)))


@router.get("/{compute}/nodes", operation_id="list_compute_nodes")
async def list_nodes(asked: Viewing, compute: Name) -> dict[str, Any]:
    """The nodes of a cluster that are there now."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return {"nodes": nodes_document(services.computes.get(compute).nodes())}

    return await asked.do(work, is_long=True)


@router.patch("/{compute}", operation_id="update_compute")
async def update_compute(asked: Administering, compute: Name, body: compute_bodies.ComputeChange) -> dict[str, Any]:
    """Change what may change of it; of `local` and `in-process` how many runs may be under way at once."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        if compute in BUILT_IN and body.max_runs is not None and len(body.model_fields_set) == 1:
            services.computes.limit_runs(compute, body.max_runs)
            return compute, {"name": compute, "max_runs": body.max_runs}
        changed = services.computes.update(compute, **body.model_dump())
        return changed.name, _shown(changed)

    return await change(asked, "computes.update", how)


@router.post("/{compute}/start", operation_id="start_compute")
async def start_compute(asked: Administering, compute: Name) -> dict[str, Any]:
    """Start a cluster that was created here; it may be there already."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        handle = services.computes.get(compute)
        handle.start()
        return handle.name, _shown(handle)

    return await _outside(asked, "start", compute, how)


@router.post("/{compute}/stop", operation_id="stop_compute")
async def stop_compute(asked: Administering, compute: Name) -> dict[str, Any]:
    """End a cluster that was created here, until it is used again."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        handle = services.computes.get(compute)
        handle.stop()
        return handle.name, _shown(handle)

    return await _outside(asked, "stop", compute, how)


@router.delete("/{compute}", operation_id="delete_compute", status_code=204, response_class=Response)
async def delete_compute(asked: Administering, compute: Name) -> None:
    """End a cluster that was created here, and forget it."""

    def how(services: Services) -> tuple[str, None]:
        services.computes.delete(compute)
        return compute, None

    await _outside(asked, "delete", compute, how)


@router.post("/{compute}/detach", operation_id="detach_compute", status_code=204, response_class=Response)
async def detach_compute(asked: Administering, compute: Name) -> None:
    """Forget a cluster that was attached; it goes on."""

    def how(services: Services) -> tuple[str, None]:
        services.computes.detach(compute)
        return compute, None

    await change(asked, "computes.detach", how)


async def _outside(asked: Asked, verb: str, name: str, how: Callable[[Services], tuple[str, T]]) -> T:
    """Do what another process must see before it is done, so that it fits in no transaction; and note what came of it.

    A keeper is a process that reads the records: it would wait for a transaction that waits for the keeper.
    """

    def work(services: Services, principal: Principal) -> T:
        action, by = f"computes.{verb}", asked.origin(principal)
        try:
            found, answer = how(services)
        except PipelinekitError as error:
            services.audit.note(action, name, by=by, outcome=FAILED, reason=error.message)
            raise
        services.audit.note(action, found, by=by, outcome=DONE)
        return answer

    return await asked.do(work, is_long=True)


def _shown(handle: ComputeHandle) -> dict[str, Any]:
    return {**compute_document(handle.record), "keeper": keeper_to_json(handle.keeper)}
