"""Logs in the database: bounded, in order, followed from a position, whatever bytes a step wrote."""

import pytest
from seams import children

from pipelinekit.domain.attempts import LogChunk
from pipelinekit.storage.logs import SQLLogs
from pipelinekit.storage.sqlite import SQLiteDatabase

MARK = "the rest was dropped"


@pytest.fixture
def database(tmp_path):
    return SQLiteDatabase(tmp_path / "records.db")


def texts(logs, step="step", after=0):
    return [chunk.text for _, chunk in logs.read("run", step, after)]


def chunk(text, step="step", number=1, stream="stdout"):
    return LogChunk(f"run/{step}/{number}", stream, text)


def test_an_attempt_keeps_so_many_characters_and_says_where_it_was_cut(database):
    logs = SQLLogs(database, limit=10)
    logs.append([chunk("12345"), chunk("67"), chunk("89abc"), chunk("never kept")], 0.0)
    logs.append([chunk("nor this")], 0.0)
    whole = "".join(texts(logs))
    assert whole.startswith("123456789a\n")
    assert "an attempt keeps 10 characters" in whole
    assert whole.count(MARK) == 1
    assert "b" not in whole.partition("\n")[0]
    assert "never kept" not in whole


def test_the_mark_comes_once_even_where_the_cut_is_between_two_chunks(database):
    logs = SQLLogs(database, limit=5)
    logs.append([chunk("12345")], 0.0)
    assert texts(logs) == ["12345"], "nothing was dropped yet"


def test_each_attempt_has_the_limit_for_itself(database):
    logs = SQLLogs(database, limit=5)
    logs.append([chunk("aaaaaaaa"), chunk("bbb", number=2), chunk("ccc", step="other")], 0.0)
    assert texts(logs)[1] == "bbb"
    assert texts(logs, "other") == ["ccc"]


def test_the_limit_holds_over_a_change_of_driver(database):
    SQLLogs(database, limit=5).append([chunk("1234")], 0.0)
    successor = SQLLogs(database, limit=5)
    successor.append([chunk("5678")], 0.0)
    successor.append([chunk("9")], 0.0)
    assert "".join(texts(successor)).startswith("12345\n[")
    assert "6" not in "".join(texts(successor)).partition("\n")[0]


def test_positions_go_on_over_a_change_of_driver(database):
    SQLLogs(database).append([chunk("one"), chunk("two")], 0.0)
    SQLLogs(database).append([chunk("three")], 0.0)
    found = SQLLogs(database).read("run", "step")
    assert [item.text for _, item in found] == ["one", "two", "three"]
    positions = [position for position, _ in found]
    assert positions == sorted(set(positions))


def test_a_log_is_followed_by_position(database):
    logs, reader = SQLLogs(database), SQLLogs(SQLiteDatabase(database.path))
    position, seen = 0, []
    for number in range(5):
        logs.append([chunk(f"{number}a"), chunk(f"{number}b", stream="stderr")], float(number))
        for place, item in reader.read("run", "step", position):
            position = place
            seen.append((item.stream, item.text))
    assert seen == [item for number in range(5) for item in (("stdout", f"{number}a"), ("stderr", f"{number}b"))]
    assert reader.read("run", "step", position) == []


@pytest.mark.parametrize(
    "text",
    [
        "\0",
        "a\0b\0",
        "\x1b[31mred\x1b[0m",
        "\r\n\t\x07",
        "\ufffd\ufffe\uffff",
        "𝄞 é 中",
        "'); drop table logs; --",
        "\n",
    ],
)
def test_junk_comes_back_as_it_was(database, text):
    logs = SQLLogs(database)
    logs.append([chunk(text), chunk("after")], 0.0)
    assert texts(logs) == [text, "after"]


def test_nothing_is_written_for_nothing(database):
    logs = SQLLogs(database)
    logs.append([], 0.0)
    logs.append([chunk("")], 0.0)
    assert logs.read("run", "step") == []


def test_step_names_with_slashes_and_numbers_are_told_apart(database):
    logs = SQLLogs(database)
    for step in ("a", "a/1", "a/1/2", "a[1]"):
        logs.append([chunk(f"of {step}", step=step)], 0.0)
    for step in ("a", "a/1", "a/1/2", "a[1]"):
        ((_, found),) = logs.read("run", step)
        assert (found.text, found.attempt) == (f"of {step}", f"run/{step}/1")


def test_processes_that_log_at_once_lose_nothing(database):
    script = """
        import sys
        from pathlib import Path
        from pipelinekit.domain.attempts import LogChunk
        from pipelinekit.storage.logs import SQLLogs
        from pipelinekit.storage.sqlite import SQLiteDatabase
        run = "run" + sys.argv[2]
        logs = SQLLogs(SQLiteDatabase(Path(sys.argv[1])))
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(40):
            logs.append([LogChunk(f"{run}/step/1", "stdout", f"{number} "), LogChunk(f"{run}/step/1", "stderr", "x")], 0.0)
    """
    with children(script, database.path, count=3) as processes:
        for process in processes:
            process.tell()
        for process in processes:
            process.end()
    logs = SQLLogs(database)
    for number in range(3):
        found = [item for _, item in logs.read(f"run{number}", "step")]
        assert "".join(item.text for item in found if item.stream == "stdout").split() == [str(n) for n in range(40)]
        assert len(found) == 80
