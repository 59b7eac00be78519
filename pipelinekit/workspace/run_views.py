"""What is told of a run besides its record, as JSON data: its graph, its timeline, why its steps ran."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.runs import RunRecord
from pipelinekit.domain.timelines import Timeline
from pipelinekit.errors import NotFoundError
from pipelinekit.ports import Documents
from pipelinekit.wire.graphs import parse_graph
from pipelinekit.wire.runs import reason_to_json
from pipelinekit.workspace.comparing import Row
from pipelinekit.workspace.explaining import Explanation
from pipelinekit.workspace.runs import refuse_without_graph


def graph_of(run: RunRecord, documents: Documents) -> Graph:
    """The graph of a recorded run. Raises UsageError for a run without one, NotFoundError where it is gone."""
    return parse_graph(graph_text(run, documents), f"the graph of run {run.id}")


def graph_text(run: RunRecord, documents: Documents) -> str:
    """The document of a run's graph. Raises as `graph_of` does."""
    refuse_without_graph(run)
    texts = documents.get([run.graph])
    if run.graph not in texts:
        raise NotFoundError(f"the graph of run {run.id} is not in the records")
    return texts[run.graph]


def timeline_document(run: str, found: Timeline) -> dict[str, object]:
    """When the steps of a run waited and ran."""
    bars = [
        {
            "step": bar.name,
            "status": str(bar.status),
            "since": round(bar.since, 6),
            "begun": round(bar.begun, 6),
            "called": round(bar.called, 6),
            "ended": round(bar.ended, 6),
            "critical": bar.is_critical,
        }
        for bar in found.bars
    ]
    return {"run": run, "seconds": round(found.seconds, 6), "bars": bars}


def explanations_document(run: RunRecord, explanations: Sequence[Explanation]) -> dict[str, Any]:
    """Why steps of a run ran or were reused."""
    return {"run": run.id, "pipeline": run.pipeline, "steps": [_explanation(item) for item in explanations]}


def _explanation(item: Explanation) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": item.step.name,
        "status": str(item.step.status),
        "key": item.step.key,
        "reasons": [reason_to_json(reason) for reason in item.reasons],
        "compared_with": None,
    }
    if item.compared is not None:
        document["compared_with"] = {"run": item.compared.run, "step": item.compared.name, "key": item.compared.key}
    if item.diffs:
        document["diffs"] = dict(item.diffs)
    return document


def comparison_document(runs: Sequence[RunRecord], rows: Sequence[Row]) -> dict[str, Any]:
    """Runs side by side."""
    return {
        "runs": [run.id for run in runs],
        "rows": [
            {"section": row.section, "name": row.name, "values": row.values, "differs": row.differs} for row in rows
        ],
    }
