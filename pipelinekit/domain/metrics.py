"""Metrics: what a step's code tells of its run besides its outputs, as series, tables, images and matrices.

An *entry* is one thing that was told, on its way from a step's process to the records.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.classes import frozen
from pipelinekit.domain.names import LONGEST
from pipelinekit.errors import UsageError

SERIES, ROWS, IMAGE, MATRIX = "series", "rows", "image", "confusion matrix"  # kinds of metrics
ACCURACY, RESIDUALS, PREDICTIONS = "accuracy table", "residuals", "predictions"  # more of them; see `domain.charts`
TAG, PROPERTY, FILE, CHILD, END = "tag", "property", "file", "child", "end"  # kinds of entries that are no metrics
LOG = "log"  # the kind of what is written to the log of a run that has no process of its own
METRIC_KINDS = (SERIES, ROWS, IMAGE, MATRIX, ACCURACY, RESIDUALS, PREDICTIONS)
PARENT = "parent"  # the place of an entry that is told to the run instead of the step
MOST_COLUMNS = 50
MOST_NAMES = 1000  # names that were looked at and are remembered
LONGEST_TEXT = 10_000
MOST_TAGS = 50
LONGEST_KEY, LONGEST_VALUE = 100, 1000

Scalar = float | int | bool | str


@frozen
class Entry:
    """One thing that was told, at `at` seconds since 1970.

    `place` is empty for the step run, `parent` for the run that it belongs to, or the id of a child run. `body` is JSON
    data: of a series `{"values": [...], "steps": [...] or null, "at": [...]}`, or the same packed into a text, with
    what is to be known of it (`wire.metrics.series_to_json`); of rows `{"columns": [[name, [...]], ...]}`; of an image
    or a file a stored value; of a tag or property its text. A text of a log is named by its stream.
    """

    kind: str
    name: str
    body: Any
    place: str = ""
    at: float = 0.0


@frozen
class Metric:
    """What is known of one metric without reading its points.

    `place` is (run, step), with an empty step for what belongs to the run itself. `to_parent` marks what a step told
    its run. `last` is the newest value, `number` the same where it is a finite number, `lowest` and `highest` are the
    bounds of all.
    """

    name: str
    kind: str
    place: tuple[str, str]
    to_parent: bool = False
    points: int = 0
    last: Any = None
    number: float | None = None
    lowest: float | None = None
    highest: float | None = None


@frozen
class Series:
    """Points of a metric in the order in which they came; `steps` is None when they were logged without."""

    values: Sequence[Scalar]
    steps: Sequence[int] | None = None
    at: Sequence[float] = ()


# -- rules -------------------------------------------------------------------------------------------------------------


_fine: set[str] = set()


def check_metric_name(name: object) -> str:
    """The name, if it may name a metric. Raises UsageError."""
    if type(name) is str and name in _fine:  # a loop logs under the same names again and again
        return name
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST or not name.isprintable():
        raise UsageError(
            f"a metric cannot be named {name!r}", hint=f"give 1 to {LONGEST} printable characters, such as 'val/loss'"
        )
    if len(_fine) < MOST_NAMES:
        _fine.add(name)
    return name


def check_scalar(name: str, value: object) -> Scalar:
    """The value as a plain number, bool or text. Raises UsageError for anything else."""
    if type(value) in (float, int, bool):
        return value  # type: ignore[return-value]
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            raise UsageError(f"the text logged as {name!r} has {len(value)} characters, more than {LONGEST_TEXT}")
        return str(value)
    if (
        isinstance(value, Sequence | Mapping)
        or hasattr(value, "__next__")
        or getattr(value, "shape", ()) not in ((), (1,))
    ):
        raise UsageError(
            f"metric {name!r} was given a {type(value).__name__}, not one value",
            hint="use log_list for many values, log_row or log_table for named columns",
        )
    item = getattr(value, "item", None)  # NumPy's scalars, and tensors of one element
    if item is not None:
        return check_scalar(name, item())
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise UsageError(
            f"metric {name!r} was given a value of type {type(value).__name__!r}",
            hint="give a number, a bool or a text",
        ) from None


def check_columns(name: str, columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Scalar]]:
    """Columns of equal length with plain values. Raises UsageError."""
    if not columns:
        raise UsageError(f"table {name!r} was given no columns")
    if len(columns) > MOST_COLUMNS:
        raise UsageError(f"table {name!r} was given {len(columns)} columns, more than {MOST_COLUMNS}")
    checked: dict[str, list[Scalar]] = {}
    for column, values in columns.items():
        if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
            raise UsageError(f"column {column!r} of table {name!r} is one value, not a list", hint="use log_row")
        checked[check_metric_name(column)] = [check_scalar(f"{name}.{column}", value) for value in values]
    lengths = {column: len(values) for column, values in checked.items()}
    if len(set(lengths.values())) > 1:
        words = ", ".join(f"{column} has {length}" for column, length in lengths.items())
        raise UsageError(f"the columns of table {name!r} differ in length: {words}")
    return checked


def check_text(kind: str, key: object, value: object) -> tuple[str, str]:
    """Key and value of a tag or property as texts within their limits. Raises UsageError."""
    key, value = str(key), "" if value is None else str(value)
    if not key.isprintable():
        raise UsageError(f"{kind} {key[:LONGEST_KEY]!r} is not printable", hint="give letters, digits and signs")
    if not 0 < len(key) <= LONGEST_KEY or len(value) > LONGEST_VALUE:
        raise UsageError(
            f"{kind} {key[:LONGEST_KEY]!r} is {'too long' if key else 'no name'}",
            hint=f"a key has 1 to {LONGEST_KEY} characters, a value at most {LONGEST_VALUE}",
        )
    return key, value


# -- series ------------------------------------------------------------------------------------------------------------


def finite(value: object) -> float | None:
    """The value as a number that can be compared; None for texts, infinities and what is no number."""
    if isinstance(value, bool | int | float) and math.isfinite(value):
        return float(value)
    return None


def downsample(series: Series, most: int) -> Series:
    """A series of at most `most` points that looks the same when drawn: lowest and highest point of each stretch."""
    count = len(series.values)
    if count <= most or most < 2:
        return series
    buckets = most // 2
    kept: list[int] = []
    for bucket in range(buckets):
        begin, end = bucket * count // buckets, (bucket + 1) * count // buckets
        numbers = [
            (number, place) for place in range(begin, end) if (number := finite(series.values[place])) is not None
        ]
        places = {min(numbers)[1], max(numbers)[1]} if numbers else {begin}
        kept += sorted(places)
    kept[0], kept[-1] = 0, count - 1  # where a series begins and ends is looked at most
    return Series(
        [series.values[place] for place in kept],
        [series.steps[place] for place in kept] if series.steps is not None else None,
        [series.at[place] for place in kept] if series.at else (),
    )
