"""Published pipelines and pipeline endpoints: the parts that records keep as text, and what people's programs read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelinekit.domain.parameters import Parameter
from pipelinekit.domain.pipeline_endpoints import EndpointStatus, EndpointVersion, PipelineEndpoint
from pipelinekit.domain.published_pipelines import PublishedPipeline, PublishedStatus
from pipelinekit.domain.runs import RunOptions
from pipelinekit.domain.types import PathRef
from pipelinekit.domain.values import StoredValue
from pipelinekit.wire.runs import options_from_json, options_to_json, paths_to_json, show_value
from pipelinekit.wire.values import plain_to_json, values_to_json


def published_body(pipeline: PublishedPipeline) -> dict[str, Any]:
    """What records keep of a published pipeline besides their columns."""
    return {
        "description": pipeline.description,
        "version": pipeline.version,
        "experiment": pipeline.experiment,
        "datasets": [[name, ref.path] for name, ref in pipeline.datasets],
        "options": options_to_json(pipeline.options),
        "tags": dict(pipeline.tags),
        "details": dict(pipeline.details),
    }


def published_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a published pipeline that such a body holds."""
    return {
        **body,
        "datasets": tuple((name, PathRef(path, False, "any")) for name, path in body["datasets"]),
        "options": options_from_json(body["options"]),
    }


def given_to_json(pipeline: PublishedPipeline) -> tuple[dict[str, Any], list[Any]]:
    """Values of parameters and of paths as JSON data."""
    return values_to_json(pipeline.values), paths_to_json(pipeline.paths)


def published_document(pipeline: PublishedPipeline) -> dict[str, Any]:
    """A published pipeline; its parameters are in `parameters_document`, which needs its graph."""
    return {
        "id": pipeline.id,
        "name": pipeline.name,
        "status": str(pipeline.status),
        "description": pipeline.description,
        "version": pipeline.version,
        "experiment": pipeline.experiment or pipeline.name,
        "graph": pipeline.graph,
        "continue_on_step_failure": pipeline.options.continue_on_step_failure,
        "compute": pipeline.options.compute,
        "tags": dict(pipeline.tags),
        "provenance": dict(pipeline.details),
        "created_at": pipeline.created_at,
        "updated_at": pipeline.updated_at,
    }


def published_from_document(document: Mapping[str, Any]) -> PublishedPipeline:
    """A published pipeline as far as its document tells: without the values that it was published with."""
    options = RunOptions(continue_on_step_failure=document["continue_on_step_failure"], compute=document["compute"])
    return PublishedPipeline(
        document["id"],
        document["name"],
        document["graph"],
        PublishedStatus(document["status"]),
        document["description"],
        document["version"],
        document["experiment"],
        options=options,
        tags=document["tags"],
        details=document["provenance"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
    )


def parameters_document(parameters: tuple[Parameter, ...], values: Mapping[str, StoredValue]) -> list[dict[str, Any]]:
    """Parameters, with what they are when a call does not give them; `values` are those that were given before."""
    found = []
    for parameter in parameters:
        kept = parameter.name in values
        document: dict[str, Any] = {
            "name": parameter.name,
            "type": str(parameter.type),
            "required": parameter.required and not kept,
        }
        if kept:
            document["default"] = show_value(values[parameter.name])
        elif not parameter.required:
            document["default"] = plain_to_json(parameter.default)
        if parameter.structural:
            document["fixed"] = True
        found.append(document)
    return found


def endpoint_body(endpoint: PipelineEndpoint) -> dict[str, Any]:
    """What records keep of an endpoint besides their columns."""
    return {"description": endpoint.description, "tags": dict(endpoint.tags), "proven": endpoint.proven}


def endpoint_document(endpoint: PipelineEndpoint) -> dict[str, Any]:
    """An endpoint with its versions."""
    return {
        "id": endpoint.id,
        "name": endpoint.name,
        "status": str(endpoint.status),
        "default_version": endpoint.default,
        "versions": [
            {
                "version": version.number,
                "pipeline": version.pipeline,
                "added_at": version.added_at,
                "added_by": version.added_by,
            }
            for version in endpoint.versions
        ],
        **endpoint_body(endpoint),
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }


def endpoint_from_document(document: Mapping[str, Any]) -> PipelineEndpoint:
    """An endpoint from its document."""
    return PipelineEndpoint(
        document["id"],
        document["name"],
        tuple(
            EndpointVersion(item["version"], item["pipeline"], item["added_at"], item["added_by"])
            for item in document["versions"]
        ),
        document["default_version"],
        EndpointStatus(document["status"]),
        document["description"],
        document["tags"],
        document["proven"],
        document["created_at"],
        document["updated_at"],
    )
