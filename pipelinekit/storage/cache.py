"""What this machine remembers to be fast, in a SQLite file that may be lost at any time.

Not a record: durability is off, and a damaged file is thrown away. On a network file system, where the locks of SQLite
do not hold, nothing is remembered beyond the process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from pipelinekit.late import late
from pipelinekit.storage.database import device_of, in_parts, nameless
from pipelinekit.storage.sqlite_library import sqlite3
from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelinekit.storage import disks
else:
    disks = late("pipelinekit.storage.disks")

_SCHEMA = "create table if not exists kept (space text, key text, body text, primary key (space, key)) without rowid"


class FileCache:
    """Implements `ports.Cache` on a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        if (device := nameless(device_of(self._path.parent))) and disks.network_kind(device):
            return _connect(":memory:")
        try:
            return _connect(self._path)
        except sqlite3.DatabaseError:
            with suppress(OSError):
                self._path.unlink()
        try:
            return _connect(self._path)
        except sqlite3.DatabaseError:  # no room, or no right to write: what is remembered is no reason to fail
            return _connect(":memory:")

    def get(self, space: str, keys: Iterable[str]) -> Mapping[str, str]:
        """The texts kept under these keys; none where the file cannot be read."""
        found: dict[str, str] = {}
        with suppress(sqlite3.Error, UnicodeEncodeError):
            for part in in_parts(keys):
                marks = ",".join("?" * len(part))
                statement = f"select key, body from kept where space = ? and key in ({marks})"  # noqa: S608 - marks only
                found.update(self._connection.execute(statement, [space, *part]))
        return found

    def put(self, space: str, items: Mapping[str, str]) -> None:
        """Keep texts by key. What cannot be kept is lost, and costs time later."""
        if not items:
            return
        rows = [(space, key, body) for key, body in items.items()]
        with suppress(sqlite3.Error, UnicodeEncodeError):  # file names need not be text
            self._connection.execute("begin immediate")
            try:
                self._connection.executemany("insert or replace into kept values (?, ?, ?)", rows)
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def _connect(path: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
    connection.execute("pragma journal_mode = truncate")
    connection.execute("pragma synchronous = off")
    connection.execute(_SCHEMA)
    return connection
