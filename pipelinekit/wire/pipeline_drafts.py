"""Pipeline drafts: the parts that records keep as text, and what people's programs read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelinekit.domain.pipeline_drafts import PipelineDraft
from pipelinekit.domain.runs import RunOptions
from pipelinekit.domain.types import PathRef
from pipelinekit.wire.runs import options_from_json, options_to_json


def draft_body(draft: PipelineDraft) -> dict[str, Any]:
    """What records keep of a draft besides their columns."""
    return {
        "description": draft.description,
        "experiment": draft.experiment,
        "datasets": [[name, ref.path] for name, ref in draft.datasets],
        "options": options_to_json(draft.options),
        "tags": dict(draft.tags),
        "source": dict(draft.source),
        "details": dict(draft.details),
    }


def draft_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a draft that such a body holds."""
    return {
        **body,
        "datasets": tuple((name, PathRef(path, False, "any")) for name, path in body["datasets"]),
        "options": options_from_json(body["options"]),
    }


def draft_document(draft: PipelineDraft) -> dict[str, Any]:
    """A draft; its parameters are told by `wire.publishing.parameters_document`, which needs its graph."""
    return {
        "id": draft.id,
        "name": draft.name,
        "version": draft.version,
        "description": draft.description,
        "experiment": draft.experiment,
        "graph": draft.graph,
        "continue_on_step_failure": draft.options.continue_on_step_failure,
        "compute": draft.options.compute,
        "tags": dict(draft.tags),
        "source": dict(draft.source),
        "provenance": dict(draft.details),
        "created_at": draft.created_at,
        "updated_at": draft.updated_at,
    }


def draft_from_document(document: Mapping[str, Any]) -> PipelineDraft:
    """A draft as far as its document tells: without the values of its parameters."""
    return PipelineDraft(
        document["id"],
        document["name"],
        document["graph"],
        document["experiment"],
        document["description"],
        options=RunOptions(continue_on_step_failure=document["continue_on_step_failure"], compute=document["compute"]),
        tags=document["tags"],
        source=document["source"],
        details=document["provenance"],
        version=document["version"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
    )
