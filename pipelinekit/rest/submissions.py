"""Calls as the reference system's published pipelines take them: the same paths, keys and replies.

A program that was written for those works with another address and token. What it may send is what is written here:
other keys are refused, as everywhere.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath
from pydantic import ConfigDict, Field

from pipelinekit.bootstrap import Services
from pipelinekit.domain.limits import READ, TRIGGER
from pipelinekit.domain.parameters import Parameter, read_values
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.domain.types import DATASET, DATASTORE, PortType, parse_text
from pipelinekit.errors import UsageError
from pipelinekit.rest import bodies, calls
from pipelinekit.rest.desk import Asked, Desk, Needs
from pipelinekit.rest.parameters import NO_FILES
from pipelinekit.rest.routing import Route
from pipelinekit.workspace.runs import Run

WORKSPACE = (
    "/pipelines/v1.0/subscriptions/{subscription}/resourceGroups/{group}"
    "/providers/Microsoft.MachineLearningServices/workspaces/{workspace}/PipelineRuns"
)
router = APIRouter(prefix=WORKSPACE, tags=["calls as of the reference system"], route_class=Route)

Calling = Annotated[Asked, Depends(Needs(Permission.CALL, TRIGGER))]
Submitting = Annotated[Asked, Depends(Needs(Permission.SUBMIT, TRIGGER))]
Viewing = Annotated[Asked, Depends(Needs(Permission.VIEW, READ))]
Id = Annotated[str, InPath(max_length=255)]
_STATUSES = {"CancelRequested": "Running", "Completed": "Finished", "Queued": "NotStarted"}


class _Loose(bodies.Body):
    """A body whose keys are spelled as the reference system spells them."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)


class DataPath(_Loose):
    """A path in a datastore."""

    store: str = Field(alias="DataStoreName")
    path: str = Field("", alias="RelativePath")


class SavedDataset(_Loose):
    """A dataset by its id, which here is its name."""

    id: str = Field(alias="Id")


class DatasetReference(_Loose):
    """A version of a dataset; the newest, where none is named."""

    id: str = Field("", alias="Id")
    name: str = Field("", alias="Name")
    version: str | int | None = Field(None, alias="Version")


class DatasetValue(_Loose):
    """One of three ways to name data."""

    saved: SavedDataset | None = Field(None, alias="SavedDataSetReference")
    reference: DatasetReference | None = Field(None, alias="DataSetReference")
    literal: DataPath | None = Field(None, alias="LiteralValue")


class Submission(_Loose):
    """A call of a published pipeline."""

    experiment: str = Field(alias="ExperimentName", min_length=1)
    parameters: dict[str, str | int | float | bool | None] = Field({}, alias="ParameterAssignments")
    paths: dict[str, DataPath] = Field({}, alias="DataPathAssignments")
    datasets: dict[str, DatasetValue] = Field({}, alias="DataSetDefinitionValueAssignments")
    tags: dict[str, str] = Field({}, alias="tags")
    description: str = Field("", alias="Description")
    source: str = Field("", alias="RunSource")
    run_type: str = Field("", alias="RunType")
    go_on: bool | None = Field(None, alias="ContinueRunOnStepFailure")


@router.post("/PipelineSubmit/{pipeline}", operation_id="submit_published_pipeline")
async def submit_pipeline(
    asked: Submitting, response: Response, pipeline: Id, body: Submission, key: calls.Key = ""
) -> dict[str, Any]:
    """Run a published pipeline."""
    return await _submit(asked, response, lambda services: calls.pipeline_target(services, pipeline), body, key)


@router.post("/PipelineEndpointSubmit/Id/{endpoint}", operation_id="submit_endpoint_by_id")
async def submit_by_id(
    asked: Calling,
    response: Response,
    endpoint: Id,
    body: Submission,
    version: Annotated[str, Query(alias="pipelineVersion", max_length=20)] = "",
    key: calls.Key = "",
) -> dict[str, Any]:
    """Run the default version of an endpoint, or another."""
    return await _submit_endpoint(asked, response, endpoint, version, body, key)


@router.post("/PipelineEndpointSubmit/Id/{endpoint}/{version}", operation_id="submit_endpoint_version_by_id")
async def submit_version_by_id(
    asked: Calling,
    response: Response,
    endpoint: Id,
    version: Id,
    body: Submission,
    again: Annotated[str, Query(alias="pipelineVersion", max_length=20, description="the same version")] = "",
    key: calls.Key = "",
) -> dict[str, Any]:
    """Run a version of an endpoint."""
    if again not in ("", version):
        raise UsageError(f"the address names version {version!r} and version {again!r}", hint="name one of them")
    return await _submit_endpoint(asked, response, endpoint, version, body, key)


