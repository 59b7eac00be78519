"""Access tokens, the audit log and secrets that a server has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipelinekit.client.connection import Connection, quoted
from pipelinekit.domain.audit import START, AuditRecord, Verified
from pipelinekit.domain.secrets import Secret
from pipelinekit.domain.tokens import EXPIRY_SECONDS, Kind, NewToken, Role, Token
from pipelinekit.errors import UsageError
from pipelinekit.wire.secrets import secret_from_document
from pipelinekit.wire.tokens import audit_from_document, token_from_document

MOST = 500  # rows of one answer


class RemoteTokens:
    """The access tokens of a workspace."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self,
        name: str,
        *,
        role: Role | str | None = None,
        kind: Kind | str | None = None,
        endpoint: str = "",
        expires: float | str = EXPIRY_SECONDS,
    ) -> NewToken:
        """Make a token; its text is in what is returned, and nowhere else."""
        body = {
            "name": name,
            "role": None if role is None else str(role),
            "kind": None if kind is None else str(kind),
            "endpoint": endpoint,
            "expires": expires,
        }
        made = self._connection.ask("POST", "/tokens", body).document
        return NewToken(token_from_document(made), made["text"])

    def revoke(self, token: str) -> Token:
        """Let a token, by its name or id, open nothing from now on; it as it is then. Raises NotFoundError."""
        known = self.get(token)
        self._connection.ask("DELETE", f"/tokens/{quoted(known.id)}")
        return self.get(known.id)

    def list(self, *, all: bool = False) -> Sequence[Token]:  # noqa: A002 - as other collections say it
        """Tokens that are live, by name; with `all` those that expired or were revoked, too."""
        return [token_from_document(item) for item in self._connection.get("/tokens", all=all)["tokens"]]

    def get(self, token: str) -> Token:
        """The token of this id, or else of this name: the live one, or the newest. Raises NotFoundError."""
        return token_from_document(self._connection.get(f"/tokens/{quoted(token)}"))


class RemoteAudit:
    """The audit log of a workspace."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, limit: int = 100, before: int | None = None) -> Sequence[AuditRecord]:
        """The newest rows, newest first; with `before` those whose number is less."""
        if limit < 1:
            raise UsageError(f"{limit} rows of the audit log cannot be shown", hint="ask for 1 or more")
        found: list[AuditRecord] = []
        for row in self._newest(before):
            found.append(row)
            if len(found) == limit:
                break
        return found

    def all(self) -> Iterator[AuditRecord]:
        """All rows in order."""
        return reversed([*self._newest(None)])

    def verify(self, known: str = START) -> Verified:
        """Have the server look through the whole log, and also for the row of a digest that was `known` before."""
        found = self._connection.get("/tokens/audit/verification", known=known)
        return Verified(found["rows"], found["newest"], tuple(found["faults"]))

    def _newest(self, before: int | None) -> Iterator[AuditRecord]:
        while True:
            rows = self._connection.get("/tokens/audit/log", limit=MOST, before=before)["rows"]
            yield from map(audit_from_document, rows)
            if len(rows) < MOST or rows[-1]["number"] == 1:
                return
            before = rows[-1]["number"]


class RemoteSecrets:
    """The secrets of a workspace. Values go in; nothing shows them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def set(self, name: str, value: str) -> Secret:
        """Keep a value under a name, as a new version if there is one already; the older value is dropped."""
        return secret_from_document(self._connection.ask("PUT", f"/secrets/{quoted(name)}", {"value": value}).document)

    def delete(self, *names: str) -> None:
        """Drop secrets: all of these, or none where one is not there (NotFoundError)."""
        self._connection.ask("DELETE", "/secrets", query={"name": list(names)})

    def list(self) -> Sequence[Secret]:
        """Names, versions, times and who set them."""
        return [secret_from_document(item) for item in self._connection.get("/secrets")["secrets"]]

    def names(self) -> Sequence[str]:
        """The names."""
        return [secret.name for secret in self.list()]

    def rotate_key(self) -> tuple[int, int]:
        """Seal every secret with a new key of the server's; how many secrets, and how many older keys stay."""
        done = self._connection.ask("POST", "/secrets/rotate-key").document
        return done["secrets"], done["older_keys"]
