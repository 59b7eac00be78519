"""Charts of runs as tables in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipelinekit.cli.output import table
from pipelinekit.domain.metrics import ACCURACY, MATRIX, PREDICTIONS, RESIDUALS

_COUNTS = ("true positives", "false positives", "true negatives", "false negatives")


def chart_text(kind: str, body: Mapping[str, Any]) -> str:
    """A confusion matrix, an accuracy table, residuals or predictions as text."""
    return _TEXTS[kind](body)


def is_chart(kind: str) -> bool:
    """Whether a metric of this kind is a chart."""
    return kind in _TEXTS


def _matrix(body: Mapping[str, Any]) -> str:
    labels = body["class_labels"]
    cells = [(label, *map(str, row)) for label, row in zip(labels, body["matrix"], strict=True)]
    return table(cells, ("", *labels))


def _accuracy(body: Mapping[str, Any]) -> str:
    rows = [
        (label, by, f"{threshold:g}", *map(str, counts))
        for by in ("probability", "percentile")
        for label, counted in zip(body["class_labels"], body[f"{by}_tables"], strict=True)
        for threshold, counts in zip(body[f"{by}_thresholds"], counted, strict=True)
    ]
    return table(rows, ("class", "by", "threshold", *_COUNTS))


def _bins(body: Mapping[str, Any]) -> str:
    edges = body["bin_edges"]
    columns = {name: values for name, values in body.items() if name != "bin_edges"}
    rows = [tuple(f"{value:g}" for value in row) for row in zip(edges, edges[1:], *columns.values(), strict=False)]
    return table(rows, ("from", "to", *(name.removeprefix("bin_") for name in columns)))


_TEXTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    MATRIX: _matrix,
    ACCURACY: _accuracy,
    RESIDUALS: _bins,
    PREDICTIONS: _bins,
}
