"""Experiments as JSON documents for people's programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelinekit.domain.experiments import Experiment


def experiment_document(experiment: Experiment) -> dict[str, Any]:
    """An experiment as people's programs read it."""
    return {
        "name": experiment.name,
        "runs": experiment.runs,
        "newest_at": experiment.newest,
        "created_at": experiment.created_at,
        "archived_at": experiment.archived_at,
        "description": experiment.description,
        "tags": dict(experiment.tags),
        "max_runs": experiment.max_runs,
    }


def experiment_from_document(document: Mapping[str, Any]) -> Experiment:
    """An experiment from its document."""
    return Experiment(
        document["name"],
        document["created_at"],
        document["runs"],
        document["newest_at"],
        document["archived_at"],
        document["description"],
        document["tags"],
        document["max_runs"],
    )
