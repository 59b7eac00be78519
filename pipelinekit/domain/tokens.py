"""Access tokens: who asks, in which role, and what that role permits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from pipelinekit.classes import frozen, replace
from pipelinekit.domain.digests import are_equal, check_number, encode, strong_digest
from pipelinekit.domain.names import check_name
from pipelinekit.domain.steps import parse_duration
from pipelinekit.errors import ForbiddenError, UsageError
from pipelinekit.typed import TypeVar

T = TypeVar("T", bound=StrEnum)

PREFIX = "pk"
ENTROPY_BYTES = 40  # that a token is made of: 8 for its id, 32 for its secret
EXPIRY_SECONDS = 90 * 86400.0
LONGEST_SECONDS = 3660 * 86400.0
BOOTSTRAP_SECONDS = 7 * 86400.0
NOTED_SECONDS = 3600.0  # the last use of a token is noted at most once in so long
_BASE = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # as those of run ids: people read them aloud
_ID_LENGTH, _SECRET_LENGTH, _CHECK_LENGTH = 12, 43, 6
TOKEN_PATTERN = (  # finds tokens in texts, for whoever masks them
    rf"{PREFIX}_[{_ID_LETTERS}]{{{_ID_LENGTH}}}_[0-9A-Za-z]{{{_SECRET_LENGTH}}}_[0-9A-Za-z]{{{_CHECK_LENGTH}}}"
)


class Role(StrEnum):
    """What a token's holder is to the workspace; each may do what those before it may."""

    READER = "reader"
    CONTRIBUTOR = "contributor"
    OWNER = "owner"


class Kind(StrEnum):
    """Who holds a token: a person, a program, whoever fires one pipeline endpoint, or the first owner, once."""

    USER = "user"
    SERVICE = "service"
    TRIGGER = "trigger"
    BOOTSTRAP = "bootstrap"


class Permission(StrEnum):
    """What can be asked for; each request asks for exactly one."""

    VIEW = "view"  # runs, logs, metrics, lineage, what outputs there are
    DOWNLOAD = "download"  # contents of outputs and snapshots
    CALL = "call"  # a pipeline endpoint
    SUBMIT = "submit"  # and cancel runs, log metrics, register datasets and models
    PUBLISH = "publish"  # pipelines, schedules, webhooks
    DEPLOY = "deploy"  # and promote endpoints that serve models, approve models in pickle formats
    ADMINISTER = "administer"  # datastores, secrets, clusters, tokens, roles, audit, clean-up, repair, deletion


_ORDER = tuple(Role)
_LEAST: Mapping[Permission, Role] = {
    Permission.VIEW: Role.READER,
    Permission.DOWNLOAD: Role.READER,
    Permission.CALL: Role.CONTRIBUTOR,
    Permission.SUBMIT: Role.CONTRIBUTOR,
    Permission.PUBLISH: Role.CONTRIBUTOR,
    Permission.DEPLOY: Role.OWNER,
    Permission.ADMINISTER: Role.OWNER,
}


@frozen
class Principal:
    """Who asks: the name, kind and role of the token that was shown. `endpoint` is the one that a trigger may call.

    `token` is its id in the records. Of one that an issuer signed it stands for who it is about, and it `expires`.
    """

    name: str
    role: Role
    kind: Kind
    endpoint: str
    token: str
    expires: float | None = None

    def permits(self, permission: Permission, endpoint: str = "") -> bool:
        """Whether this may be done; of `call`, to the pipeline endpoint of that name."""
        if self.kind is Kind.TRIGGER:
            return permission is Permission.CALL and endpoint == self.endpoint != ""
        return _ORDER.index(self.role) >= _ORDER.index(_LEAST[permission])

    def check(self, permission: Permission, endpoint: str = "") -> None:
        """Raise ForbiddenError where this may not be done."""
        if self.permits(permission, endpoint):
            return
        if self.kind is Kind.TRIGGER:
            place = f" of pipeline endpoint {endpoint!r}" if endpoint else ""
            raise ForbiddenError(
                f"token {self.name!r} is a trigger, and may not {permission.value}{place}",
                hint=f"it may call the pipeline endpoint {self.endpoint!r} and nothing else",
            )
        raise ForbiddenError(
            f"token {self.name!r} is a {self.role.value}'s, and may not {permission.value}",
            hint=f"that takes the role {_LEAST[permission].value}; ask an owner for such a token",
        )


