"""Sign-in with an issuer of OpenID Connect: what is asked of its tokens, and which role they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pipelinekit.classes import field, frozen
from pipelinekit.domain.digests import encode, strong_digest
from pipelinekit.domain.tokens import Kind, Principal, Role
from pipelinekit.errors import UsageError

ALGORITHMS = ("RS256", "ES256", "EdDSA")  # with a public key, each; nothing that a public key could forge
TYPES = ("", "jwt", "at+jwt", "application/at+jwt")  # what a token may say that it is
LEEWAY_SECONDS = 30.0  # by which clocks may differ
LONGEST_TOKEN = 8192
LONGEST_SUBJECT = 255
ROLE_CLAIM = "roles"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class RefusedTokenError(Exception):
    """A token of the issuer's kind that is not valid; the reason is for the audit log, not for who sent it."""


@frozen
class SignInPolicy:
    """Whose tokens are taken, for whom they must be meant, and where they say a role.

    `role_claim` is the name of a claim, or a path with dots; `roles` says which of its values give which role. Where it
    is empty the roles' own names do.
    """

    issuer: str
    audience: str
    role_claim: str = ROLE_CLAIM
    roles: Mapping[str, Role] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_issuer_address(self.issuer)
        if not self.audience:
            raise UsageError(
                "an issuer's tokens are taken for one audience only", hint="give it with --oidc-audience NAME"
            )

    def role_of(self, claims: Mapping[str, Any]) -> Role | None:
        """The highest role that a token gives; None for none."""
        known = self.roles or {role.value: role for role in Role}
        said = _claim(claims, self.role_claim)
        values = [said] if isinstance(said, str) else said if isinstance(said, list) else []
        given = {known[value] for value in values if isinstance(value, str) and value in known}
        return max(given, key=list(Role).index, default=None)

    def principal(self, claims: Mapping[str, Any], role: Role) -> Principal:
        """Who a token is about: known by issuer and subject, as nothing else of it stays the same."""
        subject = subject_of(claims)
        identity = "oidc_" + strong_digest(encode([self.issuer, subject])).rpartition(":")[2][:32]
        return Principal(
            f"{self.issuer}#{subject}", role, Kind.USER, "", identity, float(claims["exp"]) + LEEWAY_SECONDS
        )


def subject_of(claims: Mapping[str, Any]) -> str:
    """The subject of a token. Raises RefusedTokenError for what could not be written down."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        raise RefusedTokenError("no subject")
    return subject


def is_issued(text: str) -> bool:
    """Whether a token has the shape of an issuer's, and none of our own."""
    return text.count(".") == 2 and text.startswith("eyJ")


def read_roles(texts: Sequence[str]) -> dict[str, Role]:
    """Roles by the values that give them, written `VALUE=ROLE`. Raises UsageError."""
    found: dict[str, Role] = {}
    for text in texts:
        value, _, name = text.rpartition("=")
        if not value or name not in list(Role):
            raise UsageError(
                f"{text!r} does not say which value gives which role",
                hint=f"write VALUE=ROLE; roles are {', '.join(Role)}",
            )
        found[value] = Role(name)
    return found


def check_issuer_address(url: str) -> None:
    """Raise UsageError for an address that keys should not be taken from: it must be https, or this machine's."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    if not host or not is_safe or parts.username or parts.query or parts.fragment:
        raise UsageError(
            f"{url!r} is no address of an issuer",
            hint="give it as the issuer's tokens do, https://HOST/PATH, without user, query and fragment",
        )


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim of this name, or else one inside others."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found
