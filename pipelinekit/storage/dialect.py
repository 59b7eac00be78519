"""What PostgreSQL makes of the queries and migrations that are written for both databases.

Parameters are `%s` instead of `?`. Of the types of columns, `integer` has 64 bits, as in SQLite; `text` is compared
byte by byte, as there, whatever the database's own order of letters is. References may be checked at the end of a
transaction, so that whole tables can be moved in any order of their rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from pipelinekit.storage.database import SQL_FOLDER, queries, read_queries

TYPES = {
    "integer": "bigint",
    "real": "double precision",
    "text": 'text collate "C"',
    "blob": "bytea",
}
_COLUMN = re.compile(rf"(?<=[a-z0-9_] )({'|'.join(TYPES)})\b")
_REFERENCE = re.compile(r"(references \w+ \([^)]*\))")
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)


@cache
def postgres_queries() -> Mapping[str, str]:
    """All named queries as PostgreSQL's client wants them."""
    found = {**queries(), **read_queries(SQL_FOLDER / "postgres")}
    return {name: postgres_text(text) for name, text in found.items()}


def postgres_text(text: str) -> str:
    """A statement as PostgreSQL's client wants it."""
    return text.replace("%", "%%").replace("?", "%s")


def postgres_statement(text: str) -> str:
    """A statement of a migration for PostgreSQL; empty where it is nothing but a comment."""
    text = _COMMENT.sub("", text).strip()
    if re.match(r"(create table|alter table)\b", text):
        text = _COLUMN.sub(lambda found: TYPES[found[1]], text)
        text = _REFERENCE.sub(r"\1 deferrable", text)
    return text
