"""What a run would do, as JSON data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.domain.planning import DECISIONS, PlannedStep
from pipelinekit.wire.runs import reason_to_json, reasons_from_json


def plan_document(pipeline: str, steps: Sequence[PlannedStep]) -> dict[str, Any]:
    """What would become of every step of a pipeline, and of how many what."""
    return {
        "pipeline": pipeline,
        "steps": [
            {
                "name": step.name,
                "decision": step.decision,
                "reasons": [reason_to_json(reason) for reason in step.reasons],
                "seconds": step.seconds,
                "reused_from": {"run": step.original[0], "step": step.original[1]} if step.original else None,
            }
            for step in steps
        ],
        "summary": {decision: sum(step.decision == decision for step in steps) for decision in DECISIONS},
    }


def planned_steps(document: Mapping[str, Any]) -> list[PlannedStep]:
    """The steps of a plan from its document."""
    return [
        PlannedStep(
            item["name"],
            item["decision"],
            reasons_from_json(item["reasons"]),
            item["seconds"],
            (item["reused_from"]["run"], item["reused_from"]["step"]) if item["reused_from"] else None,
        )
        for item in document["steps"]
    ]
