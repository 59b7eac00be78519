"""Attempts and their events as JSON: what travels between driver, worker and step process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelinekit.domain.attempts import Attempt, AttemptEnded, AttemptEvent, AttemptStarted, LogChunk
from pipelinekit.domain.steps import Resources
from pipelinekit.wire.graphs import ports_from_json, ports_to_json
from pipelinekit.wire.runs import failure_from_json, failure_to_json
from pipelinekit.wire.values import plain_from_json, plain_to_json, values_from_json, values_to_json


def attempt_to_json(attempt: Attempt) -> dict[str, Any]:
    """An attempt as JSON data."""
    return {
        "run": attempt.run,
        "step": attempt.step,
        "number": attempt.number,
        "kind": attempt.kind,
        "entry": attempt.entry,
        "snapshot": attempt.snapshot,
        "inputs": values_to_json(attempt.inputs),
        "input_ports": ports_to_json(attempt.input_ports),
        "outputs": ports_to_json(attempt.outputs),
        "arguments": [plain_to_json(item) for item in attempt.arguments],
        "timeout": attempt.timeout,
        "resources": [attempt.resources.cpu, attempt.resources.gpu, attempt.resources.memory_bytes],
        "compute": attempt.compute,
        "python": attempt.python,
        "packages": [list(item) for item in attempt.packages],
        "lock": list(attempt.lock),
        "variables": dict(attempt.variables),
        "known": list(attempt.known),
    }


def attempt_from_json(document: Mapping[str, Any]) -> Attempt:
    """An attempt from JSON data."""
    return Attempt(
        document["run"],
        document["step"],
        document["number"],
        document["kind"],
        document["entry"],
        document["snapshot"],
        values_from_json(document["inputs"]),
        ports_from_json(document["input_ports"]),
        ports_from_json(document["outputs"]),
        tuple(plain_from_json(item) for item in document["arguments"]),
        document["timeout"],
        Resources(*document["resources"]),
        document["compute"],
        document["python"],
        tuple((name, version) for name, version in document["packages"]),
        tuple(document["lock"]),
        document["variables"],
        tuple(document["known"]),
    )


def event_to_json(event: AttemptEvent) -> dict[str, Any]:
    """An attempt event as JSON data, told apart by `event`."""
    match event:
        case AttemptStarted():
            return {"event": "started", "attempt": event.attempt, "at": event.at}
        case LogChunk():
            return {"event": "log", "attempt": event.attempt, "stream": event.stream, "text": event.text}
        case AttemptEnded():
            return {
                "event": "ended",
                "attempt": event.attempt,
                "at": event.at,
                "seconds": event.seconds,
                "outputs": values_to_json(event.outputs),
                "failure": failure_to_json(event.failure),
                "damaged": list(event.damaged),
                "observed": dict(event.observed),
                "hosts": list(event.hosts),
            }


def event_from_json(document: Mapping[str, Any]) -> AttemptEvent:
    """An attempt event from JSON data."""
    match document["event"]:
        case "started":
            return AttemptStarted(document["attempt"], document["at"])
        case "log":
            return LogChunk(document["attempt"], document["stream"], document["text"])
        case _:
            return AttemptEnded(
                document["attempt"],
                document["at"],
                document["seconds"],
                values_from_json(document["outputs"]),
                failure_from_json(document["failure"]),
                tuple(document["damaged"]),
                document["observed"],
                tuple(document["hosts"]),
            )
