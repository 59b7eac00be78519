"""`pipelinekit runs show --timeline`: when the steps of a run waited and ran."""

from __future__ import annotations

from pathlib import Path

from pipelinekit.bootstrap import Services
from pipelinekit.cli.output import print_json
from pipelinekit.domain.timelines import Timeline, timeline
from pipelinekit.errors import NotFoundError, UsageError
from pipelinekit.wire.graphs import parse_graph
from pipelinekit.workspace.drawings import timelines
from pipelinekit.workspace.runs import Run, refuse_without_graph


def show(run: Run, services: Services, path: str, *, as_json: bool) -> int:
    """Print the timeline of a run, or write it as a picture. Raises UsageError for other kinds of files."""
    if path and Path(path).suffix not in (".svg", ".html"):
        raise UsageError(f"a timeline cannot be written to {path!r}", hint="give a name that ends in .svg or .html")
    found = _timeline(run, services)
    if as_json:
        print_json(_document(run, found))
    elif not path:
        print(timelines.text(found))
    if path:
        draw = timelines.picture if path.endswith(".svg") else timelines.page
        try:
            Path(path).write_text(draw(f"{run.record.pipeline}, run {run.id}", found), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path!r} cannot be written: {error.strerror or error}") from None
    return 0


def _timeline(run: Run, services: Services) -> Timeline:
    record = run.record
    refuse_without_graph(record)
    texts = services.records.documents.get([record.graph])
    if record.graph not in texts:
        raise NotFoundError(f"the graph of run {record.id} is not in the records")
    graph = parse_graph(texts[record.graph], f"the graph of run {record.id}")
    steps = [step.record for step in run.steps]
    return timeline(record, graph, steps, run.durations(), services.clock.now())


def _document(run: Run, found: Timeline) -> dict[str, object]:
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
    return {"run": run.id, "seconds": round(found.seconds, 6), "bars": bars}
