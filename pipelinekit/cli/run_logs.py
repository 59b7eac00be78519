"""`pipelinekit runs logs` and `runs wait`: what a run wrote, and its end."""

from __future__ import annotations

import argparse
import sys

from pipelinekit.bootstrap import Services
from pipelinekit.cli.output import print_json
from pipelinekit.domain.runs import DIFFERENT, PIPELINE, RunStatus, StepStatus
from pipelinekit.domain.texts import size_text
from pipelinekit.errors import NotFoundError, RunFailedError
from pipelinekit.workspace.run_logs import RunLogs, with_headings
from pipelinekit.workspace.runs import Run, StepRun

CODES = {RunStatus.COMPLETED: 0, RunStatus.CANCELED: 130}


def logs(arguments: argparse.Namespace, services: Services) -> int:
    """What a run's steps wrote, or an interactive or child run itself."""
    run = services.runs.get(arguments.run)
    steps = [step for step in run.steps if not arguments.step or step.name == arguments.step]
    if arguments.step and not steps and not (arguments.follow and not run.status.final):
        raise NotFoundError(
            f"run {run.id} has no step {arguments.step!r}", hint="'pipelinekit runs show' lists its steps"
        )
    if arguments.json:
        own = {"log": run.logs()} if run.record.kind != PIPELINE else {}
        print_json({"run": run.id, **own, "steps": [{"name": step.name, "log": step.logs()} for step in steps]})
        return 0
    if arguments.follow:
        follow(run, services, arguments.step or "")
        return 0
    if run.record.kind != PIPELINE:
        sys.stdout.write(_whole_line(run.logs()))
    for step in steps:
        text = step.logs()
        if not arguments.step and not text and step.status is not StepStatus.FAILED:
            continue
        if not arguments.step:
            print(f"==> {step.name}  {step.status}")
        sys.stdout.write(_whole_line(text))
        _print_failure(step)
    return 0


def _print_failure(step: StepRun) -> None:
    failure = step.record.failure
    if failure is None:
        return
    print(f"-- {failure.message}")
    details = []
    if failure.signal:
        details.append(f"signal {failure.signal}")
    if failure.exit_code is not None:
        details.append(f"exit code {failure.exit_code}")
    if failure.peak_memory:
        details.append(f"peak memory {size_text(failure.peak_memory)}")
    if details:
        print(f"-- {', '.join(details)}")


def _whole_line(text: str) -> str:
    return text if text.endswith("\n") or not text else text + "\n"


def follow(run: Run, services: Services, step: str = "", until: float | None = None) -> None:
    """Write logs as they appear, of one step or of whatever writes, until the run has ended, or a time has come."""
    shown = RunLogs(services.records.logs, run.record, step)
    last = ""
    more = True
    while more:
        more = not run.status.final and (until is None or services.clock.now() < until)
        told = list(shown.new([item.record for item in run.steps]))
        sys.stdout.writelines((text for _, text in told) if step else with_headings(told, last))
        sys.stdout.flush()
        last = told[-1][0] if told else last
        if more:
            services.pause()


def wait(arguments: argparse.Namespace, services: Services) -> int:
    """Wait for a run to end, and say how it did."""
    run = services.runs.get(arguments.run)
    until = services.clock.now() + arguments.timeout if arguments.timeout is not None else None
    if arguments.show_output and not arguments.json:
        follow(run, services, until=until)
    while not run.status.final:
        if until is not None and services.clock.now() >= until:
            words = f"run {run.id} is still {run.status} after {arguments.timeout:g} s: {run.standing}"
            raise RunFailedError(words, hint="'pipelinekit runs logs --follow' shows what it does")
        services.pause()
    if arguments.json:
        print_json({"run": run.id, "status": str(run.status), "standing": run.standing})
    else:
        print(f"run {run.id} {run.status}: {run.standing}")
    return CODES.get(run.status, 1)


def ended(arguments: argparse.Namespace, run: Run) -> int:
    """Wait for a run that somebody else drives, and say how it ended; 1 where a repeated execution differed, too."""
    run.wait(raise_on_error=False)
    if arguments.json:
        print_json(run.document())
    else:
        print(f"run {run.id} {run.status}: {run.standing}")
    is_different = any(step.record.verified == DIFFERENT for step in run.steps)
    return 1 if is_different else CODES.get(run.status, 1)
