"""Runs and step runs as JSON: the parts that records keep as text, and the documents that people's programs read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipelinekit.domain.runs import TRACEPARENT, Failure, Reason, RunOptions, RunRecord, StepRecord, StepStatus
from pipelinekit.domain.types import PathRef
from pipelinekit.domain.values import StoredValue
from pipelinekit.typed import TYPE_CHECKING, Any
from pipelinekit.wire.values import plain_to_json, value_from_json, value_to_json

if TYPE_CHECKING:
    from pipelinekit.domain.durations import Durations


def failure_to_json(failure: Failure | None) -> dict[str, Any] | None:
    """A failure; fields that say nothing are left out."""
    if failure is None:
        return None
    document: dict[str, Any] = {"kind": failure.kind, "message": failure.message}
    for name in ("traceback", "hint", "exit_code", "signal", "peak_memory"):
        if value := getattr(failure, name):
            document[name] = value
    if failure.types:
        document["types"] = list(failure.types)
    return document


def failure_from_json(document: Mapping[str, Any] | None) -> Failure | None:
    """A failure from JSON data."""
    if document is None:
        return None
    return Failure(**{**document, "types": tuple(document.get("types", ()))})


def reason_to_json(reason: Reason) -> dict[str, Any]:
    """A reason; fields that say nothing are left out."""
    document: dict[str, Any] = {"cause": reason.cause, "message": reason.message}
    for name in ("name", "file", "line", "before", "after"):
        if value := getattr(reason, name):
            document[name] = value
    return document


def reasons_from_json(document: Iterable[Mapping[str, Any]]) -> tuple[Reason, ...]:
    """Reasons from JSON data."""
    return tuple(Reason(**item) for item in document)


_RARE_OPTIONS = ("max_seconds", "priority", "max_queue_seconds")  # which most runs have not


def options_to_json(options: RunOptions) -> dict[str, Any]:
    """Run options as JSON data."""
    return {
        "regenerate": list(options.regenerate),
        "continue_on_step_failure": options.continue_on_step_failure,
        "compute": options.compute,
        "verify": options.verify,
        "check": options.check,
        **{name: given for name in _RARE_OPTIONS if (given := getattr(options, name))},
    }


def options_from_json(document: Mapping[str, Any]) -> RunOptions:
    """Run options from JSON data."""
    return RunOptions(
        tuple(document["regenerate"]),
        document["continue_on_step_failure"],
        document["compute"],
        document.get("verify", 0.0),
        document.get("check", False),
        *(document.get(name, 0) for name in _RARE_OPTIONS),
    )


def paths_to_json(paths: Mapping[PathRef, StoredValue]) -> list[Any]:
    """Resolved paths as JSON data."""
    return [
        [ref.path, ref.folder, value_to_json(value), *([ref.dataset] if ref.dataset else [])]
        for ref, value in paths.items()
    ]


def paths_from_json(document: Sequence[Any]) -> dict[PathRef, StoredValue]:
    """Resolved paths from JSON data."""
    return {PathRef(path, folder, *form): value_from_json(value) for path, folder, value, *form in document}


SHOWN_ITEMS = 1000  # longer lists and dicts of values are shown by their digest, as large plain data is


def show_value(value: StoredValue) -> Any:
    """What a person or program sees of a stored value: plain data as it is, anything else by digest and size."""
    if value.is_at_hand and len(value.items) <= SHOWN_ITEMS:
        return plain_to_json(value.data())
    document = {"format": value.format, "digest": value.digest, "size": value.size}
    if value.format in ("list", "dict"):
        document["length"] = len(value.items)
    return document


def run_document(run: RunRecord) -> dict[str, Any]:
    """A run as its own document, without steps."""
    document: dict[str, Any] = {
        "id": run.id,
        "number": run.number,
        "experiment": run.experiment,
        "pipeline": run.pipeline,
        "status": str(run.status),
        "graph": run.graph,
        "source": run.source,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "parameters": {name: show_value(value) for name, value in run.arguments.items()},
        "outputs": {name: show_value(value) for name, value in run.outputs.items()},
        "compute": run.options.compute,
    }
    document.update({name: given for name in _RARE_OPTIONS if (given := getattr(run.options, name))})
    if TRACEPARENT in run.details:
        document["trace"] = str(run.details[TRACEPARENT])[3:35]
    if "git" in run.details:
        document["git"] = dict(run.details["git"])
    document.update({name: True for name in ("pinned", "removed") if getattr(run, name)})
    document.update(
        {
            name: found
            for name in ("parent", "parent_step", "display_name", "description")
            if (found := getattr(run, name))
        }
    )
    document.update(
        kind=run.kind, submitted={name: run.details[name] for name in ("user", "host", "folder") if name in run.details}
    )
    if run.failure is not None:
        document["error"] = failure_to_json(run.failure)
    return document


def step_document(step: StepRecord) -> dict[str, Any]:
    """A step run as people's programs read it."""
    document: dict[str, Any] = {
        "name": step.name,
        "status": str(step.status),
        "reused_from": None,
        "reasons": [reason_to_json(reason) for reason in step.reasons],
        "seconds": round(step.seconds, 6),
        "key": step.key,
        "attempts": step.attempt,
        "outputs": {name: show_value(value) for name, value in step.outputs.items()},
    }
    if step.status is StepStatus.REUSED:
        document["reused_from"] = {"run": step.original_run, "step": step.original_step}
    if step.failure is not None:
        document["error"] = failure_to_json(step.failure)
    if step.note:
        document["note"] = step.note
    if step.verified:
        document["verified"] = step.verified
    return document


def whole_document(run: RunRecord, steps: Iterable[StepRecord], durations: Mapping[str, Durations]) -> dict[str, Any]:
    """A run with its steps, and what reuse saved; `durations` are those of the run, by an empty name, and of steps."""
    listed = list(steps)
    reused = [step for step in listed if step.status is StepStatus.REUSED]
    return {
        **run_document(run),
        "durations": durations[""].document(),
        "steps": [
            {**step_document(step), **({"durations": found.document()} if (found := durations.get(step.name)) else {})}
            for step in listed
        ],
        "summary": {
            "steps": len(listed),
            **{str(status): count for status in StepStatus if (count := sum(step.status is status for step in listed))},
            "seconds_saved": round(sum(step.seconds for step in reused), 6),
        },
    }
