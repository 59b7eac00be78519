"""Access tokens in the database."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.domain.tokens import Kind, Role, Token
from pipelinekit.errors import ConflictError
from pipelinekit.storage.database import Database, Row


class SQLTokens:
    """Implements `ports.TokenRecords` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, token: Token) -> None:
        """Keep a token; the name of one that has expired is free."""
        folded = token.name.lower()
        kept = (token.id, folded, token.name, token.kind.value, token.role.value, token.endpoint, token.digest)
        with self._database.transaction():
            self._database.write("retire_expired_token", (folded, token.created_at))
            row = (*kept, token.created_at, token.created_by, token.expires_at)
            if not self._database.write_returning("add_token", row):
                raise ConflictError(
                    f"there is a token {token.name!r} already", hint="choose another name, or revoke that one first"
                )

    def find(self, token: str) -> Token | None:
        """The token of this id."""
        rows = self._database.read("get_token", (token,))
        return _token(rows[0]) if rows else None

    def list(self) -> Sequence[Token]:
        """All of them."""
        return [_token(row) for row in self._database.read("list_tokens")]

    def revoke(self, token: str, at: float) -> bool:
        """Let a token open nothing from now on."""
        return bool(self._database.write_returning("revoke_token", (at, token)))

    def use(self, token: str, at: float, before: float) -> bool:
        """Note that a token was used."""
        return bool(self._database.touch("use_token", (at, token, before)))


def _token(row: Row) -> Token:
    return Token(
        row["id"],
        row["name"],
        Kind(row["kind"]),
        Role(row["role"]),
        row["endpoint"],
        row["digest"],
        row["created_at"],
        row["created_by"],
        row["expires_at"],
        row["last_used"],
        row["revoked_at"],
    )
