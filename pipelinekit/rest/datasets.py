"""Datasets over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath

from pipelinekit.bootstrap import Services
from pipelinekit.domain.datasets import FILE, LATEST, TABULAR, Dataset, DatasetDefinition, parse_reference
from pipelinekit.domain.limits import READ
from pipelinekit.domain.recipes import with_recipe
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.errors import NotFoundError, UsageError
from pipelinekit.formats import tables
from pipelinekit.rest import bodies
from pipelinekit.rest.answers import DESCRIBED, bytes_answer, file_answer
from pipelinekit.rest.changes import change
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.parameters import NO_FILES
from pipelinekit.rest.routing import Route, read_json
from pipelinekit.wire.datasets import use_document, version_document
from pipelinekit.wire.values import plain_from_json, plain_to_json, value_to_json

router = APIRouter(tags=["datasets"], route_class=Route)

MOST_ROWS = 1000
Viewing = Annotated[Asked, Depends(Needs(Permission.VIEW, READ))]
Downloading = Annotated[Asked, Depends(Needs(Permission.DOWNLOAD, READ))]
Submitting = Annotated[Asked, Depends(Needs(Permission.SUBMIT, READ))]
Administering = Annotated[Asked, Depends(Needs(Permission.ADMINISTER, READ))]
Reference = Annotated[
    str, InPath(description="NAME, or NAME@VERSION; the newest by default", max_length=300, pattern="^[^|/]+$")
]
Text = Annotated[str, Query(max_length=300)]
Recipe = Annotated[str, Query(max_length=4000, description="what is done to the table first, as JSON")]


@router.get("/datasets", operation_id="list_datasets")
async def list_datasets(asked: Viewing, name: Text = "") -> dict[str, Any]:
    """The newest version of every dataset, or all versions of one."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return {"datasets": [version_document(item.record) for item in services.datasets.list(name)]}

    return await asked.do(work)


@router.post("/datasets", operation_id="register_dataset", status_code=201)
async def register_dataset(asked: Submitting, body: bodies.NewDataset) -> dict[str, Any]:
    """Register files in datastores, or a table in such files, as a version of a name."""
    if local := [source.path for source in body.sources if not source.store]:
        raise UsageError(f"{local[0]!r} lies in no datastore: {NO_FILES}", hint="name the datastore that it lies in")
    definition = _definition(body)

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        made = services.datasets.register(
            body.name,
            definition,
            description=body.description,
            tags=body.tags,
            create_new_version=body.create_new_version,
            exist_ok=body.exist_ok,
            profile=body.profile,
        ).record
        return made.label, version_document(made, whole=True)

    return await change(asked, "datasets.register", how, is_long=True)


@router.get("/datasets/{dataset}", operation_id="show_dataset")
async def show_dataset(asked: Viewing, dataset: Reference) -> dict[str, Any]:
    """One version, with its files and the profile of its table."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return version_document(services.datasets.get(dataset).record, whole=True)

    return await asked.do(work)


@router.get("/datasets/{dataset}/preview", operation_id="preview_dataset")
async def preview_dataset(
    asked: Downloading, dataset: Reference, rows: Annotated[int, Query(ge=0, le=MOST_ROWS)] = 5
) -> dict[str, Any]:
    """The profile of a table, which is made where it is not there yet, and its first rows."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        handle = services.datasets.get(dataset)
        if handle.record.definition.kind != TABULAR:
            raise UsageError(f"{handle.record.label} is no table", hint="its files can be downloaded")
        record = services.datasets.profiled(handle.record)
        found = handle.head(rows).to_pylist() if rows else []
        shown = [{name: shown_value(value) for name, value in row.items()} for row in found]
        return {**version_document(record, whole=True), "preview": shown}

    return await asked.do(work)


@router.patch("/datasets/{dataset}", operation_id="update_dataset")
async def update_dataset(asked: Submitting, dataset: Reference, body: bodies.DatasetChange) -> dict[str, Any]:
    """Change what is said of a version: its description, tags that are added, tags that are removed."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        changed = services.datasets.update(
            dataset, description=body.description, add_tags=body.add_tags, remove_tags=tuple(body.remove_tags)
        ).record
        return changed.label, version_document(changed, whole=True)

    return await change(asked, "datasets.update", how)


@router.delete("/datasets/{dataset}", operation_id="unregister_dataset")
async def unregister_dataset(asked: Administering, dataset: Reference) -> dict[str, Any]:
    """Forget a version, or with a bare name all of them; their files stay as they are."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        reference = parse_reference(dataset)
        count = services.datasets.unregister(reference.name, reference.version)
        label = dataset if reference.version != LATEST else reference.name
        return label, {"name": reference.name, "unregistered": count}

    return await change(asked, "datasets.unregister", how)


