"""Records of every earlier schema are brought up with what they hold, on SQLite and on PostgreSQL."""

import os
import re
import threading

import psycopg
import pytest
from postgres import schema_of

from pipelinekit.domain.addresses import postgres_address
from pipelinekit.domain.run_queries import RunQuery
from pipelinekit.errors import StorageError
from pipelinekit.storage.database import migrations, statements
from pipelinekit.storage.dialect import postgres_statement
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.run_queries import SQLRunQueries
from pipelinekit.storage.sqlite import APPLICATION_ID, SQLiteDatabase
from pipelinekit.storage.sqlite_library import sqlite3
from pipelinekit.storage.upkeep import SQLUpkeep
from pipelinekit.testing.clock import HandClock

LATEST = migrations()[-1][0]
RUN = "00000000000001"
OPTIONS = '{"regenerate": [], "continue_on_step_failure": false, "compute": "local"}'
ROWS = f"""
insert into experiments (name, runs, created_at) values ('exp', 1, 0);
insert into runs (id, number, experiment, pipeline, graph, status, created_at, arguments, paths, outputs, options, source,
    details, owner, epoch, lease_until, renewed_at, cancel_requested, events)
values ('{RUN}', 1, 'exp', 'pipe', 'graph', 'Completed', 0, '{{}}', '[]', '{{}}', '{OPTIONS}', '', '{{}}', '', 1, 0, 0, 0, 0);
insert into completions (run, step, attempt, key, definition, outputs, seconds, created_at, reusable)
values ('{RUN}', 'a', 1, 'k', 'd', '{{}}', 1, 5, 1)
""".split(";")


def old_file(path, version):
    """A file as a release with this schema left it."""
    connection = sqlite3.connect(path, isolation_level=None)
    for number, file in migrations():
        if number <= version:
            for statement in statements(file):
                connection.execute(statement)
    for row in ROWS:
        connection.execute(row)
    connection.execute(f"pragma application_id = {APPLICATION_ID}")
    connection.execute(f"pragma user_version = {version}")
    connection.close()


def old_schema(postgres, version):
    """The address of a schema as a release with this version left it."""
    url = postgres.new()
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create schema {schema_of(url)}; set search_path to {schema_of(url)}")
        connection.execute("create table about (schema_version integer, moved_to text, arriving integer)")
        connection.execute("insert into about values (%s, '', 0)", (version,))
        for number, file in migrations():
            for statement in statements(file) if number <= version else ():
                if text := postgres_statement(statement):
                    connection.execute(text)
        for row in ROWS:
            connection.execute(row)
    return postgres_address(url)


def holds_its_rows(database):
    (run,) = SQLRunQueries(database).find(RunQuery())
    (item,) = SQLUpkeep(database, HandClock()).inventory().completions
    return (run.id, item.key, item.reusable) == (RUN, "k", True) and database.check() == []


@pytest.mark.parametrize("version", range(1, LATEST))
def test_a_file_is_brought_up_and_kept_as_it_was(tmp_path, version):
    path = tmp_path / "records.db"
    old_file(path, version)
    for _ in range(2):
        database = SQLiteDatabase(path)
        assert holds_its_rows(database)
        database.close()
    kept = [name for name in os.listdir(tmp_path) if "schema" in name]
    assert kept == [f"records.db.schema-{version}"]
    connection = sqlite3.connect(tmp_path / kept[0])
    assert connection.execute("pragma user_version").fetchone()[0] == version
    assert connection.execute("select id from runs").fetchone()[0] == RUN
    connection.close()


def test_a_new_file_is_not_kept_twice(tmp_path):
    SQLiteDatabase(tmp_path / "records.db").close()
    assert [name for name in os.listdir(tmp_path) if "schema" in name] == []


@pytest.mark.parametrize("version", range(1, LATEST))
def test_a_schema_is_brought_up(postgres, version):
    address = old_schema(postgres, version)
    for _ in range(2):
        database = PostgresDatabase(address)
        assert holds_its_rows(database)
        database.close()
    assert postgres.sql("select schema_version from about", schema=address.schema) == [(LATEST,)]


def test_new_records_are_made_by_whoever_comes_first(postgres):
    for _ in range(3):
        address, failures = postgres_address(postgres.new()), []

        def open_it(address=address, failures=failures):
            try:
                database = PostgresDatabase(address)
                database.write_returning("add_experiment", ("one", 0.0))
                database.close()
            except StorageError as error:
                failures.append(error)

        threads = [threading.Thread(target=open_it) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert postgres.sql("select runs from experiments", schema=address.schema) == [(4,)]


def test_a_migration_that_fails_leaves_everything_as_it_was(postgres, monkeypatch, tmp_path):
    address = old_schema(postgres, LATEST - 1)
    bad = tmp_path / "9999_bad.sql"
    bad.write_text("create table extra (name text);\nselect nonsense;\n")
    monkeypatch.setattr("pipelinekit.storage.sessions.migrations", lambda: [*migrations(), (LATEST + 1, bad)])
    with pytest.raises(StorageError, match="nonsense"):
        PostgresDatabase(address)
    assert postgres.sql("select schema_version from about", schema=address.schema) == [(LATEST - 1,)]
    monkeypatch.undo()
    assert holds_its_rows(PostgresDatabase(address))


def test_records_of_a_newer_release_are_refused(postgres):
    address = postgres_address(postgres.new())
    open_before = PostgresDatabase(address)
    postgres.sql("update about set schema_version = schema_version + 1", schema=address.schema)
    for act in (lambda: PostgresDatabase(address), lambda: open_before.write("pin_run", (1, "a"))):
        with pytest.raises(StorageError) as error:
            act()
        assert f"have schema {LATEST + 1}, newer than the {LATEST} that this release knows" in error.value.message
        assert "newer one" in error.value.hint


def test_a_schema_of_another_program_is_refused_and_left_alone(postgres):
    url = postgres.new()
    postgres.sql(f"create schema {schema_of(url)}; create table {schema_of(url)}.recipes (name text)")
    with pytest.raises(StorageError, match="tables of another program") as error:
        PostgresDatabase(postgres_address(url))
    assert "schema=NAME" in error.value.hint
    tables = postgres.sql("select table_name from information_schema.tables where table_schema = %s", (schema_of(url),))
    assert tables == [("recipes",)]


def test_columns_have_types_that_mean_the_same_in_both_databases(postgres):
    known = {"text", "integer", "double precision"}
    for _, file in migrations():
        for body in re.findall(r"create table \w+ \((.*?)\n\)", file.read_text("utf-8"), re.DOTALL):
            for line in body.splitlines():
                words = line.strip().rstrip(",").split()
                if words and words[0] not in ("primary", "unique", "foreign", "check", "constraint"):
                    assert words[1] in known or " ".join(words[1:3]) in known, f"{file.name}: {line}"
    address = postgres_address(postgres.new())
    PostgresDatabase(address).close()
    rows = postgres.sql(
        "select distinct data_type, collation_name from information_schema.columns"
        " where table_schema = %s and table_name <> 'about'",
        (address.schema,),
    )
    assert sorted(rows, key=str) == [("bigint", None), ("double precision", None), ("text", "C")]
