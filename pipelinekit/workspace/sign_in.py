"""Who shows a token of an issuer of OpenID Connect: its signature, and what it says, by PyJWT."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from pipelinekit.domain.sign_in import (
    ALGORITHMS,
    LEEWAY_SECONDS,
    LONGEST_TOKEN,
    TYPES,
    RefusedTokenError,
    SignInPolicy,
    subject_of,
)
from pipelinekit.domain.tokens import Principal
from pipelinekit.errors import ForbiddenError, StorageError
from pipelinekit.ports import Clock
from pipelinekit.ports.sign_in import Issuer

KEPT_SECONDS = 600.0  # after which keys are asked for again
STALE_SECONDS = 3600.0  # for which they still count while the issuer is away
AGAIN_SECONDS = 30.0  # between two askings, however many unknown keys tokens name
PATIENCE_SECONDS = 1.0  # for another thread that asks just now
FEWEST_BITS = 2048  # of an RSA key
_KINDS = {"RS256": ("RSA", ""), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}
_REQUIRED = ("exp", "iat", "iss", "aud", "sub")


class SignIn:
    """Knows who shows a token, for all threads of a process."""

    def __init__(self, policy: SignInPolicy, issuer: Issuer, clock: Clock) -> None:
        self._policy = policy
        self._keys = _Keys(issuer, clock)
        self._clock = clock

    def authenticate(self, text: str) -> Principal:
        """Who it is about, with the role that it gives.

        Raises RefusedTokenError for a token that is not valid, ForbiddenError for one that gives no role, and
        StorageError where the issuer's keys cannot be had.
        """
        claims = self._claims(text)
        role = self._policy.role_of(claims)
        if role is None:
            raise ForbiddenError(
                f"{subject_of(claims)!r} has no role here",
                hint=f"whoever looks after the issuer gives one with the claim {self._policy.role_claim!r}",
            )
        return self._policy.principal(claims, role)

    def _claims(self, text: str) -> Mapping[str, Any]:
        if len(text) > LONGEST_TOKEN:
            raise RefusedTokenError("too long")
        try:
            header = jwt.get_unverified_header(text)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise RefusedTokenError("malformed") from None
        algorithm, kind = header.get("alg"), header.get("typ", "")
        if algorithm not in ALGORITHMS:
            raise RefusedTokenError("algorithm")
        if not isinstance(kind, str) or kind.lower() not in TYPES or "crit" in header:
            raise RefusedTokenError("kind of token")
        key = self._keys.find(header.get("kid"), str(algorithm))
        try:
            claims = jwt.decode(
                text,
                key.key,
                algorithms=[str(algorithm)],
                audience=self._policy.audience,
                issuer=self._policy.issuer,
                options={"require": list(_REQUIRED), "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.PyJWTError as error:
            raise RefusedTokenError(_reason(error)) from None
        self._check_times(claims)
        subject_of(claims)
        return claims

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        """By the clock that all else here goes by."""
        now = self._clock.now()
        times = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
        if not all(type(time) in (int, float) and abs(time) < 1e11 for time in times.values()):
            raise RefusedTokenError("malformed")
        if times["exp"] <= now - LEEWAY_SECONDS:
            raise RefusedTokenError("expired")
        if times.get("nbf", 0) > now + LEEWAY_SECONDS or times["iat"] > now + LEEWAY_SECONDS:
            raise RefusedTokenError("not valid yet")


class _Keys:
    """The keys of an issuer, asked for when they are needed, and not more often than is good for it."""

    def __init__(self, issuer: Issuer, clock: Clock) -> None:
        self._issuer = issuer
        self._clock = clock
        self._lock = threading.Lock()
        self._known: Sequence[jwt.PyJWK] = ()
        self._fetched: float | None = None
        self._asked: float | None = None
        self._trouble = ""

    def find(self, identity: Any, algorithm: str) -> jwt.PyJWK:
        """The key that a token names. Raises RefusedTokenError where there is none, StorageError where nobody knows."""
        if identity is not None and not isinstance(identity, str):
            raise RefusedTokenError("malformed")
        now = self._clock.now()
        key = self._of(identity, algorithm)
        if key is None or self._age(now) >= KEPT_SECONDS:
            self._refresh(now)
            key = self._of(identity, algorithm)
        if self._age(now) >= KEPT_SECONDS + STALE_SECONDS:
            raise StorageError(self._trouble or "the keys of the issuer are not known yet", hint="try again")
        if key is None:
            raise RefusedTokenError("unknown key")
        return key

    def _age(self, now: float) -> float:
        return float("inf") if self._fetched is None else max(now - self._fetched, 0.0)

    def _of(self, identity: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The one key of this name, or without a name the only one, that is made for the algorithm."""
        fitting = [key for key in self._known if key.algorithm_name == algorithm]
        found = [key for key in fitting if identity is None or key.key_id == identity]
        return found[0] if len(found) == 1 else None

    def _refresh(self, now: float) -> None:
        """Ask the issuer, unless that was done just now, or another thread does."""
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            return
        try:
            if self._asked is not None and 0 <= now - self._asked < AGAIN_SECONDS:
                return
            self._asked = now
            try:
                found = self._issuer.public_keys()
            except StorageError as error:
                self._trouble = error.message
                return
            self._known = [key for data in found if (key := _usable(data)) is not None]
            self._fetched = now
        finally:
            self._lock.release()


def _usable(data: Mapping[str, Any]) -> jwt.PyJWK | None:
    """A key that signs as is allowed here; None for every other."""
    for algorithm, (kind, curve) in _KINDS.items():
        if data.get("kty") != kind or (curve and data.get("crv") != curve) or data.get("alg", algorithm) != algorithm:
            continue
        if data.get("use", "sig") != "sig" or "d" in data:
            return None
        try:
            key = jwt.PyJWK(dict(data), algorithm)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            return None
        if isinstance(key.key, RSAPublicKey) and key.key.key_size < FEWEST_BITS:
            return None
        return key
    return None


def _reason(error: jwt.PyJWTError) -> str:
    kinds: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
        (jwt.InvalidSignatureError, "signature"),
        (jwt.InvalidAudienceError, "audience"),
        (jwt.InvalidIssuerError, "issuer"),
        (jwt.MissingRequiredClaimError, "a claim is missing"),
    )
    return next((words for kind, words in kinds if isinstance(error, kind)), "malformed")
