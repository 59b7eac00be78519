from __future__ import annotations

import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pipelinekit_steps.columns import TableError, require_columns
from pipelinekit_steps.tables import named_type, read_csv, read_parquet, write_csv, write_parquet


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_csv_types_are_found_or_given() -> None:
    source = write("a.csv", "n,day,at,word\n1,2013-01-02,2013-01-01T10:00:00Z,x\nNA,,,\n")
    found = read_csv(source, null_values=["NA"])
    assert found.to_pylist()[0]["n"] == 1
    assert found.to_pylist()[1] == {"n": None, "day": None, "at": None, "word": None}
    given = read_csv(source, types={"n": "int8", "at": "timestamp[s, tz=UTC]"}, null_values=["NA"])
    assert given.schema.field("n").type == pa.int8()
    assert given.schema.field("at").type == pa.timestamp("s", tz="UTC")
    assert given["day"][0].as_py() == datetime.date(2013, 1, 2)


def test_csv_columns_are_picked_in_order() -> None:
    source = write("a.csv", "a;b;c\n1;2;3\n")
    assert read_csv(source, columns=["c", "a"], delimiter=";").to_pydict() == {"c": [3], "a": [1]}


def test_csv_folder_is_read_by_name() -> None:
    write("months/02.csv", "a\n2\n")
    write("months/01.csv", "a\n1\n")
    write("months/notes.txt", "not a table")
    assert read_csv(Path("months"))["a"].to_pylist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("a\nx\n", {"types": {"a": "int64"}}, r"bad\.csv cannot be read as CSV: .*invalid value 'x'"),
        ("a,b\n1\n", {}, r"bad\.csv cannot be read as CSV: .*Expected 2 columns, got 1"),
        ("a\n1\n", {"columns": ["z"]}, r"bad\.csv cannot be read as CSV: .*'z'"),
        ("a\n1\n", {"types": {"z": "int64"}}, "the table has no column 'z'"),
        ("", {}, r"bad\.csv cannot be read as CSV: .*[Ee]mpty"),
        ("a\n1\n", {"types": {"a": "whole"}}, "there is no column type 'whole'"),
    ],
)
def test_csv_that_cannot_be_read(text: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(TableError, match=words):
        read_csv(write("bad.csv", text), **options)


def test_folder_without_tables_or_with_different_ones() -> None:
    write("empty/readme.txt", "")
    with pytest.raises(TableError, match=r"the folder 'empty' holds no \.csv file"):
        read_csv(Path("empty"))
    write("mixed/1.csv", "a\n1\n")
    write("mixed/2.csv", "a\nx\n")
    with pytest.raises(TableError, match="the files do not have the same columns") as caught:
        read_csv(Path("mixed"))
    assert "give the columns their types" in caught.value.hint


def test_parquet_there_and_back() -> None:
    table = pa.table({"a": [1, 2, None], "words": [["x"], [], None]})
    assert read_parquet(write_parquet(table)).equals(table)
    assert read_parquet(Path("table.parquet"), columns=["words"]).column_names == ["words"]
    with pytest.raises(TableError, match="the table has no column 'b'"):
        read_parquet(Path("table.parquet"), columns=["b"])
    with pytest.raises(TableError, match=r"no\.parquet cannot be read as Parquet"):
        read_parquet(write("no.parquet", "text"))


def test_csv_there_and_back() -> None:
    table = pa.table({"a": [1, None], "b": ["x, y", 'say "so"']})
    assert read_csv(write_csv(table, "out.csv")).equals(table)
    with pytest.raises(TableError, match="cannot be written as CSV") as caught:
        write_csv(pa.table({"a": [[1]]}))
    assert caught.value.hint == "write it as Parquet"


@pytest.mark.parametrize("writer", [write_csv, write_parquet])
def test_equal_tables_give_equal_bytes(writer: object) -> None:
    whole = pa.table({"a": list(range(10))})
    parts = pa.concat_tables([whole.slice(0, 3), whole.slice(3)])
    assert len(parts["a"].chunks) == 2
    assert writer(whole, "1.out").read_bytes() == writer(parts, "2.out").read_bytes()  # type: ignore[operator]


def test_missing_columns_are_named_with_the_nearest() -> None:
    table = pa.table({"origin": ["EWR"], "dest": ["IAH"]})
    require_columns(table, ["dest"])
    with pytest.raises(TableError, match="the table has no column 'orign', 'x'") as caught:
        require_columns(table, ["orign", "x"])
    assert caught.value.hint == "did you mean 'origin'?"
    with pytest.raises(TableError) as caught:
        require_columns(table, ["zzz"])
    assert caught.value.hint == "its columns: origin, dest"


def test_names_of_types() -> None:
    assert named_type("float64") == pa.float64()
    assert named_type("timestamp[ms, tz=Europe/Berlin]") == pa.timestamp("ms", tz="Europe/Berlin")