@frozen
class Token:
    """What is kept of a token: everything but its secret, of which there is a digest. Times are UTC.

    `last_used` is coarse. A trigger has the role `reader`, and may do nothing by it.
    """

    id: str
    name: str
    kind: Kind
    role: Role
    endpoint: str
    digest: str
    created_at: float
    created_by: str
    expires_at: float
    last_used: float | None = None
    revoked_at: float | None = None

    def is_live(self, now: float) -> bool:
        """Whether it opens anything."""
        return self.revoked_at is None and now < self.expires_at

    def standing(self, now: float) -> str:
        """`live`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "expired" if self.revoked_at >= self.expires_at else "revoked"
        return "live" if now < self.expires_at else "expired"

    @property
    def state(self) -> str:
        """The digest of all that the audit log answers for: not when it was used, nor when its time was up."""
        ended = self.revoked_at if self.revoked_at is not None and self.revoked_at < self.expires_at else None
        fixed = [self.id, self.name, self.kind.value, self.role.value, self.endpoint, self.digest]
        return strong_digest(encode([1, *fixed, self.created_at, self.created_by, self.expires_at, ended]))

    @property
    def principal(self) -> Principal:
        """Who shows it."""
        return Principal(self.name, self.role, self.kind, self.endpoint, self.id)


@frozen
class TokenText:
    """The two halves of a token as its holder has it. Its secret is in no `repr`."""

    id: str
    secret: str

    @property
    def text(self) -> str:
        """As it is written: `pk_ID_SECRET_CHECKSUM`."""
        body = f"{PREFIX}_{self.id}_{self.secret}"
        return f"{body}_{_check_letters(body)}"

    @property
    def digest(self) -> str:
        """What is kept of the secret. It has 256 bits, so that a fast digest is enough."""
        return strong_digest(self.secret.encode())

    def __repr__(self) -> str:
        return f"TokenText({self.id!r}, …)"


@frozen
class NewToken:
    """A token that was just made, with the text that nobody can show again. The text is in no `repr`."""

    token: Token
    text: str

    def __repr__(self) -> str:
        return f"NewToken({self.token.id!r}, …)"


def make_text(entropy: bytes) -> TokenText:
    """A token made of so many random bytes as `ENTROPY_BYTES` says. Raises ValueError for another number."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"a token is made of {ENTROPY_BYTES} random bytes, not of {len(entropy)}")
    head, tail = entropy[:8], entropy[8:]
    return TokenText(
        _letters(int.from_bytes(head) >> 4, _ID_LETTERS, _ID_LENGTH),
        _letters(int.from_bytes(tail), _BASE, _SECRET_LENGTH),
    )


def read_text(text: str) -> TokenText | None:
    """The halves of a token as it was shown; None where it cannot be one, or was mistyped."""
    if len(text) > 200 or not re.fullmatch(TOKEN_PATTERN, text):
        return None
    _, public, secret, letters = text.split("_")
    if not are_equal(_check_letters(f"{PREFIX}_{public}_{secret}"), letters):
        return None
    return TokenText(public, secret)


def masked(text: str) -> str:
    """A text with `pk_ID_***` in place of every token in it."""
    return re.sub(TOKEN_PATTERN, lambda found: f"{found[0].rsplit('_', 2)[0]}_***", text)


def new_token(
    text: TokenText,
    name: str,
    *,
    role: Role | str | None,
    kind: Kind | str,
    endpoint: str,
    expires: float | str,
    now: float,
    by: str,
) -> Token:
    """The record of a token that is about to be made. Raises UsageError, which names everything that is wrong."""
    check_name("token", name)
    chosen_kind = _chosen(Kind, kind, "kind")
    chosen_role = Role.READER if role is None else _chosen(Role, role, "role")
    seconds = parse_duration(expires)
    is_trigger = chosen_kind is Kind.TRIGGER
    wrong = [
        *(["a trigger needs the pipeline endpoint that it may call"] if is_trigger and not endpoint else []),
        *(["a trigger has no role"] if is_trigger and role is not None else []),
        *([f"a token of kind {chosen_kind.value} is for no endpoint"] if endpoint and not is_trigger else []),
        *([f"it would expire after {expires!r}"] if not 0 < seconds <= LONGEST_SECONDS else []),
    ]
    if wrong:
        raise UsageError(
            f"token {name!r} cannot be: {'; '.join(wrong)}",
            hint="a trigger takes --endpoint and no --role, others take --role; a token lasts up to ten years",
        )
    if endpoint:
        check_name("pipeline endpoint", endpoint)
    return Token(text.id, name, chosen_kind, chosen_role, endpoint, text.digest, now, by, now + seconds)


def retired(token: Token) -> Token:
    """A token that has expired, as one whose name is free."""
    return replace(token, revoked_at=token.expires_at)


def _chosen(kind: type[T], value: T | str, noun: str) -> T:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(item.value for item in kind)
        raise UsageError(f"there is no {noun} {value!r} of tokens", hint=f"there are: {known}") from None


def _check_letters(body: str) -> str:
    return _letters(check_number(body.encode()), _BASE, _CHECK_LENGTH)


def _letters(number: int, alphabet: str, length: int) -> str:
    """A number in so many letters of an alphabet."""
    found = []
    for _ in range(length):
        number, rest = divmod(number, len(alphabet))
        found.append(alphabet[rest])
    return "".join(reversed(found))
