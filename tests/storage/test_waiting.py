"""How long a process waits to write is counted, where it waits."""

from pipelinekit.storage import sqlite
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.storage.waiting import waits


def test_a_wait_for_who_writes_just_now_is_counted_and_none_else(tmp_path, monkeypatch):
    one, two = (SQLiteDatabase(tmp_path / "records.db") for _ in range(2))
    before = waits()
    one.write("count_total", ("a", "b", 1.0))
    assert waits() == before
    writing = one.transaction()
    writing.__enter__()
    one.lock()
    monkeypatch.setattr(sqlite.time, "sleep", lambda _: writing.__exit__(None, None, None))
    two.write("count_total", ("a", "b", 1.0))
    after = waits()
    assert after.count == before.count + 1
    assert after.seconds > before.seconds
    assert two.read("all_totals")[0]["value"] == 2.0
