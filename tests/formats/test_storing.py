"""Values into the store and back: by their declared type and their class, with words for what cannot be stored."""

import datetime
import enum
import os
from collections import namedtuple
from pathlib import Path
from typing import Annotated, Any

import numpy
import pandas
import pyarrow
import pytest

from pipelinekit.authoring.annotations import to_type
from pipelinekit.domain.digests import digest
from pipelinekit.domain.types import ANY
from pipelinekit.errors import IntegrityError, UsageError
from pipelinekit.formats.loading import load_value
from pipelinekit.formats.paths import File, Folder
from pipelinekit.formats.registry import Format, find_format, register_format
from pipelinekit.formats.storing import INLINE_LIMIT, OutputError, store_value
from pipelinekit.testing.stores import MemoryBlobs


class Color(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


class Point:
    def __init__(self, x):
        self.x = x


register_format(
    Point,
    "point",
    write=lambda value, path: path.write_text(str(value.x)),
    read=lambda path: Point(int(path.read_text())),
)
Pair = namedtuple("Pair", "a b")


@pytest.fixture
def blobs():
    return MemoryBlobs()


def there_and_back(value, annotation, blobs, folder):
    os.chdir(folder)
    stored = store_value(value, to_type(annotation), blobs, folder)
    return stored, load_value(stored, annotation, blobs, folder / "inputs" / "port")


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (None, Any, None),
        (True, bool, True),
        (3, int, 3),
        (3, float, 3.0),
        ("é", str, "é"),
        (b"\x00", bytes, b"\x00"),
        (datetime.date(2020, 1, 1), datetime.date, datetime.date(2020, 1, 1)),
        (datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), Any, datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)),
        ([1, None], list[int | None], [1, None]),
        ((1, 2), tuple[int, ...], (1, 2)),
        ((1, "a"), tuple[int, str], (1, "a")),
        ({"b": 1, "a": [{}]}, dict[str, Any], {"a": [{}], "b": 1}),
        ({1: "x", None: "y"}, Any, {1: "x", None: "y"}),
        ({"$float": 1}, Any, {"$float": 1}),
        (float("inf"), float, float("inf")),
        (Color.RED, Color, Color.RED),
        ([Color.RED], list[Color], [Color.RED]),
        ({"k": Color.RED}, dict[str, Color], {"k": Color.RED}),
        (Color.RED, Color | None, Color.RED),
        (numpy.float64(0.5), float, 0.5),
        (numpy.int32(5), int, 5),
        (numpy.bool_(True), bool, True),
        ([numpy.float32(0.5)], list[float], [0.5]),
        (pandas.Timestamp("2020-01-01"), datetime.datetime, datetime.datetime(2020, 1, 1)),
        (Pair(1, 2), Any, [1, 2]),
        (Level.LOW, int, None),
    ],
)
def test_plain_values(value, annotation, expected, blobs, tmp_path):
    if isinstance(value, Level):
        with pytest.raises(OutputError):
            store_value(value, to_type(annotation), blobs, tmp_path)
        return
    stored, found = there_and_back(value, annotation, blobs, tmp_path)
    assert stored.is_inline
    assert (found, type(found)) == (expected, type(expected))
    assert not blobs.contents


def test_the_digest_of_plain_data_is_that_of_the_value_however_it_is_kept(blobs, tmp_path):
    large = list(range(INLINE_LIMIT))
    stored, found = there_and_back(large, Any, blobs, tmp_path)
    assert stored.blob
    assert stored.digest == digest(large)
    assert found == large
    big = b"x" * (INLINE_LIMIT + 1)
    stored, found = there_and_back(big, bytes, blobs, tmp_path)
    assert (stored.format, found) == ("bytes", big)
    assert stored.digest == digest(big)


def test_tables_arrays_models_and_own_formats(blobs, tmp_path):
    frame = pandas.DataFrame({"a": [1]})
    stored, found = there_and_back(frame, pandas.DataFrame, blobs, tmp_path)
    assert stored.format == "arrow"
    pandas.testing.assert_frame_equal(found, frame)
    stored, found = there_and_back(numpy.arange(3), numpy.ndarray, blobs, tmp_path)
    assert stored.format == "numpy"
    assert found.tolist() == [0, 1, 2]
    stored, found = there_and_back(Point(7), Point, blobs, tmp_path)
    assert (stored.format, found.x) == ("point", 7)
    stored, found = there_and_back(Pair(1, 2), Annotated[Pair, Format("pickle")], blobs, tmp_path)
    assert (stored.format, found) == ("pickle", Pair(1, 2))
    stored, found = there_and_back(Pair(1, 2), Annotated[Pair, Format("joblib")], blobs, tmp_path)
    assert (stored.format, found) == ("joblib", Pair(1, 2))


