"""Entries, metrics and series as JSON: between step process and driver, and for people's programs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipelinekit.domain.metrics import Entry, Metric, Scalar, Series
from pipelinekit.wire.values import dumps, loads

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


def series_to_json(values: Sequence[Scalar], steps: Sequence[int] | None, at: Sequence[float]) -> dict[str, Any]:
    """Points of a series, as the body of an entry.

    Numbers are packed where they were told: as a text that is kept as it is, with what is to be known of it. So the
    driver, which has the points of all steps to keep, need not look at each.
    """
    body = {"values": numbers_to_json(values), "steps": list(steps) if steps else None, "at": _times_to_json(at)}
    try:
        if not math.isfinite(sum(values)):  # type: ignore[arg-type]
            return body
    except (TypeError, OverflowError):  # a text is among them, or a number that no float can hold
        return body
    lowest, highest, last = min(values), max(values), values[-1]
    return {
        "packed": dumps(body),
        "points": len(values),
        "last": last,
        "lowest": float(lowest),
        "highest": float(highest),
    }


def unpacked(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body of an entry of a series, with its points."""
    found: Mapping[str, Any] = loads(body["packed"]) if "packed" in body else body
    return found


def _times_to_json(at: Sequence[float]) -> Any:
    """One time where all are equal, and each once where many are."""
    if at[0] == at[-1]:
        return at[0]  # a list that was told at once has one time
    equal = [[time, len(list(times))] for time, times in itertools.groupby(at)]
    return {"equal": equal} if 2 * len(equal) < len(at) else list(at)


def _times_from_json(document: Any, count: int) -> list[float]:
    if isinstance(document, dict):
        return [time for time, times in document["equal"] for _ in range(times)]
    return document if isinstance(document, list) else [document] * count


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
        found = numbers_from_json(chunk["values"])
        values += found
        at += _times_from_json(chunk["at"], len(found))
        steps += chunk["steps"] or ()
    return Series(values, steps if len(steps) == len(values) and steps else None, at)
