"""All records from one place to another: from the file to PostgreSQL, back, or between two databases.

Whoever writes waits meanwhile. The new place is filled in one transaction and held against the old one; then the
setting is switched; then the old place is left, so that who still has it open is told. Killed before the switch, it
leaves the old place as it was, and whatever the new one holds is replaced by the next try.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Protocol

from pipelinekit.classes import frozen
from pipelinekit.domain.addresses import PostgresAddress
from pipelinekit.domain.texts import counted
from pipelinekit.errors import StorageError, UsageError
from pipelinekit.storage.backups import BESIDE, free_name, set_aside
from pipelinekit.storage.database import Database
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.sessions import without_zeros
from pipelinekit.storage.sqlite import SQLiteDatabase

ARRIVING = ".arriving"
MOVED = ".moved"


@frozen
class Moved:
    """What moving did: rows by table, and where the old records are kept."""

    origin: str
    target: str
    kept: str
    rows: Mapping[str, int]


class Place(Protocol):
    """Where records can be."""

    def opened(self) -> Database:
        """The records that are there."""

    def vacant(self) -> Database:
        """A database that is to be filled. Raises UsageError where there are records already."""

    def clear(self, database: Database) -> None:
        """Inside the transaction that fills it: take away what an earlier try left."""

    def arrive(self, database: Database) -> None:
        """Make what was filled the records of this place."""

    def use(self, database: Database) -> None:
        """Note that everybody finds them there now."""

    def leave(self, database: Database, target: str) -> None:
        """Before the switch, inside the last transaction: note where everybody will find the records."""

    def set_aside(self) -> str:
        """After the switch: keep the records where they are in nobody's way; where that is."""


class FilePlace:
    """A file, which SQLite reads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._arriving = path.with_name(path.name + ARRIVING)

    def __str__(self) -> str:
        return str(self._path)

    def opened(self) -> Database:
        """The records in the file."""
        return SQLiteDatabase(self._path)

    def vacant(self) -> Database:
        """A file beside the place, which takes it when it is whole."""
        if self._path.exists():
            if not (self._arriving.exists() and os.path.samefile(self._arriving, self._path)):
                hint = "move that file away, if nobody needs it any more"
                raise UsageError(f"there are records at {self._path} already", hint=hint)
            self.set_aside()  # an earlier try got as far as this
        _remove(self._arriving)
        return SQLiteDatabase(self._arriving)

    def clear(self, database: Database) -> None:
        """Nothing: the file is new."""

    def arrive(self, database: Database) -> None:
        """Put the file in its place. Its first name stays until it is in use."""
        database.close()
        for ending in BESIDE:  # of a file that was taken away: it would be taken for a part of this one
            _remove(self._path.with_name(self._path.name + ending))
        os.link(self._arriving, self._path)
        _sync(self._path.parent)

    def use(self, database: Database) -> None:  # noqa: ARG002 - the file is closed
        """Take the first name of the file away."""
        _remove(self._arriving)

    def leave(self, database: Database, target: str) -> None:
        """Nothing: the file is needed until the switch."""

    def set_aside(self) -> str:
        """Rename the file: whoever still has it open finds out with the next write."""
        kept = free_name(self._path, MOVED)
        set_aside(self._path, kept)
        return str(kept)


class PostgresPlace:
    """A schema of a PostgreSQL database."""

    def __init__(self, address: PostgresAddress) -> None:
        self._address = address

    def __str__(self) -> str:
        return str(self._address)

    def opened(self) -> Database:
        """The records in the schema."""
        return PostgresDatabase(self._address)

    def vacant(self) -> Database:
        """The schema, which must hold nothing but what an earlier try, or an earlier move from there, has left."""
        database = PostgresDatabase(self._address, arriving=True)
        try:
            self._refuse_used(database, claimed=database.claim())
        except UsageError:
            database.close()
            raise
        return database

    def _refuse_used(self, database: PostgresDatabase, *, claimed: bool) -> None:
        if not claimed or (database.read("list_experiments") and not database.is_left()):
            raise UsageError(
                f"there are records at {self._address} already, or about to be",
                hint="choose another database, or another schema in it: add ?schema=NAME",
            )

    def clear(self, database: Database) -> None:
        """Empty all tables."""
        assert isinstance(database, PostgresDatabase)
        self._refuse_used(database, claimed=True)  # now that nobody else can write
        database.clear()

    def arrive(self, database: Database) -> None:
        """Nothing: it is there with the end of its transaction."""

    def use(self, database: Database) -> None:
        """Note that the records are in use."""
        assert isinstance(database, PostgresDatabase)
        database.use()

    def leave(self, database: Database, target: str) -> None:
        """Write down where the records went, for whoever still uses these."""
        assert isinstance(database, PostgresDatabase)
        database.leave(target)

    def set_aside(self) -> str:
        """Nothing: they stay in their schema, and nobody may use them."""
        return str(self._address)


def move(old: Place, new: Place, switch: Callable[[], None]) -> Moved:
    """Move all records. `switch` makes the new place the one that everybody finds."""
    with closing(old.opened()) as source, closing(new.vacant()) as target, source.transaction():
        source.reserve()
        _refuse(source)
        with target.transaction():
            target.reserve()
            new.clear(target)
            rows = _copy(source, target)
        new.arrive(target)
        old.leave(source, str(new))
        switch()
        new.use(target)
        kept = old.set_aside()
    return Moved(str(old), str(new), kept, rows)


def _refuse(source: Database) -> None:
    """Refuse to move what is in use, or damaged."""
    if runs := [row["id"] for row in source.read("open_runs")]:
        raise UsageError(
            f"{counted(len(runs), 'run')} {'is' if len(runs) == 1 else 'are'} open: {', '.join(runs[:5])}",
            hint="wait for the end, or cancel with 'pipelinekit runs cancel RUN'",
        )
    if faults := source.check():
        raise StorageError(f"the records are damaged: {faults[0]}", hint="'pipelinekit fsck' says more")


def _copy(source: Database, target: Database) -> dict[str, int]:
    """Copy every table, and read it back. Raises StorageError where anything differs."""
    told: dict[str, _Tally] = {}
    for name, columns, rows in source.tables():
        told[name] = tally = _Tally()
        target.fill(name, columns, tally.watch(rows))
    for name, _, rows in target.tables():
        arrived = _Tally()
        for _ in arrived.watch(rows):
            pass
        if name not in told or not arrived.equals(told[name]):
            raise StorageError(
                f"table {name} did not arrive as it was: it has {arrived.count} rows there",
                hint="nothing was changed here; try again",
            )
    return {name: tally.count for name, tally in told.items()}


class _Tally:
    """How many rows there were, and what they held, whatever their order."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0

    def watch(self, rows: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        """The same rows, counted."""
        for row in rows:
            plain = without_zeros(row)
            self.count += 1
            self._sum += hash(tuple(plain))
            yield plain

    def equals(self, other: _Tally) -> bool:
        """Whether the same was seen."""
        return (self.count, self._sum) == (other.count, other._sum)


def _remove(path: Path) -> None:
    for ending in ("", *BESIDE):
        with suppress(FileNotFoundError):
            os.unlink(f"{path}{ending}")


def _sync(folder: Path) -> None:
    """Make a new name in a folder outlast a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
