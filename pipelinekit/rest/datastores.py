"""Datastores over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath

from pipelinekit.bootstrap import Services
from pipelinekit.domain.limits import READ
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.errors import UsageError
from pipelinekit.rest import bodies
from pipelinekit.rest.answers import DESCRIBED, stream_answer
from pipelinekit.rest.changes import change
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.routing import Route
from pipelinekit.wire.datastores import datastore_document

router = APIRouter(tags=["datastores"], route_class=Route)

Viewing = Annotated[Asked, Depends(Needs(Permission.VIEW, READ))]
Downloading = Annotated[Asked, Depends(Needs(Permission.DOWNLOAD, READ))]
Submitting = Annotated[Asked, Depends(Needs(Permission.SUBMIT, READ))]
Administering = Annotated[Asked, Depends(Needs(Permission.ADMINISTER, READ))]
Name = Annotated[str, InPath(description="the name of a datastore", max_length=255)]
Path = Annotated[str, InPath(max_length=4000)]


@router.get("/datastores", operation_id="list_datastores")
async def list_datastores(asked: Viewing) -> dict[str, Any]:
    """All of them, by name; of credentials only the names of their secrets."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return {"datastores": [datastore_document(item.record) for item in services.datastores.list()]}

    return await asked.do(work)


@router.post("/datastores", operation_id="register_datastore", status_code=201)
async def register_datastore(asked: Administering, body: bodies.NewDatastore) -> dict[str, Any]:
    """Register a folder of the server, a bucket, a container or a server under a name."""
    if "://" not in body.url and not body.url.startswith("/"):
        raise UsageError(
            f"{body.url!r} is no place of a server's", hint="give a URL, or the whole path of a folder that it has"
        )

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        made = services.datastores.register(**body.model_dump())
        return made.name, datastore_document(made.record)

    return await change(asked, "datastores.register", how)


@router.get("/default-datastore", operation_id="show_default_datastore")
async def show_default(asked: Viewing) -> dict[str, Any]:
    """The one that is used where none is named."""
    return await asked.do(lambda services, _: datastore_document(services.datastores.default.record))


@router.get("/datastores/{datastore}", operation_id="show_datastore")
async def show_datastore(asked: Viewing, datastore: Name) -> dict[str, Any]:
    """One of them."""
    return await asked.do(lambda services, _: datastore_document(services.datastores.get(datastore).record))


@router.delete("/datastores/{datastore}", operation_id="unregister_datastore", status_code=204, response_class=Response)
async def unregister_datastore(asked: Administering, datastore: Name) -> None:
    """Forget it; its files stay as they are."""

    def how(services: Services) -> tuple[str, None]:
        services.datastores.unregister(datastore)
        return datastore, None

    await change(asked, "datastores.unregister", how)


@router.post("/datastores/{datastore}/set-default", operation_id="set_default_datastore")
async def set_default(asked: Administering, datastore: Name) -> dict[str, Any]:
    """Use it where none is named."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        services.datastores.set_default(datastore)
        found = services.datastores.get(datastore)
        return found.name, datastore_document(found.record)

    return await change(asked, "datastores.set-default", how)


@router.get("/datastores/{datastore}/files", operation_id="list_datastore_files")
async def list_files(
    asked: Viewing, datastore: Name, pattern: Annotated[str, Query(max_length=4000)] = ""
) -> dict[str, Any]:
    """The files in it: all, those below a folder, or those that match a pattern."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.datastores.get(datastore).files(pattern)
        return {"files": [{"path": item.path, "size": item.size} for item in found]}

    return await asked.do(work)


@router.get(
    "/datastores/{datastore}/content/{path:path}",
    operation_id="download_datastore_file",
    response_class=Response,
    responses=DESCRIBED,
)
async def download_file(asked: Downloading, datastore: Name, path: Path) -> Response:
    """The bytes of a file in it."""

    def work(services: Services, _: Principal) -> Response:
        return stream_answer(services.datastores.get(datastore).open(path), path.rpartition("/")[2])

    return await asked.do(work)


@router.put("/datastores/{datastore}/content/{path:path}", operation_id="store_datastore_file")
async def store_file(asked: Submitting, datastore: Name, path: Path, body: bodies.Blob) -> dict[str, Any]:
    """Put a blob that was sent there as a file, in place of what is."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        if services.blobs.missing([body.blob]):
            raise UsageError(f"there is no blob {body.blob!r}", hint="send it first")
        found = services.datastores.get(datastore)
        found.put(path, services.blobs.path(body.blob))
        return f"{found.name}/{path}", {"datastore": found.name, "path": path}

    return await change(asked, "datastores.write", how)
