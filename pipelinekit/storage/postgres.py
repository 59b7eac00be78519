"""PostgreSQL as the records' database, for workspaces that several machines share.

Whoever writes holds the lock on the one row of the table `about`, from the first write of a transaction to its end: so
what is read meanwhile stays so, as on SQLite, and writers neither deadlock nor fail to be put in an order. It is held
for some milliseconds; a transaction that hangs is ended by the server, sooner than a lease ends.

A connection that is lost is made again. What a transaction had done by then is done once more, and must have the same
results, so that whoever is in the middle of it may go on. Whether a commit whose answer was lost took place is asked of
the server.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from pipelinekit.domain.addresses import PostgresAddress
from pipelinekit.errors import StorageError
from pipelinekit.storage.database import Row, in_parts, not_text
from pipelinekit.storage.dialect import postgres_queries, postgres_text
from pipelinekit.storage.remembering import Remembered
from pipelinekit.storage.sessions import PATIENCE_SECONDS, Session, is_passing, storage_error
from pipelinekit.storage.waiting import note_wait

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0
WAITED_SECONDS = 0.02  # for the lock: a server that is free gives it at once
MOST_ALONG = 16  # rows that go along with the next statement: more are faster by themselves
CLOCK_SECONDS = 60.0  # the server's clock is read anew after so long

T = TypeVar("T")
Outcome = tuple[int, list[dict[str, Any]]]


class _Step:
    """A statement of the open transaction, and what came of it, if anybody asked."""

    __slots__ = ("many", "parameters", "print", "statement")

    def __init__(self, statement: str, parameters: Sequence[Any], many: bool, outcome: Outcome | None = None) -> None:
        self.statement = statement
        self.parameters = parameters
        self.many = many
        self.print = None if outcome is None else _print(outcome)


class PostgresDatabase:
    """One connection to records in a schema of a PostgreSQL database, which is made and migrated when needed."""

    def __init__(self, address: PostgresAddress, *, arriving: bool = False, patience: float | None = None) -> None:
        self.address = address
        self._patience = patience  # how long a server that is away is waited for, where that is not as usual
        self._depth = 0
        self._done: list[_Step] | None = None  # the statements of the open transaction
        self._unsent: list[_Step] = []  # statements that go along with the next
        self._remembered = Remembered()
        self._transaction = ""  # its id, by which the server knows it
        self._repeatable = True
        self._broken = False
        self._session = Session(address, arriving=arriving)
        self._session.prepare()
        self._clock_read = time.monotonic()

    # -- transactions ------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Group writes; see `Database.transaction`."""
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self._roll_back()
            raise
        self._depth -= 1
        if self._depth == 0 and self._done is not None:
            self._commit()

    def lock(self) -> None:
        """Take the write lock; see `Database.lock`."""
        if self._done is None:
            began = time.monotonic()
            self._patiently(self._begin, self._resume)
            self._done, self._repeatable = [], True
            if (waited := time.monotonic() - began) > WAITED_SECONDS:
                note_wait(waited)

    def _begin(self) -> None:
        self._transaction = self._session.begin()

    def _roll_back(self) -> None:
        self._unsent = []
        self._remembered.clear()
        if self._done is not None:
            self._done = None
            self._broken = self._broken or not self._session.roll_back()

    def _commit(self) -> None:
        """End the transaction for good, also where the connection is lost before the server says that it has."""
        assert self._done is not None
        last, self._unsent = self._unsent, []
        self._done += last
        try:
            self._session.commit(last)
            self._done = None
        except self._session.errors as error:
            if not is_passing(error, self._session):
                raise storage_error(error, self.address) from error
            self._patiently(self._settle)
        finally:
            self._roll_back()

    def _settle(self) -> None:
        """Find out what became of a commit that was not answered; where nothing did, do it all again."""
        self._reconnect()
        if not self._session.was_committed(self._transaction):
            self._repeat()
            self._session.commit()
        self._done = None

    # -- patience ----------------------------------------------------------------------------------------------------

    def _run(self, statement: str, parameters: Sequence[Any], *, many: bool = False) -> Outcome:
        """Perform one statement, in the open transaction if there is one."""
        if self._done is not None and not many and (rows := self._remembered.find(statement, parameters)) is not None:
            return len(rows), rows
        unsent = self._unsent
        outcome: Outcome = self._patiently(
            lambda: self._session.perform(statement, parameters, many=many, after=unsent), self._resume
        )
        if self._done is not None:
            self._done += (*unsent, _Step(statement, parameters, many, outcome))
            self._unsent = []
            self._remembered.note(statement, parameters, outcome[1])
        return outcome

    def _patiently(self, act: Callable[[], T], mend: Callable[[], None] | None = None) -> T:
        """Do something with the session, as often as it takes while the server is away or chose another's side.

        `mend` is done first where something went wrong.
        """
        patience = PATIENCE_SECONDS if self._patience is None else self._patience
        pause, until = FIRST_PAUSE, time.monotonic() + patience
        while True:
            try:
                if self._broken and mend is not None:
                    mend()
                return act()
            except UnicodeEncodeError as error:
                raise not_text(error) from error
            except self._session.errors as error:
                if not is_passing(error, self._session):
                    raise storage_error(error, self.address) from error
                self._broken = True
                if time.monotonic() + pause > until:
                    raise storage_error(error, self.address) from error
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _reconnect(self) -> None:
        """Get a session that works, and nothing open in it.

        What went wrong may have left the old one open and of no use, such as in the middle of many statements.
        """
        self._session.close()
        self._session.connect()
        self._broken = False

    def _resume(self) -> None:
        """Get a session that works, with the open transaction where it was."""
        self._reconnect()
        self._broken = True  # until all is done again
        if self._done is not None:
            self._repeat()
        self._broken = False

    def _repeat(self) -> None:
        """Do once more what the open transaction has done. Raises StorageError where something else comes of it."""
        if not self._repeatable:
            raise StorageError(
                f"the connection to the records at {self.address} was lost while they were moved",
                hint="give the command again: the records are where they were",
            )
        self._begin()
        for step in self._done or ():
            outcome = self._session.perform(step.statement, step.parameters, many=step.many)
            if step.print is not None and _print(outcome) != step.print:
                raise StorageError(
                    f"the connection to the records at {self.address} was lost in the middle of a transaction, and "
                    "others have changed meanwhile what it had found",
                    hint="do it again: nothing of it was recorded, and what was finished before is reused",
                )

    # -- queries -----------------------------------------------------------------------------------------------------

    def read(self, query: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Rows of a named query."""
        return list(self._run(postgres_queries()[query], list(parameters))[1])

    def select(self, text: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Rows of a statement that was put together; see `Database.select`."""
        return list(self._run(postgres_text(text), list(parameters))[1])

    def write(self, query: str, parameters: Sequence[Any] = ()) -> int:
        """Run a named query that changes something; how many rows were changed."""
        with self.transaction():
            self.lock()
            return self._run(postgres_queries()[query], list(parameters))[0]

    def write_returning(self, query: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run a named query that changes something; the rows that it returns."""
        with self.transaction():
            self.lock()
            return self.read(query, parameters)

    def write_many(self, query: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run a named query for each row of parameters; how many rows were changed."""
        listed = list(rows)
        if not listed:
            return 0
        with self.transaction():
            self.lock()
            return self._run(postgres_queries()[query], listed, many=True)[0]

    def send(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a named query for each row of parameters, along with the next statement: one answer is waited for."""
        listed = list(rows)
        if len(listed) > MOST_ALONG:
            self.write_many(query, listed)
        elif listed:
            with self.transaction():
                self.lock()
                step = _Step(postgres_queries()[query], listed, many=True)
                self._unsent.append(step)
                self._remembered.forget(step.statement)

    def foretell(self, query: str, parameters: Sequence[Any], rows: list[Row]) -> None:
        """Say what a named query gives now; see `Database.foretell`."""
        if self._done is not None:
            self._remembered.note(postgres_queries()[query], list(parameters), rows)

    def read_keys(
        self, query: str, keys: Iterable[str], before: Sequence[Any] = (), after: Sequence[Any] = ()
    ) -> Iterator[Row]:
        """Rows of a named query for many keys, looked up sorted and in parts."""
        text = postgres_queries()[query]
        place = "(%s)" if "values {}" in text else "%s"  # a row of its own, or an item of a list
        for part in in_parts(keys):
            yield from self._run(text.format(",".join([place] * len(part))), [*before, *part, *after])[1]

    def write_keys(self, query: str, keys: Iterable[str], before: Sequence[Any] = ()) -> list[Row]:
        """Run a named query that changes something for many keys, in parts; the rows that it returns."""
        with self.transaction():
            self.lock()
            return list(self.read_keys(query, keys, before))

    def touch(self, query: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run a named query that nobody decides by, without the write lock; see `Database.touch`."""
        return self.read(query, parameters)

    def shared_time(self) -> float:
        """Seconds since 1970 by the server's clock."""
        if self._done is None and time.monotonic() - self._clock_read > CLOCK_SECONDS:
            self._patiently(self._session.read_clock, self._resume)
            self._clock_read = time.monotonic()
        return self._session.time()

    def write_ahead(self) -> bool:
        """True: it always does."""
        return True

    def reserve(self) -> None:
        """Take the write lock for long; see `Database.reserve`."""
        self.lock()
        self._repeatable = False  # rows that are moved are not kept here
        self._run("set local idle_in_transaction_session_timeout to 0", [])
        self._run("set constraints all deferred", [])

    def tables(self) -> Iterator[tuple[str, Sequence[str], Iterable[Sequence[Any]]]]:
        """Every table; see `Database.tables`."""
        with self._told():
            yield from self._session.tables()

    def fill(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows to a table. Is not done again where the connection is lost."""
        assert not self._unsent
        self._remembered.clear()
        with self._told():
            self._session.fill(table, columns, rows)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._session.errors as error:
            raise storage_error(error, self.address) from error

    def is_left(self) -> bool:
        """Whether nobody uses these records: they were moved from here, or were about to be moved here."""
        return bool(self._run("select moved_to <> '' or arriving = 1 as is_left from about", [])[1][0]["is_left"])

    def claim(self) -> bool:
        """Keep others from moving records here for as long as this connection lasts; whether nobody else does."""
        key = f"moving to {self.address.schema}"
        rows = self._run("select pg_try_advisory_lock(hashtext('pipelinekit'), hashtext(%s)) as granted", [key])[1]
        return bool(rows[0]["granted"])

    def use(self) -> None:
        """Note that what was being filled is in use."""
        self._run("update about set arriving = 0", [])

    def clear(self) -> None:
        """Empty all tables, and note that they are being filled. Inside a transaction that is reserved."""
        names = [name for name, _, _ in self.tables()]
        self._run(f"truncate {', '.join(names)}", [])
        self._run("update about set arriving = 1, moved_to = ''", [])

    def leave(self, target: str) -> None:
        """Note that the records were moved. Inside a transaction."""
        self._run("update about set moved_to = %s", [target])

    def check(self) -> list[str]:
        """What PostgreSQL finds wrong; see `Database.check`."""
        rows = self._run(_UNSOUND, [])[1]
        return [row["words"] for row in rows]

    def close(self) -> None:
        """End the connection."""
        self._session.close()


_UNSOUND = """
select 'index ' || indexrelid::regclass || ' cannot be used' as words from pg_index
join pg_class on pg_class.oid = indexrelid where relnamespace = current_schema()::regnamespace and not indisvalid
union all
select 'rule ' || conname || ' of table ' || conrelid::regclass || ' is not checked' as words from pg_constraint
where connamespace = current_schema()::regnamespace and not convalidated
"""


def _print(outcome: Outcome) -> int:
    """What tells an outcome apart from another in this process."""
    count, rows = outcome
    return hash((count, tuple(tuple(row.values()) for row in rows)))
