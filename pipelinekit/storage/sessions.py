"""A session with a PostgreSQL server: made with what the records need, prepared, and told when something goes wrong."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Protocol

from pipelinekit.domain.addresses import PostgresAddress
from pipelinekit.errors import StorageError, UsageError
from pipelinekit.late import late
from pipelinekit.storage.database import migrations, statements
from pipelinekit.storage.dialect import postgres_statement

if TYPE_CHECKING:
    import psycopg
    from psycopg import conninfo, rows
else:
    psycopg = late("psycopg")
    conninfo = late("psycopg.conninfo")
    rows = late("psycopg.rows")

OLDEST_SERVER = 13
HANG_SECONDS = 20.0  # a transaction that does nothing for so long is ended: it holds the write lock
LOCK_SECONDS = 60.0  # longest wait for the write lock: for some that hang
PATIENCE_SECONDS = 60.0  # how long a server that is away is waited for
_DEFAULTS: Mapping[str, str | int] = {
    "connect_timeout": 10,
    "application_name": "pipelinekit",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_PASSING = ("40001", "40P01", "57P01", "57P02", "57P03", "25P03", "55006")
_ZERO = ("\0", "\u2400")


class Statement(Protocol):
    """A statement, and rows of parameters for it."""

    statement: str
    parameters: Sequence[Any]


class Session:
    """One session. Statements raise what `errors` names; `perform` and the others are not tried again here."""

    def __init__(self, address: PostgresAddress, *, arriving: bool = False) -> None:
        self.address = address
        self._arriving = arriving  # whether this session is to fill them
        self._offset = 0.0
        self._process = os.getpid()
        try:
            self.errors: type[Exception] = psycopg.Error
        except ImportError:
            raise UsageError(
                "records in PostgreSQL need psycopg, which is not installed",
                hint="install the extra: pip install 'pipelinekit[postgres]'",
            ) from None
        try:
            self.connect()
        except psycopg.Error as error:
            raise storage_error(error, address) from error

    def connect(self) -> None:
        """Connect, and set what every statement relies on."""
        given = conninfo.conninfo_to_dict(self.address.url)
        missing: dict[str, Any] = {name: value for name, value in _DEFAULTS.items() if name not in given}
        full = conninfo.make_conninfo(self.address.url, **missing)
        self._connection = psycopg.connect(full, autocommit=True, row_factory=_row_maker)
        self._cursor = self._connection.cursor()  # one for all statements: a new one costs as much as a short statement
        if self._connection.info.server_version < OLDEST_SERVER * 10_000:
            raise StorageError(
                f"the server at {self.address} is PostgreSQL {self._connection.info.server_version // 10_000}",
                hint=f"use PostgreSQL {OLDEST_SERVER} or newer",
            )
        self._connection.adapters.register_loader("numeric", _whole_loader())
        self._connection.execute(
            f"set search_path to {self.address.schema};"
            f"set idle_in_transaction_session_timeout to {HANG_SECONDS * 1000:.0f};"
            f"set lock_timeout to {LOCK_SECONDS * 1000:.0f};"
            "set default_transaction_isolation to 'read committed';"
            "set synchronous_commit to on"
        )
        self.read_clock()

    @property
    def is_closed(self) -> bool:
        """Whether the connection is gone."""
        return bool(self._connection.closed)

    def perform(
        self, statement: str, parameters: Sequence[Any], *, many: bool = False, after: Sequence[Statement] = ()
    ) -> Any:
        """Perform a statement: how many rows were changed or found, and the rows.

        With statements that come before it no answer is waited for but the last.
        """
        cursor = self._cursor
        if many and len(parameters) > 1:
            with self._along(after):
                pass
            cursor.executemany(statement, [without_zeros(row) for row in parameters])
            return cursor.rowcount, []
        with self._along(after):
            cursor.execute(statement, without_zeros(parameters[0] if many else parameters))
        return cursor.rowcount, cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else []

    def begin(self) -> str:
        """Begin a transaction that holds the write lock; its id. Raises StorageError where these records are left."""
        try:
            cursor = self._connection.execute(
                "begin; select about.*, pg_current_xact_id()::text as id from about for update"
            )
            cursor.nextset()
            row = cursor.fetchone()
            assert row is not None
            self._check_about(row)
        except (psycopg.Error, StorageError):
            self.roll_back()
            raise
        return str(row["id"])

    def _along(self, statements: Sequence[Statement]) -> AbstractContextManager[object]:
        """Send statements together with one that is performed inside, and wait for all answers."""
        return self._pipeline(statements) if statements else nullcontext()

    @contextmanager
    def _pipeline(self, statements: Sequence[Statement]) -> Iterator[None]:
        with self._connection.pipeline():
            cursor = self._connection.cursor()  # of its own, as the other is to have the last answer
            for sent in statements:
                for row in sent.parameters:
                    cursor.execute(sent.statement, without_zeros(row))
            yield

    def commit(self, after: Sequence[Statement] = ()) -> None:
        """Commit, after some statements. Raises StorageError where the server did not."""
        with self._along(after):
            self._cursor.execute("commit")
        if self._cursor.statusmessage != "COMMIT":
            raise StorageError(f"the records at {self.address} did not take a transaction", hint="do it again")

    def roll_back(self) -> bool:
        """Forget the open transaction, if there is one; whether the session can be used on."""
        with suppress(psycopg.Error):
            if self._connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                self._connection.execute("rollback")
        return not self.is_closed

    def was_committed(self, transaction: str) -> bool:
        """Whether a transaction of another session, which has ended or is about to, was committed."""
        pause, until = 0.01, time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            row = self._connection.execute("select pg_xact_status(%s::xid8) as status", (transaction,)).fetchone()
            assert row is not None
            if row["status"] != "in progress":
                return bool(row["status"] == "committed")
            time.sleep(pause)  # the server has not noticed yet that its client is gone
            pause = min(2 * pause, 1.0)
        raise StorageError(
            f"the server at {self.address} does not say whether the last transaction was committed",
            hint="see whether the server is well; 'pipelinekit runs show' tells what was recorded",
        )

    def read_clock(self) -> None:
        """Learn how the server's clock goes beside this machine's."""
        row = self._connection.execute("select extract(epoch from clock_timestamp())::float8 as now").fetchone()
        assert row is not None
        self._offset = row["now"] - time.monotonic()

    def time(self) -> float:
        """The time by the server's clock."""
        return self._offset + time.monotonic()

    def close(self) -> None:
        """End the session."""
        self._connection.close()

    def __del__(self) -> None:
        # who drops the last handle on a workspace need not know that it has connections; a forked process shares them
        if (connection := getattr(self, "_connection", None)) and self._process == os.getpid():
            connection.close()

    # -- tables ------------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the tables where there are none, and bring older ones up to date."""
        try:
            about = self._about()
            if about is None or about["schema_version"] < migrations()[-1][0]:
                self._migrate()
                about = self._about()
            self._check_about(about)
            if about["arriving"] and not self._arriving:  # it is in use: whoever filled it did not get to say so
                self._connection.execute("update about set arriving = 0")
        except psycopg.Error as error:
            raise storage_error(error, self.address) from error

    def _about(self) -> Any:
        found = self._connection.execute("select to_regclass('about') is not null as found").fetchone()
        if found is None or not found["found"]:
            return None
        return self._connection.execute("select * from about").fetchone()

    def _check_about(self, row: Any) -> None:
        latest = migrations()[-1][0]
        if row["schema_version"] > latest:
            raise StorageError(
                f"the records at {self.address} have schema {row['schema_version']}, newer than the {latest} that this "
                "release knows",
                hint="use the pipelinekit release that wrote them, or a newer one",
            )
        if row["moved_to"] and not self._arriving:
            raise StorageError(
                f"the records at {self.address} were moved to {row['moved_to']}",
                hint="set 'records' to that; leave it out where they are a file in the workspace",
            )

    def tables(self) -> Iterator[tuple[str, Sequence[str], Iterable[Sequence[Any]]]]:
        """Every table with its columns and rows, which are read as they are wanted."""
        found = self._connection.execute(
            'select table_name, array_agg(column_name::text order by column_name collate "C") as columns'
            " from information_schema.columns where table_schema = current_schema() and table_name <> 'about'"
            ' group by table_name order by table_name collate "C"'
        ).fetchall()
        for row in found:
            with self._connection.cursor("rows", row_factory=rows.tuple_row) as cursor:
                statement = f"select {', '.join(row['columns'])} from {row['table_name']}"  # noqa: S608 - ours
                cursor.execute(statement)
                yield row["table_name"], row["columns"], cursor

    def fill(self, table: str, columns: Sequence[str], values: Iterable[Sequence[Any]]) -> None:
        """Add rows to a table."""
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"copy {table} ({', '.join(columns)}) from stdin") as copy,
        ):
            for row in values:
                copy.write_row(row)

    def _migrate(self) -> None:
        """Make or migrate the tables, one process at a time, all or nothing."""
        schema = self.address.schema
        with self._connection.transaction():
            self._connection.execute("select pg_advisory_xact_lock(hashtext('pipelinekit'), hashtext(%s))", (schema,))
            found = self._connection.execute("select to_regnamespace(%s) is not null as found", (schema,)).fetchone()
            if found is None or not found["found"]:
                self._connection.execute(f"create schema {schema}")
            about = self._about()
            if about is None:
                self._refuse_foreign()
                self._connection.execute(
                    "create table about"
                    " (schema_version integer not null, moved_to text not null, arriving integer not null);"
                    "insert into about values (0, '', 0)"
                )
            about = self._connection.execute("select * from about for update").fetchone()
            assert about is not None
            self._check_about(about)
            for number, file in migrations():
                if number > about["schema_version"]:
                    for text in statements(file):
                        if statement := postgres_statement(text):
                            self._connection.execute(statement)
                    self._connection.execute("update about set schema_version = %s", (number,))

    def _refuse_foreign(self) -> None:
        row = self._connection.execute(
            "select count(*) as tables from pg_class where relnamespace = to_regnamespace(%s)", (self.address.schema,)
        ).fetchone()
        if row is None or row["tables"]:
            raise StorageError(
                f"the schema {self.address.schema!r} at {self.address} holds tables of another program",
                hint="choose another one: add ?schema=NAME to the address",
            )


