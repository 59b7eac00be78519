"""What an issuer of tokens tells of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


class Issuer(Protocol):
    """Where the keys of an issuer come from. Implementations are used by many threads."""

    def public_keys(self) -> Sequence[Mapping[str, Any]]:
        """Its public keys (JSON Web Keys), as they are now. Raises StorageError where it cannot be reached."""
