"""The records of runs that a server has, as the ports that runs are shown from: what is shown is as it is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from pipelinekit.classes import replace
from pipelinekit.client.connection import Connection, quoted
from pipelinekit.domain.attempts import LogChunk
from pipelinekit.domain.metrics import Metric, Series
from pipelinekit.domain.run_queries import METRIC, RunQuery
from pipelinekit.domain.runs import RunRecord, StepRecord, StepStatus
from pipelinekit.domain.values import StoredValue
from pipelinekit.engine.estimating import Estimate
from pipelinekit.errors import NotFoundError, UsageError
from pipelinekit.wire.run_records import (
    columns_from_json,
    metric_from_json,
    points_from_json,
    run_from_json,
    step_from_json,
)
from pipelinekit.wire.values import values_from_json

MOST = 500  # runs of one answer


def refuse(what: str) -> NoReturn:
    """Raise UsageError for what is done beside the workspace folder only."""
    raise UsageError(f"{what} is not done over a server", hint="do it on the machine that has the workspace folder")


class RemoteRunRecords:
    """Implements `ports.RunRecords` and `ports.facts.RunQueries`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._changes: tuple[str, Any] = ("", ())
        self.ended: set[tuple[str, str]] = set()  # where logs do not grow any more

    def create(self, run: RunRecord, properties: Mapping[str, str] | None = None) -> NoReturn:  # noqa: ARG002
        """Runs are recorded by calls of what is published."""
        refuse(f"to record run {run.id}")

    def get(self, run: str) -> RunRecord:
        """The run of this id, or the only one whose id begins so. Raises NotFoundError, UsageError if several do."""
        return run_from_json(self._connection.get(f"/runs/{quoted(run)}/record"))

    def steps(self, run: str) -> Sequence[StepRecord]:
        """Step runs recorded so far."""
        found = self._connection.get(f"/runs/{quoted(run)}/steps")
        self._changes = run, found["changes"]
        steps = [step_from_json(item) for item in found["steps"]]
        for step in steps:
            if step.status is StepStatus.REUSED:
                self.ended.add((step.original_run, step.original_step))
            elif step.status.final:
                self.ended.add((step.run, step.name))
        return steps

    def changes(self, run: str) -> Sequence[tuple[float, Sequence[tuple[str, str]]]]:
        """When step runs changed: as it was when they were asked for last."""
        if self._changes[0] != run:
            self.steps(run)
        return [(at, [(name, status) for name, status in told]) for at, told in self._changes[1]]

    def waits(self, run: str = "") -> Mapping[str, str]:  # noqa: ARG002 - drivers ask for one of their own
        """Why runs wait that limits hold back."""
        return dict(self._connection.get("/runs/waiting")["waits"])

    def estimate(self, run: RunRecord, steps: Sequence[StepRecord]) -> Estimate | None:  # noqa: ARG002 - it knows them
        """How long the run will still take, as the server reckons."""
        found = self._connection.get(f"/runs/{quoted(run.id)}/estimate")
        seconds = found["estimated_seconds_left"]
        return None if seconds is None else Estimate(seconds, found["whole"])

    def request_cancel(self, run: str) -> RunRecord:
        """Ask the run's driver to end it."""
        self._connection.ask("POST", f"/runs/{quoted(run)}/cancel", again=True)
        return self.get(run)

    def find(self, query: RunQuery) -> Sequence[RunRecord]:
        """The runs that a query asks for, in its order."""
        found: list[RunRecord] = []
        while (left := query.limit - len(found)) > 0:
            after = found[-1].id if found else query.after
            part = self._part(replace(query, after=after, limit=min(left, MOST)))
            found += part
            if len(part) < MOST:
                break
        return found

    def _part(self, query: RunQuery) -> list[RunRecord]:
        words: dict[str, Any] = {
            "experiment": query.experiment,
            "pipeline": query.pipeline,
            "status": str(query.statuses[0]) if query.statuses else "",
            "kind": query.kind,
            "tag": _pairs(query.tags),
            "property": _pairs(query.properties),
            "where": [f"{item.of}.{item.name}{item.op}{item.value}" for item in query.conditions],
            "since": query.since,
            "until": query.until,
            "sort": f"{'metric' if query.sort[0] == METRIC else 'param'}.{query.sort[1]}" if query.sort[1] else "",
            "ascending": query.ascending,
            "children": query.children,
            "after": query.after,
            "limit": query.limit,
        }
        return [run_from_json(item) for item in self._connection.get("/runs", records=True, **words)["runs"]]


def _pairs(pairs: Mapping[str, str | None]) -> list[str]:
    return [key if value is None else f"{key}={value}" for key, value in pairs.items()]


