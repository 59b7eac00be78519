"""The records' database on SQLite: created once, never over something else, patient with others, whole after any death."""

import threading

import pytest
from seams import Child, small_disk

from pipelinekit.domain.run_queries import RunQuery
from pipelinekit.errors import StorageError
from pipelinekit.storage import sqlite
from pipelinekit.storage.database import migrations
from pipelinekit.storage.run_queries import SQLRunQueries
from pipelinekit.storage.sqlite import APPLICATION_ID, SQLiteDatabase, wal_is_safe
from pipelinekit.storage.sqlite_library import sqlite3
from pipelinekit.storage.upkeep import SQLUpkeep
from pipelinekit.testing.clock import HandClock

LATEST = migrations()[-1][0]

HOLD = """
    import sqlite3, sys
    connection = sqlite3.connect(sys.argv[1], isolation_level=None)
    connection.execute("begin immediate")
    print("held", flush=True)
    sys.stdin.readline()
    connection.execute("rollback")
"""


def add(database, name):
    return database.write_returning("add_experiment", (name, 0.0))


def names(path):
    connection = sqlite3.connect(path)
    try:
        return sorted(name for (name,) in connection.execute("select name from experiments"))
    finally:
        connection.close()


def test_migrations_run_once(tmp_path):
    path = tmp_path / "records.db"
    database = SQLiteDatabase(path)
    add(database, "kept")
    database.close()
    before = sqlite3.connect(path).execute("select name, sql from sqlite_master order by name").fetchall()
    SQLiteDatabase(path).close()
    connection = sqlite3.connect(path)
    assert connection.execute("select name, sql from sqlite_master order by name").fetchall() == before
    assert connection.execute("pragma user_version").fetchone() == (LATEST,)
    assert connection.execute("pragma application_id").fetchone() == (0x706B6974,)
    connection.close()
    assert names(path) == ["kept"]


def test_migrations_are_numbered_without_gaps():
    assert [number for number, _ in migrations()] == list(range(1, LATEST + 1))


def test_records_of_a_newer_release_are_refused_and_left_alone(tmp_path):
    path = tmp_path / "records.db"
    SQLiteDatabase(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"pragma user_version = {LATEST + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StorageError) as error:
        SQLiteDatabase(path)
    assert f"have schema {LATEST + 1}, newer than the {LATEST} that this release knows" in error.value.message
    assert "newer one" in error.value.hint
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"nonsense" * 1000, b"\0" * 4096, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "records.db"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="cannot be used") as error:
        SQLiteDatabase(path)
    assert str(path) in error.value.message
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "records.db"
    connection = sqlite3.connect(path)
    connection.execute("create table recipes (name text)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="is a database of another program") as error:
        SQLiteDatabase(path)
    assert error.value.hint
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StorageError, match="unable to open") as error:
        SQLiteDatabase(tmp_path / "absent" / "records.db")
    assert "whether the folder exists" in error.value.hint


def test_a_write_waits_while_another_process_writes(tmp_path):
    path = tmp_path / "records.db"
    database = SQLiteDatabase(path)
    holder = Child(HOLD, path)
    assert holder.says() == "held"
    failures = []

    def write():
        try:
            add(database, "patient")
        except StorageError as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    writer.join(0.3)
    assert writer.is_alive(), failures
    holder.tell()
    writer.join(30)
    assert not writer.is_alive()
    assert failures == []
    assert names(path) == ["patient"]
    holder.end()


def test_a_lock_that_is_held_too_long_is_told_and_nothing_is_written(tmp_path, monkeypatch):
    path = tmp_path / "records.db"
    monkeypatch.setattr("pipelinekit.storage.sqlite.BUSY_SECONDS", 0.2)
    database = SQLiteDatabase(path)
    holder = Child(HOLD, path)
    assert holder.says() == "held"
    with pytest.raises(StorageError, match="database is locked") as error, database.transaction():
        add(database, "impatient")
    assert "another process has kept the records locked" in error.value.hint
    assert database.read("list_experiments") == [], "reading goes on meanwhile"
    holder.tell()
    holder.end()
    assert names(path) == []
    add(database, "afterwards")
    assert names(path) == ["afterwards"]


def test_opening_a_locked_database_does_not_write(tmp_path, monkeypatch):
    path = tmp_path / "records.db"
    SQLiteDatabase(path).close()
    monkeypatch.setattr("pipelinekit.storage.sqlite.BUSY_SECONDS", 0.2)
    holder = Child(HOLD, path)
    assert holder.says() == "held"
    assert SQLiteDatabase(path).read("list_experiments") == []
    holder.tell()
    holder.end()


def test_a_transaction_is_whole_or_nothing(tmp_path):
    database = SQLiteDatabase(tmp_path / "records.db")

    def fails():
        with database.transaction():
            add(database, "lost")
            with database.transaction():
                add(database, "lost too")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert names(database.path) == []
    with database.transaction():
        add(database, "first")
        with database.transaction():
            add(database, "second")
        assert names(database.path) == [], "others see nothing before the end"
    assert names(database.path) == ["first", "second"]


