"""Records on a real PostgreSQL server: whole transactions, one writer at a time, and whatever can become of a connection."""

import signal
import sys
import threading

import psycopg
import pytest
from conftest import wait_for
from postgres import Proxy, Server
from seams import Child

from pipelinekit.domain.addresses import postgres_address
from pipelinekit.errors import StorageError, UsageError
from pipelinekit.storage.dialect import postgres_queries
from pipelinekit.storage.postgres import PostgresDatabase


@pytest.fixture
def address(postgres):
    return postgres_address(postgres.new())


@pytest.fixture
def database(address):
    found = PostgresDatabase(address)
    yield found
    found.close()


def add(database, name):
    """Count one more run in an experiment: done twice, it shows."""
    with database.transaction():
        database.write("add_experiment", (name, 0.0))
        return database.read("experiment_runs", (name,))[0]["runs"]


def counts(postgres, address):
    return dict(postgres.sql("select name, runs from experiments", schema=address.schema))


def end_sessions(postgres, address):
    """End all sessions that use these records, as an administrator may."""
    postgres.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pipelinekit' and pid <> pg_backend_pid()"
    )


def numbered(statement):
    """A query with parameters as the server names them."""
    parts = statement.replace("({})", "(%s)").replace("values {}", "values (%s)").split("%s")
    return "".join(f"{part}${number}" for number, part in enumerate(parts[:-1], 1)) + parts[-1]


@pytest.fixture(scope="module")
def made(postgres):
    """The name of a schema with all tables."""
    address = postgres_address(postgres.new())
    PostgresDatabase(address).close()
    return address.schema


@pytest.mark.parametrize("name", sorted(postgres_queries()))
def test_every_query_is_understood(postgres, made, name):
    text = postgres_queries()[name]
    assert not any("%s" in literal for literal in text.split("'")[1::2]), "a question mark in a text is no parameter"
    with psycopg.connect(postgres.url()) as connection:
        connection.execute(f"set search_path to {made}")
        connection.execute(("prepare asked as " + numbered(text)).replace("%%", "%").encode())


def test_a_transaction_is_whole_or_nothing(postgres, database, address):
    def fails():
        with database.transaction():
            add(database, "lost")
            with database.transaction():
                add(database, "lost too")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert counts(postgres, address) == {}
    with database.transaction():
        add(database, "first")
        assert counts(postgres, address) == {}, "others see nothing before the end"
    assert counts(postgres, address) == {"first": 1}


def test_a_failing_query_is_told_and_rolls_back(postgres, database, address):
    twice = [("r", "s", 1, 1, "stdout", 0.0, "a"), ("r", "s", 1, 1, "stdout", 0.0, "b")]

    def fails():
        with database.transaction():
            add(database, "lost")
            database.write_many("add_log", twice)

    with pytest.raises(StorageError, match="cannot be used"):
        fails()
    add(database, "kept")
    assert counts(postgres, address) == {"kept": 1}


@pytest.mark.parametrize("asks", [True, False], ids=["a statement follows", "the end follows"])
def test_what_fails_that_nobody_waited_for_is_told_and_rolls_back(postgres, database, address, asks):
    twice = [("r", "s", 1, 1, "stdout", 0.0, "a"), ("r", "s", 1, 1, "stdout", 0.0, "b")]

    def fails():
        with database.transaction():
            add(database, "lost")
            database.send("add_log", twice)
            if asks:
                database.read("list_compiled")

    with pytest.raises(StorageError, match="cannot be used: duplicate"):
        fails()
    add(database, "kept")
    assert counts(postgres, address) == {"kept": 1}


def test_what_nobody_waits_for_is_seen_by_what_follows_in_its_order(postgres, database, address):
    with database.transaction():
        database.send("put_document", [("d", "text")])
        database.send("keep_compiled", [("a", 1.0)])
        database.send("keep_compiled", [("a", 3.0), ("b", 2.0)])
        assert [dict(row) for row in database.read("list_compiled")] == [
            {"graph": "a", "compiled_at": 3.0},
            {"graph": "b", "compiled_at": 2.0},
        ]
    database.send("keep_compiled", [(f"g{number}", 1.0) for number in range(40)])
    assert len(PostgresDatabase(address).read("list_compiled")) == 42


def test_writers_take_turns_and_see_what_the_one_before_wrote(address):
    """What is read under the lock stays so: no count is lost, no transaction fails."""
    failures = []

    def write():
        own = PostgresDatabase(address)
        try:
            for _ in range(10):
                with own.transaction():
                    own.lock()
                    rows = own.read("list_compiled")
                    at = max((row["compiled_at"] for row in rows), default=0.0)
                    own.write("keep_compiled", (f"g{at:05.0f}", at + 1))
        except StorageError as error:
            failures.append(error)
        own.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(PostgresDatabase(address).read("list_compiled")) == 40


