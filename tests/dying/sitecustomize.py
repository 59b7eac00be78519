"""Loaded by each Python process that has this folder on PYTHONPATH: commands of ours die at what they make durable.

A transaction is of the kind that its statements are, and what it tells the audit log. Where the folder DYING has a file `words`, a process dies at the
first transaction of each kind that it comes to, once before it is committed and once after, in the order in which they
come; `words` says which commands die, and what names of statements a transaction must have for them to: a line
`serve` or `drive take_run`. A line `serve 3` has only the third such death take place. Each death leaves a file
`died-NUMBER` that says what it was. The file `now` holds the time, which is turned by hand: it passes by itself for less
than a minute.
"""

import os
import signal
import sys
import time
from pathlib import Path

BY_ITSELF, AGAIN = 50.0, 3.0  # seconds that the clock goes on, and after which a run is offered once more
ACTION = 6  # the place of what was done in a row of the audit log


def lines(folder):
    """Which command dies, with which statement, at which of its deaths: as words."""
    return [line.split() for line in (folder / "words").read_text().splitlines()]


def instrument(folder, command):
    """From now on this process dies where it is told."""
    from pipelinekit import bootstrap
    from pipelinekit.storage import queueing, recovery
    from pipelinekit.storage.postgres import PostgresDatabase
    from pipelinekit.storage.sqlite import SQLiteDatabase

    def now(_):
        file = folder / "now"
        return float(file.read_text()) + min(time.time() - file.stat().st_mtime, BY_ITSELF)

    bootstrap.SystemClock.now = now
    recovery.TOLD_SECONDS = queueing.TOLD_SECONDS = AGAIN
    wanted = [words[1:] for words in lines(folder) if words[0] == command]
    if not wanted:
        return
    statements = {name for words in wanted for name in words if not name.isdigit()}
    only = next((int(word) for words in wanted for word in words if word.isdigit()), 0)

    def die(kind, side):
        try:
            os.close(os.open(folder / f"{command}-{side}-{kind}"[:250], os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return
        for number in range(1, 10_000):
            try:
                file = os.open(folder / f"died-{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                continue
            os.write(file, f"{command} {side} {kind}".encode())
            break
        if only in (0, number):
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()  # not one instruction more

    def around(self, commit):
        """Commit, and die before or after it."""
        queries, self.__dict__["queries"] = self.__dict__.get("queries", set()), set()
        dies, kind = not statements or statements & queries, "+".join(sorted(queries))
        if dies:
            die(kind, "before")
        commit()
        if dies:
            die(kind, "after")

    end, commit = SQLiteDatabase._end, PostgresDatabase._commit

    def ending(self, how):
        around(self, lambda: end(self, how)) if self._begun and how == "commit" else end(self, how)

    SQLiteDatabase._end = ending
    PostgresDatabase._commit = lambda self: around(self, lambda: commit(self))
    for name in ("write", "write_returning", "write_many", "write_keys", "send"):
        note(SQLiteDatabase, name)
        note(PostgresDatabase, name)
    note(SQLiteDatabase, "touch")


def note(database, name):
    """Have a method of a database note what it is asked for."""
    plain = getattr(database, name)

    def noting(self, query, *arguments):
        with self.transaction():
            self.__dict__.setdefault("queries", set()).add(query)
            if query == "add_audit":
                for row in arguments[0]:
                    self.queries.add(row[ACTION].replace(" ", "-").replace("/", "-"))
            return plain(self, query, *arguments)

    setattr(database, name, noting)


if "DYING" in os.environ:
    command = [word for word in sys.orig_argv if word in ("serve", "drive", "publish")][:1]
    if command:
        instrument(Path(os.environ["DYING"]), command[0])
if "DYING_AT" in os.environ:
    import counted  # noqa: F401 - which instruments this process
