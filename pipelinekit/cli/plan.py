"""`pipelinekit plan`: what a run would do, and why. Starts nothing."""

from __future__ import annotations

import argparse
from typing import Any

from pipelinekit.bootstrap import Workspace, open_services
from pipelinekit.cli.output import element_groups, print_json, reasons_text, table
from pipelinekit.cli.parameters import add_parameter_arguments, keep_target
from pipelinekit.cli.targets import load_target, show_hints, show_warnings
from pipelinekit.domain.runs import RunOptions
from pipelinekit.domain.texts import counted, seconds_text
from pipelinekit.runtime.planner import PlannedStep, plan
from pipelinekit.wire.runs import reason_to_json

rewrite = keep_target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `plan`."""
    add_parameter_arguments(parser)
    parser.add_argument("--regenerate", nargs="?", const="*", action="append", metavar="STEP", help="as for 'run'")


def execute(arguments: argparse.Namespace) -> int:
    """Print the plan."""
    services = open_services()
    target = load_target(arguments.target, arguments.parameter, services)
    show_warnings(target.warnings)
    show_hints(target)
    given = target.arguments(Workspace.on(services), keep=False)
    graph = services.compiler.bind_secrets(target.graph)
    records = services.records
    options = RunOptions(tuple(arguments.regenerate or ()))
    files = services.files([tree.tree() for tree in target.compilation.trees] if target.compilation else [])
    steps = plan(
        graph,
        given.values,
        given.paths,
        options,
        records.reuse,
        records.documents,
        services.blobs,
        services.clock,
        files,
    )
    if arguments.json:
        print_json(_document(target.graph.name, steps))
    else:
        print(_text(steps))
    return 0


def _document(pipeline: str, steps: list[PlannedStep]) -> dict[str, Any]:
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
        "summary": {
            decision: sum(step.decision == decision for step in steps) for decision in ("reuse", "run", "maybe", "skip")
        },
    }


def _text(steps: list[PlannedStep]) -> str:
    groups = element_groups(steps, lambda step: step.name, lambda step: (step.decision, _why(step)))
    rows = [(step.decision, name, _time(step), _why(step)) for name, step in groups]
    counts = {
        decision: sum(step.decision == decision for step in steps) for decision in ("reuse", "run", "maybe", "skip")
    }
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