def test_files_keep_their_suffix_and_are_told_by_content(blobs, tmp_path):
    (tmp_path / "a.csv").write_text("1,2")
    stored, found = there_and_back(File("a.csv"), File, blobs, tmp_path)
    assert (stored.format, stored.suffix, found.name, found.read_text()) == ("file", ".csv", "port.csv", "1,2")
    assert isinstance(found, File)
    for name, same in [("b.csv", True), ("b.txt", False)]:
        (tmp_path / name).write_text("1,2")
        other = store_value(name, to_type(File), blobs, tmp_path)
        assert (other.digest == stored.digest) is same


def test_folders_are_trees(blobs, tmp_path):
    (tmp_path / "out" / "sub").mkdir(parents=True)
    (tmp_path / "out" / "a.txt").write_text("a")
    (tmp_path / "out" / "sub" / "run.sh").write_text("b")
    os.chmod(tmp_path / "out" / "sub" / "run.sh", 0o755)
    stored, found = there_and_back(Path("out"), Folder, blobs, tmp_path)
    assert stored.format == "folder"
    assert sorted(str(path.relative_to(found)) for path in found.rglob("*")) == ["a.txt", "sub", "sub/run.sh"]
    assert os.access(found / "sub" / "run.sh", os.X_OK)
    assert isinstance(found, Folder)


def test_lists_and_dicts_of_what_is_not_plain_are_stored_item_by_item(blobs, tmp_path):
    tables = [pyarrow.table({"a": [1]}), pyarrow.table({"a": [2]})]
    stored, found = there_and_back(tables, list[pyarrow.Table], blobs, tmp_path)
    assert (stored.format, len(stored.items)) == ("list", 2)
    assert [table.column("a").to_pylist() for table in found] == [[1], [2]]
    stored, found = there_and_back({"x": numpy.arange(2), "y": 3}, Any, blobs, tmp_path)
    assert (stored.format, stored.keys, found["y"]) == ("dict", ("x", "y"), 3)


@pytest.mark.parametrize(
    ("value", "annotation", "words"),
    [
        ({1, 2}, Any, "value is a builtins.set, which cannot be stored"),
        (object(), Any, "value is a builtins.object, which cannot be stored"),
        ([1, object()], list[Any], "which cannot be stored"),
        ("no", int, "the step returned something else than it declared: expected int, got str 'no'"),
        (None, int, "the step returned something else than it declared: expected int, got NoneType None"),
        (numpy.arange(3), float, "the step declared float, but returned a numpy.ndarray"),
        (pandas.DataFrame(), numpy.ndarray, "the step declared array, but returned a pandas.DataFrame"),
        ("nothing.txt", File, "returned the path 'nothing.txt', where there is nothing"),
        (".", File, "where there is a folder"),
        ({(1, 2): 3}, Any, "value has a key of type tuple"),
        ({1: object()}, Any, "value[1] is a builtins.object, which cannot be stored"),
        ([1, "a"], list[int], "item 1: expected int, got str 'a'"),
    ],
)
def test_what_cannot_be_stored_says_why(value, annotation, words, blobs, tmp_path):
    os.chdir(tmp_path)
    with pytest.raises(UsageError) as error:
        store_value(value, to_type(annotation), blobs, tmp_path)
    assert words in error.value.message


def test_links_out_of_a_folder_are_refused(blobs, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to("/etc/hostname")
    with pytest.raises(UsageError, match="is a link to"):
        store_value(tmp_path / "out", to_type(Folder), blobs, tmp_path)


def test_damaged_values_are_noticed_when_they_are_read(blobs, tmp_path):
    stored = store_value(numpy.arange(3), ANY, blobs, tmp_path)
    blobs.damage(stored.blob)
    with pytest.raises(IntegrityError):
        load_value(stored, None, blobs, tmp_path / "port")


def test_formats_that_are_taken_or_unknown():
    with pytest.raises(UsageError, match="is taken"):
        register_format(Point, "joblib", write=print, read=print)
    with pytest.raises(UsageError, match="there is no format 'nope'"):
        find_format("nope")
