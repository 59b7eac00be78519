"""What is found in a table when it is looked through once: nulls, least, greatest, mean and distinct values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelinekit.domain.datasets import ColumnProfile, Profile
from pipelinekit.domain.digests import encode, short_number
from pipelinekit.formats.tabular import mixed

KEPT = 1024  # smallest numbers that are kept of a column: the estimate is off by about three percent
SHOWN = 80  # characters of a least or greatest value


def profile(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Profile:
    """Look through a table, piece by piece."""
    columns = [_Column(field) for field in schema]
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        for column, values in zip(columns, batch.columns, strict=True):
            column.see(values)
    return Profile(rows, tuple(column.found() for column in columns))


class _Column:
    def __init__(self, field: pa.Field) -> None:
        self._field = field
        self._nulls = 0
        self._count = 0
        self._sum = 0.0
        self._low: Any = None
        self._high: Any = None
        self._smallest = pa.array([], pa.uint64())
        kind = field.type
        self._is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        self._is_number = self._is_number or pa.types.is_boolean(kind)

    def see(self, values: pa.Array) -> None:
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        self._nulls += values.null_count
        values = values.drop_null()
        if not len(values):
            return
        self._count_distinct(values)
        if pa.types.is_nested(values.type) or pa.types.is_null(values.type):
            return
        if pa.types.is_floating(values.type):
            values = values.filter(pc.is_finite(values))
            if not len(values):
                return
        ends = pc.min_max(values)
        low, high = ends["min"].as_py(), ends["max"].as_py()
        self._low = low if self._low is None else min(self._low, low)
        self._high = high if self._high is None else max(self._high, high)
        if self._is_number:
            self._count += len(values)
            self._sum += float(pc.sum(values.cast(pa.float64())).as_py())

    def _count_distinct(self, values: pa.Array) -> None:
        found = pc.unique(pa.concat_arrays([self._smallest, _numbers(values)]))
        self._smallest = found.take(pc.array_sort_indices(found)[:KEPT])

    def found(self) -> ColumnProfile:
        distinct = len(self._smallest)
        if distinct == KEPT:
            distinct = round((KEPT - 1) / (float(self._smallest[-1].as_py()) / float(1 << 64)))
        mean = self._sum / self._count if self._count else None
        kind = str(self._field.type)
        return ColumnProfile(self._field.name, kind, self._nulls, _text(self._low), _text(self._high), distinct, mean)


def _numbers(values: pa.Array) -> pa.Array:
    """64 bits for each distinct value."""
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind):
        try:
            return mixed(_wide(pc.unique(values)).view(pa.uint64()))
        except pa.ArrowException:
            pass  # told one by one
    try:
        listed = pc.unique(values).to_pylist()
    except pa.ArrowException:  # lists and structs have no unique
        listed = values.to_pylist()
    return pa.array([short_number(_bytes(item)) for item in listed], pa.uint64())


def _wide(values: pa.Array) -> pa.Array:
    """Numbers and times as numbers of 64 bits."""
    if pa.types.is_floating(values.type):
        return values.cast(pa.float64())
    if not pa.types.is_integer(values.type):
        values = values.view(pa.int64() if values.type.bit_width == 64 else pa.int32())
    return values if values.type == pa.uint64() else values.cast(pa.int64())


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes):
        return value
    try:
        return encode(value)
    except TypeError:
        return repr(value).encode("utf-8", "surrogatepass")


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else repr(value) if isinstance(value, bytes | float) else str(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
