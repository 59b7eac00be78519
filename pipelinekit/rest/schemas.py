"""Types of ports as JSON Schema, and the OpenAPI document of one pipeline endpoint."""

from __future__ import annotations

from typing import Any

from pipelinekit.domain.parameters import Parameter
from pipelinekit.domain.types import PortType, describe
from pipelinekit.rest.bodies import Call
from pipelinekit.wire.publishing import parameters_document
from pipelinekit.workspace.pipeline_endpoints import PipelineEndpointHandle
from pipelinekit.workspace.published_pipelines import PublishedPipelineHandle

_PLAIN: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "none": {"type": "null"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "bytes": {"type": "string"},
    "any": {},
}
_DATA = {"type": "string", "pattern": "^(dataset|datastore):.+", "examples": ["dataset:sales@3", "datastore:raw/2024"]}


def json_schema(kind: PortType) -> dict[str, Any]:
    """What JSON data may stand for a value of this type."""
    match kind.kind:
        case "list":
            return {"type": "array", "items": json_schema(kind.items[0])} if kind.items else {"type": "array"}
        case "dict":
            inner = json_schema(kind.items[0]) if kind.items else {}
            return {"type": "object", "additionalProperties": inner}
        case "union":
            return {"anyOf": [json_schema(item) for item in kind.items]}
        case "literal" | "enum":
            return {"enum": list(kind.values)}
        case name if name in _PLAIN:
            return dict(_PLAIN[name])
        case _:
            return {**_DATA, "description": f"{describe(kind)}, by dataset or datastore"}


def parameters_schema(handle: PublishedPipelineHandle) -> dict[str, Any]:
    """The parameters of a published pipeline as the schema of an object."""
    told = {item["name"]: item for item in parameters_document(handle.parameters, handle.record.values)}

    def of(parameter: Parameter) -> dict[str, Any]:
        schema = json_schema(parameter.type)
        if "default" in told[parameter.name]:
            schema["default"] = told[parameter.name]["default"]
        return {**schema, "description": "fixed when it was published"} if parameter.structural else schema

    return {
        "type": "object",
        "properties": {parameter.name: of(parameter) for parameter in handle.parameters},
        "required": [name for name, item in told.items() if item["required"]],
        "additionalProperties": False,
    }


def endpoint_openapi(endpoint: PipelineEndpointHandle) -> dict[str, Any]:
    """The calls of a pipeline endpoint: one operation, whose body knows the parameters of each version."""
    versions = {version.number: parameters_schema(endpoint.pipeline(version.number)) for version in endpoint.versions}
    shape = Call.model_json_schema()
    plain = {name: field for name, field in shape["properties"].items() if name not in ("parameters", "version")}

    def body(number: int, parameters: dict[str, Any]) -> dict[str, Any]:
        version: dict[str, Any] = {"type": "integer", "enum": [number]}
        if number == endpoint.default_version:
            version["default"] = number
        required = [] if number == endpoint.default_version else ["version"]
        needed = ["parameters"] if parameters["required"] else []
        properties = {"version": version, "parameters": parameters, **plain}
        return {
            "type": "object",
            "properties": properties,
            "required": [*required, *needed],
            "additionalProperties": False,
        }

    schemas = {f"Version{number}": body(number, parameters) for number, parameters in versions.items()}
    refs = [{"$ref": f"#/components/schemas/{name}"} for name in schemas]
    operation = {
        "operationId": "call",
        "summary": f"Run {endpoint.name}",
        "description": endpoint.record.description,
        "requestBody": {"content": {"application/json": {"schema": {"oneOf": refs}}}},
        "responses": {"202": {"description": "the run is recorded, and will be driven"}},
        "security": [{"token": []}],
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": endpoint.name, "version": str(endpoint.default_version)},
        "paths": {f"/api/v1/pipeline-endpoints/{endpoint.name}/runs": {"post": operation}},
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }
