"""SQLite as the records' database.

Writes begin IMMEDIATE, so that a transaction which read before it writes waits its turn instead of failing at once. A
server has a write-ahead log: nobody who reads holds up who writes. It is used only where the library is free of the
WAL-reset fault (fixed in 3.51.3, 3.50.7 and 3.44.6). Else there is the rollback journal, which costs a single command
less, and leaves one file that is whole. Durability is full: what was acknowledged survives power loss.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from pipelinekit.errors import StorageError
from pipelinekit.late import late
from pipelinekit.storage.database import (
    Row,
    device_of,
    in_parts,
    migrations,
    nameless,
    not_text,
    query_text,
    statements,
    too_large,
)
from pipelinekit.storage.sqlite_library import VERSION, sqlite3
from pipelinekit.typed import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelinekit.storage import disks, waiting
else:
    waiting = late("pipelinekit.storage.waiting")
    disks = late("pipelinekit.storage.disks")

APPLICATION_ID = 0x706B6974  # "pkit"
BUSY_SECONDS = 30.0
AHEAD, AHEAD_SECONDS = "wal", 2.0  # for which a server that begins waits for those who read just then
FAILING = "see whether the disk is well; what was acknowledged is recorded, and what was not is not"
LONGEST_PAUSE = 0.01  # before somebody who waits to write looks again


class SQLiteDatabase:
    """One connection to a records file, which is created and migrated when needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._depth = 0
        self._begun = False
        self._failed = False
        if device := nameless(device_of(path.parent)):
            disks.refuse_network(path, device)
        try:
            self._connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.row_factory = sqlite3.Row
            self._prepare()
            self._file = _identity(path)
        except sqlite3.Error as error:
            raise storage_error(error, path) from error

    def _prepare(self) -> None:
        execute = self._connection.execute
        self._refuse_foreign()
        version = execute("pragma user_version").fetchone()[0]
        latest = migrations()[-1][0]
        if version > latest:
            raise StorageError(
                f"the records at {self.path} have schema {version}, newer than the {latest} that this release knows",
                hint="use the pipelinekit release that wrote them, or a newer one",
            )
        if version == 0:
            execute(f"pragma application_id = {APPLICATION_ID}")
        self._write_behind(wait=not wal_is_safe(VERSION))
        execute("pragma synchronous = full")
        if version < latest:
            self._migrate()

    def _write_behind(self, *, wait: bool) -> None:
        """Use the rollback journal, which leaves one file that is whole. While others write ahead, so does this one."""
        execute = self._connection.execute
        if not wait:
            execute("pragma busy_timeout = 0")
        try:
            execute("pragma journal_mode = truncate")
        except sqlite3.OperationalError:
            if wait or execute("pragma journal_mode").fetchone()[0] != AHEAD:
                raise
        finally:
            execute(f"pragma busy_timeout = {BUSY_SECONDS * 1000:.0f}")

    def write_ahead(self) -> bool:
        """Have a write-ahead log as long as somebody has the file open; see `Database.write_ahead`."""
        if not wal_is_safe(VERSION):
            return False
        execute = self._connection.execute
        execute(f"pragma busy_timeout = {AHEAD_SECONDS * 1000:.0f}")
        with suppress(sqlite3.OperationalError):  # somebody reads or writes just now, for longer than that
            execute(f"pragma journal_mode = {AHEAD}")
            execute("select count(*) from sqlite_master").fetchone()  # from here on it is not given up
        execute(f"pragma busy_timeout = {BUSY_SECONDS * 1000:.0f}")
        return bool(execute("pragma journal_mode").fetchone()[0] == AHEAD)

    def _refuse_foreign(self) -> None:
        # in this order: whoever makes the file meanwhile marks it before it makes tables
        tables = self._connection.execute("select count(*) from sqlite_master").fetchone()[0]
        application = self._connection.execute("pragma application_id").fetchone()[0]
        if tables and application != APPLICATION_ID:
            raise StorageError(f"{self.path} is a database of another program", hint="choose another records file")

    def _migrate(self) -> None:
        self._connection.execute("begin immediate")
        try:
            version = self._connection.execute("pragma user_version").fetchone()[0]
            if 0 < version < migrations()[-1][0]:
                self._back_up(version)
            for number, file in migrations():
                if number > version:
                    for statement in statements(file):
                        self._connection.execute(statement)
                    self._connection.execute(f"pragma user_version = {number}")
            self._connection.execute("commit")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise

    def _back_up(self, version: int) -> None:
        """Keep the file as it is beside itself: a release that does not know the new schema cannot read it any more."""
        kept = f"{self.path}.schema-{version}"
        if not os.path.exists(kept):
            with closing(sqlite3.connect(self.path)) as whole, closing(sqlite3.connect(f"{kept}.new")) as fresh:
                whole.backup(fresh)  # by a connection of its own: this one is about to write
            os.replace(f"{kept}.new", kept)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Group writes; see `Database.transaction`."""
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0 and self._connection.in_transaction:  # some failures have ended it already
                self._end("rollback")
            self._begun = self._begun and self._depth > 0
            raise
        self._depth -= 1
        if self._depth == 0:
            self._end("commit")

    def _end(self, command: str) -> None:
        if self._begun:
            self._begun = False
            self._run(command)

    def lock(self) -> None:
        """Take the write lock; see `Database.lock`."""
        self._begin()

    def _begin(self) -> None:
        if not self._begun:
            if self._failed:
                raise StorageError(
                    f"the disk failed under the records at {self.path}, and this process writes to them no more",
                    hint=FAILING,
                )
            self._take_turn()
            self._begun = True
            if _identity(self.path) != self._file:
                raise StorageError(
                    f"the records at {self.path} were moved or replaced meanwhile",
                    hint="do it again, on those that are there now; 'pipelinekit workspace show' tells where they are",
                )

    def _take_turn(self) -> None:
        """Begin to write when nobody else does.

        Who waits looks often, at uneven times. SQLite itself would look the more seldom the longer it has waited, so
        that among many writers somebody would be passed over until the time is up.
        """
        execute, began = self._connection.execute, time.monotonic()
        until, waited = began + BUSY_SECONDS, False
        execute("pragma busy_timeout = 0")
        try:
            while True:
                try:
                    execute("begin immediate")
                    return
                except sqlite3.OperationalError as error:
                    if "locked" not in str(error) or time.monotonic() > until:
                        raise storage_error(error, self.path) from error
                waited = True
                time.sleep(LONGEST_PAUSE * (1 + os.urandom(1)[0]) / 256)
        finally:
            if waited:
                waiting.note_wait(time.monotonic() - began)
            execute(f"pragma busy_timeout = {BUSY_SECONDS * 1000:.0f}")

    def _run(self, statement: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, parameters)
        except sqlite3.Error as error:
            if "I/O error" in str(error):
                self._failed = True  # what was not synced is not there, whatever is read
            raise storage_error(error, self.path) from error
        except UnicodeEncodeError as error:
            raise not_text(error) from error
        except OverflowError as error:
            raise too_large(error) from error

    def _rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """All rows of a statement: a damaged page shows when it is come to."""
        try:
            return self._run(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise storage_error(error, self.path) from error

    def read(self, query: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Rows of a named query."""
        return [dict(row) for row in self._rows(query_text(query), parameters)]

    def select(self, text: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Rows of a statement that was put together; see `Database.select`."""
        return [dict(row) for row in self._rows(text, parameters)]

    def write(self, query: str, parameters: Sequence[Any] = ()) -> int:
        """Run a named query that changes something; how many rows were changed."""
        with self.transaction():
            self._begin()
            return self._run(query_text(query), parameters).rowcount

    def write_returning(self, query: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run a named query that changes something; the rows that it returns."""
        with self.transaction():
            self._begin()
            return [dict(row) for row in self._rows(query_text(query), parameters)]

    def write_many(self, query: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run a named query for each row of parameters; how many rows were changed."""
        with self.transaction():
            self._begin()
            try:
                return self._connection.executemany(query_text(query), rows).rowcount
            except sqlite3.Error as error:
                raise storage_error(error, self.path) from error
            except UnicodeEncodeError as error:
                raise not_text(error) from error
            except OverflowError as error:
                raise too_large(error) from error

    def send(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a named query for each row of parameters, at once; see `Database.send`."""
        self.write_many(query, rows)

    def foretell(self, query: str, parameters: Sequence[Any], rows: list[Row]) -> None:
        """Nothing: to ask costs as little; see `Database.foretell`."""

    def read_keys(
        self, query: str, keys: Iterable[str], before: Sequence[Any] = (), after: Sequence[Any] = ()
    ) -> Iterator[Row]:
        """Rows of a named query for many keys, looked up sorted and in parts."""
        text = query_text(query)
        place = "(?)" if "values {}" in text else "?"  # a row of its own, or an item of a list
        for part in in_parts(keys):
            statement = text.format(",".join([place] * len(part)))
            yield from map(dict, self._rows(statement, [*before, *part, *after]))

    def write_keys(self, query: str, keys: Iterable[str], before: Sequence[Any] = ()) -> list[Row]:
        """Run a named query that changes something for many keys, in parts; the rows that it returns."""
        with self.transaction():
            self._begin()
            return list(self.read_keys(query, keys, before))

    touch = write_returning

    def shared_time(self) -> None:
        """None: records in a file belong to one machine."""

    reserve = lock

    def tables(self) -> Iterator[tuple[str, Sequence[str], Iterable[Sequence[Any]]]]:
        """Every table; see `Database.tables`."""
        for row in self._run("select name from sqlite_master where type = 'table' order by name").fetchall():
            columns = sorted(item["name"] for item in self._run(f"pragma table_info({row['name']})"))
            yield row["name"], columns, self._run(f"select {', '.join(columns)} from {row['name']}")  # noqa: S608

    def fill(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows to a table."""
        marks = ", ".join("?" * len(columns))
        statement = f"insert into {table} ({', '.join(columns)}) values ({marks})"  # noqa: S608 - names of our own
        try:
            self._connection.executemany(statement, rows)
        except sqlite3.Error as error:
            raise storage_error(error, self.path) from error

    def check(self) -> list[str]:
        """What SQLite finds wrong; see `Database.check`."""
        words = [row[0] for row in self._rows("pragma integrity_check")]
        dangling = [
            f"row {row[1]} of table {row[0]} refers to a row of {row[2]} that is not there"
            for row in self._rows("pragma foreign_key_check")
        ]
        return [*(found for found in words if found != "ok"), *dangling]

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def _identity(path: Path) -> tuple[int, int]:
    """What tells the file at a path from another one that takes its place."""
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Whether this release of SQLite is free of the WAL-reset fault."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


def storage_error(error: sqlite3.Error, path: Path) -> StorageError:
    """What is told of an error of SQLite."""
    text = str(error)
    hint = ""
    if "locked" in text or "busy" in text:
        hint = f"another process has kept the records locked for {BUSY_SECONDS:.0f} s; see whether one hangs"
    elif "full" in text:
        hint = "free space on the disk and try again; nothing was half-written"
    elif "I/O error" in text:
        hint = FAILING
    elif "malformed" in text or "not a database" in text:
        hint = "the file is damaged; restore it from a backup, or move it away to begin with an empty workspace"
    elif "unable to open" in text or "readonly" in text:
        hint = "see whether the folder exists and may be written to"
    return StorageError(f"the records at {path} cannot be used: {text}", hint=hint)
