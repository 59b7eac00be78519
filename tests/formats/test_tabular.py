"""Transformations of tables: whatever their order, they give what doing them to a plain list gives."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelinekit.errors import UsageError
from pipelinekit.formats.profiles import profile
from pipelinekit.formats.tabular import Scan, column_types, mixed

ROWS = [{"n": n, "m": n % 3} for n in range(20)]
OPERATIONS = st.one_of(
    st.tuples(st.just("take"), st.integers(0, 25)),
    st.tuples(st.just("skip"), st.integers(0, 25)),
    st.tuples(st.just("filter"), st.just([["n", ">=", 5]]) | st.just([["m", "in", [0, 2]], ["n", "<", 18]])),
    st.tuples(st.just("sample"), st.just(1.0), st.just(0.0), st.integers(0, 3)),
)


def naive(rows, operation):
    name, *arguments = operation
    match name:
        case "take":
            return rows[: arguments[0]]
        case "skip":
            return rows[arguments[0] :]
        case "sample":
            return rows
        case "filter":
            tests = {">=": lambda a, b: a >= b, "<": lambda a, b: a < b, "in": lambda a, b: a in b}
            return [row for row in rows if all(tests[op](row[name], value) for name, op, value in arguments[0])]


@settings(max_examples=80, deadline=None)
@given(st.lists(OPERATIONS, max_size=5), st.booleans())
def test_a_recipe_gives_what_doing_it_by_hand_gives(operations, columns):
    scan, rows = Scan(ds.dataset(pa.Table.from_pylist(ROWS))), ROWS
    for operation in operations:
        scan.apply(operation)
        rows = naive(rows, operation)
    if columns:
        scan.apply(("keep_columns", ["m"]))
        rows = [{"m": row["m"]} for row in rows]
    assert scan.table().to_pylist() == rows
    assert scan.lazy().to_table().to_pylist() == rows
    assert scan.head(3).to_pylist() == rows[:3]
    assert [row for batch in scan.batches() for row in batch.to_pylist()] == rows
    assert profile(scan.schema, scan.batches()).rows == len(rows)


@settings(deadline=None)
@given(st.floats(0, 1), st.integers())
def test_a_split_gives_every_row_to_one_side(share, seed):
    one, other = (Scan(ds.dataset(pa.Table.from_pylist(ROWS))) for _ in range(2))
    one.apply(("sample", share, 0.0, seed))
    other.apply(("sample", 1.0, share, seed))
    both = [row["n"] for scan in (one, other) for row in scan.table().to_pylist()]
    assert sorted(both) == list(range(20))


def test_chance_is_pinned():
    """Another one would be another content under the same key."""
    assert mixed(pa.array([0, 1, 2], pa.uint64())).to_pylist() == [
        16294208416658607535,
        10451216379200822465,
        10905525725756348110,
    ]
    spread = pc.divide(mixed(pa.array(range(10_000), pa.uint64()), 3).cast(pa.float64(), safe=False), 2.0**64)
    assert abs(pc.mean(spread).as_py() - 0.5) < 0.02


def test_what_is_no_transformation_is_told():
    with pytest.raises(UsageError, match="no transformation 'nothing'"):
        Scan(ds.dataset(pa.table({"a": [1]}))).apply(("nothing",))


def test_types_are_kept_where_they_can_be_read_again():
    schema = pa.schema({"a": pa.int64(), "b": pa.list_(pa.int64()), "c": pa.null(), "d": pa.timestamp("s", "UTC")})
    assert column_types(schema, {"e": "double"}) == {"a": "int64", "e": "double"}