def test_a_lock_that_is_held_too_long_is_told_and_a_touch_does_not_wait_for_it(address, monkeypatch):
    holder = PostgresDatabase(address)
    monkeypatch.setattr("pipelinekit.storage.sessions.LOCK_SECONDS", 0.2)
    impatient = PostgresDatabase(address)
    with holder.transaction():
        holder.lock()
        with pytest.raises(StorageError, match="cannot be used") as error:
            add(impatient, "impatient")
        assert "has kept the records locked" in error.value.hint
        assert impatient.read("list_experiments") == [], "reading goes on meanwhile"
        assert impatient.touch("renew_run", (0.0, 0.0, "run", 1)) == []
    assert add(impatient, "afterwards") == 1


def test_a_holder_that_hangs_is_ended_and_goes_on_if_nobody_wrote(postgres, address, monkeypatch):
    monkeypatch.setattr("pipelinekit.storage.sessions.HANG_SECONDS", 0.3)
    holder, other = PostgresDatabase(address), PostgresDatabase(address)
    with holder.transaction():
        add(holder, "slow")
        other.touch("renew_run", (0.0, 0.0, "run", 1))
        with other.transaction():
            other.lock()  # waits until the server has had enough
        add(holder, "slow")
    assert counts(postgres, address) == {"slow": 2}


# -- connections that are lost -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("crash", [False, True])
def test_a_transaction_outlives_a_restart_of_the_server(crash):
    server = Server()
    try:
        address = postgres_address(server.new())
        database = PostgresDatabase(address)
        with database.transaction():
            assert add(database, "one") == 1
            server.stop(signal.SIGQUIT if crash else signal.SIGINT)
            starter = threading.Timer(0.3, server.start)
            starter.start()
            assert add(database, "one") == 2
            assert [row["name"] for row in database.read("list_experiments")] == []
        starter.join()
        assert counts(server, address) == {"one": 2}
        server.stop()
        server.start()
        assert add(database, "one") == 3
        server.stop()
        server.start()
        assert database.read("list_compiled") == []
        database.close()
    finally:
        server.end()


def test_a_server_that_stays_away_is_told(monkeypatch):
    monkeypatch.setattr("pipelinekit.storage.postgres.PATIENCE_SECONDS", 0.5)
    server = Server()
    try:
        database = PostgresDatabase(postgres_address(server.new()))
        server.stop()
        with pytest.raises(StorageError, match="cannot be used") as error:
            database.read("list_compiled")
        assert "whether the server runs" in error.value.hint
        server.start()
        assert database.read("list_compiled") == [], "it is used again when it is back"
        database.close()
    finally:
        server.end()


def test_sessions_that_an_administrator_ends_are_made_again(postgres, database, address):
    with database.transaction():
        add(database, "one")
        end_sessions(postgres, address)
        database.write_many("keep_compiled", [("a", 1.0), ("b", 2.0)])
        end_sessions(postgres, address)
    assert counts(postgres, address) == {"one": 1}
    assert len(database.read("list_compiled")) == 2


def test_a_transaction_whose_grounds_have_changed_is_not_done_again(postgres, database, address):
    other = PostgresDatabase(address)

    def fails():
        with database.transaction():
            add(database, "one")
            end_sessions(postgres, address)
            add(other, "one")
            add(database, "two")

    with pytest.raises(StorageError, match="others have changed meanwhile") as error:
        fails()
    assert "nothing of it was recorded" in error.value.hint
    assert counts(postgres, address) == {"one": 1}
    assert add(database, "one") == 2


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("word", [b"commit", b"begin;", b"insert into experiments", b"compiled_graphs"])
def test_nothing_is_done_twice_or_lost_wherever_the_connection_breaks(postgres, when, word):
    """Among them the commit whose answer is lost: whether it took place is found out."""
    armed = threading.Event()

    def cut(data):
        if armed.is_set() and word in data:
            armed.clear()
            return when
        return ""

    proxy = Proxy(postgres, cut)
    try:
        address = postgres_address(postgres.new(host=str(proxy.folder)))
        database = PostgresDatabase(address)
        armed.set()
        for _ in range(2):
            with database.transaction():
                database.send("keep_compiled", [("c", 1.0)])
                add(database, "one")
                database.write_many("keep_compiled", [("a", 1.0), ("b", 2.0)])
                database.send("keep_compiled", [("d", 1.0), ("e", 2.0)])
        assert proxy.cuts == 1
        assert counts(postgres, address) == {"one": 2}
        assert len(database.read("list_compiled")) == 5
        database.close()
    finally:
        proxy.close()


