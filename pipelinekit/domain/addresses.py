"""Where records are: a file in the workspace, or a PostgreSQL database by its URL. No password is ever part of it."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from pipelinekit.classes import frozen
from pipelinekit.errors import UsageError

FILE = "file"
SCHEMA = "pipelinekit"
_SCHEMES = ("postgresql", "postgres")
_SECRETS = ("password", "sslpassword")
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@frozen
class PostgresAddress:
    """A schema in a PostgreSQL database: a URL for the client library, and the name of the schema."""

    url: str
    schema: str

    def __str__(self) -> str:
        separator = "&" if urlsplit(self.url).query else "?"
        return self.url if self.schema == SCHEMA else f"{self.url}{separator}schema={self.schema}"


def postgres_address(text: str) -> PostgresAddress:
    """The address that a URL like `postgresql://user@host/database?schema=name` stands for. Raises UsageError.

    Messages never repeat the text: it may hold a password, which is refused.
    """
    try:
        parts = urlsplit(text)
        has_password, _ = parts.password is not None, parts.port
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise UsageError("the address of the records cannot be read", hint=_HINT) from None
    if parts.scheme not in _SCHEMES or not text.startswith(f"{parts.scheme}://") or parts.fragment:
        raise UsageError("the address of the records is no URL of a PostgreSQL database", hint=_HINT)
    if has_password or any(name in _SECRETS for name, _ in options):
        raise UsageError(
            "the address of the records holds a password",
            hint="leave it out, and put it into ~/.pgpass or the variable PGPASSWORD",
        )
    if not unquote(parts.path).strip("/"):
        raise UsageError("the address of the records names no database", hint=_HINT)
    schema = dict(options).get("schema", SCHEMA)
    if not _NAME.fullmatch(schema):
        raise UsageError(
            f"{schema!r} cannot name a schema of records", hint="use at most 63 letters a to z, digits and '_'"
        )
    rest = urlencode([(name, value) for name, value in options if name != "schema"], safe="/")
    url = f"postgresql://{parts.netloc}{parts.path}"
    return PostgresAddress(f"{url}?{rest}" if rest else url, schema)


_HINT = "use postgresql://USER@HOST/DATABASE, with ?schema=NAME where several workspaces share a database"
