"""`pipelinekit plan`: what a run would do, and why. Starts nothing."""

from __future__ import annotations

import argparse
from typing import Any

from pipelinekit.bootstrap import Workspace, open_services
from pipelinekit.cli import sending
from pipelinekit.cli.output import element_groups, print_json, reasons_text, table
from pipelinekit.cli.parameters import add_parameter_arguments, keep_target
from pipelinekit.cli.servers import is_at_server
from pipelinekit.cli.targets import load_target, show_hints, show_warnings
from pipelinekit.domain.planning import DECISIONS, PlannedStep
from pipelinekit.domain.runs import RunOptions
from pipelinekit.domain.texts import counted, seconds_text
from pipelinekit.wire.planning import plan_document, planned_steps

rewrite = keep_target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `plan`."""
    add_parameter_arguments(parser)
    parser.add_argument("--regenerate", nargs="?", const="*", action="append", metavar="STEP", help="as for 'run'")


def execute(arguments: argparse.Namespace) -> int:
    """Print the plan."""
    document = sending.plan(arguments) if is_at_server() else _plan(arguments)
    if arguments.json:
        print_json(document)
    else:
        print(_text(planned_steps(document)))
    return 0


def _plan(arguments: argparse.Namespace) -> dict[str, Any]:
    services = open_services()
    target = load_target(arguments.target, arguments.parameter, services)
    show_warnings(target.warnings)
    show_hints(target)
    given = target.arguments(Workspace.on(services), keep=False)
    options = RunOptions(tuple(arguments.regenerate or ()))
    trees = [tree.tree() for tree in target.compilation.trees] if target.compilation else []
    return plan_document(target.graph.name, services.planned(target.graph, given, options, trees))


def _text(steps: list[PlannedStep]) -> str:
    groups = element_groups(steps, lambda step: step.name, lambda step: (step.decision, _why(step)))
    rows = [(step.decision, name, _time(step), _why(step)) for name, step in groups]
    counts = {decision: sum(step.decision == decision for step in steps) for decision in DECISIONS}
    words = ", ".join(f"{count} {decision}" for decision, count in counts.items() if count)
    known = sum(step.seconds or 0.0 for step in steps if step.decision == "run")
    possible = sum(step.seconds or 0.0 for step in steps if step.decision == "maybe")
    lines = [table(rows), "", f"{counted(len(steps), 'step')}: {words}"]
    if counts["run"] or counts["maybe"]:
        upto = f", up to {seconds_text(known + possible)}" if possible else ""
        lines.append(f"work, as far as it was measured before: {seconds_text(known)}{upto}")
    return "\n".join(lines)


def _time(step: PlannedStep) -> str:
    return "" if step.seconds is None else seconds_text(step.seconds)


def _why(step: PlannedStep) -> str:
    return f"run {step.original[0]}" if step.original else reasons_text(step.reasons)
