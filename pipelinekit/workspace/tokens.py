"""Access tokens of a workspace: made, listed, revoked, and known again when somebody shows one."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from pipelinekit.domain.audit import REFUSED, AuditRecord, Origin
from pipelinekit.domain.digests import are_equal, strong_digest
from pipelinekit.domain.limits import Bucket, Limit
from pipelinekit.domain.tokens import (
    BOOTSTRAP_SECONDS,
    ENTROPY_BYTES,
    EXPIRY_SECONDS,
    NOTED_SECONDS,
    Kind,
    NewToken,
    Principal,
    Role,
    Token,
    TokenText,
    make_text,
    new_token,
    read_text,
)
from pipelinekit.domain.upkeep import StoreFault
from pipelinekit.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    StorageError,
    UnauthenticatedError,
    UsageError,
)
from pipelinekit.ports import Clock
from pipelinekit.ports.tokens import TokenRecords
from pipelinekit.workspace.audit import AuditLog, local_origin

BOOTSTRAP = "bootstrap"  # the name of the first owner's token, which no other may have
CREATE, REVOKE = "tokens.create", "tokens.revoke"  # what the audit log calls it
BOOTSTRAP_FILE = "bootstrap.token"
REFUSALS = Limit(rate=1, burst=100)  # rows of the audit log that refused tokens may cost
OTHERS = stat.S_IRWXG | stat.S_IRWXO
_NOBODY = strong_digest(b"")  # what a secret is compared with where nobody has a token of that id


class Refusals:
    """How often refused tokens are written down; threads of one server share it."""

    def __init__(self) -> None:
        self._bucket = Bucket(REFUSALS)
        self._unwritten = 0
        self._lock = threading.Lock()

    def take(self, now: float) -> int | None:
        """How many were not written before this one; None where this one is not to be written either."""
        with self._lock:
            self._bucket, possible = self._bucket.take(now)
            unwritten, self._unwritten = self._unwritten, 0 if possible <= now else self._unwritten + 1
            return unwritten if possible <= now else None


class TokenCollection:
    """The access tokens of a workspace.

    `batch` groups what is written, `entropy` gives so many random bytes, and `place` is where the first owner finds the
    bootstrap token. Who does something is told by `by`; without it, it is the user of this process.
    """

    def __init__(
        self,
        records: TokenRecords,
        audit: AuditLog,
        batch: Callable[[], AbstractContextManager[None]],
        clock: Clock,
        entropy: Callable[[int], bytes],
        place: Path,
    ) -> None:
        self._records = records
        self._audit = audit
        self._batch = batch
        self._clock = clock
        self._entropy = entropy
        self._place = place
        self.refusals = Refusals()

    # -- making and ending -------------------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        *,
        role: Role | str | None = None,
        kind: Kind | str | None = None,
        endpoint: str = "",
        expires: float | str = EXPIRY_SECONDS,
        by: Origin | None = None,
    ) -> NewToken:
        """Make a token; its text is in what is returned, and nowhere else.

        The role is `reader` unless another is given. A token for an `endpoint` is a trigger, which may call that
        pipeline endpoint and nothing else. The first token of an owner ends the bootstrap token. Raises ConflictError
        where a live token has the name.
        """
        chosen = kind or (Kind.TRIGGER if endpoint else Kind.USER)
        if name.lower() == BOOTSTRAP or chosen == Kind.BOOTSTRAP:
            raise UsageError(
                f"token {name!r} cannot be made: the bootstrap token is made when a server first starts",
                hint="choose another name, and the kind user, service or trigger",
            )
        origin = local_origin() if by is None else by
        with self._batch():
            made = self._add(name, role, chosen, endpoint, expires, origin)
            if made.token.role is Role.OWNER:
                self._end_bootstrap("an owner has a token now", origin)
        if made.token.role is Role.OWNER:
            self._forget_file()
        return made

    def revoke(self, token: str, *, by: Origin | None = None) -> Token:
        """Let a token, by its name or id, open nothing from now on; it as it is then. Raises NotFoundError."""
        known = self.get(token)
        with self._batch():
            if not self._revoke(known, "", local_origin() if by is None else by):
                raise ConflictError(f"token {known.name!r} ({known.id}) was revoked already")
        if known.kind is Kind.BOOTSTRAP:
            self._forget_file()
        return self.get(known.id)

    def _add(
        self, name: str, role: Role | str | None, kind: Kind | str, endpoint: str, expires: float | str, by: Origin
    ) -> NewToken:
        text, now = make_text(self._entropy(ENTROPY_BYTES)), self._clock.now()
        token = new_token(text, name, role=role, kind=kind, endpoint=endpoint, expires=expires, now=now, by=by.actor)
        self._records.add(token)
        self._audit.note(CREATE, _object(token), by=by, after=token.state)
        return NewToken(token, text.text)

    def _revoke(self, token: Token, why: str, by: Origin) -> bool:
        if not self._records.revoke(token.id, self._clock.now()):
            return False
        after = self._records.find(token.id)
        assert after is not None
        self._audit.note(REVOKE, _object(token), by=by, reason=why, before=token.state, after=after.state)
        return True

    # -- looking -----------------------------------------------------------------------------------------------------

    def list(self, *, all: bool = False) -> Sequence[Token]:  # noqa: A002 - as other collections say it
        """Tokens that are live, by name; with `all` those that expired or were revoked, too."""
        now = self._clock.now()
        return [token for token in self._records.list() if all or token.is_live(now)]

    def get(self, token: str) -> Token:
        """The token of this id, or else of this name: the live one, or the newest. Raises NotFoundError."""
        if known := self._records.find(token):
            return known
        named = [known for known in self._records.list() if known.name.lower() == token.lower()]
        if not named:
            raise NotFoundError(f"there is no token {token!r}", hint="'pipelinekit tokens list --all' shows them")
        live = [known for known in named if known.is_live(self._clock.now())]
        return (live or named)[-1]

    # -- knowing who asks --------------------------------------------------------------------------------------------

    def authenticate(self, text: str, *, source: str = "", request: str = "") -> Principal:
        """Who shows this token, from this address. Raises UnauthenticatedError.

        That error is the same whatever is wrong; what it was is written to the audit log, outside of any transaction of
        the caller's, which would take it back. Of many that are refused at once, only some are written, and the next
        one tells how many were not.
        """
        now = self._clock.now()
        shown = read_text(text)
        token = self._records.find(shown.id) if shown else None
        if reason := _refusal(shown, token, now):
            raise self.refused(reason, Origin("", shown.id if shown else "", source, request))
        assert token is not None
        if token.last_used is None or token.last_used <= now - NOTED_SECONDS:
            with suppress(StorageError):  # records that cannot be written to just now keep nobody out
                self._records.use(token.id, now, now - NOTED_SECONDS)
        return token.principal

    def refused(self, reason: str, origin: Origin) -> UnauthenticatedError:
        """What to say to whoever showed a token that is not valid, once that is written down."""
        self._note_refusal(reason, origin)
        return _unauthenticated()

    def _note_refusal(self, reason: str, origin: Origin) -> None:
        unwritten = self.refusals.take(self._clock.now())
        if unwritten is None:
            return
        more = f"; {unwritten} more before it were not written" if unwritten else ""
        self._audit.note("authenticate", "", by=origin, outcome=REFUSED, reason=reason + more)

    # -- the first owner ---------------------------------------------------------------------------------------------

    def bootstrap(self) -> NewToken | None:
        """The token for the first owner, where no owner has one; it lies in a file that only its owner can read.

        It ends as soon as an owner's token is made, or it is exchanged for one. A server that starts again before that
        gives the same one, if the file is still there, and else a new one in its place.
        """
        for _ in range(2):
            with suppress(ConflictError), self._batch():  # another server may be first; then it is there
                return self._bootstrapped()
        return None

    def _bootstrapped(self) -> NewToken | None:
        owners = [token for token in self.list() if token.role is Role.OWNER]
        if any(token.kind is not Kind.BOOTSTRAP for token in owners):
            self._forget_file()
            return None
        left = self._read_file()
        for token in owners:
            if left and left.id == token.id and are_equal(left.digest, token.digest):
                return NewToken(token, left.text)
        origin = local_origin()
        for token in owners:  # these and no others: one that another server has made meanwhile refuses ours
            self._revoke(token, "its file is gone", origin)
        made = self._add(BOOTSTRAP, Role.OWNER, Kind.BOOTSTRAP, "", BOOTSTRAP_SECONDS, origin)
        self._write_file(made.text)
        return made

    def exchange(
        self, text: str, name: str, *, expires: float | str = EXPIRY_SECONDS, source: str = "", request: str = ""
    ) -> NewToken:
        """Give the bootstrap token away for an owner's token of this name; it can be done once.

        Raises UnauthenticatedError for a text that is no valid token, ForbiddenError for another kind of token.
        """
        principal = self.authenticate(text, source=source, request=request)
        origin = Origin(principal.name, principal.token, source, request)
        if principal.kind is not Kind.BOOTSTRAP:
            raise ForbiddenError(
                f"token {principal.name!r} is no bootstrap token, and cannot be exchanged",
                hint="an owner makes further tokens with 'pipelinekit tokens create'",
            )
        if name.lower() == BOOTSTRAP:
            raise UsageError(f"an owner's token cannot be named {name!r}", hint="choose another name")
        with self._batch():
            if not self._revoke(self.get(principal.token), "it was exchanged", origin):
                raise _unauthenticated()  # somebody else was faster
            made = self._add(name, Role.OWNER, Kind.USER, "", expires, origin)
        self._forget_file()
        return made

    def _end_bootstrap(self, why: str, by: Origin) -> None:
        for token in self.list():
            if token.kind is Kind.BOOTSTRAP:
                self._revoke(token, why, by)

    # -- the file of the bootstrap token -----------------------------------------------------------------------------

    def _read_file(self) -> TokenText | None:
        """What is in the file; nothing where others may read it, for then it has to be made anew."""
        try:
            handle = os.open(self._place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        with os.fdopen(handle, "rb") as stream:
            state = os.fstat(stream.fileno())
            if not stat.S_ISREG(state.st_mode) or state.st_mode & OTHERS or state.st_uid != os.geteuid():
                return None
            return read_text(stream.read(1000).decode("ascii", "replace").strip())

    def _write_file(self, text: str) -> None:
        staged = self._place.with_name(f".{self._place.name}.{self._entropy(6).hex()}")
        try:
            handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(handle, "w", encoding="ascii") as stream:
                    stream.write(f"{text}\n")
                os.replace(staged, self._place)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(staged)
        except OSError as error:
            raise StorageError(
                f"the bootstrap token cannot be written to {self._place}: {error.strerror}",
                hint="make the folder writable, or make an owner's token with 'pipelinekit tokens create'",
            ) from None

    def _forget_file(self) -> None:
        with suppress(OSError):  # what is left opens nothing
            os.unlink(self._place)


def _refusal(shown: TokenText | None, token: Token | None, now: float) -> str:
    """Why a token is refused; empty where it is not. Takes as long for an id that nobody has."""
    if shown is None:
        return "malformed"
    is_right = are_equal(shown.digest, token.digest if token else _NOBODY)
    if token is None:
        return "unknown"
    if not is_right:
        return "wrong secret"
    return "" if token.is_live(now) else token.standing(now)


def _unauthenticated() -> UnauthenticatedError:
    return UnauthenticatedError(
        "the token is not valid",
        hint="look whether it was copied whole, or ask an owner for another; 'pipelinekit tokens create' makes one",
    )


def token_faults(tokens: Sequence[Token], rows: Iterable[AuditRecord]) -> list[StoreFault]:
    """Rule I11 of the checks: each token is what the audit log last said of it."""
    said = {row.event.object: row.event.after for row in rows if row.event.action in (CREATE, REVOKE)}
    return [
        StoreFault(
            "I11",
            f"token {token.name!r} ({token.id})",
            "it is not what the audit log says of it",
            f"somebody has changed the records by hand; 'pipelinekit tokens revoke {token.id}' ends it",
        )
        for token in tokens
        if said.get(_object(token)) != token.state
    ]


def _object(token: Token) -> str:
    return f"tokens/{token.id} {token.name}"
