"""What records of access tokens must do. Derive a test class, and give it `make()`."""

from __future__ import annotations

import pytest

from pipelinekit.classes import replace
from pipelinekit.domain.tokens import Kind, Role, Token
from pipelinekit.errors import ConflictError
from pipelinekit.ports.tokens import TokenRecords

NOW = 1_700_000_000.0


def token(number: int, name: str, *, role: Role = Role.READER, expires_at: float = NOW + 100) -> Token:
    """A token that was made at `NOW`."""
    return Token(f"id{number}", name, Kind.USER, role, "", f"sha256:{number}", NOW, "me", expires_at)


class TokensContract:
    """The suite for records of tokens."""

    def make(self) -> TokenRecords:
        """Empty records."""
        raise NotImplementedError

    def test_a_token_is_kept_as_it_was_made(self) -> None:
        records = self.make()
        assert records.find("id1") is None
        trigger = Token("id1", "Nightly", Kind.TRIGGER, Role.READER, "night train", "sha256:1", NOW, "me", NOW + 0.5)
        records.add(trigger)
        records.add(token(2, "b", role=Role.OWNER))
        assert records.find("id1") == trigger
        assert records.find("ID1") is None
        assert list(records.list()) == [token(2, "b", role=Role.OWNER), trigger]

    def test_a_name_is_taken_whatever_its_case_until_its_token_is_revoked(self) -> None:
        records = self.make()
        records.add(token(1, "CI"))
        with pytest.raises(ConflictError):
            records.add(token(2, "ci"))
        assert records.find("id2") is None
        assert records.revoke("id1", NOW + 1)
        records.add(token(2, "ci"))
        assert list(records.list()) == [replace(token(1, "CI"), revoked_at=NOW + 1), token(2, "ci")]

    def test_the_name_of_a_token_that_has_expired_is_free(self) -> None:
        records = self.make()
        records.add(token(1, "ci"))
        with pytest.raises(ConflictError):
            records.add(replace(token(2, "ci"), created_at=NOW + 99))
        records.add(replace(token(2, "ci"), created_at=NOW + 100))
        first = records.find("id1")
        assert first is not None
        assert first.standing(NOW + 50) == first.standing(NOW + 100) == "expired"
        assert not records.revoke("id1", NOW + 101)

    def test_a_token_is_revoked_once(self) -> None:
        records = self.make()
        records.add(token(1, "a"))
        assert not records.revoke("id2", NOW)
        assert records.revoke("id1", NOW + 1)
        assert not records.revoke("id1", NOW + 2)
        assert records.find("id1") == replace(token(1, "a"), revoked_at=NOW + 1)

    def test_the_last_use_is_noted_seldom(self) -> None:
        records = self.make()
        records.add(token(1, "a"))
        assert records.use("id1", NOW + 1, NOW - 3599)
        assert not records.use("id1", NOW + 3600, NOW)
        assert records.find("id1") == replace(token(1, "a"), last_used=NOW + 1)
        assert records.use("id1", NOW + 3601, NOW + 1)
        assert records.find("id1") == replace(token(1, "a"), last_used=NOW + 3601)
        assert not records.use("id2", NOW, NOW)
