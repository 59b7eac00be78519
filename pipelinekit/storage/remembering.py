"""What a transaction that holds the write lock has read: as nobody else writes meanwhile, it need not be asked again.

A transaction that records many things at once, such as the calls of many clients, would ask for the same few rows for
each of them, and wait for the database each time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from pipelinekit.storage.database import migrations

Rows = list[Any]

MOST_ROWS = 16  # of what is kept: longer lists are asked for once, if at all
MOST_KEPT = 256
STATEMENTS = 1024  # that are understood without looking at them again
_CHANGES = re.compile(r"\b(insert|update|delete|truncate|set|pg_\w+|nextval|clock_timestamp|now|random)\b")
_TABLE = re.compile(r"\b(?:create table|rename to) (\w+)")
_WORD = re.compile(r"\w+")


class Remembered:
    """Rows that were read in one transaction, by statement and parameters, until it writes to a table they name."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, tuple[Any, ...]], Rows] = {}

    def find(self, statement: str, parameters: Sequence[Any]) -> Rows | None:
        """The rows, if they were read before and are what they were."""
        return self._rows.get((statement, tuple(parameters))) if self._rows else None

    def note(self, statement: str, parameters: Sequence[Any], rows: Rows) -> None:
        """Keep what a statement has read; or forget what it may have changed."""
        if not _only_reads(statement):
            self.forget(statement)
        elif len(rows) <= MOST_ROWS and len(self._rows) < MOST_KEPT:
            self._rows[statement, tuple(parameters)] = rows

    def forget(self, statement: str) -> None:
        """Forget whatever names a table that a statement names, too."""
        tables = _tables_of(statement)
        for place in [place for place in self._rows if not tables.isdisjoint(_tables_of(place[0]))]:
            del self._rows[place]

    def clear(self) -> None:
        """Forget everything: the transaction has ended."""
        self._rows.clear()


@lru_cache(STATEMENTS)
def _only_reads(statement: str) -> bool:
    """Whether a statement changes nothing, and gives the same whenever it is asked."""
    return statement.lstrip().startswith(("select", "with")) and not _CHANGES.search(statement)


@lru_cache(STATEMENTS)
def _tables_of(statement: str) -> frozenset[str]:
    """The tables that a statement names, or seems to: columns may have the name of another table."""
    return _tables().intersection(_WORD.findall(statement))


@cache
def _tables() -> frozenset[str]:
    """Every table that there is or was."""
    texts = [file.read_text(encoding="utf-8") for _, file in migrations()]
    return frozenset({"about", *(name for text in texts for name in _TABLE.findall(text))})