@router.get("/datasets/{dataset}/check", operation_id="check_dataset")
async def check_dataset(asked: Viewing, dataset: Reference) -> dict[str, Any]:
    """Which files changed, vanished or came since a version was registered."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        record = services.datasets.get(dataset).record
        found = services.datasets.check(record.name, record.version)
        kinds = {"changed": list(found.changed), "gone": list(found.gone), "new": list(found.new)}
        return {"dataset": record.label, **kinds}

    return await asked.do(work)


@router.get("/datasets/{dataset}/head", operation_id="read_dataset_head", response_class=Response, responses=DESCRIBED)
async def read_head(
    asked: Downloading,
    dataset: Reference,
    rows: Annotated[int, Query(ge=0, le=MOST_ROWS)] = 10,
    recipe: Recipe = "[]",
) -> Response:
    """The first rows of a table, as an Arrow stream."""
    operations = _recipe(recipe)

    def work(services: Services, _: Principal) -> Response:
        found = with_recipe(services.datasets.get(dataset), operations).head(rows)
        return bytes_answer(tables.to_stream(found), "head.arrows")

    return await asked.do(work)


@router.get("/datasets/{dataset}/value", operation_id="show_dataset_value")
async def show_value(
    asked: Downloading, dataset: Reference, form: Literal["folder", "table", "tables"], recipe: Recipe = "[]"
) -> dict[str, Any]:
    """What a version is to a step that takes it in so, stored by content: its blobs can be downloaded then."""
    operations = _recipe(recipe)

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return value_to_json(services.datasets.value(with_recipe(services.datasets.get(dataset), operations), form))

    return await asked.do(work)


@router.get("/dataset-uses", operation_id="list_dataset_uses")
async def list_uses(
    asked: Viewing, name: Annotated[str, Query(max_length=4000, pattern="^[^|]*$")] = "", run: Text = ""
) -> dict[str, Any]:
    """Which runs took a dataset in or gave it out; with `run`, which datasets that run did."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.records.runs.get(run).id if run else ""
        return {"uses": [use_document(use) for use in services.datasets.lineage(name, run=found)]}

    return await asked.do(work)


@router.get(
    "/datasets/{dataset}/content/{path:path}",
    operation_id="download_dataset_file",
    response_class=Response,
    responses=DESCRIBED,
)
async def download_file(
    asked: Downloading, dataset: Reference, path: Annotated[str, InPath(max_length=4000)]
) -> Response:
    """The bytes of one file of a version, as they were when it was registered."""

    def work(services: Services, _: Principal) -> Response:
        handle = services.datasets.get(dataset)
        for entry in handle.tree.entries:
            if entry.path == path:
                return file_answer(services.blobs.path(entry.digest), path.rpartition("/")[2])
        raise NotFoundError(f"{handle.record.label} has no file {path!r}", hint="its listing says which it has")

    return await asked.do(work)


def _definition(body: bodies.NewDataset) -> DatasetDefinition:
    """What a request says of a new version. Raises UsageError."""
    places = [(source.store, source.path) for source in body.sources]
    if body.kind == FILE:
        return Dataset.file(places)
    defined = Dataset.tabular(
        places,
        body.format,
        delimiter=body.delimiter,
        header=body.header,
        columns=body.columns,
        encoding=body.encoding,
        null_values=body.null_values,
        types=body.types,
        partitioning=body.partitioning,
    )
    return with_recipe(defined, _plain(body.recipe))


def _recipe(text: str) -> Any:
    try:
        return _plain(read_json(text.encode()))
    except ValueError:
        raise UsageError("the recipe is no JSON", hint="as [['take', 10]]") from None


def _plain(recipe: Any) -> Any:
    try:
        found = plain_from_json(recipe)
    except (ValueError, TypeError, KeyError):
        found = None
    if not isinstance(found, list) or not all(isinstance(item, list) for item in found):
        raise UsageError("the recipe cannot be read", hint="as [['take', 10]]")
    return found


def shown_value(value: Any) -> Any:
    """A cell of a table as JSON data."""
    try:
        return plain_to_json(value)
    except TypeError:
        return str(value)
