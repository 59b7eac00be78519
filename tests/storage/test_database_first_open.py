"""The records' database: made by whoever comes first, and never over another program's."""

import pytest
from seams import children

from pipelinekit.errors import StorageError
from pipelinekit.storage import sqlite
from pipelinekit.storage.sqlite import SQLiteDatabase, wal_is_safe
from pipelinekit.storage.sqlite_library import sqlite3

OPEN = """
    import sys
    from pathlib import Path
    from pipelinekit.errors import StorageError
    from pipelinekit.storage.sqlite import SQLiteDatabase, wal_is_safe
    folder, number = Path(sys.argv[1]), sys.argv[2]
    print("ready", flush=True)
    for line in sys.stdin:
        database = SQLiteDatabase(folder / line.strip())
        database.write_returning("add_experiment", (f"of {number}", 0.0))
        database.close()
        print("opened", flush=True)
"""


def names(path):
    connection = sqlite3.connect(path)
    try:
        return sorted(name for (name,) in connection.execute("select name from experiments"))
    finally:
        connection.close()


def test_a_new_file_is_made_by_whoever_comes_first(tmp_path):
    with children(OPEN, tmp_path, count=3) as processes:
        for attempt in range(8):
            file = f"records-{attempt}.db"
            for process in processes:
                process.tell(file)
            said = [process.says() for process in processes]
            assert said == ["opened"] * 3, [process.process.communicate() for process in processes]
            assert names(tmp_path / file) == ["of 0", "of 1", "of 2"]
        for process in processes:
            process.end()


def test_a_file_that_another_process_makes_meanwhile_is_ours(tmp_path, monkeypatch):
    path = tmp_path / "records.db"
    plain = sqlite3.connect

    class Interrupted(sqlite3.Connection):
        """A process that is held up between its look at the file's mark and its look at the tables."""

        def execute(self, statement, *rest):
            if "sqlite_master" in statement:
                monkeypatch.setattr(sqlite3, "connect", plain)
                SQLiteDatabase(path).close()
            return super().execute(statement, *rest)

    monkeypatch.setattr(sqlite3, "connect", lambda *words, **options: plain(*words, factory=Interrupted, **options))
    SQLiteDatabase(path).close()


@pytest.mark.parametrize("version", [1, 7])
def test_a_database_of_another_program_is_refused_whatever_its_version(tmp_path, version):
    path = tmp_path / "records.db"
    connection = sqlite3.connect(path)
    connection.execute("create table recipes (name text)")
    connection.execute(f"pragma user_version = {version}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="is a database of another program"):
        SQLiteDatabase(path)
    assert path.read_bytes() == before


def test_a_file_with_a_write_ahead_log_gives_it_up_where_it_is_not_safe(tmp_path, monkeypatch):
    path = tmp_path / "records.db"
    monkeypatch.setattr(sqlite, "VERSION", (3, 51, 3))
    database = SQLiteDatabase(path)
    assert database.write_ahead()
    database.write_returning("add_experiment", ("one", 0.0))
    database.close()
    monkeypatch.setattr(sqlite, "VERSION", (3, 51, 2))
    database = SQLiteDatabase(path)
    database.write_returning("add_experiment", ("two", 0.0))
    assert not (tmp_path / "records.db-wal").exists()
    database.close()


def test_a_server_writes_ahead_and_whoever_is_alone_afterwards_leaves_one_file_that_is_whole(tmp_path):
    path = tmp_path / "records.db"
    plain = SQLiteDatabase(path)
    plain.write_returning("add_experiment", ("one", 0.0))
    assert not (tmp_path / "records.db-wal").exists()
    server = SQLiteDatabase(path)
    if not server.write_ahead():
        assert not wal_is_safe(sqlite.VERSION)
        return  # nobody writes ahead here
    plain.write_returning("add_experiment", ("two", 0.0))
    beside = SQLiteDatabase(path)
    beside.write_returning("add_experiment", ("three", 0.0))
    assert (tmp_path / "records.db-wal").exists(), "who comes meanwhile does not end it"
    for database in (plain, server):
        database.close()
    beside.write_returning("add_experiment", ("four", 0.0))
    assert (tmp_path / "records.db-wal").exists()
    beside.close()
    alone = SQLiteDatabase(path)
    alone.write_returning("add_experiment", ("five", 0.0))
    assert not (tmp_path / "records.db-wal").exists()
    with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as connection:  # the file alone
        names = [row[0] for row in connection.execute("select name from experiments order by created_at, name")]
    connection.close()
    assert sorted(names) == ["five", "four", "one", "three", "two"]
    alone.close()
