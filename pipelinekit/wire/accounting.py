"""What step runs took, as JSON data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelinekit.domain.accounting import Kept, StepUse
from pipelinekit.domain.runs import StepStatus


def use_document(use: StepUse) -> dict[str, Any]:
    """A step run for the accounts."""
    return {
        "run": use.run,
        "pipeline": use.pipeline,
        "created_at": use.created_at,
        "status": str(use.status),
        "seconds": use.seconds,
        "causes": list(use.causes),
    }


def use_from_document(document: Mapping[str, Any]) -> StepUse:
    """A step run for the accounts from its document."""
    return StepUse(
        document["run"],
        document["pipeline"],
        document["created_at"],
        StepStatus(document["status"]),
        document["seconds"],
        tuple(document["causes"]),
    )


def kept_document(kept: Kept) -> dict[str, Any]:
    """A result that may be reused."""
    return {
        "key": kept.key,
        "run": kept.run,
        "step": kept.step,
        "pipeline": kept.pipeline,
        "created_at": kept.created_at,
        "causes": list(kept.causes),
    }


def kept_from_document(document: Mapping[str, Any]) -> Kept:
    """A result that may be reused, from its document."""
    return Kept(**{**document, "causes": tuple(document["causes"])})
