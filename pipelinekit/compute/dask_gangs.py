"""Attempts on several nodes of a Dask cluster: each of their ranks is a task of Dask's, which has a node to itself.

`engine.gangs` decides when they are sent, may begin, and are given back. What is sent here is sent by a thread of its
own: the one that Dask tells what happens in may not wait for Dask's answers. Drivers take turns in gathering, so that
their gangs seldom meet; where they do, `engine.gangs` has one of them give way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from distributed import Client, Future, KilledWorker, Semaphore

from pipelinekit.compute import meeting, worker
from pipelinekit.compute.clusters import CONNECT_SECONDS, workers_of
from pipelinekit.domain.attempts import Attempt, AttemptEnded, AttemptEvent, RankCame, is_rank
from pipelinekit.domain.runs import Failure
from pipelinekit.engine.gangs import Gang, Gangs
from pipelinekit.errors import ComputeError
from pipelinekit.ports import Sink
from pipelinekit.wire.attempts import event_from_json
from pipelinekit.wire.values import loads

TURN = "pipelinekit-gangs"  # what drivers take turns by
TURN_SECONDS = 10.0  # that a driver waits for its turn at most: who holds it may have died, or wait for long itself
CLOSE_SECONDS = 2.0
ASK_SECONDS = 0.2  # that it is asked for at a time
LOOK_SECONDS = 1.0  # between two looks whether nodes are there still, where nobody tells

_TURNS: Any = Semaphore  # which has no types

# for each rank the worker that it must go to, if that is chosen here, and what it asks of it
Place = tuple[str, Mapping[str, float]]
Submit = Callable[[Attempt, Place], Any]  # a future of Dask's, which has no types
Places = Callable[[Attempt], Sequence[Place]]


class DaskGangs:
    """The gangs of one driver at a cluster.

    `client` gives the client, None while there is none. `places` says where the ranks of an attempt are to go, `submit`
    sends one of them there.
    """

    def __init__(self, client: Callable[[], Client | None], home: str, places: Places, submit: Submit, sink: Sink):
        self._client, self._home = client, home
        self._places, self._submit = places, submit
        self._sink = sink
        self._changed = threading.Condition(threading.RLock())
        self._gangs = Gangs()
        self._futures: dict[str, Any] = {}  # by the ids of ranks
        self._is_placing = False  # whether workers are chosen here: then nobody else tells that one has gone
        self._looked = 0.0
        self._turn: tuple[Client, Any] | None = None  # what is asked for it, by which client
        self._has_turn = False
        self._to_do: list[Callable[[], object]] = []
        self._ending: set[str] = set()  # attempts whose ranks were told to end
        self._thread: threading.Thread | None = None
        self._closed = False

    # -- what the driver asks for ------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many attempts are queued."""
        return self._gangs.waiting

    @property
    def needed(self) -> int:
        """How many nodes must be there for the next attempt to begin; 0 where none waits."""
        with self._changed:
            return self._gangs.needed

    def start(self, attempts: Sequence[Attempt]) -> None:
        """Queue attempts."""
        with self._changed:
            self._gangs.add(attempts)
            if attempts and self._thread is None:
                self._thread = threading.Thread(target=self._work, name="pipelinekit-gangs", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def stop(self, wanted: Iterable[str]) -> None:
        """Nobody wants these any more: those that have not begun end at once, others when all of their ranks have."""
        with self._changed:
            not_begun, gathering, begun = self._gangs.stop(wanted)
            for gang in gathering:
                self._give_back(gang)
            for gang in begun:
                self._end_others(gang)
        for attempt in not_begun:
            self._sink(_ended(attempt, Failure("canceled", "the attempt was canceled before it began")))

    def withdraw(self, failure: Failure) -> None:
        """End all that is queued, for this reason."""
        with self._changed:
            found = self._gangs.withdraw()
        for attempt in found:
            self._sink(_ended(attempt, failure))

    def look(self) -> None:
        """There may be a client again."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Send nothing any more; if it was this driver's turn, it is another's."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    # -- what nodes tell ---------------------------------------------------------------------------------------------

    def came(self, event: RankCame) -> None:
        """A rank has come to a node."""
        with self._changed:
            lost = self._gangs.came(event, time.monotonic())
            if lost is not None and (future := self._futures.pop(event.attempt, None)) is not None:
                self._later(partial(_cancel, [future]))  # Dask has begun it once more, which nobody waits for
            self._changed.notify_all()
        if lost is not None:
            self.take(lost)

    def take(self, event: AttemptEvent) -> bool:
        """A rank tells something; whether it is one of these."""
        with self._changed:
            gang = self._gangs.gang_of(event.attempt)
            if gang is None:
                return is_rank(event.attempt)
            told, gone = self._gangs.take(event, time.monotonic())
            if gone is not None:
                self._give_back(gone)
            elif gang.has_begun and gang.has_failed:
                self._end_others(gang)
            for item in told:
                self._sink(item)
        return True

    def _end_others(self, gang: Gang) -> None:
        """End the ranks that have not ended; what they say then is waited for."""
        if gang.attempt.id in self._ending:
            return
        self._ending.add(gang.attempt.id)
        left = gang.left
        nodes = [gang.nodes[rank] for rank in left if rank in gang.nodes]  # one that has died would be waited for
        self._later(partial(self._run, nodes, worker.cancel, self._home, left))

    def _give_back(self, gang: Gang) -> None:
        """Nobody waits for the ranks of a gang any more: what is on its way to nodes is taken back."""
        self._ending.discard(gang.attempt.id)
        found = [future for rank in gang.ranks if (future := self._futures.pop(rank.id, None)) is not None]
        self._later(partial(_cancel, found))

    def _later(self, act: Callable[[], object]) -> None:
        self._to_do.append(act)
        self._changed.notify_all()

    # -- the thread that sends ---------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._closed and not (acts := self._due()):
                    self._changed.wait(self._patience())
                if self._closed:
                    break
            for act in acts:
                act()
        if self._has_turn:
            self._give_up_turn()
        if self._turn is not None:
            _, turn = self._turn
            with suppress(Exception):  # a loop that has ended calls nothing any more
                turn.loop.add_callback(turn.refresh_callback.stop)

    def _patience(self) -> float | None:
        """Seconds until there is something to do that nothing will tell; None if there is nothing."""
        now = time.monotonic()
        until = self._gangs.next_time(now) if self._client() is not None else None
        looks = self._looked + LOOK_SECONDS if self._is_placing and self._gangs.on_their_way else None
        times = [at for at in (until, looks) if at is not None]
        return max(min(times) - now, 0.01) if times else None

    def _due(self) -> list[Callable[[], object]]:
        """What is to be done now."""
        now = time.monotonic()
        if (late := self._gangs.overdue(now)) is not None:
            self._give_back(late)
        if (ready := self._gangs.ready()) is not None:
            address, port = ready.begin()
            names = [rank.id for rank in ready.ranks]
            self._later(partial(self._run, list(ready.nodes.values()), meeting.begin, names, address, port))
        if self._client() is not None and (fresh := self._gangs.next(now)) is not None:
            self._later(partial(self._send, fresh, now + TURN_SECONDS))
        if self._has_turn and not self._gangs.is_gathering:
            self._has_turn = False
            self._later(self._give_up_turn)
        if self._is_placing and now >= self._looked + LOOK_SECONDS and self._gangs.on_their_way:
            self._looked = now
            self._later(self._find_lost)
        acts, self._to_do = self._to_do, []
        return acts

    def _ask_for_turn(self) -> bool:
        """Ask whether it is this driver's turn to gather."""
        client = self._client()
        if client is None or self._has_turn:
            return True
        if self._turn is None or self._turn[0] is not client:
            self._turn = client, _TURNS(1, TURN, client.scheduler, client.loop)
        if not self._turn[1].acquire(ASK_SECONDS):
            return False
        with self._changed:
            self._has_turn = True
        return True

    def _give_up_turn(self) -> None:
        with suppress(Exception):  # a scheduler that is gone has forgotten whose turn it was
            if self._turn is not None:
                self._turn[1].release()

    def _send(self, gang: Gang, until: float) -> None:
        try:
            if not self._ask_for_turn() and time.monotonic() < until:
                with self._changed:
                    if self._gangs.gang_of(gang.ranks[0].id) is gang:
                        self._later(partial(self._send, gang, until))
                return
            places = self._places(gang.attempt)
            with self._changed:
                if self._gangs.gang_of(gang.ranks[0].id) is not gang:
                    return  # it was stopped meanwhile
                for rank, place in zip(gang.ranks, places, strict=True):
                    future = self._submit(rank, place)
                    self._futures[rank.id] = future
                    future.add_done_callback(partial(self._rank_done, rank))
                if places[0][0]:  # each waits for its own node, which may go
                    self._is_placing = True
                    self._gangs.held(time.monotonic())
        except ComputeError as error:
            self._fail(gang, Failure("compute", error.message, hint=error.hint))
        except Exception as error:  # of a connection: whatever Dask raises, nothing of it has begun
            self._fail(gang, Failure("lost", f"the cluster was lost: {type(error).__name__}: {error}"))

    def _find_lost(self) -> None:
        """Look for ranks whose node is there no more: Dask would have them wait for it."""
        client = self._client()
        with suppress(Exception):  # while the scheduler is away nobody can say
            there = workers_of(client) if client is not None else None
            with self._changed:
                held = [(gang, rank) for gang in self._gangs.on_their_way for rank in gang.left if rank in gang.nodes]
            for gang, rank in held:
                if there is not None and gang.nodes[rank] not in there:
                    _cancel([self._futures[rank]] if rank in self._futures else [])
                    words = f"node {gang.nodes[rank]} died while it executed attempt {gang.attempt.number}"
                    self.take(_ended(rank, Failure("node", words)))

    def _fail(self, gang: Gang, failure: Failure) -> None:
        with self._changed:
            if self._gangs.gang_of(gang.ranks[0].id) is not gang:
                return
            ended = self._gangs.fail(gang, failure, time.time())
            self._give_back(gang)
            self._sink(ended)

    def _run(self, nodes: Sequence[str], function: Callable[..., object], *arguments: Any) -> None:
        """Call a function on nodes; those that are not there any more tell so in another way."""
        client = self._client()
        with suppress(Exception):
            if client is not None:
                client.run(function, *arguments, workers=list(dict.fromkeys(nodes)), on_error="ignore")

    def _rank_done(self, rank: Attempt, future: Future[str]) -> None:
        if self._closed or self._futures.get(rank.id) is not future:
            return
        try:
            for item in loads(future.result(timeout=CONNECT_SECONDS))["events"]:
                self.take(event_from_json(item))
            failure = Failure("lost", "the worker did not say how it ended")
        except KilledWorker as error:
            words = f"node {error.last_worker.name} died while it executed attempt {rank.number}"
            failure = Failure("node", words)
        except BaseException as error:  # of a connection, or an answer that is none
            failure = Failure("lost", f"the worker was lost: {type(error).__name__}: {error}")
        self.take(_ended(rank.id, failure))  # which is no news where it has said how it ended


def _ended(attempt: str, failure: Failure) -> AttemptEnded:
    return AttemptEnded(attempt, time.time(), 0.0, failure=failure)


def _cancel(futures: Sequence[Any]) -> None:
    for future in futures:
        with suppress(Exception):  # a cluster that is gone has nothing to take back
            future.cancel()
