"""What commands have in common that call a published pipeline: the words of a call, and what is said of its run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from pipelinekit.cli.output import print_json, table, time_text
from pipelinekit.cli.parameters import add_queue_arguments, parse_parameters, queue_seconds, split_parameters
from pipelinekit.domain.parameters import Parameter
from pipelinekit.domain.run_queries import parse_tag
from pipelinekit.domain.types import shorten
from pipelinekit.domain.version_differences import StepDifference, ValueDifference, VersionDifference
from pipelinekit.wire.version_differences import difference_document
from pipelinekit.workspace.runs import Run


def add_call_arguments(parser: argparse.ArgumentParser) -> None:
    """The words of a call."""
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter; lists and dicts as JSON, 'null' for none, files by path, dataset:NAME[@VERSION]",
    )
    parser.add_argument("--experiment", default="", help="the experiment that the run belongs to")
    parser.add_argument("--name", default="", help="what the run is shown as")
    parser.add_argument("--tag", action="append", metavar="KEY[=VALUE]", help="a tag of the run; again for more")
    add_queue_arguments(parser)
    parser.add_argument("--compute", default="", help="where steps run, instead of where it was published for")
    parser.add_argument(
        "--regenerate",
        nargs="?",
        const="*",
        action="append",
        metavar="STEP",
        help="execute whatever was kept: every step, or those whose names match a pattern",
    )
    parser.add_argument(
        "--continue-on-step-failure",
        action=argparse.BooleanOptionalAction,
        help="after a failure skip only what depends on it",
    )
    parser.add_argument("--wait", action="store_true", help="wait until the run has ended; 0 only if it completed")


def call_words(arguments: argparse.Namespace, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """What a call says, as `submit` takes it. Raises ParameterError with everything that does not fit."""
    return {
        "parameters": parse_parameters(parameters, split_parameters(arguments.parameter)),
        "experiment": arguments.experiment,
        "display_name": arguments.name,
        "tags": {key: value or "" for key, value in map(parse_tag, arguments.tag or ())},
        "compute": arguments.compute,
        "regenerate": arguments.regenerate or (),
        "continue_on_step_failure": arguments.continue_on_step_failure,
        "priority": arguments.priority,
        "max_queue_duration_seconds": queue_seconds(arguments),
    }


def say_called(arguments: argparse.Namespace, run: Run) -> int:
    """Say which run it is that a call made; with `--wait` wait for it. The exit code."""
    if arguments.wait:
        run.wait(raise_on_error=False)
        print_json(run.document()) if arguments.json else print(f"{run.id} {run.status}")
        return 0 if str(run.status) == "Completed" else 1
    print_json(run.document()) if arguments.json else print(run.id)
    return 0


def parameter_rows(document: Sequence[dict[str, Any]]) -> str:
    """The parameters of a published pipeline as a table."""
    rows = []
    for item in document:
        default = "required" if item["required"] else shorten(item.get("default"), 40)
        rows.append((f"  {item['name']}", item["type"], f"{default}, fixed" if item.get("fixed") else default))
    return table(rows, ("  parameter", "type", "default")) if rows else "  no parameters"


def say_difference(found: VersionDifference, *, as_json: bool) -> int:
    """Say in what two published pipelines differ: 0."""
    if as_json:
        print_json(difference_document(found))
        return 0
    if not (found.steps or found.values or found.files):
        print("no difference")
        return 0
    rows = [(f"step {step.name}", step.what, _reasons(step)) for step in found.steps]
    rows += [(f"{item.kind} {item.name}", "changed", _sides(item)) for item in found.values]
    rows += [(f"file {item.path}", item.what, "" if item.lines else "no text") for item in found.files]
    print(table(rows))
    for item in found.files:
        print("\n".join(["", *item.lines]) if item.lines else "", end="\n" if item.lines else "")
    return 0


def _reasons(step: StepDifference) -> str:
    return "; ".join(reason.message for reason in step.reasons)


def _sides(item: ValueDifference) -> str:
    return f"{_side(item.before)} -> {_side(item.after)}"


def _side(value: Any) -> str:
    if isinstance(value, dict) and "type" in value:
        return f"{value['type']}, {'required' if value.get('required') else shorten(value.get('default'), 40)}"
    return "(none)" if value is None else shorten(value, 40)


def run_rows(runs: Sequence[Run]) -> str:
    """Runs as a table."""
    rows = [(run.id, str(run.record.status), run.record.experiment, time_text(run.record.created_at)) for run in runs]
    return table(rows, ("run", "status", "experiment", "created")) if rows else "no runs"