@pytest.mark.parametrize("how", ["write_many", "send"])
@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_what_another_was_preferred_to_is_done_again(postgres, database, address, state, how):
    """Serialization failures and deadlocks: the server is made to tell them twice."""
    postgres.sql(
        f"""
        create sequence tries;
        create function refuse() returns trigger language plpgsql as $$ begin
            if nextval('{address.schema}.tries') < 3 then raise exception 'not now' using errcode = '{state}'; end if;
            return new;
        end $$;
        create trigger refusing before insert on compiled_graphs for each row execute function refuse();
        """,
        schema=address.schema,
    )
    with database.transaction():
        add(database, "one")
        getattr(database, how)("keep_compiled", [("a", 1.0)])
    assert counts(postgres, address) == {"one": 1}
    assert len(database.read("list_compiled")) == 1


def test_a_lost_client_leaves_nothing(postgres, address):
    """Its transaction is gone with it, and so is the lock."""
    script = f"""
import sys
from pipelinekit.domain.addresses import postgres_address
from pipelinekit.storage.postgres import PostgresDatabase
database = PostgresDatabase(postgres_address({str(address)!r}))
with database.transaction():
    database.write_returning("add_experiment", ("lost", 0.0))
    print("midway", flush=True)
    sys.stdin.readline()
"""
    child = Child(script)
    assert child.says() == "midway"
    child.kill()
    database = PostgresDatabase(address)
    assert add(database, "kept") == 1
    assert counts(postgres, address) == {"kept": 1}


# -- addresses ---------------------------------------------------------------------------------------------------------


def test_texts_are_ordered_byte_by_byte_and_sums_are_numbers(database):
    for name in ("a~", "B", "a", "é", "_"):
        database.write("put_document", (name, "x" * 3))
        database.write_many("add_log", [("r", name, n, 1, "stdout", 0.0, "text") for n in (1, 2)])
    rows = database.read("log_sizes")
    assert {row["size"] for row in rows} == {8}
    assert {type(row["size"]) for row in rows} == {int}
    assert database._run("select digest from documents where digest < 'a' order by digest", [])[1] == [
        {"digest": "B"},
        {"digest": "_"},
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("postgresql://u:pw-1@h/db", "holds a password"),
        ("postgresql://u@h/db?password=pw-1", "holds a password"),
        ("mysql://u:pw-1@h/db", "no URL of a PostgreSQL database"),
        ("postgresql://u:pw-1@h", "holds a password"),
        ("postgresql://h", "names no database"),
        ("postgresql://h:port/db", "cannot be read"),
        ("postgresql://[h/db", "cannot be read"),
        ("postgresql:///db?schema=A-1", "cannot name a schema"),
        ("postgresql", "no URL"),
    ],
)
def test_addresses_that_cannot_be_are_refused_without_repeating_them(text, words):
    with pytest.raises(UsageError, match=words) as error:
        postgres_address(text)
    assert "pw-1" not in str(error.value)
    assert error.value.hint


def test_addresses_come_back_as_they_were_written():
    for text in (
        "postgresql://u@h/db",
        "postgresql:///db?host=/tmp/x&schema=mine",
        "postgresql://h:5432/db?sslmode=require",
    ):
        assert str(postgres_address(text)) == text


def test_what_cannot_be_reached_is_told(postgres, tmp_path):
    with pytest.raises(StorageError, match="cannot be used") as error:
        PostgresDatabase(postgres_address(f"postgresql://ada@/db?host={tmp_path}"))
    assert "whether the server runs" in error.value.hint
    with pytest.raises(StorageError, match="does not exist") as error:
        PostgresDatabase(postgres_address(postgres.url("absent")))
    assert "createdb" in error.value.hint
    postgres.sql("create role eve login")
    with pytest.raises(StorageError, match="permission denied") as error:
        PostgresDatabase(postgres_address(postgres.new().replace("ada@", "eve@")))
    assert "grant create" in error.value.hint


def test_a_missing_client_library_is_told(postgres, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError, match="need psycopg") as error:
        PostgresDatabase(postgres_address(postgres.new()))
    assert "pipelinekit[postgres]" in error.value.hint


def test_lost_sessions_end_on_the_server(postgres, address):
    database = PostgresDatabase(address)
    pid = database._run("select pg_backend_pid() as pid", [])[1][0]["pid"]
    del database
    wait_for(lambda: not postgres.sql("select 1 from pg_stat_activity where pid = %s", (pid,)), 10)
