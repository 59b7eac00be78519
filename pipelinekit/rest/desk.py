"""Where requests are worked on: threads with services of their own, so that none waits for the records of another.

A request is authenticated, checked and carried out in one go on one of these threads.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fastapi import Request

from pipelinekit.bootstrap import Services
from pipelinekit.domain.audit import REFUSED, Origin
from pipelinekit.domain.limits import Bucket, Limit
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.errors import ForbiddenError, UnauthenticatedError
from pipelinekit.rest.problems import BusyError

T = TypeVar("T")

THREADS = 8
MOST_BUCKETS = 10_000  # of principals that are remembered
BEARER = "bearer "


class Desk:
    """Carries work out for requests. `open_services` is called once in each thread."""

    def __init__(self, open_services: Callable[[], Services], threads: int = THREADS) -> None:
        self._open = open_services
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="requests")
        self._local = threading.local()
        self._buckets: dict[tuple[str, Limit], Bucket] = {}
        self._lock = threading.Lock()

    async def do(self, work: Callable[[Services], T]) -> T:
        """What the work gives, done on one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._with_services, work)

    def close(self) -> None:
        """Wait for what is worked on."""
        self._pool.shutdown()

    def _with_services(self, work: Callable[[Services], T]) -> T:
        if not hasattr(self._local, "services"):
            self._local.services = self._open()
        return work(self._local.services)

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
    """A request, and the one permission that it needs."""

    def __init__(self, request: Request, permission: Permission, limit: Limit) -> None:
        self.request = request
        self._permission = permission
        self._limit = limit

    @property
    def source(self) -> str:
        """The address that the request comes from."""
        return self.request.client.host if self.request.client else ""

    async def do(
        self, work: Callable[[Services, Principal], T], endpoint: Callable[[Services], str] | None = None
    ) -> T:
        """What the work gives, for whoever is permitted to ask for it.

        `endpoint` tells the name of the pipeline endpoint that is called. Raises UnauthenticatedError, ForbiddenError.
        """
        desk: Desk = self.request.app.state.desk
        text = bearer_token(self.request)
        identity = self.request.state.id

        def whole(services: Services) -> T:
            principal = services.tokens.authenticate(text, source=self.source, request=identity)
            self.request.state.principal = principal
            desk.admit(principal.token, self._limit, services.clock.now())
            try:
                principal.check(self._permission, endpoint(services) if endpoint else "")
            except ForbiddenError as error:
                action = f"{self.request.method} {self.request.url.path}"
                origin = self.origin(principal)
                services.audit.note(action, "", by=origin, outcome=REFUSED, reason=error.message)
                raise
            return work(services, principal)

        return await desk.do(whole)

    def origin(self, principal: Principal) -> Origin:
        """Who asks, for the audit log."""
        return Origin(principal.name, principal.token, self.source, self.request.state.id)


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

    def __call__(self, request: Request) -> Asked:
        """The request with its permission."""
        return Asked(request, self.permission, self.limit)
