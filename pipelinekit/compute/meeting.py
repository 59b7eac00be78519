"""Where the ranks of an attempt wait, each in a Dask worker of its own, until their driver lets all of them begin."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence

from pipelinekit.classes import replace
from pipelinekit.domain.attempts import Attempt, Rank, RankCame

LOOK_SECONDS = 0.1  # between two looks whether a rank is waited for still

IsWanted = Callable[[], bool]

_lock = threading.Lock()
_waiting: dict[str, _Waiting] = {}


class _Waiting:
    """A rank that waits here."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.address, self.port = "", 0


class Meeting:
    """Lets a rank wait for the others. `tell` tells its driver where it has come, and `host` how others reach it."""

    def __init__(self, node: str, host: str, tell: Callable[[RankCame], None]) -> None:
        self._node, self._host, self._tell = node, host, tell

    def place(self, attempt: Attempt) -> None:
        """It has a place here, and gets ready."""
        self._tell(RankCame(attempt.id, self._node))

    def __call__(self, attempt: Attempt, is_wanted: IsWanted) -> Attempt | None:
        """It is ready: the attempt that may begin now, with where it finds the first; None if it is not wanted."""
        waiting = _Waiting()
        with _lock:
            _waiting[attempt.id] = waiting
        try:
            self._tell(RankCame(attempt.id, self._node, self._host, free_port(self._host)))
            while not waiting.begun.wait(LOOK_SECONDS):
                if not is_wanted():
                    return None
        finally:
            with _lock:
                _waiting.pop(attempt.id, None)
        return placed(attempt, waiting.address, waiting.port)


def begin(ranks: Sequence[str], address: str, port: int) -> None:
    """Let ranks begin; those that are not here are ignored. Dask calls this on the workers where they are."""
    with _lock:
        found = [_waiting[rank] for rank in ranks if rank in _waiting]
    for waiting in found:
        waiting.address, waiting.port = address, port
        waiting.begun.set()


def placed(attempt: Attempt, address: str, port: int) -> Attempt:
    """The attempt of a rank, with where it finds the first."""
    assert isinstance(attempt.rank, Rank)
    return replace(attempt, rank=replace(attempt.rank, address=address, port=port))


def free_port(host: str) -> int:
    """A port of this machine that is free now, at the address by which others reach it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as server:
        server.bind((host, 0))
        return int(server.getsockname()[1])
