"""`pipelinekit runs show --timeline`: when the steps of a run waited and ran."""

from __future__ import annotations

from pathlib import Path

from pipelinekit.bootstrap import Services
from pipelinekit.cli.output import print_json, write_file
from pipelinekit.domain.timelines import Timeline, timeline
from pipelinekit.errors import UsageError
from pipelinekit.workspace.drawings import timelines
from pipelinekit.workspace.run_views import graph_of, timeline_document
from pipelinekit.workspace.runs import Run


def show(run: Run, services: Services, path: str, *, as_json: bool) -> int:
    """Print the timeline of a run, or write it as a picture. Raises UsageError for other kinds of files."""
    if path and Path(path).suffix not in (".svg", ".html"):
        raise UsageError(f"a timeline cannot be written to {path!r}", hint="give a name that ends in .svg or .html")
    found = _timeline(run, services)
    if as_json:
        print_json(timeline_document(run.id, found))
    elif not path:
        print(timelines.text(found))
    if path:
        draw = timelines.picture if path.endswith(".svg") else timelines.page
        write_file(Path(path), draw(f"{run.record.pipeline}, run {run.id}", found))
    return 0


def _timeline(run: Run, services: Services) -> Timeline:
    record = run.record
    graph = graph_of(record, services.records.documents)
    steps = [step.record for step in run.steps]
    return timeline(record, graph, steps, run.durations(), services.clock.now())
