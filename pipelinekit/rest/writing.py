"""What several requests want to write at the same time is written in one transaction.

Only one of them writes at a time, here as in the database. While it does, others come; the next to have its turn writes
for all of them, so that a thousand calls at once are some hundred transactions. Where something is wrong with one of
them, each has a transaction of its own.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from pipelinekit.bootstrap import Services
from pipelinekit.errors import StorageError

MOST_TOGETHER = 16  # requests: one that is to be written does not wait for many others
IN_VAIN_SECONDS = 1.0  # records that were waited for so long are away: the others need not wait for them, each in turn

T = TypeVar("T")


class _Job(Generic[T]):
    """Something to be written, by whoever has the turn, with the services of that thread."""

    def __init__(self, write: Callable[[Services], T]) -> None:
        self._write = write
        self._results: list[T] = []
        self._error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        """Whether it is written, or is known to be impossible."""
        return bool(self._results) or self._error is not None

    def attempt(self, services: Services) -> T:
        """Write it, in a transaction that is open."""
        return self._write(services)

    def end(self, result: T) -> None:
        """Note what came of it, now that it is there for good."""
        self._results.append(result)

    def fail(self, error: BaseException) -> None:
        """Note why it could not be written."""
        self._error = error

    def alone(self, services: Services) -> None:
        """Write it in a transaction of its own."""
        try:
            with services.records.batch():
                services.records.lock()
                result = self._write(services)
        except BaseException as error:  # whoever wants it is told
            self.fail(error)
        else:
            self.end(result)

    def outcome(self) -> T:
        """What came of it. Raises what was wrong."""
        if self._error is not None:
            raise self._error
        return self._results[0]


class Writing:
    """The turns of threads that write; what is for one thread only takes the `turn` itself."""

    def __init__(self) -> None:
        self.turn = threading.Lock()  # threads that wait for this one go on at once; a database lets them sleep
        self._jobs: deque[_Job[object]] = deque()

    def do(self, services: Services, write: Callable[[Services], T]) -> T:
        """What `write` gives, which is done in a transaction in which nobody else writes, perhaps by another thread.

        It may be done again, where nothing came of it. Raises what it raises.
        """
        job = _Job(write)
        self._jobs.append(job)  # type: ignore[arg-type]  # the results of others are none of our business
        while not job.is_done:
            with self.turn:
                if not job.is_done:
                    self._write([self._jobs.popleft() for _ in range(min(MOST_TOGETHER, len(self._jobs)))], services)
        return job.outcome()

    def _write(self, jobs: list[_Job[object]], services: Services) -> None:
        if len(jobs) > 1:
            began = time.monotonic()
            try:
                with services.records.batch():
                    services.records.lock()
                    results = [job.attempt(services) for job in jobs]
            except BaseException as error:  # whose fault it is shows when each is done by itself
                if isinstance(error, StorageError) and time.monotonic() - began > IN_VAIN_SECONDS:
                    for job in jobs:
                        job.fail(error)
                    return
            else:
                for job, result in zip(jobs, results, strict=True):
                    job.end(result)
                return
        for job in jobs:
            job.alone(services)