def without_zeros(parameters: Sequence[Any]) -> list[Any]:
    """Values as PostgreSQL can keep them: a picture stands for a zero in a text."""
    return [item.replace(*_ZERO) if isinstance(item, str) and "\0" in item else item for item in parameters]


def _row_maker(cursor: Any) -> Callable[[Sequence[Any]], dict[str, Any]]:
    """Makes rows by name, as `psycopg.rows.dict_row` does, in a third of its time."""
    result = cursor.pgresult
    names = [(result.fname(number) or b"").decode() for number in range(result.nfields)] if result else []
    return lambda values: dict(zip(names, values, strict=True))


def _whole_loader() -> type[Any]:
    """Reads sums, which PostgreSQL gives as numbers of any length, as the whole numbers that they are."""

    class Loader(psycopg.adapt.Loader):
        def load(self, data: Any) -> int | float:
            text = bytes(data).decode()
            return float(text) if "." in text or "N" in text else int(text)

    return Loader


def is_passing(error: Exception, session: Session) -> bool:
    """Whether the same may go well when it is done again: the connection was lost, or somebody else came first."""
    state = getattr(error, "sqlstate", None)
    return session.is_closed or state in _PASSING or (isinstance(error, psycopg.OperationalError) and state is None)


def storage_error(error: Exception, address: PostgresAddress) -> StorageError:
    """What went wrong, in words."""
    state = getattr(error, "sqlstate", None) or ""
    text = " ".join(str(error).split())
    hint = "see whether the server runs, and whether it can be reached from here"
    if state == "55P03":
        hint = f"somebody has kept the records locked for {LOCK_SECONDS:.0f} s; see whether a process hangs"
    elif state.startswith("53"):
        hint = "the server lacks room or memory, or has too many clients; nothing was half-written"
    elif "password" in text or state.startswith("28"):
        hint = "put the password into ~/.pgpass or the variable PGPASSWORD, and see whether the user may connect"
    elif state == "42501":
        hint = f"let the user create and use the schema {address.schema!r} (grant create on database)"
    elif state == "3D000" or "does not exist" in text:
        hint = "create the database first: createdb NAME"
    elif state == "25006":
        hint = "this server is a standby that may only be read; name the primary one"
    elif state:
        hint = "this is a fault of pipelinekit or of the database; 'pipelinekit fsck' checks the records"
    return StorageError(f"the records at {address} cannot be used: {text}", hint=hint)
