"""Tables: equal content has one digest, however it came about; what was stored comes back."""

import datetime
import decimal
import itertools
import random

import pandas
import polars
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelinekit.errors import UsageError
from pipelinekit.formats.tables import TableFormat, table_digest

COLUMNS = {
    "int": pa.array([1, None, 3, 4, 5]),
    "float": pa.array([1.5, None, float("nan"), 4, -0.0]),
    "text": pa.array(["a", None, "ccc", "", "é"]),
    "large": pa.array(["a", None, "ccc", "", "é"], pa.large_string()),
    "flag": pa.array([True, None, False, True, True]),
    "list": pa.array([[1, 2], None, [], [3], [4, None]]),
    "struct": pa.array([{"x": 1}, None, {"x": 2}, {"x": None}, {"x": 3}]),
    "category": pa.array(["x", "y", None, "x", "y"]).dictionary_encode(),
    "time": pa.array([datetime.datetime(2020, 1, day) if day != 2 else None for day in range(1, 6)]),
    "date": pa.array([datetime.date(2020, 1, 1)] * 5),
    "decimal": pa.array(
        [decimal.Decimal("1.2"), None, decimal.Decimal("3.4"), decimal.Decimal("1.2"), decimal.Decimal(0)]
    ),
    "binary": pa.array([b"abc", None, b"xyz", b"abc", b""]),
    "fixed": pa.array([b"abc", None, b"xyz", b"abc", b"abc"], pa.binary(3)),
    "null": pa.nulls(5),
    "pairs": pa.array([[1, 2], [3, 4], None, [5, 6], [7, 8]], pa.list_(pa.int32(), 2)),
    "map": pa.array([[("k", 1)], [], None, [("z", 2)], [("z", 3)]], pa.map_(pa.string(), pa.int8())),
}
TABLE = pa.concat_tables([pa.table(COLUMNS)] * 7).combine_chunks()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, TABLE.num_rows - 1), max_size=8, unique=True))
def test_chunks_do_not_count(cuts):
    bounds = [0, *sorted(cuts), TABLE.num_rows]
    parts = [TABLE.slice(start, end - start) for start, end in itertools.pairwise(bounds)]
    assert table_digest(pa.concat_tables(parts)) == table_digest(TABLE)


@pytest.mark.parametrize("name", COLUMNS)
def test_every_value_counts(name):
    column = TABLE.column(name).to_pylist()
    position = TABLE.column_names.index(name)
    for row in range(4):
        if repr(column[row]) == repr(column[row + 1]):
            continue
        changed = list(column)
        changed[row] = column[row + 1]
        other = pa.array(changed, COLUMNS[name].type if name != "category" else pa.string())
        other = other.dictionary_encode() if name == "category" else other
        table = TABLE.set_column(position, TABLE.schema.field(name), pa.chunked_array([other]))
        assert table_digest(table) != table_digest(TABLE), f"row {row} of {name}"


def test_what_lies_behind_nulls_does_not_count():
    def with_garbage(garbage):
        values = pa.py_buffer(b"".join(value.to_bytes(8, "little") for value in (1, garbage, 3)))
        return pa.Array.from_buffers(pa.int64(), 3, [pa.py_buffer(bytes([0b101])), values])

    assert table_digest(pa.table({"a": with_garbage(7)})) == table_digest(pa.table({"a": with_garbage(99)}))
    assert table_digest(pa.table({"a": with_garbage(7)})) == table_digest(pa.table({"a": [1, None, 3]}))


def test_the_order_of_a_dictionary_does_not_count():
    one = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int32()), pa.array(["x", "y"]))
    two = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1], pa.int32()), pa.array(["y", "x"]))
    assert table_digest(pa.table({"a": one})) == table_digest(pa.table({"a": two}))


@pytest.mark.parametrize(
    "other",
    [
        {"a": [1, 2, 3], "b": ["x", "y", "z"]},
        {"b": ["x", "y"], "a": [1, 2]},
        {"a": [1.0, 2.0], "b": ["x", "y"]},
        {"a": [1, 2], "c": ["x", "y"]},
        {"a": [2, 1], "b": ["x", "y"]},
        {"a": [1, 2], "b": ["xy", ""]},
        {"a": [1, 2], "b": ["", "xy"]},
    ],
)
def test_names_types_order_and_borders_count(other):
    assert table_digest(pa.table(other)) != table_digest(pa.table({"a": [1, 2], "b": ["x", "y"]}))


def test_digests_are_pinned():
    """A change here reruns every step that reads a table."""
    simple = pa.table({"a": pa.array([1, 2, None], pa.int64()), "b": pa.array(["x", None, "é"])})
    assert table_digest(simple) == "xxh3:12a0e53bde825d4073585254c1b73281"


FRAME = pandas.DataFrame({"a": [1, 2], "b": ["x", None]}, index=pandas.Index([5, 6], name="row"))


def test_frames_come_back_as_they_were(tmp_path):
    file = tmp_path / "frame"
    content = TableFormat().write(FRAME, file)
    pandas.testing.assert_frame_equal(TableFormat().read(file, None), FRAME)
    pandas.testing.assert_frame_equal(TableFormat().read(file, pandas.DataFrame), FRAME)
    assert TableFormat().read(file, pa.Table).column_names == ["a", "b", "row"]
    assert isinstance(TableFormat().read(file, polars.DataFrame), polars.DataFrame)
    assert TableFormat().write(FRAME.copy(), tmp_path / "again") == content
    assert TableFormat().write(FRAME.reset_index(drop=True), tmp_path / "other") != content


def test_polars_frames_come_back_as_they_were(tmp_path):
    frame = polars.DataFrame({"a": [1, 2], "b": ["x", None]})
    content = TableFormat().write(frame, tmp_path / "frame")
    found = TableFormat().read(tmp_path / "frame", None)
    assert isinstance(found, polars.DataFrame)
    assert found.equals(frame)
    assert TableFormat().read(tmp_path / "frame", pa.Table).schema.metadata is None
    assert TableFormat().write(polars.concat([frame[:1], frame[1:]], rechunk=False), tmp_path / "again") == content


def test_arrow_tables_are_mapped_not_copied(tmp_path):
    table = pa.table({"a": pa.array(range(1_000_000))})
    TableFormat().write(table, tmp_path / "table")
    before = pa.total_allocated_bytes()
    found = TableFormat().read(tmp_path / "table", pa.Table)
    assert found.equals(table)
    assert pa.total_allocated_bytes() - before < 100_000


def test_a_frame_that_arrow_cannot_hold_says_so(tmp_path):
    mixed = pandas.DataFrame({"a": [1, "x", {"y": 2}]})
    with pytest.raises(UsageError, match="cannot be stored as a table"):
        TableFormat().write(mixed, tmp_path / "frame")


def test_random_tables_survive(tmp_path):
    random.seed(3)
    for number in range(20):
        rows = random.randrange(0, 50)
        table = pa.table(
            {
                name: column.take(pa.array([random.randrange(5) for _ in range(rows)], pa.int64()))
                for name, column in COLUMNS.items()
            }
        )
        content = TableFormat().write(table, tmp_path / str(number))
        found = TableFormat().read(tmp_path / str(number), pa.Table)
        assert table_digest(found) == content == table_digest(table)
