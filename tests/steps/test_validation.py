from __future__ import annotations

import datetime
import pickle

import pyarrow as pa
import pytest
from pipelinekit_steps.columns import TableError
from pipelinekit_steps.validation import InvalidTableError, find_violations, validate_table


def test_a_table_that_keeps_all_rules_comes_back() -> None:
    table = pa.table(
        {
            "n": pa.array([1, 2, None], pa.int8()),
            "x": [0.5, 1.5, 2.5],
            "word": pa.array(["a", "b", "a"]).dictionary_encode(),
            "flag": [True, False, True],
            "day": [datetime.date(2013, 1, day) for day in (1, 2, 3)],
            "other": [1, 1, 1],
        }
    )
    rules = {
        "n": {"type": "integer", "nulls": 0.34, "minimum": 1, "maximum": 2},
        "x": {"type": "number", "unique": True},
        "word": {"type": "text", "values": ["a", "b"]},
        "flag": {"type": "boolean"},
        "day": {"type": "date32[day]", "minimum": datetime.date(2013, 1, 1)},
    }
    assert validate_table(table, rules, unique=["word", "day"]) is table


def test_all_violations_are_told_at_once() -> None:
    table = pa.table(
        {
            "n": [1, -3, 99, None],
            "word": ["a", "q", "r", "s"],
            "x": ["1", "2", "3", "4"],
            "id": [1, 1, 2, 2],
            "extra": [0, 0, 0, 0],
        }
    )
    rules = {
        "n": {"minimum": 0, "maximum": 10},
        "word": {"values": ["a"]},
        "x": {"type": "number", "minimum": 0},
        "id": {"unique": True},
        "gone": {},
    }
    with pytest.raises(InvalidTableError) as caught:
        validate_table(table, rules, unique=["id"], minimum_rows=10, allow_others=False)
    expected = [
        "there are 4 rows, at least 10 must be",
        "column 'n': 1 of 4 values are null, none may be (first in row 3)",
        "column 'n': 1 value is below 0, the smallest is -3 (first in row 1)",
        "column 'n': 1 value is above 10, the largest is 99 (first in row 2)",
        "column 'word': 3 values are not among those allowed: 'q', 'r', 's' (first in row 1)",
        "column 'x': its type is string, not number",
        "column 'id': 2 values are repeated, each may occur once",
        "column 'gone' is missing",
        "columns that are not declared: 'extra'",
        "2 rows repeat the id of another row (for example id=1)",
    ]
    assert caught.value.violations == expected
    assert str(caught.value) == "the table breaks 10 rules:" + "".join(f"\n  - {line}" for line in expected)
    assert pickle.loads(pickle.dumps(caught.value)).violations == expected


@pytest.mark.parametrize(
    ("values", "rules", "words"),
    [
        ([1.0, float("nan")], {}, "1 of 2 values are null, none may be (first in row 1)"),
        ([1.0, None], {"nulls": 0.25}, "1 of 2 values are null, at most 0.25 of them may be (first in row 1)"),
        (["a"], {"minimum": 1}, "values of type string cannot be compared with 1"),
        ([1], {"values": ["a"]}, "values of type int64 cannot be compared with ['a']"),
        (
            list("vwxyz"),
            {"values": []},
            "5 values are not among those allowed: 'v', 'w', 'x' and 2 more (first in row 0)",
        ),
        ([1], {"type": "int32"}, "its type is int64, not int32"),
    ],
)
def test_words_of_a_violation(values: list[object], rules: dict[str, object], words: str) -> None:
    assert find_violations(pa.table({"c": values}), {"c": rules}) == [f"column 'c': {words}"]


def test_nulls_break_no_other_rule() -> None:
    table = pa.table({"n": pa.array([None, None], pa.int64())})
    rules = {"n": {"nulls": 1, "minimum": 0, "maximum": 1, "values": [1], "unique": True}}
    assert find_violations(table, rules) == []


def test_an_empty_table() -> None:
    table = pa.table({"n": pa.array([], pa.int64())})
    assert find_violations(table, {"n": {"minimum": 0}}, unique=["n"], minimum_rows=0) == []
    assert find_violations(table, {}) == ["there are 0 rows, at least 1 must be"]


def test_columns_that_should_tell_rows_apart_are_missing() -> None:
    table = pa.table({"n": [1]})
    assert find_violations(table, {}, unique=["n", "m"]) == ["columns 'm' should tell rows apart and are missing"]


def test_a_rule_that_there_is_not() -> None:
    with pytest.raises(TableError, match="column 'n' has a rule 'min', which there is not") as caught:
        validate_table(pa.table({"n": [1]}), {"n": {"min": 0}})
    assert "minimum" in caught.value.hint
