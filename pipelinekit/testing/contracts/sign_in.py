"""What an issuer must tell. Derive a test class, and give it `make()`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from pipelinekit.errors import StorageError
from pipelinekit.ports.sign_in import Issuer


class IssuerContract:
    """The suite for issuers."""

    def make(self) -> tuple[Issuer, Callable[[Sequence[Mapping[str, Any]]], None], Callable[[], None]]:
        """An issuer; what gives it other keys; and what takes it away."""
        raise NotImplementedError

    def test_its_keys_are_those_that_it_has_now(self) -> None:
        issuer, show, _ = self.make()
        show([{"kid": "one", "kty": "RSA"}])
        assert issuer.public_keys() == [{"kid": "one", "kty": "RSA"}]
        show([{"kid": "two"}, {"kid": "three"}])
        assert [key["kid"] for key in issuer.public_keys()] == ["two", "three"]
        show([])
        assert issuer.public_keys() == []

    def test_one_that_is_away_is_trouble(self) -> None:
        issuer, _, leave = self.make()
        leave()
        with pytest.raises(StorageError, match="cannot be had"):
            issuer.public_keys()
