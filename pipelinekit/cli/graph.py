"""`pipelinekit graph`: draw a pipeline or a run, as text in the terminal or as an SVG or HTML file."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelinekit.bootstrap import open_services
from pipelinekit.classes import frozen
from pipelinekit.cli import servers
from pipelinekit.cli.output import print_json, write_file
from pipelinekit.cli.parameters import add_parameter_arguments
from pipelinekit.cli.targets import load_target, show_warnings
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.runs import RunRecord, StepRecord
from pipelinekit.errors import UsageError
from pipelinekit.late import late
from pipelinekit.workspace.run_views import graph_of

if TYPE_CHECKING:
    from pipelinekit.workspace.drawings import pages, pictures, plans, svg, text
else:
    pages = late("pipelinekit.workspace.drawings.pages")
    pictures = late("pipelinekit.workspace.drawings.pictures")
    plans = late("pipelinekit.workspace.drawings.plans")
    svg = late("pipelinekit.workspace.drawings.svg")
    text = late("pipelinekit.workspace.drawings.text")

SUFFIXES = (".svg", ".html", ".htm")


@frozen
class _Subject:
    """What is drawn: a graph, and the run and its steps where it is one."""

    graph: Graph
    steps: Sequence[StepRecord] | None = None
    run: RunRecord | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `graph`."""
    add_parameter_arguments(
        parser,
        "FILE[:PIPELINE]|RUN",
        "a Python file or graph.json as for 'run'; or a run: its id, the beginning of one, or 'latest'",
        "nodes, edges and positions as one JSON document",
    )
    parser.add_argument("-o", "--output", metavar="PATH", help="write a picture: .svg, or .html with details and zoom")
    parser.add_argument(
        "--all", action="store_true", help="draw every step of a crowded graph, also those that are alike"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Draw."""
    path = Path(arguments.output) if arguments.output else None
    if path is not None and path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{str(path)!r} names no kind of picture", hint="end the name with .svg or .html")
    subject = _subject(arguments)
    whole = arguments.all or (arguments.json and path is None)
    if path is None and not arguments.json:
        _print_text(subject, whole=whole)
        return 0
    picture = pictures.make_picture(subject.graph, subject.steps, subject.run, merge=False if whole else None)
    plan = plans.make_plan(picture)
    if path is not None:
        _write(path, plan)
    if arguments.json:
        print_json(plans.plan_document(plan))
    elif path is not None:
        print(f"wrote {path}", file=sys.stderr)
    return 0


def _subject(arguments: argparse.Namespace) -> _Subject:
    """The file of that name if there is one, else the run."""
    target = arguments.target
    file = target.rpartition(":")[0] or target
    if os.path.isfile(target) or os.path.isfile(file) or Path(file).suffix in (".py", ".json") or os.sep in target:
        loaded = load_target(target, arguments.parameter, open_services())
        show_warnings(loaded.warnings)
        return _Subject(loaded.graph)
    if arguments.parameter:
        raise UsageError(f"{target!r} is no file, and a run has its parameters already", hint="leave -p out")
    services = servers.open_services(create=False)
    services.recover()
    run = services.records.runs.get(target)
    return _Subject(graph_of(run, services.records.documents), services.records.runs.steps(run.id), run)


def _print_text(subject: _Subject, *, whole: bool) -> None:
    terminal = sys.stdout.isatty()
    print(
        text.draw_text(
            subject.graph,
            subject.steps,
            subject.run,
            width=shutil.get_terminal_size().columns if terminal else 0,
            colour=terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb",
            whole=whole,
        )
    )


def _write(path: Path, plan: plans.Plan) -> None:
    """Write the picture, whole or not at all."""
    write_file(path, svg.svg_text(plan) if path.suffix.lower() == ".svg" else pages.page_text(plan))
