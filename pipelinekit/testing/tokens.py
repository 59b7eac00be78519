"""Access tokens in memory: the twin of what `storage` keeps."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.classes import replace
from pipelinekit.domain.tokens import Token, retired
from pipelinekit.errors import ConflictError


class MemoryTokens:
    """Twin of `storage.tokens.SQLTokens`."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}

    def add(self, token: Token) -> None:
        """Keep a token."""
        for known in list(self._tokens.values()):
            if known.name.lower() == token.name.lower() and known.revoked_at is None:
                if known.is_live(token.created_at):
                    raise ConflictError(f"there is a token {token.name!r} already")
                self._tokens[known.id] = retired(known)
        self._tokens[token.id] = token

    def find(self, token: str) -> Token | None:
        """The token of this id."""
        return self._tokens.get(token)

    def list(self) -> Sequence[Token]:
        """All of them."""
        return sorted(self._tokens.values(), key=lambda token: (token.name.lower(), token.created_at, token.id))

    def revoke(self, token: str, at: float) -> bool:
        """Let a token open nothing from now on."""
        if token not in self._tokens or self._tokens[token].revoked_at is not None:
            return False
        self._tokens[token] = replace(self._tokens[token], revoked_at=at)
        return True

    def use(self, token: str, at: float, before: float) -> bool:
        """Note that a token was used."""
        known = self._tokens.get(token)
        if known is None or (known.last_used is not None and known.last_used > before):
            return False
        self._tokens[token] = replace(known, last_used=at)
        return True
