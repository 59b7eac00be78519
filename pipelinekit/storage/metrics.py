"""Metrics in the database: points lie in chunks as they came, and what is asked most lies beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelinekit.domain.metrics import PARENT, ROWS, SERIES, Entry, Metric, Series, finite
from pipelinekit.storage.database import Database, Row
from pipelinekit.wire.metrics import numbers_from_json, series_from_chunks
from pipelinekit.wire.values import dumps, loads

Place = tuple[str, str, int]  # run, step, and whether it was told to the run


class SQLMetrics:
    """Implements `ports.MetricRecords` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_run(self, run: str) -> Sequence[Metric]:
        """Metrics of a run itself, and what its steps told it; a reused step tells again what its original told."""
        return [_metric(row) for row in self._database.read("metrics_of_run", (run, run))]

    def listed(self, run: str) -> Sequence[Metric]:
        """Metrics that a run is found by: its own; if it has one step, that one's too, under names of their own."""
        own = self.of_run(run)
        names = {metric.name for metric in own}
        found = [_metric(row) for row in self._database.read("metrics_of_only_step", (run, run))]
        return [*own, *(metric for metric in found if metric.name not in names)]

    def of_steps(self, run: str) -> Sequence[tuple[str, Metric]]:
        """Metrics of the steps of a run, with the names of the steps; a reused step shows those of its original."""
        return [(row["step"], _metric(row)) for row in self._database.read("steps_with_metrics", (run,))]

    def of_step(self, run: str, step: str) -> Sequence[Metric]:
        """Metrics of one step run that executed."""
        return [_metric(row) for row in self._database.read("metrics_of_step", (run, step))]

    def series(self, metric: Metric) -> Series:
        """All points of a series."""
        return series_from_chunks(self._chunks(metric))

    def rows(self, metric: Metric) -> dict[str, list[Any]]:
        """All rows of a table by column; a column that some rows lack has None there."""
        columns: dict[str, list[Any]] = {}
        count = 0
        for chunk in self._chunks(metric):
            found = {name: numbers_from_json(values) for name, values in chunk["columns"]}
            length = len(next(iter(found.values()), ()))
            for name in {**columns, **found}:
                columns.setdefault(name, [None] * count).extend(found.get(name, [None] * length))
            count += length
        return columns

    def body(self, metric: Metric) -> Any:
        """What was logged last as an image (a stored value) or a confusion matrix."""
        return self._chunks(metric)[-1]

    def _chunks(self, metric: Metric) -> list[Any]:
        place = (*metric.place, metric.name, int(metric.to_parent))
        return [loads(row["body"]) for row in self._database.read("read_chunks", place)]


def add_metric(database: Database, place: Place, entry: Entry) -> None:
    """Write an entry that is a metric, behind what there is of it."""
    run, step, to_parent = place
    count, last = 1, None
    lowest = highest = number = None
    text = ""
    if entry.kind == SERIES and "packed" in entry.body:
        text, count, last, lowest, highest = (
            entry.body[name] for name in ("packed", "points", "last", "lowest", "highest")
        )
        number = finite(last)
    elif entry.kind == SERIES:
        values = numbers_from_json(entry.body["values"])
        count, last = len(values), entry.body["values"][-1]
        numbers = [found for value in values if (found := finite(value)) is not None]
        if numbers:
            lowest, highest, number = min(numbers), max(numbers), finite(values[-1])
    elif entry.kind == ROWS:
        columns = entry.body["columns"]
        count = len(columns[0][1])
        last = {name: values[-1] for name, values in columns if values}
    chunk = database.write_returning(
        "add_points", (run, step, entry.name, to_parent, entry.kind, count, dumps(last), number, lowest, highest)
    )[0]["chunks"]
    database.write("add_chunk", (run, step, entry.name, to_parent, chunk, text or dumps(entry.body)))


def place_of(run: str, step: str, entry: Entry) -> Place:
    """Where an entry that a step told belongs: to the step, to the run, or to a child run."""
    if entry.place in ("", PARENT):
        return run, step, int(entry.place == PARENT)
    return entry.place, "", 0


def _metric(row: Row) -> Metric:
    return Metric(
        row["name"],
        row["kind"],
        (row["run"], row["step"]),
        bool(row["to_parent"]),
        row["points"],
        numbers_from_json([loads(row["last"])])[0] if row["kind"] == SERIES else loads(row["last"]),
        row["number"],
        row["lowest"],
        row["highest"],
    )
