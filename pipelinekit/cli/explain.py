"""`pipelinekit explain`: why each step of a run ran or was reused."""

from __future__ import annotations

import argparse

from pipelinekit.cli.output import element_groups, print_json
from pipelinekit.cli.servers import open_services
from pipelinekit.domain.runs import StepStatus
from pipelinekit.errors import NotFoundError
from pipelinekit.workspace.explaining import Explanation
from pipelinekit.workspace.run_views import explanations_document


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `explain`."""
    parser.add_argument(
        "run", nargs="?", default="latest", metavar="RUN", help="a run's id or its beginning; the newest by default"
    )
    parser.add_argument("step", nargs="?", metavar="STEP", help="one step; all of them by default")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Print the explanations."""
    services = open_services(create=False)
    run = services.records.runs.get(arguments.run)
    steps = services.records.runs.steps(run.id)
    if arguments.step:
        chosen = [step for step in steps if arguments.step in (step.name, step.name.rpartition("[")[0])]
        if not chosen:
            known = ", ".join(step.name for step in steps[:20])
            raise NotFoundError(f"run {run.id} has no step {arguments.step!r}", hint=f"its steps: {known}")
        steps = chosen
    explanations = services.explain(run, steps)
    if arguments.json:
        print_json(explanations_document(run, explanations))
        return 0
    print(f"run {run.id}  {run.pipeline}  {run.status}")
    groups = element_groups(explanations, lambda item: item.step.name, lambda item: (item.step.status, item.reasons))
    for name, item in groups:
        print("\n".join(_lines(name, item, with_diff=bool(arguments.step))))
    return 0


def _lines(name: str, item: Explanation, *, with_diff: bool) -> list[str]:
    step = item.step
    lines = [f"\n{name}  {step.status}"]
    if item.compared is not None:
        lines[0] += f"  (compared with run {item.compared.run})"
    if step.note and step.status in (StepStatus.SKIPPED, StepStatus.CANCELED, StepStatus.QUEUED):
        lines.append(f"  {step.note}")
    for reason in item.reasons:
        lines.append(f"  {reason.cause}: {reason.message}")
        diff = (item.diffs or {}).get(reason.name)
        if diff and (with_diff or len(diff) < 1500):
            lines.extend(f"      {line}" for line in diff.splitlines()[2:])
    return lines