def test_a_failing_query_is_told_and_rolls_back(tmp_path):
    database = SQLiteDatabase(tmp_path / "records.db")
    twice = [("r", "s", 1, 1, "stdout", 0.0, "a"), ("r", "s", 1, 1, "stdout", 0.0, "b")]

    def fails():
        with database.transaction():
            add(database, "lost")
            database.write_many("add_log", twice)

    with pytest.raises(StorageError, match="cannot be used"):
        fails()
    assert names(database.path) == []
    add(database, "kept")
    assert names(database.path) == ["kept"]


def test_a_writer_that_is_killed_leaves_nothing_of_its_transaction(tmp_path):
    path = tmp_path / "records.db"
    database = SQLiteDatabase(path)
    add(database, "before")
    script = """
        import sys
        from pathlib import Path
        from pipelinekit.storage.sqlite import SQLiteDatabase
        database = SQLiteDatabase(Path(sys.argv[1]))
        with database.transaction():
            for number in range(2000):  # enough that pages are spilled to the file
                database.write_returning("add_experiment", (f"{number} " + "x" * 2000, 0.0))
            print("midway", flush=True)
            sys.stdin.readline()
    """
    writer = Child(script, path)
    assert writer.says() == "midway"
    writer.kill()
    assert names(path) == ["before"]
    add(database, "after")
    assert names(path) == ["after", "before"]
    connection = sqlite3.connect(path)
    assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_a_full_disk_is_told_and_the_database_goes_on_when_there_is_room(tmp_path):
    script = """
        import sys
        from pathlib import Path
        from pipelinekit.errors import StorageError
        from pipelinekit.storage.sqlite import SQLiteDatabase
        folder = Path(sys.argv[1])
        ballast = folder / "ballast"
        ballast.write_bytes(bytes(400_000))
        database = SQLiteDatabase(folder / "records.db")
        written = 0
        try:
            while written < 1000:
                database.write_returning("add_experiment", (f"{written:05} " + "x" * 20_000, 0.0))
                written += 1
        except StorageError as error:
            print(error)
        ballast.unlink()
        database.write_returning("add_experiment", ("99999", 0.0))
        rows = database._connection.execute("select count(*) from experiments").fetchone()[0]
        check = database._connection.execute("pragma integrity_check").fetchone()[0]
        print("rows as acknowledged", rows == written + 1, check, 0 < written < 1000)
    """
    said = Child(script, tmp_path, prefix=small_disk(tmp_path, "2m")).end()
    assert "cannot be used: database or disk is full" in said
    assert "free space on the disk and try again" in said
    assert "rows as acknowledged True ok True" in said


SAFE = [(3, 44, 6), (3, 44, 9), (3, 50, 7), (3, 50, 12), (3, 51, 3), (3, 52, 0), (4, 0, 0)]
UNSAFE = [(3, 7, 0), (3, 40, 1), (3, 44, 5), (3, 45, 0), (3, 46, 1), (3, 50, 0), (3, 50, 6), (3, 51, 0), (3, 51, 2)]


@pytest.mark.parametrize("version", SAFE)
def test_releases_without_the_fault_may_use_the_write_ahead_log(version):
    assert wal_is_safe(version)


@pytest.mark.parametrize("version", UNSAFE)
def test_releases_with_the_fault_may_not(version):
    assert not wal_is_safe(version)


@pytest.mark.parametrize(("version", "is_wal"), [((3, 51, 2), False), ((3, 51, 3), True)])
def test_a_server_writes_ahead_only_where_it_is_safe(tmp_path, monkeypatch, version, is_wal):
    monkeypatch.setattr(sqlite, "VERSION", version)
    database = SQLiteDatabase(tmp_path / "records.db")
    assert database.write_ahead() == is_wal
    add(database, "one")
    assert (tmp_path / "records.db-wal").exists() == is_wal
    database.close()


def test_what_was_acknowledged_is_synced_on_every_connection(tmp_path):
    for _ in range(2):  # when the file is made, and later
        database = SQLiteDatabase(tmp_path / "records.db")
        assert database._connection.execute("pragma synchronous").fetchone()[0] == 2
        database.close()


def test_records_of_the_first_schema_are_brought_up_with_what_they_hold(tmp_path):
    path = tmp_path / "records.db"
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in migrations()[0][1].read_text("utf-8").split(";\n"):
        connection.execute(statement)
    connection.execute("insert into experiments values ('exp', 1, 0)")
    connection.execute(
        "insert into runs values ('00000000000001', 1, 'exp', 'pipe', 'graph', 'Completed', 0, 0, 0, '{}', '[]', '{}',"
        " '{\"regenerate\": [], \"continue_on_step_failure\": false, \"compute\": \"local\"}', null, '', '{}', '', 1, 0, 0, 0, 0)"
    )
    connection.execute("insert into completions values ('00000000000001', 'a', 1, 'k', 'd', '{}', 1, 5, 1)")
    connection.execute(f"pragma application_id = {APPLICATION_ID}")
    connection.execute("pragma user_version = 1")
    connection.close()
    database = SQLiteDatabase(path)
    (run,) = SQLRunQueries(database).find(RunQuery())
    assert (run.id, run.pinned) == ("00000000000001", False)
    (item,) = SQLUpkeep(database, HandClock()).inventory().completions
    assert (item.used_at, item.reusable) == (5, True)
    assert database.check() == []
    database.close()
    connection = sqlite3.connect(path)
    assert connection.execute("pragma user_version").fetchone()[0] == LATEST
    connection.close()
