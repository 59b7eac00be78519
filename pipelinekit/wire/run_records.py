"""Runs, step runs and metrics whole, as the records hold them: for clients that show them as the workspace does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.domain.metrics import SERIES, Metric, Series
from pipelinekit.domain.runs import RunRecord, RunStatus, StepRecord, StepStatus
from pipelinekit.wire.metrics import numbers_from_json, numbers_to_json
from pipelinekit.wire.runs import (
    failure_from_json,
    failure_to_json,
    options_from_json,
    options_to_json,
    paths_from_json,
    paths_to_json,
    reason_to_json,
    reasons_from_json,
)
from pipelinekit.wire.values import values_from_json, values_to_json

_RUN_FIELDS = ("id", "number", "experiment", "pipeline", "graph", "created_at", "started_at", "ended_at", "source",
               "cancel_requested", "pinned", "removed", "kind", "parent", "parent_step", "display_name", "description",
               "detached")  # fmt: skip
_STEP_FIELDS = ("run", "name", "node", "key", "attempt", "original_run", "original_step", "started_at", "ended_at",
                "seconds", "note", "element", "verified", "claim")  # fmt: skip
_METRIC_FIELDS = ("name", "kind", "to_parent", "points", "lowest", "highest")


def run_to_json(run: RunRecord) -> dict[str, Any]:
    """A run; who drives it is left out."""
    return {
        **{name: getattr(run, name) for name in _RUN_FIELDS},
        "status": str(run.status),
        "arguments": values_to_json(run.arguments),
        "paths": paths_to_json(run.paths),
        "outputs": values_to_json(run.outputs),
        "options": options_to_json(run.options),
        "failure": failure_to_json(run.failure),
        "details": dict(run.details),
    }


def run_from_json(document: Mapping[str, Any]) -> RunRecord:
    """A run from JSON data."""
    return RunRecord(
        **{name: document[name] for name in _RUN_FIELDS},
        status=RunStatus(document["status"]),
        arguments=values_from_json(document["arguments"]),
        paths=paths_from_json(document["paths"]),
        outputs=values_from_json(document["outputs"]),
        options=options_from_json(document["options"]),
        failure=failure_from_json(document["failure"]),
        details=document["details"],
    )


def step_to_json(step: StepRecord) -> dict[str, Any]:
    """A step run."""
    return {
        **{name: getattr(step, name) for name in _STEP_FIELDS},
        "status": str(step.status),
        "outputs": values_to_json(step.outputs),
        "reasons": [reason_to_json(reason) for reason in step.reasons],
        "failure": failure_to_json(step.failure),
    }


def step_from_json(document: Mapping[str, Any]) -> StepRecord:
    """A step run from JSON data."""
    return StepRecord(
        **{name: document[name] for name in _STEP_FIELDS},
        status=StepStatus(document["status"]),
        outputs=values_from_json(document["outputs"]),
        reasons=reasons_from_json(document["reasons"]),
        failure=failure_from_json(document["failure"]),
    )


def metric_to_json(metric: Metric) -> dict[str, Any]:
    """What is known of a metric without its points."""
    return {
        **{name: getattr(metric, name) for name in _METRIC_FIELDS},
        "place": list(metric.place),
        "last": numbers_to_json([metric.last])[0] if metric.kind == SERIES else metric.last,
        "number": metric.number,
    }


def metric_from_json(document: Mapping[str, Any]) -> Metric:
    """What is known of a metric."""
    run, step = document["place"]
    last = document["last"]
    return Metric(
        **{name: document[name] for name in _METRIC_FIELDS},
        place=(run, step),
        last=numbers_from_json([last])[0] if document["kind"] == SERIES else last,
        number=document["number"],
    )


def points_to_json(series: Series) -> dict[str, Any]:
    """All points of a series."""
    return {
        "values": numbers_to_json(series.values),
        "steps": None if series.steps is None else list(series.steps),
        "at": list(series.at),
    }


def points_from_json(document: Mapping[str, Any]) -> Series:
    """The points of a series."""
    return Series(numbers_from_json(document["values"]), document["steps"], document["at"])


def columns_to_json(columns: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """All rows of a table, by column."""
    return {name: [numbers_to_json([value])[0] for value in values] for name, values in columns.items()}


def columns_from_json(document: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The rows of a table, by column."""
    return {name: list(numbers_from_json(values)) for name, values in document.items()}
