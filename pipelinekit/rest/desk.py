"""Where requests are worked on: threads with services of their own, so that none waits for the records of another.

Who asks is found out first (`Needs.admit`), before the body of a request is read; then it is carried out.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from fastapi import Request

from pipelinekit.bootstrap import Services
from pipelinekit.domain.audit import REFUSED, Origin
from pipelinekit.domain.limits import Bucket, Limit
from pipelinekit.domain.sign_in import RefusedTokenError, is_issued
from pipelinekit.domain.tokens import Kind, Permission, Principal
from pipelinekit.domain.traces import TraceContext
from pipelinekit.errors import ForbiddenError, NotFoundError, StorageError, UnauthenticatedError
from pipelinekit.rest.meters import Meters
from pipelinekit.rest.problems import BusyError
from pipelinekit.rest.streams import Streams
from pipelinekit.rest.watch import Watch
from pipelinekit.rest.writing import IN_VAIN_SECONDS, Writing

if TYPE_CHECKING:
    from pipelinekit.workspace.sign_in import SignIn  # an extra
    from pipelinekit.workspace.tokens import Refusals

T = TypeVar("T")

THREADS = 8
LONG_THREADS = 4  # for what may take minutes, so that nothing else waits for it
MOST_BUCKETS = 10_000  # of principals that are remembered
BEARER = "bearer "


class Desk:
    """Carries work out for requests. `open_services` is called once in each thread.

    With `sign_in` tokens of its issuer are taken, beside those of the workspace.
    """

    def __init__(
        self, open_services: Callable[[], Services], threads: int = THREADS, sign_in: SignIn | None = None
    ) -> None:
        self._open = open_services
        self._sign_in = sign_in
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="requests")
        self._long_pool = ThreadPoolExecutor(LONG_THREADS, thread_name_prefix="long requests")
        self._local = threading.local()
        self._buckets: dict[tuple[str, Limit], Bucket] = {}
        self._lock = threading.Lock()
        self._away: StorageError | None = None  # why the records could not be reached last
        self._is_looked = False  # whether some thread sees just now if they are back
        self.writing = Writing()
        self.watch = Watch(self.do)
        self.streams = Streams()
        self.meters = Meters()
        self._refusals: Refusals | None = None

    async def do(self, work: Callable[[Services], T], *, is_long: bool = False) -> T:
        """What the work gives, done on one of the threads: on one that is kept for that, where it may take minutes."""
        pool = self._long_pool if is_long else self._pool
        return await asyncio.get_running_loop().run_in_executor(pool, self._with_services, work)

    def close(self) -> None:
        """Wait for what is worked on."""
        self._pool.shutdown()
        self._long_pool.shutdown()

    def _with_services(self, work: Callable[[Services], T]) -> T:
        if not hasattr(self._local, "services"):
            self._local.services = self._open()
            self._local.services.notes_changes = False  # requests note what they change, and who asked
        services: Services = self._local.services
        self._look_again(services)
        began = time.monotonic()
        try:
            tokens = services.tokens  # opens the records, where they have not been reached yet
            with self._lock:
                self._refusals = tokens.refusals = self._refusals or tokens.refusals
            return work(services)
        except StorageError as error:
            if time.monotonic() - began > IN_VAIN_SECONDS:
                self._away = error
            raise

    def _look_again(self, services: Services) -> None:
        """Where somebody has waited for the records in vain, one thread sees if they are back, and no other waits."""
        with self._lock:
            if self._away is None:
                return
            if self._is_looked:
                raise StorageError(self._away.message, hint=self._away.hint)
            self._is_looked = True
        try:
            services.servers.alive()
            self._away = None
        finally:
            self._is_looked = False

    def who(self, services: Services, text: str, request: Request) -> Principal:
        """Who shows a token. Raises UnauthenticatedError, and ForbiddenError for one of the issuer's without a role."""
        source, identity = source_of(request), request.state.id
        if self._sign_in is None or not is_issued(text):
            return services.tokens.authenticate(text, source=source, request=identity)
        origin = Origin("", "", source, identity)
        try:
            return self._sign_in.authenticate(text)
        except RefusedTokenError as refusal:
            raise services.tokens.refused(f"issuer's token: {refusal}", origin) from None
        except ForbiddenError as error:
            services.tokens.refused(f"issuer's token: {error.message}", origin)
            raise

    def admit(self, token: str, limit: Limit, now: float) -> None:
        """Count a request of a token. Raises BusyError when there were too many."""
        with self._lock:
            if len(self._buckets) > MOST_BUCKETS:
                self._buckets = {place: found for place, found in self._buckets.items() if not found.is_full(now)}
            bucket = self._buckets.get((token, limit), Bucket(limit))
            self._buckets[token, limit], possible = bucket.take(now)
        if possible > now:
            raise BusyError("there are too many requests with this token", possible - now)