class RemoteDocuments:
    """Implements `ports.Documents`, as far as graphs go."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, str] = {}  # what a digest names never changes

    def put(self, *_: Any) -> NoReturn:
        """Documents come with what is published."""
        refuse("to keep documents")

    def get(self, digests: Iterable[str]) -> Mapping[str, str]:
        """The graphs that are there."""
        found = {}
        for digest in dict.fromkeys(digests):
            with suppress(NotFoundError):
                if digest not in self._known:
                    self._known[digest] = self._connection.get(f"/graphs/{quoted(digest)}")["graph"]
                found[digest] = self._known[digest]
        return found


class RemoteLogs:
    """Implements `ports.LogRecords`. What `runs` know to have ended is read once: whoever follows asks often."""

    def __init__(self, connection: Connection, runs: RemoteRunRecords) -> None:
        self._connection = connection
        self._runs = runs
        self._read: dict[tuple[str, str], int] = {}  # of logs that do not grow, how far they were read

    def append(self, *_: Any) -> NoReturn:
        """Logs are written by drivers."""
        refuse("to write logs")

    def read(self, run: str, step: str, after: int = 0) -> Sequence[tuple[int, LogChunk]]:
        """Chunks of one step with their positions, those after position `after` only."""
        found: list[tuple[int, LogChunk]] = []
        place, has_ended = (run, step), (run, step) in self._runs.ended
        more = self._read.get(place, after + 1) > after
        while more:
            part = self._connection.get(f"/runs/{quoted(run)}/log-chunks", step=step, after=after)
            found += [(position, LogChunk(*chunk)) for position, *chunk in part["chunks"]]
            more = part["more"]
            after = found[-1][0] if found else after
        if has_ended:
            self._read[place] = after
        return found


class RemoteFacts:
    """Implements `ports.facts.FactRecords`, as far as people and programs tell something of runs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def tell(self, *_: Any) -> NoReturn:
        """What attempts tell is written by drivers."""
        refuse("to record what attempts tell")

    def tell_run(self, run: str, *_: Any) -> NoReturn:
        """Interactive runs log where the workspace is."""
        refuse(f"to log to run {run}")

    def end_children(self, *_: Any) -> NoReturn:
        """Drivers do that."""
        refuse("to end child runs")

    def set_tags(self, run: str, tags: Mapping[str, str], *, step: str = "") -> None:
        """Set tags; others stay."""
        if tags:
            self._patch(run, "/tags", {"set": dict(tags)}, step)

    def remove_tags(self, run: str, keys: Sequence[str], *, step: str = "") -> None:
        """Remove tags; those that are not there need not be."""
        if keys:
            self._patch(run, "/tags", {"remove": list(keys)}, step)

    def add_properties(self, run: str, properties: Mapping[str, str], *, step: str = "") -> None:
        """Add properties; one that is there stays as it is."""
        if properties:
            self._patch(run, "/properties", {"add": dict(properties)}, step)

    def put_file(self, run: str, name: str, value: StoredValue, *, step: str = "") -> None:
        """Keep a stored file with a run; one of the same name is replaced."""
        body = {"name": name, "blob": value.blob, "folder": value.format == "folder", "suffix": value.suffix}
        self._connection.ask("POST", f"/runs/{quoted(run)}/files", body, query={"step": step}, again=True)

    def rename(self, run: str, *, display_name: str | None = None, description: str | None = None) -> None:
        """Change how a run is shown; None leaves it as it is."""
        words = {"display_name": display_name, "description": description}
        self._patch(run, "", {name: text for name, text in words.items() if text is not None})

    def tags(self, run: str, *, step: str = "") -> Mapping[str, str]:
        """Tags by key."""
        return dict(self._facts(run, step)["tags"])

    def properties(self, run: str, *, step: str = "") -> Mapping[str, str]:
        """Properties by key."""
        return dict(self._facts(run, step)["properties"])

    def files(self, run: str, *, step: str = "") -> Mapping[str, StoredValue]:
        """Files by name."""
        return values_from_json(self._facts(run, step)["files"])

    def children(self, run: str, *, step: str = "") -> Sequence[RunRecord]:
        """Child runs in the order in which they began: of any step of a run, or of one."""
        found = self._connection.get(f"/runs/{quoted(run)}/child-records", step=step)["runs"]
        return [run_from_json(item) for item in found]

    def _facts(self, run: str, step: str) -> Any:
        return self._connection.get(f"/runs/{quoted(run)}/facts", step=step)

    def _patch(self, run: str, path: str, body: Any, step: str = "") -> None:
        self._connection.ask("PATCH", f"/runs/{quoted(run)}{path}", body, query={"step": step}, again=True)


class RemoteMetrics:
    """Implements `ports.facts.MetricRecords`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of_run(self, run: str) -> Sequence[Metric]:
        """Metrics of a run itself, and what its steps told it."""
        return [metric for _, metric in self._metrics(run, "run")]

    def listed(self, run: str) -> Sequence[Metric]:
        """Metrics that a run is found and sorted by."""
        return [metric for _, metric in self._metrics(run, "listed")]

    def of_steps(self, run: str) -> Sequence[tuple[str, Metric]]:
        """Metrics of the steps of a run, with the names of the steps."""
        return self._metrics(run, "steps")

    def of_step(self, run: str, step: str) -> Sequence[Metric]:
        """Metrics of one step run that executed."""
        return [metric for _, metric in self._metrics(run, "step", step)]

    def series(self, metric: Metric) -> Series:
        """All points of a series."""
        return points_from_json(self._points(metric)["series"])

    def rows(self, metric: Metric) -> Mapping[str, Sequence[Any]]:
        """All rows of a table by column; None where a row lacks a column."""
        return columns_from_json(self._points(metric)["columns"])

    def body(self, metric: Metric) -> Any:
        """What was logged last as an image or a confusion matrix."""
        return self._points(metric)["body"]

    def _metrics(self, run: str, of: str, step: str = "") -> list[tuple[str, Metric]]:
        found = self._connection.get(f"/runs/{quoted(run)}/metric-records", of=of, step=step)["metrics"]
        return [(item["of"], metric_from_json(item)) for item in found]

    def _points(self, metric: Metric) -> Any:
        run, step = metric.place
        words = {"name": metric.name, "step": step, "to_parent": metric.to_parent}
        return self._connection.get(f"/runs/{quoted(run)}/metric-points", **words)
