"""What is told of runs, in memory: the twins of `storage.facts` and `storage.metrics`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pipelinekit.classes import replace
from pipelinekit.domain.attempts import LogChunk, Told, attempt_id, split_id
from pipelinekit.domain.metrics import (
    CHILD,
    END,
    FILE,
    IMAGE,
    LOG,
    METRIC_KINDS,
    PARENT,
    PROPERTY,
    ROWS,
    SERIES,
    TAG,
    Entry,
    Metric,
    Series,
    finite,
)
from pipelinekit.domain.runs import CHILD as CHILD_RUN
from pipelinekit.domain.runs import Failure, RunRecord, RunStatus, StepStatus
from pipelinekit.domain.values import StoredValue
from pipelinekit.testing.records import MemoryState
from pipelinekit.wire.metrics import numbers_from_json, series_from_chunks, unpacked
from pipelinekit.wire.values import value_from_json

Place = tuple[str, str, bool]


class MemoryFacts:
    """Twin of `storage.facts.SQLFacts`."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def tell(self, told: Sequence[Told]) -> None:
        """Keep what attempts told."""
        state = self._state
        for event in told:
            run, step, number = split_id(event.attempt)
            if state.told_by.setdefault((run, step), number) < number:
                state.told_by[run, step] = number
                state.metrics = {key: chunks for key, chunks in state.metrics.items() if key[:2] != (run, step)}
            for entry in event.entries:
                self._keep(run, step, entry)

    def tell_run(self, run: str, entries: Sequence[Entry]) -> None:
        """Keep what was told of a run that has no steps."""
        for entry in entries:
            self._keep(run, "", entry)

    def end_children(self, owner: str) -> None:
        """Fail the child runs that were left open."""
        for run in list(self._state.runs.values()):
            if run.kind == CHILD_RUN and run.owner == owner and run.status is RunStatus.RUNNING:
                self._end(run, RunStatus.FAILED, "what made this child run ended before it did", "lost")

    def _keep(self, run: str, step: str, entry: Entry) -> None:
        state, place = self._state, (run, step, False)
        if entry.place == PARENT:
            place = (run, step, True)
        elif entry.place:
            place = (entry.place, "", False)
        places = [place, (run, "", False)] if place[2] else [place]
        if entry.kind == SERIES:
            entry = replace(entry, body=unpacked(entry.body))
        if entry.kind in METRIC_KINDS:
            state.metrics.setdefault((*place, entry.name), []).append(entry)
        if entry.kind == LOG:
            chunk = LogChunk(attempt_id(*place[:2], 1), entry.name, entry.body)
            state.logs.setdefault(place[:2], []).append(chunk)
        for target in places:
            if entry.kind == TAG:
                state.tags.setdefault(target, {})[entry.name] = entry.body
            elif entry.kind == PROPERTY:
                state.properties.setdefault(target, {}).setdefault(entry.name, entry.body)
            elif entry.kind in (FILE, IMAGE):
                name = f"images/{entry.name}" if entry.kind == IMAGE else entry.name
                state.files.setdefault(target, {})[name] = value_from_json(entry.body)
        if entry.kind == CHILD and entry.place not in state.runs:
            parent, above = entry.body["parent"] or run, state.runs[run]
            state.runs[entry.place] = replace(
                above,
                id=entry.place,
                number=0,
                graph="",
                kind=CHILD_RUN,
                status=RunStatus.RUNNING,
                created_at=entry.at,
                started_at=entry.at,
                ended_at=None,
                arguments={},
                paths={},
                outputs={},
                parent=parent,
                parent_step="" if entry.body["parent"] else step,
                display_name=entry.name,
                description="",
                failure=None,
                source="",
                details={},
                pinned=False,
            )
        elif entry.kind == END:
            self._end(state.runs[entry.place], RunStatus(entry.name), entry.body, "user", entry.at)

    def _end(self, run: RunRecord, status: RunStatus, why: str, kind: str, at: float | None = None) -> None:
        if run.status is RunStatus.RUNNING:
            failure = Failure(kind, why) if why else None
            at = self._state.clock.now() if at is None else at
            self._state.runs[run.id] = replace(run, status=status, ended_at=at, failure=failure, owner="")

    def set_tags(self, run: str, tags: Mapping[str, str], *, step: str = "") -> None:
        """Set tags."""
        self._state.tags.setdefault((run, step, False), {}).update(tags)

    def remove_tags(self, run: str, keys: Sequence[str], *, step: str = "") -> None:
        """Remove tags."""
        for key in keys:
            self._state.tags.get((run, step, False), {}).pop(key, None)

    def add_properties(self, run: str, properties: Mapping[str, str], *, step: str = "") -> None:
        """Add properties."""
        place = (run, step, False)
        self._state.properties[place] = {**properties, **self._state.properties.get(place, {})}

    def put_file(self, run: str, name: str, value: StoredValue, *, step: str = "") -> None:
        """Keep a stored file."""
        self._state.files.setdefault((run, step, False), {})[name] = value

    def rename(self, run: str, *, display_name: str | None = None, description: str | None = None) -> None:
        """Change how a run is shown."""
        record = self._state.runs[run]
        self._state.runs[run] = replace(
            record,
            display_name=record.display_name if display_name is None else display_name,
            description=record.description if description is None else description,
        )

    def tags(self, run: str, *, step: str = "") -> Mapping[str, str]:
        """Tags by key."""
        return _sorted(self._state.tags.get((run, step, False), {}))

    def properties(self, run: str, *, step: str = "") -> Mapping[str, str]:
        """Properties by key."""
        return _sorted(self._state.properties.get((run, step, False), {}))

    def files(self, run: str, *, step: str = "") -> Mapping[str, StoredValue]:
        """Files by name."""
        return _sorted(self._state.files.get((run, step, False), {}))

    def children(self, run: str, *, step: str = "") -> Sequence[RunRecord]:
        """Child runs in the order in which they began."""
        runs = (record for name, record in self._state.runs.items() if name not in self._state.removed)
        found = [record for record in runs if record.parent == run and step in ("", record.parent_step)]
        return sorted(found, key=lambda record: (record.created_at, record.id))


