"""SQLite, by one library for the whole process: where two open a file, its locks are lost with whichever closes it.

What the standard library was built with may have the fault for which a write-ahead log is not used (see `sqlite`). The
package pysqlite3, which servers bring, is the same module with a newer SQLite in it.
"""

from __future__ import annotations

from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
if not TYPE_CHECKING:
    try:
        from pysqlite3 import dbapi2 as sqlite3
    except ImportError:  # not made for every machine
        import _sqlite3 as sqlite3  # `sqlite3` is this, with dates as values, for which it imports what no run needs

VERSION = tuple(map(int, sqlite3.sqlite_version.split(".")))

__all__ = ["VERSION", "sqlite3"]
