"""Entries, metrics and series as JSON: between step process and driver, and for people's programs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipelinekit.domain.metrics import Entry, Metric, Scalar, Series

_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def entries_to_json(entries: Sequence[Entry]) -> list[Any]:
    """Entries as JSON data."""
    return [[entry.kind, entry.name, entry.body, entry.place, entry.at] for entry in entries]


def entries_from_json(document: Sequence[Any]) -> tuple[Entry, ...]:
    """Entries from JSON data."""
    return tuple(Entry(*item) for item in document)


def numbers_to_json(values: Sequence[Scalar]) -> list[Any]:
    """Values as JSON data: numbers that JSON lacks are written as `{"$": "NaN"}`."""
    if math.isfinite(sum(value for value in values if type(value) is float)):  # the usual case, at the speed of C
        return list(values)
    return [value if type(value) is not float or math.isfinite(value) else {"$": _word(value)} for value in values]


def numbers_from_json(values: Sequence[Any]) -> list[Scalar]:
    """Values from JSON data."""
    return [_WORDS[value["$"]] if type(value) is dict else value for value in values]


def _word(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def metric_document(metric: Metric) -> dict[str, Any]:
    """A metric as people's programs read it."""
    last = numbers_to_json([metric.last])[0] if isinstance(metric.last, float) else metric.last
    document: dict[str, Any] = {"name": metric.name, "kind": metric.kind, "points": metric.points, "last": last}
    if metric.place[1]:
        document["step"] = metric.place[1]
    if metric.lowest is not None:
        document.update(lowest=metric.lowest, highest=metric.highest)
    return document


def series_document(series: Series) -> dict[str, Any]:
    """A series as people's programs read it."""
    document: dict[str, Any] = {"values": numbers_to_json(series.values), "at": list(series.at)}
    if series.steps is not None:
        document["steps"] = list(series.steps)
    return document


def series_from_chunks(chunks: Iterable[Mapping[str, Any]]) -> Series:
    """A series from the bodies that its points were recorded in."""
    values: list[Scalar] = []
    at: list[float] = []
    steps: list[int] = []
    for chunk in chunks:
        found, times = numbers_from_json(chunk["values"]), chunk["at"]
        values += found
        at += times if isinstance(times, list) else [times] * len(found)
        steps += chunk["steps"] or ()
    return Series(values, steps if len(steps) == len(values) and steps else None, at)
