"""In what two published pipelines differ, as people's programs read it, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelinekit.domain.version_differences import FileDifference, StepDifference, ValueDifference, VersionDifference
from pipelinekit.wire.runs import reason_to_json, reasons_from_json


def difference_document(found: VersionDifference) -> dict[str, Any]:
    """A difference as JSON data."""
    return {
        "steps": [
            {"name": step.name, "change": step.what, "reasons": [reason_to_json(item) for item in step.reasons]}
            for step in found.steps
        ],
        "values": [
            {"kind": item.kind, "name": item.name, "before": item.before, "after": item.after} for item in found.values
        ],
        "files": [{"path": item.path, "change": item.what, "diff": list(item.lines)} for item in found.files],
    }


def difference_from_document(document: Mapping[str, Any]) -> VersionDifference:
    """A difference from its document."""
    return VersionDifference(
        tuple(
            StepDifference(item["name"], item["change"], reasons_from_json(item["reasons"]))
            for item in document["steps"]
        ),
        tuple(
            ValueDifference(item["kind"], item["name"], item["before"], item["after"]) for item in document["values"]
        ),
        tuple(FileDifference(item["path"], item["change"], tuple(item["diff"])) for item in document["files"]),
    )