class Asked:
    """A request that was let in, and the one permission that it needs."""

    def __init__(self, request: Request, permission: Permission) -> None:
        self.request = request
        self._permission = permission

    @property
    def principal(self) -> Principal:
        """Who asks."""
        found: Principal = self.request.state.principal
        return found

    @property
    def source(self) -> str:
        """The address that the request comes from."""
        return source_of(self.request)

    @property
    def trace(self) -> str:
        """The trace that what is asked for belongs to, as a header says it; empty for none."""
        found: TraceContext | None = getattr(self.request.state, "trace", None)
        return found.header if found else ""

    async def do(
        self,
        work: Callable[[Services, Principal], T],
        endpoint: Callable[[Services], str] | None = None,
        *,
        is_long: bool = False,
    ) -> T:
        """What the work gives, for whoever is permitted to ask for it.

        `endpoint` tells the name of the pipeline endpoint that is called. What may take minutes `is_long`: nobody else
        waits for it. Raises ForbiddenError.
        """
        desk: Desk = self.request.app.state.desk

        def whole(services: Services) -> T:
            principal = self.principal
            name = _called(services, endpoint) if endpoint and principal.kind is Kind.TRIGGER else ""
            check(services, self.request, principal, self._permission, name)
            return work(services, principal)

        return await desk.do(whole, is_long=is_long)

    def origin(self, principal: Principal) -> Origin:
        """Who asks, for the audit log."""
        return origin_of(self.request, principal)


def source_of(request: Request) -> str:
    """The address that a request comes from."""
    return request.client.host if request.client else ""


def origin_of(request: Request, principal: Principal) -> Origin:
    """Who asks, for the audit log."""
    return Origin(principal.name, principal.token, source_of(request), request.state.id)


def check(
    services: Services, request: Request, principal: Principal, permission: Permission, endpoint: str = ""
) -> None:
    """Refuse who may not ask for it, and write that down. Raises ForbiddenError."""
    try:
        principal.check(permission, endpoint)
    except ForbiddenError as error:
        action = f"{request.method} {request.url.path}"
        services.audit.note(action, "", by=origin_of(request, principal), outcome=REFUSED, reason=error.message)
        raise


def _called(services: Services, endpoint: Callable[[Services], str]) -> str:
    """The name of the endpoint that is called. Whoever may call one only is not told whether there are others."""
    try:
        return endpoint(services)
    except NotFoundError:
        return ""


def bearer_token(request: Request) -> str:
    """The token of a request. Raises UnauthenticatedError where there is none."""
    header = request.headers.get("authorization", "")
    if not header.lower().startswith(BEARER):
        raise UnauthenticatedError(
            "this needs an access token", hint="send the header 'Authorization: Bearer TOKEN'; owners make tokens"
        )
    return header[len(BEARER) :].strip()


class Needs:
    """A dependency of a route: the permission that its callers need. Every route but those for anybody has one."""

    def __init__(self, permission: Permission, limit: Limit) -> None:
        self.permission = permission
        self.limit = limit

    async def __call__(self, request: Request) -> Asked:
        """The request with its permission. Not a plain function: those are called in threads of others."""
        return Asked(request, self.permission)

    async def admit(self, request: Request) -> None:
        """Find out who asks, before anything else of the request is looked at.

        Which pipeline endpoint a trigger calls is not known yet: `Asked.do` looks at that. Raises
        UnauthenticatedError, ForbiddenError, BusyError.
        """
        desk: Desk = request.app.state.desk
        text = bearer_token(request)

        def known(services: Services) -> Principal:
            principal = desk.who(services, text, request)
            desk.admit(principal.token, self.limit, services.clock.now())
            if principal.kind is not Kind.TRIGGER or self.permission is not Permission.CALL:
                check(services, request, principal, self.permission)
            return principal

        request.state.principal = await desk.do(known)
