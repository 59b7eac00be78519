"""Canonical forms: what does not matter is taken out, and nothing else."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelinekit.domain.steps import Canonical
from pipelinekit.domain.types import ANY
from pipelinekit.formats.canonical import canonical_value
from pipelinekit.formats.storing import OutputError, store_value
from pipelinekit.testing.stores import MemoryBlobs

FLOATS = st.floats(-1e6, 1e6)


def identity(value, form, tmp_path):
    return store_value(canonical_value(value, form), ANY, MemoryBlobs(), tmp_path).digest


@pytest.mark.parametrize("make", [pa.table, pd.DataFrame, pl.DataFrame])
def test_the_order_of_rows_does_not_matter_where_it_is_declared(make, tmp_path):
    first = make({"a": [3, 1, 2], "b": ["x", "y", None]})
    second = make({"a": [1, 2, 3], "b": ["y", None, "x"]})
    other = make({"a": [1, 2, 3], "b": ["y", "x", None]})
    form = Canonical(order=True)
    assert identity(first, form, tmp_path) == identity(second, form, tmp_path)
    assert identity(first, form, tmp_path) != identity(other, form, tmp_path)
    assert identity(first, Canonical(), tmp_path) != identity(second, Canonical(), tmp_path)


@pytest.mark.parametrize("make", [pa.table, pd.DataFrame, pl.DataFrame])
def test_digits_beyond_the_declared_ones_do_not_matter(make, tmp_path):
    form = Canonical(decimals=3)
    values = [identity(make({"a": [number, -0.0]}), form, tmp_path) for number in (0.1234, 0.1231, 0.1239)]
    assert values[0] == values[1]
    assert values[0] != values[2]
    assert identity(make({"a": [0.0]}), form, tmp_path) == identity(make({"a": [-0.0]}), form, tmp_path)


def test_types_of_columns_and_the_library_stay(tmp_path):
    table = pa.table({"a": pa.array([1.25, None], pa.float32()), "b": [1, 2]})
    found = canonical_value(table, Canonical(decimals=1))
    assert found.schema == table.schema
    assert found.to_pydict() == {"a": [pytest.approx(1.2), None], "b": [1, 2]}


def test_arrays(tmp_path):
    form = Canonical(order=True, decimals=1)
    first, second = np.array([[2.04, 1.0], [1.0, 5.0]]), np.array([[1.0, 5.01], [2.0, 1.0]])
    assert np.array_equal(canonical_value(first, form), canonical_value(second, form))
    assert canonical_value(np.array([3, 1]), form).tolist() == [1, 3]


@given(st.lists(FLOATS, max_size=8), st.randoms(use_true_random=False), st.integers(0, 6))
def test_any_order_of_a_list_is_one(items, random, decimals):
    shuffled = items[:]
    random.shuffle(shuffled)
    form = Canonical(order=True, decimals=decimals)
    found = canonical_value(items, form)
    assert found == canonical_value(shuffled, form)
    assert canonical_value(found, form) == found
    assert all(
        abs(before - after) <= 10.0**-decimals for before, after in zip(sorted(items), sorted(found), strict=True)
    )


def test_floats_deep_inside_are_rounded_and_their_order_stays():
    value = {"b": [2.00001, {"c": 1.00001}], "a": "text", "n": 1, "t": True}
    assert canonical_value(value, Canonical(order=True, decimals=2)) == {
        "b": [2.0, {"c": 1.0}],
        "a": "text",
        "n": 1,
        "t": True,
    }


@pytest.mark.parametrize("value", [{1, 2}, object(), pa.table({"a": [[1], [2]]})])
def test_what_has_no_canonical_form_is_refused_with_words(value):
    with pytest.raises(OutputError) as caught:
        canonical_value(value, Canonical(order=True))
    assert caught.value.hint
