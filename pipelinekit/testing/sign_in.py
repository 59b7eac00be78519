"""An issuer in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.errors import StorageError


class MemoryIssuer:
    """Twin of `storage.issuers.WebIssuer`: it has these keys, unless it is `away`, and counts how often it is asked."""

    def __init__(self, keys: Sequence[Mapping[str, Any]] = ()) -> None:
        self.held = list(keys)
        self.away = False
        self.asked = 0

    def public_keys(self) -> Sequence[Mapping[str, Any]]:
        """The keys."""
        self.asked += 1
        if self.away:
            raise StorageError("the keys of the issuer cannot be had: it is away")
        return list(self.held)
