"""The small connection port that all records stand on: named queries, transactions, batches.

Queries live in `sql/*.sql`, each behind a line `-- name: …`, in the subset of SQL that SQLite and PostgreSQL share. A
query with `{}` takes keys in its place: as a list after `in`, as rows after `values`. The few that cannot be written
for both stand once more in `sql/postgres/`. Tables are made by `sql/migrations/*.sql`, with columns of the types
`text`, `integer` (64 bits) and `double precision`; `storage.dialect` says what PostgreSQL makes of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

from pipelinekit.errors import UsageError
from pipelinekit.typed import Any, Protocol

SQL_FOLDER = Path(__file__).parent / "sql"
OF_EVERY_RUN = {"runs", "carrying", "reuse", "documents", "experiments", "facts", "vitals", "webhooks", "instance"}
KEYS_AT_ONCE = 500  # sorted keys, 500 at a time: the cheapest look-up measured

Row = Mapping[str, Any]


class Database(Protocol):
    """One connection to the records. Not shared between threads."""

    def transaction(self) -> AbstractContextManager[None]:
        """Group writes: all or none.

        The write lock is taken with the first write; inner transactions join the outer.
        """

    def lock(self) -> None:
        """Take the write lock at once, inside a transaction: what is read after it stays so until the end."""

    def read(self, query: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Rows of a named query."""

    def select(self, text: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Rows of a statement that was put together of named pieces."""

    def write(self, query: str, parameters: Sequence[Any] = ()) -> int:
        """Run a named query that changes something; how many rows were changed."""

    def write_returning(self, query: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run a named query that changes something; the rows that it returns."""

    def write_many(self, query: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run a named query for each row of parameters; how many rows were changed."""

    def send(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a named query for each row of parameters, whose outcome nobody asks for.

        What is wrong with it may show with the next statement, at the latest at the end of the transaction.
        """

    def foretell(self, query: str, parameters: Sequence[Any], rows: list[Row]) -> None:
        """Say what a named query gives now, which who has just written it knows: it need not be asked for.

        That holds until the transaction ends or writes to what the query reads.
        """

    def read_keys(
        self, query: str, keys: Iterable[str], before: Sequence[Any] = (), after: Sequence[Any] = ()
    ) -> Iterator[Row]:
        """Rows of a named query for many keys, looked up sorted and in parts."""

    def write_keys(self, query: str, keys: Iterable[str], before: Sequence[Any] = ()) -> list[Row]:
        """Run a named query that changes something for many keys, in parts; the rows that it returns."""

    def touch(self, query: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run a named query that nobody decides by, outside of any transaction; the rows that it returns.

        It need not wait for the write lock, where the database can do without.
        """

    def shared_time(self) -> float | None:
        """Seconds since 1970 by the clock of the server that all machines share.

        None where records are a file: then they belong to one machine, and its clocks count.
        """

    def write_ahead(self) -> bool:
        """Prepare for many who read while others write, as a server does; whether that is so, where it is a choice."""

    def reserve(self) -> None:
        """Take the write lock, for as long as whole tables take to be moved."""

    def tables(self) -> Iterator[tuple[str, Sequence[str], Iterable[Sequence[Any]]]]:
        """Every table: its name, the names of its columns in order, and its rows. Inside a transaction."""

    def fill(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows to a table. Inside a transaction that is reserved."""

    def check(self) -> list[str]:
        """What the database finds wrong with its own file, and references that lead nowhere."""

    def close(self) -> None:
        """End the connection."""


@cache
def queries() -> Mapping[str, str]:
    """All named queries."""
    return read_queries(SQL_FOLDER)


@cache
def query_text(name: str) -> str:
    """The text of a named query; no more files are read than it takes. Raises KeyError for one that there is not."""
    for file in _files_in_turn():
        if (text := _read_queries(file).get(name)) is not None:
            return text
    raise KeyError(name)


@cache
def _files_in_turn() -> Sequence[Path]:
    """All files of named queries, those first that every run needs."""
    return sorted(_sql_files(SQL_FOLDER), key=lambda file: file.stem not in OF_EVERY_RUN)


def read_queries(folder: Path) -> Mapping[str, str]:
    """The named queries in the files of a folder."""
    return {name: text for file in _sql_files(folder) for name, text in _read_queries(file).items()}


@cache
def _read_queries(file: Path) -> Mapping[str, str]:
    parts = [part.partition("\n") for part in file.read_text(encoding="utf-8").split("-- name: ")[1:]]
    return {name.strip(): body.strip() for name, _, body in parts}


@cache
def migrations() -> Sequence[tuple[int, Path]]:
    """Schema versions with the files of the statements that lead to each, in order."""
    return [(int(file.name[:4]), file) for file in _sql_files(SQL_FOLDER / "migrations")]


def statements(file: Path) -> list[str]:
    """The statements of a migration."""
    return [text for text in file.read_text(encoding="utf-8").split(";\n") if text.strip()]


def _sql_files(folder: Path) -> list[Path]:
    return [folder / name for name in sorted(os.listdir(folder)) if name.endswith(".sql")]


def in_parts(keys: Iterable[str], size: int = KEYS_AT_ONCE) -> Iterator[list[str]]:
    """Sorted keys without repeats, in lists of at most `size`."""
    ordered = sorted(set(keys))
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def not_text(error: UnicodeEncodeError) -> UsageError:
    """What is told of a text that no database keeps: bytes of a terminal or a file name that are not UTF-8."""
    return UsageError(f"{error.object[:80]!r} is no text that can be kept", hint="give it in UTF-8")


def too_large(error: OverflowError) -> UsageError:
    """What is told of a number that no database keeps."""
    return UsageError("a number has more than 64 bits", hint=f"give a smaller one ({error})")


def device_of(folder: Path) -> int | None:
    """The device that a folder lies on; None where it is not there."""
    try:
        return os.stat(folder).st_dev
    except OSError:
        return None


def nameless(device: int | None) -> int:
    """A device without a number of its own, as network file systems have none but disks of this machine do; else 0."""
    return 0 if device is None or os.major(device) else device
