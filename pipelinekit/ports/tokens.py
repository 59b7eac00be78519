"""Access tokens, as they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    from pipelinekit.domain.tokens import Token
else:
    Protocol = object


class TokenRecords(Protocol):
    """Tokens by id. A name, whose case does not count, belongs to one token that is neither revoked nor expired."""

    def add(self, token: Token) -> None:
        """Keep a token. Raises ConflictError when another live one has its name at the time that it was made."""

    def find(self, token: str) -> Token | None:
        """The token of this id, if there is one."""

    def list(self) -> Sequence[Token]:
        """All of them, by name and then by age; also those that were revoked."""

    def revoke(self, token: str, at: float) -> bool:
        """Let a token open nothing from now on; whether it did until now. From here on nobody else writes."""

    def use(self, token: str, at: float, before: float) -> bool:
        """Note that a token was used, unless a use after `before` is noted; whether that was so."""
