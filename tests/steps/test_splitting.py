from __future__ import annotations

import pyarrow as pa
import pytest
from pipelinekit_steps.columns import TableError
from pipelinekit_steps.splitting import split_table

TABLE = pa.table({"n": list(range(100)), "kind": ["a"] * 80 + ["b"] * 15 + [None] * 5})


def test_every_row_is_in_one_part_and_order_is_kept() -> None:
    train, test = split_table(TABLE, test_share=0.3, seed=1)
    assert (train.num_rows, test.num_rows) == (70, 30)
    assert train.column_names == TABLE.column_names
    numbers = [part["n"].to_pylist() for part in (train, test)]
    assert numbers == [sorted(numbers[0]), sorted(numbers[1])]
    assert sorted(numbers[0] + numbers[1]) == list(range(100))


def test_the_seed_decides() -> None:
    first, again, other = (split_table(TABLE, seed=seed).test for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


@pytest.mark.parametrize("encode", [False, True])
def test_stratified_parts_keep_the_proportions(encode: bool) -> None:
    table = TABLE
    if encode:
        table = table.set_column(1, "kind", table["kind"].dictionary_encode())
    kinds = split_table(table, test_share=0.2, seed=3, stratify="kind").test["kind"].to_pylist()
    assert {kind: kinds.count(kind) for kind in ("a", "b", None)} == {"a": 16, "b": 3, None: 1}


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, 1.5])
def test_a_share_out_of_range(share: float) -> None:
    with pytest.raises(TableError, match=f"test_share is {share}"):
        split_table(TABLE, test_share=share)


def test_a_part_that_would_be_empty() -> None:
    with pytest.raises(TableError, match=r"a table of 2 rows cannot be split with a test_share of 0\.1"):
        split_table(TABLE.slice(0, 2), test_share=0.1)
    with pytest.raises(TableError, match="a table of 0 rows cannot be split"):
        split_table(TABLE.slice(0, 0))
    with pytest.raises(TableError, match="a table of 0 rows cannot be split"):
        split_table(TABLE.slice(0, 0), stratify="kind")


def test_a_value_that_occurs_once() -> None:
    table = pa.table({"kind": ["a", "a", "b"]})
    with pytest.raises(TableError, match="column 'kind' has the value 'b' only once"):
        split_table(table, 0.5, stratify="kind")
    with pytest.raises(TableError, match="the table has no column 'knd'"):
        split_table(table, 0.5, stratify="knd")
