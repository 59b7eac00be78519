"""`pipelinekit runs show`: everything that there is to say of one run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence

from pipelinekit.bootstrap import Services
from pipelinekit.cli.git import diff_text, git_lines
from pipelinekit.cli.output import print_json, reasons_text, table, time_text
from pipelinekit.cli.progress import failure_lines, first_line
from pipelinekit.domain.datasets import label_of
from pipelinekit.domain.durations import Durations, is_executed
from pipelinekit.domain.runs import CHILD, RunRecord, RunStatus, StepRecord, StepStatus
from pipelinekit.domain.texts import seconds_text, size_text
from pipelinekit.domain.values import StoredValue
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING
from pipelinekit.wire.datasets import use_document
from pipelinekit.wire.runs import show_value
from pipelinekit.workspace.runs import Run

if TYPE_CHECKING:
    from pipelinekit.cli import run_timelines
else:
    run_timelines = late("pipelinekit.cli.run_timelines")  # draws, which other verbs of `runs` need not load


def show(arguments: argparse.Namespace, services: Services) -> int:
    """Show a run and its steps."""
    run = services.runs.get(arguments.run)
    if arguments.timeline is not None:
        return run_timelines.show(run, services, arguments.timeline, as_json=arguments.json)
    changes, uses = services.changes_of(run.record), services.dataset_inputs().uses(run.id)
    if arguments.json:
        document = run.document()
        if changes is not None:
            document["git"] = {**document.get("git", {}), **changes}
        if uses:
            document["datasets"] = [use_document(use) for use in uses]
        document.update(standing=run.standing, tags=dict(run.tags), properties=dict(run.properties))
        print_json(document)
        return 0
    if arguments.diff:
        sys.stdout.write(diff_text(run.record, changes))
        return 0
    record = run.record
    steps = [step.record for step in run.steps]
    durations = run.durations()
    rows = [
        ("run", record.id),
        *_kind_rows(record),
        ("status", f"{record.status}  {run.standing}".rstrip()),
        *([("left", str(left))] if (left := run.estimate) else []),
        ("created", f"{time_text(record.created_at)}  took {took(record) or '-'}"),
        *_who(record),
        *([("phases", _phases(durations[""]))] if len(durations) > 1 else []),
        ("source", record.source or "-"),
        *([("graph", record.graph)] if record.graph else []),
        *([("compute", record.options.compute)] if record.graph else []),
        *([("priority", str(record.options.priority))] if record.options.priority else []),
        *(("git", line) for line in git_lines(record, changes)),
        *([("pinned", "clean-up keeps this run")] if record.pinned else []),
        *_marks(run),
        *([("removed", "by clean-up; what is left is what other runs show or may reuse")] if record.removed else []),
        *((f"  {name}", _argument(value)) for name, value in record.arguments.items()),
        *(
            ("takes in" if use.direction == "input" else "gave out", f"{label_of(use.name, use.version)}  {use.place}")
            for use in uses
        ),
    ]
    print(table(rows))
    if record.graph:
        print("\n" + _steps_table(steps, durations))
    if record.status is RunStatus.FAILED or record.failure is not None:
        print("\n" + "\n".join(failure_lines(record, steps)))
    return 0


def took(run: RunRecord) -> str:
    """How long a run took; empty while it goes on."""
    return seconds_text(run.ended_at - run.created_at) if run.ended_at else ""


def _who(run: RunRecord) -> list[tuple[str, str]]:
    """Who made a run, and on which machine; not for child runs, which their steps made."""
    told = [f"{word}{run.details[key]}" for word, key in (("", "user"), ("on ", "host")) if run.details.get(key)]
    return [("by", " ".join(told))] if told else []


def _marks(run: Run) -> list[tuple[str, str]]:
    """What people and code have said of a run."""
    record = run.record
    told = {"name": record.display_name, "description": record.description}
    told.update(tags=_pairs(run.tags), properties=_pairs(run.properties))
    return [(name, text) for name, text in told.items() if text]


def _pairs(found: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" if value else key for key, value in found.items())


def _phases(durations: Durations) -> str:
    return f"queued {seconds_text(durations.queued)}, prepare {seconds_text(durations.prepare)}, run " + seconds_text(
        durations.run
    )


def _argument(value: StoredValue) -> str:
    """What a run was given, in a few words; `takes in` says which version of a dataset it was."""
    shown = show_value(value)
    if isinstance(shown, dict) and shown.get("digest") == value.digest:
        return f"{value.format} of {size_text(value.size)}, {value.digest}"
    return str(shown)


def _kind_rows(record: RunRecord) -> list[tuple[str, str]]:
    """What kind of run it is, and where it belongs."""
    if record.kind == CHILD:
        return [("child of", f"{record.parent}" + (f", step {record.parent_step}" if record.parent_step else ""))]
    place = f"(experiment {record.experiment}, number {record.number})"
    return [("pipeline", f"{record.pipeline}  {place}") if record.graph else ("interactive", place)]


def _steps_table(steps: Sequence[StepRecord], durations: Mapping[str, Durations]) -> str:
    """The steps; where some were executed, with the phases before."""
    if not steps:
        return "no steps yet"
    if not any(map(is_executed, steps)):
        return table([_step_row(step) for step in steps], ("step", "status", "took", "why"))
    rows = []
    for step in steps:
        name, status, taken, why = _step_row(step)
        found = durations.get(step.name)
        phases = [seconds_text(seconds) for seconds in (found.queued, found.prepare)] if found else ["", ""]
        rows.append((name, status, *phases, taken, why))
    return table(rows, ("step", "status", "queued", "prepare", "took", "why"))


def _step_row(step: StepRecord) -> tuple[str, str, str, str]:
    why = (
        f"from run {step.original_run}" if step.status is StepStatus.REUSED else step.note or reasons_text(step.reasons)
    )
    if step.status is StepStatus.FAILED and step.failure:
        why = first_line(step)
    return step.name, str(step.status), seconds_text(step.seconds) if step.seconds else "", why
