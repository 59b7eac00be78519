"""Copies of records in a file, and records put back from one.

A copy of the file alone is none while the records are in use, or after a crash: what was acknowledged last lies beside
it, in the write-ahead log. And a log that is left beside a file which was put back would be taken for that file's own.
SQLite's own means see to both, whoever has the records open.
"""

from __future__ import annotations

import os
from contextlib import closing, suppress
from pathlib import Path

from pipelinekit.errors import StorageError, UsageError
from pipelinekit.storage.database import migrations
from pipelinekit.storage.sqlite import APPLICATION_ID, BUSY_SECONDS, storage_error
from pipelinekit.storage.sqlite_library import sqlite3

WRITING = ".writing"  # a copy that is not whole yet
REPLACED = ".replaced"
BESIDE = ("-wal", "-journal", "-shm")  # what SQLite keeps beside a file


def back_up(path: Path, to: Path) -> int:
    """Copy the records at `path` as they are at one moment to a new file; its size in bytes."""
    if to.exists():
        raise UsageError(f"there is a file at {to} already", hint="choose another name: a copy is never overwritten")
    if not to.parent.is_dir():
        raise UsageError(f"there is no folder {to.parent}", hint="make it first")
    writing = to.with_name(to.name + WRITING)
    try:
        with suppress(FileNotFoundError):
            writing.unlink()
        with closing(_opened(path)) as whole, closing(sqlite3.connect(writing)) as copy:
            whole.backup(copy)
            copy.execute("pragma journal_mode = delete")  # one file holds it all
        _sync(writing)
        os.link(writing, to)  # never over another
    except sqlite3.Error as error:
        raise storage_error(error, path) from error
    except FileExistsError:
        raise UsageError(f"there is a file at {to} already", hint="choose another name") from None
    except OSError as error:
        raise StorageError(
            f"the copy cannot be written to {to}: {error.strerror}", hint="choose another place"
        ) from error
    finally:
        with suppress(OSError):
            writing.unlink()
    return to.stat().st_size


def restore(path: Path, copy: Path) -> Path:
    """Put the records back as they are in a copy, in one transaction; where they are kept as they were.

    Whoever has them open sees what was put back. Raises UsageError for what is no copy of records, or a damaged one.
    """
    _check(copy)
    kept = free_name(path, REPLACED)
    if path.exists() and _faults(path):
        set_aside(path, kept)  # as it is: what is damaged cannot be copied
    elif path.exists():
        back_up(path, kept)
    try:
        with closing(_opened(copy)) as source, closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as target:
            target.execute("pragma synchronous = full")
            source.backup(target)
    except sqlite3.Error as error:
        raise storage_error(error, path) from error
    return kept


def _check(copy: Path) -> None:
    if not copy.is_file():
        raise UsageError(f"there is no file {copy}", hint="give a copy that 'pipelinekit workspace backup' has made")
    try:
        with closing(_opened(copy)) as found:
            application = found.execute("pragma application_id").fetchone()[0]
            version = found.execute("pragma user_version").fetchone()[0]
    except sqlite3.Error as error:
        raise UsageError(f"{copy} is no copy of records: {error}", hint="nothing was changed") from error
    if application != APPLICATION_ID:
        raise UsageError(f"{copy} is a database of another program", hint="nothing was changed")
    if version > migrations()[-1][0]:
        raise UsageError(
            f"{copy} has schema {version}, newer than the {migrations()[-1][0]} that this release knows",
            hint="put it back with the release that wrote it, or a newer one",
        )
    if faults := _faults(copy):
        raise UsageError(f"{copy} is damaged: {faults}", hint="nothing was changed; take another copy")


def _faults(path: Path) -> str:
    """What SQLite finds wrong with a file first; empty where it is well."""
    try:
        with closing(_opened(path)) as found:
            words = str(found.execute("pragma integrity_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        return str(error)
    return "" if words == "ok" else words


def free_name(path: Path, ending: str) -> Path:
    """A name beside a file that no other has."""
    kept, number = path.with_name(path.name + ending), 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}{ending}-{number}")
    return kept


def set_aside(path: Path, kept: Path) -> None:
    """Rename a file, with what SQLite keeps beside it: whoever still has it open finds out with the next write."""
    os.rename(path, kept)
    for ending in BESIDE:
        with suppress(FileNotFoundError):
            os.rename(f"{path}{ending}", f"{kept}{ending}")
    _sync(path.parent)


def _opened(path: Path) -> sqlite3.Connection:
    """A file that is there, for reading; one in use may have to be recovered, for which it must be writable."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
