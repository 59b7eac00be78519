"""Splitting tables into a part to train on and a part to test with."""

from __future__ import annotations

from typing import NamedTuple

import numpy
import pyarrow as pa
import pyarrow.compute as pc

from pipelinekit import step
from pipelinekit_steps.columns import TableError, require_columns


class Split(NamedTuple):
    """The two parts of a table."""

    train: pa.Table
    test: pa.Table


@step
def split_table(table: pa.Table, test_share: float = 0.2, seed: int = 0, stratify: str = "") -> Split:
    """Split the rows at random into `.train` and `.test`; both keep the order and the columns of the table.

    `test_share` is the share of rows that go to the test part, more than 0 and less than 1. `stratify` names a column
    each of whose values, nulls included, is split in this proportion. Equal tables and seeds give equal parts.

    Raises TableError when the share is out of range, a part would be empty, the column is missing, or one of its
    values occurs only once.
    """
    if not 0 < test_share < 1:
        raise TableError(f"test_share is {test_share}", hint="it must be more than 0 and less than 1")
    generator = numpy.random.default_rng(seed)
    groups = _groups(table, stratify) if stratify else [numpy.arange(table.num_rows)]
    chosen = [generator.permutation(rows)[: round(test_share * len(rows))] for rows in groups]
    is_test = numpy.zeros(table.num_rows, dtype=bool)
    is_test[numpy.concatenate(chosen)] = True
    if is_test.all() or not is_test.any():
        raise TableError(f"a table of {table.num_rows} rows cannot be split with a test_share of {test_share}")
    return Split(table.filter(pa.array(~is_test)), table.filter(pa.array(is_test)))


def _groups(table: pa.Table, column: str) -> list[numpy.ndarray]:
    """Row numbers for each value of a column, in the order of the values; nulls come last."""
    require_columns(table, [column])
    values = table[column]
    plain = values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
    codes = pc.rank(plain, tiebreaker="dense").to_numpy()
    order = numpy.argsort(codes, kind="stable")
    groups = numpy.split(order, numpy.flatnonzero(numpy.diff(codes[order])) + 1)
    for rows in groups:
        if len(rows) == 1:
            value = table[column][int(rows[0])].as_py()
            raise TableError(
                f"column {column!r} has the value {value!r} only once, so that it cannot be in both parts",
                hint="stratify by a column whose values repeat, or leave out the rare ones",
            )
    return groups
