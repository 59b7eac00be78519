"""Charts that code logs as a whole: confusion matrices, accuracy tables, residuals, predictions; what fits them.

Each is a document, or the text of one in JSON, whose `data` may lie beside a schema and a version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.domain.metrics import ACCURACY, MATRIX, PREDICTIONS, RESIDUALS, Scalar, check_scalar
from pipelinekit.errors import UsageError

Numbers = list[Scalar]
_EXAMPLES = {
    MATRIX: '{"class_labels": ["a", "b"], "matrix": [[3, 1], [0, 4]]}',
    ACCURACY: '{"class_labels": ["a"], "probability_thresholds": [0, 1], "probability_tables": [[[3, 1, 0, 4], '
    '[0, 0, 4, 4]]], "percentile_thresholds": [0], "percentile_tables": [[[3, 1, 0, 4]]]}',
    RESIDUALS: '{"bin_edges": [-1, 0, 1], "bin_counts": [3, 4]}',
    PREDICTIONS: '{"bin_edges": [0, 1, 2], "bin_counts": [3, 4], "bin_averages": [0.4, 1.5], "bin_errors": [0, 0.1]}',
}
_COUNTS = 4  # true and false positives, true and false negatives


class _MisfitError(Exception):
    """What of a chart does not fit."""


def check_chart(kind: str, name: str, value: Mapping[str, Any] | str) -> dict[str, Any]:
    """A chart of this kind as plain data. Raises UsageError that says what does not fit."""
    check = {MATRIX: _matrix, ACCURACY: _accuracy, RESIDUALS: _residuals, PREDICTIONS: _predictions}[kind]
    try:
        return check(name, _data(value))
    except _MisfitError as error:
        raise UsageError(f"{kind} {name!r} does not fit: {error}", hint=f"give {_EXAMPLES[kind]}") from None


def _data(value: Mapping[str, Any] | str) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise _MisfitError(f"it is no JSON: {error}") from None
    if not isinstance(value, Mapping):
        raise _MisfitError(f"it is a {type(value).__name__}, no document")
    data = value.get("data", value)
    if not isinstance(data, Mapping):
        raise _MisfitError("its data is no document")
    return data


def _matrix(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    labels = _labels(data)
    rows = _rows(name, data, "matrix", len(labels))
    if len(rows) != len(labels):
        raise _MisfitError(f"{len(labels)} class labels, but {len(rows)} rows")
    return {"class_labels": labels, "matrix": rows}


def _accuracy(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    labels = _labels(data)
    found: dict[str, Any] = {"class_labels": labels}
    for by in ("probability", "percentile"):
        thresholds = _numbers(name, data, f"{by}_thresholds")
        tables = _list(data, f"{by}_tables")
        if len(tables) != len(labels):
            raise _MisfitError(f"{len(labels)} class labels, but {len(tables)} {by}_tables")
        checked = [_rows(name, {f"{by}_tables": table}, f"{by}_tables", _COUNTS) for table in tables]
        if any(len(table) != len(thresholds) for table in checked):
            raise _MisfitError(f"{by}_tables have not a row for each of {len(thresholds)} {by}_thresholds")
        found.update({f"{by}_thresholds": thresholds, f"{by}_tables": checked})
    return found


def _residuals(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return _binned(name, data, ("bin_counts",))


def _predictions(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return _binned(name, data, ("bin_counts", "bin_averages", "bin_errors"))


def _binned(name: str, data: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    edges = _numbers(name, data, "bin_edges")
    found = {"bin_edges": edges}
    for column in columns:
        found[column] = _numbers(name, data, column)
        if len(found[column]) != len(edges) - 1:
            raise _MisfitError(f"{len(edges)} bin_edges need {len(edges) - 1} {column}, there are {len(found[column])}")
    return found


def _labels(data: Mapping[str, Any]) -> list[str]:
    return [str(label) for label in _list(data, "class_labels")]


def _rows(name: str, data: Mapping[str, Any], key: str, width: int) -> list[Numbers]:
    rows = [_numbers(name, {key: row}, key) for row in _list(data, key)]
    if any(len(row) != width for row in rows):
        raise _MisfitError(f"a row of {key} has not {width} values")
    return rows


def _numbers(name: str, data: Mapping[str, Any], key: str) -> Numbers:
    return [check_scalar(f"{name}.{key}", item) for item in _list(data, key)]


def _list(data: Mapping[str, Any], key: str) -> list[Any]:
    """A list of the document; an array of NumPy gives its own."""
    found: Any = data.get(key)
    if isinstance(found, str | bytes | Mapping) or not hasattr(found, "__iter__"):
        raise _MisfitError(f"{key} is missing" if found is None else f"{key} is no list")
    return found.tolist() if hasattr(found, "tolist") else list(found)
