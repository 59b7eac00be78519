"""Attempts and their events as JSON: what travels between driver, worker and step process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipelinekit.domain.attempts import (
    Attempt,
    AttemptEnded,
    AttemptEvent,
    AttemptStarted,
    LogChunk,
    Rank,
    RankCame,
    Task,
    Told,
)
from pipelinekit.domain.steps import Resources
from pipelinekit.late import late
from pipelinekit.wire.graphs import ports_from_json, ports_to_json
from pipelinekit.wire.runs import failure_from_json, failure_to_json
from pipelinekit.wire.values import plain_from_json, plain_to_json, values_from_json, values_to_json

if TYPE_CHECKING:
    from pipelinekit.wire import metrics
else:
    metrics = late("pipelinekit.wire.metrics")


CAME = "came"  # how what tells that a rank has come is told from events of attempts


def task_to_json(task: Task) -> dict[str, Any]:
    """A task as JSON data."""
    document: dict[str, Any] = {
        "kind": task.kind,
        "entry": task.entry,
        "snapshot": task.snapshot,
        "input_ports": ports_to_json(task.input_ports),
        "outputs": ports_to_json(task.outputs),
        "arguments": [plain_to_json(item) for item in task.arguments],
        "timeout": task.timeout,
        "resources": task.resources.document(),
        "compute": task.compute,
        "python": task.python,
        "packages": [list(item) for item in task.packages],
        "lock": list(task.lock),
        "variables": dict(task.variables),
        "known": list(task.known),
        "base": task.base,
        "environment": task.environment,
    }
    if task.secrets:
        document["secrets"] = dict(task.secrets)
    if task.dask_client:
        document["dask_client"] = True
    if task.nodes > 1:
        document["nodes"] = task.nodes
    return document


def task_from_json(document: Mapping[str, Any]) -> Task:
    """A task from JSON data."""
    return Task(
        document["kind"],
        document["entry"],
        document["snapshot"],
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
        document["base"],
        document["environment"],
        document.get("secrets", {}),
        document.get("dask_client", False),
        document.get("nodes", 1),
    )


def attempt_to_json(attempt: Attempt) -> dict[str, Any]:
    """An attempt as JSON data, without its task."""
    document: dict[str, Any] = {
        "run": attempt.run,
        "step": attempt.step,
        "number": attempt.number,
        "inputs": values_to_json(attempt.inputs),
    }
    if (rank := attempt.rank) is not None:
        document["rank"] = [rank.number, rank.count, rank.round, rank.address, rank.port]
    if attempt.outlives:
        document["outlives"] = True
    if attempt.continues:
        document["continues"] = True
    return document


def attempt_from_json(document: Mapping[str, Any], task: Task) -> Attempt:
    """An attempt of a task from JSON data."""
    inputs = values_from_json(document["inputs"])
    rank = Rank(*document["rank"]) if "rank" in document else None
    about = document["run"], document["step"], document["number"], task, inputs
    outlives, continues = document.get("outlives", False), document.get("continues", False)
    return Attempt(*about, rank=rank, outlives=outlives, continues=continues)


def attempts_to_json(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Attempts as JSON data; a task that several of them have is written once."""
    places: dict[int, int] = {}
    tasks: list[Task] = []
    for attempt in attempts:
        if id(attempt.task) not in places:
            places[id(attempt.task)] = len(tasks)
            tasks.append(attempt.task)
    return {
        "tasks": [task_to_json(task) for task in tasks],
        "attempts": [{**attempt_to_json(attempt), "task": places[id(attempt.task)]} for attempt in attempts],
    }


def attempts_from_json(document: Mapping[str, Any]) -> list[Attempt]:
    """Attempts from JSON data; those of one task share it."""
    tasks = [task_from_json(item) for item in document["tasks"]]
    return [attempt_from_json(item, tasks[item["task"]]) for item in document["attempts"]]


def event_to_json(event: AttemptEvent) -> dict[str, Any]:
    """An attempt event as JSON data, told apart by `event`."""
    match event:
        case AttemptStarted():
            return {"event": "started", "attempt": event.attempt, "at": event.at}
        case LogChunk():
            return {"event": "log", "attempt": event.attempt, "stream": event.stream, "text": event.text}
        case Told():
            return {"event": "told", "attempt": event.attempt, "entries": metrics.entries_to_json(event.entries)}
        case AttemptEnded():
            return _ended_to_json(event)


def coming_to_json(event: RankCame) -> dict[str, Any]:
    """That a rank has come, as JSON data; it is no event of an attempt."""
    return {
        "event": CAME,
        "attempt": event.attempt,
        "node": event.node,
        "address": event.address,
        "port": event.port,
    }


def coming_from_json(document: Mapping[str, Any]) -> RankCame:
    """That a rank has come, from JSON data."""
    return RankCame(document["attempt"], document["node"], document["address"], document["port"])


def _ended_to_json(event: AttemptEnded) -> dict[str, Any]:
    """How an attempt ended; what there is nothing of is left out."""
    document: dict[str, Any] = {
        "event": "ended",
        "attempt": event.attempt,
        "at": event.at,
        "seconds": event.seconds,
        "outputs": values_to_json(event.outputs),
    }
    if event.failure is not None:
        document["failure"] = failure_to_json(event.failure)
    for name in ("damaged", "hosts"):
        if found := getattr(event, name):
            document[name] = list(found)
    if event.observed:
        document["observed"] = dict(event.observed)
    return document


def event_from_json(document: Mapping[str, Any]) -> AttemptEvent:
    """An attempt event from JSON data."""
    match document["event"]:
        case "started":
            return AttemptStarted(document["attempt"], document["at"])
        case "log":
            return LogChunk(document["attempt"], document["stream"], document["text"])
        case "told":
            return Told(document["attempt"], metrics.entries_from_json(document["entries"]))
        case _:
            return AttemptEnded(
                document["attempt"],
                document["at"],
                document["seconds"],
                values_from_json(document["outputs"]),
                failure_from_json(document.get("failure")),
                tuple(document.get("damaged", ())),
                document.get("observed", {}),
                tuple(document.get("hosts", ())),
            )