class MemoryMetrics:
    """Twin of `storage.metrics.SQLMetrics`."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def of_run(self, run: str) -> Sequence[Metric]:
        """Metrics of a run itself, and what its steps told it."""
        places: list[Place] = [(run, "", False)]
        places += [(*original, True) for _, original in self._originals(run)]
        found = [metric for place in places for metric in self._metrics(place)]
        return sorted(found, key=lambda metric: (metric.name, metric.place[1]))

    def listed(self, run: str) -> Sequence[Metric]:
        """Metrics that a run is found by: its own; if it has one step, that one's too."""
        own = self.of_run(run)
        names = {metric.name for metric in own}
        steps = self.of_steps(run) if len(self._state.steps.get(run, {})) == 1 else ()
        return [*own, *(metric for _, metric in steps if metric.name not in names)]

    def of_steps(self, run: str) -> Sequence[tuple[str, Metric]]:
        """Metrics of the steps of a run."""
        return [
            (step, metric) for step, original in self._originals(run) for metric in self._metrics((*original, False))
        ]

    def of_step(self, run: str, step: str) -> Sequence[Metric]:
        """Metrics of one step run that executed."""
        return self._metrics((run, step, False))

    def series(self, metric: Metric) -> Series:
        """All points of a series."""
        return series_from_chunks(entry.body for entry in self._entries(metric))

    def rows(self, metric: Metric) -> dict[str, list[Any]]:
        """All rows of a table by column."""
        rows: list[dict[str, Any]] = []
        for entry in self._entries(metric):
            columns = {name: numbers_from_json(values) for name, values in entry.body["columns"]}
            rows += [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: [row.get(name) for row in rows] for name in names}

    def body(self, metric: Metric) -> Any:
        """What was logged last."""
        return self._entries(metric)[-1].body

    def _entries(self, metric: Metric) -> list[Entry]:
        return self._state.metrics[(*metric.place, metric.to_parent, metric.name)]

    def _originals(self, run: str) -> Iterator[tuple[str, tuple[str, str]]]:
        for step in sorted(self._state.steps.get(run, {}).values(), key=lambda step: (step.node, step.element)):
            reused = step.status is StepStatus.REUSED
            yield step.name, (step.original_run, step.original_step) if reused else (run, step.name)

    def _metrics(self, place: Place) -> list[Metric]:
        found = [(key[3], entries) for key, entries in self._state.metrics.items() if key[:3] == place]
        return [_metric(name, place, entries) for name, entries in sorted(found)]


def _metric(name: str, place: Place, entries: Sequence[Entry]) -> Metric:
    kind, body = entries[-1].kind, entries[-1].body
    count, last = len(entries), cast("Any", None)
    numbers: list[float] = []
    number = None
    if kind == SERIES:
        values = series_from_chunks(entry.body for entry in entries).values
        count, last, number = len(values), values[-1], finite(values[-1])
        numbers = [found for value in values if (found := finite(value)) is not None]
    elif kind == ROWS:
        count = sum(len(entry.body["columns"][0][1]) for entry in entries)
        last = {column: values[-1] for column, values in body["columns"] if values}
    lowest, highest = (min(numbers), max(numbers)) if numbers else (None, None)
    return Metric(name, kind, place[:2], place[2], count, last, number, lowest, highest)


def _sorted(items: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sorted(items.items()))