@router.post("/PipelineEndpointSubmit/Name", operation_id="submit_endpoint_by_name")
async def submit_by_name(
    asked: Calling,
    response: Response,
    name: Annotated[str, Query(max_length=255)],
    body: Submission,
    version: Annotated[str, Query(alias="pipelineVersion", max_length=20)] = "",
    key: calls.Key = "",
) -> dict[str, Any]:
    """Run the default version of the endpoint of a name, or another."""
    return await _submit_endpoint(asked, response, name, version, body, key)


@router.get("/{run}", operation_id="show_submitted_run")
async def show_run(asked: Viewing, run: Id) -> dict[str, Any]:
    """A run."""
    return await asked.do(lambda services, _: run_entity(services.runs.get(run)))


@router.delete("/{run}/Execution", operation_id="cancel_submitted_run")
async def cancel_run(asked: Submitting, run: Id) -> dict[str, Any]:
    """Ask a run to end."""

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        found = services.runs.get(run)
        with services.records.batch():
            services.runs.cancel(found.id)
            services.audit.note("runs.cancel", found.id, by=asked.origin(principal))
        return run_entity(services.runs.get(found.id))

    return await asked.do(work)


async def _submit_endpoint(
    asked: Asked, response: Response, endpoint: str, version: str, body: Submission, key: str
) -> dict[str, Any]:
    number = calls.check_version(version)
    return await _submit(
        asked, response, lambda services: calls.endpoint_target(services, endpoint, number), body, key, endpoint
    )


async def _submit(
    asked: Asked, response: Response, target: Any, body: Submission, key: str, endpoint: str = ""
) -> dict[str, Any]:
    call = bodies.Call(
        experiment=body.experiment,
        parameters=dict(body.parameters),
        tags=body.tags,
        continue_on_step_failure=body.go_on,
    )

    def name(services: Services) -> str:
        return services.pipeline_endpoints.get(endpoint).name

    wanted = calls.Wanted(
        target,
        call,
        body.model_dump(),
        key,
        endpoint=name if endpoint else None,
        read=lambda graph: _given(graph.parameters, body),
        source=body.source or body.run_type,
    )
    made = await calls.call(asked, response, wanted)
    response.status_code = 200
    desk: Desk = asked.request.app.state.desk
    return await desk.do(lambda services: run_entity(services.runs.get(made.id)))


def _given(parameters: tuple[Parameter, ...], body: Submission) -> dict[str, Any]:
    """The values that a submission stands for. Raises ParameterError naming everything that does not fit."""
    texts: dict[str, Any] = dict(body.parameters)
    for name, path in body.paths.items():
        texts[name] = f"{DATASTORE}{path.store}/{path.path}"
    for name, value in body.datasets.items():
        texts[name] = _reference(name, value)
    return read_values(parameters, texts, _read, no_files=f"{NO_FILES}; see DataPathAssignments")


def _read(kind: PortType, value: Any) -> Any:
    """A value as it is, or what a text stands for: the reference system's programs send texts only."""
    return parse_text(kind, value) if isinstance(value, str) else value


def _reference(name: str, value: DatasetValue) -> str:
    if value.literal is not None:
        return f"{DATASTORE}{value.literal.store}/{value.literal.path}"
    if value.saved is not None:
        return f"{DATASET}{value.saved.id}"
    if value.reference is not None and (value.reference.name or value.reference.id):
        version = value.reference.version
        found = value.reference.name or value.reference.id
        return f"{DATASET}{found}@{version}" if version not in (None, "") else f"{DATASET}{found}"
    raise UsageError(
        f"the dataset of parameter {name!r} is not named",
        hint="give SavedDataSetReference, DataSetReference or LiteralValue",
    )


def run_entity(run: Run) -> dict[str, Any]:
    """A run as the reference system tells it."""
    document = run.document()
    properties = dict(run.properties)
    status = str(document["status"])
    return {
        "Id": run.id,
        "Description": document.get("description", ""),
        "Status": {
            "StatusCode": _STATUSES.get(status, status),
            "StatusDetail": (document.get("error") or {}).get("message", ""),
            "CreationTime": document["created_at"],
            "EndTime": document["ended_at"],
        },
        "GraphId": document["graph"],
        "PipelineId": properties.get("published_pipeline", ""),
        "RunHistoryExperimentName": document["experiment"],
        "ParameterAssignments": document["parameters"],
        "RunSource": document.get("source", ""),
        "RunType": "HTTP",
        "TotalRunSteps": len(document["steps"]),
        "IsSubmitted": True,
        "HasErrors": status == "Failed",
        "tags": dict(run.tags),
        "Properties": properties,
    }
