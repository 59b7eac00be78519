"""Attempts that are executed by one process on each of several nodes: their ranks, and what these come to together.

A gang holds the places that it has while it waits for the others, so that two gangs could wait for each other. One that
has not all of them in a bounded time gives them back, and is sent again after a pause: the other then has room. Both
times grow from round to round, and come from the attempt's own id. Nothing here sends anything or knows the time.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from pipelinekit.classes import replace
from pipelinekit.domain.attempts import (
    Attempt,
    AttemptEnded,
    AttemptEvent,
    AttemptStarted,
    LogChunk,
    Rank,
    RankCame,
    Told,
)
from pipelinekit.domain.digests import digest
from pipelinekit.domain.runs import Failure
from pipelinekit.engine.placing import RETURNS, checked_outputs

PATIENCE = 2.0  # seconds that the places of the first round are held at least, and at most twice of it
MOST_PATIENCE = 600.0
PAUSE = 1.0  # seconds between the first round and the second, at least, and at most twice of it
MOST_PAUSE = 60.0
LONGEST_LINE = 4096  # characters of a line that has not ended, until they are told all the same
DEATHS = ("lost", "node", "memory", "scratch", "timeout")  # the others hear of it by a connection that has ended
CONSEQUENCES = {"ConnectionError", "EOFError"}  # what a rank fails with that loses another


class Gang:
    """The ranks of one attempt in one round; to be used by one thread at a time.

    What is told of ranks is told of their attempt: that it began when all may begin, what rank 0 tells of its run, what
    each of them writes. It has ended when all have: with the outputs of rank 0, or as the rank that was the cause.
    """

    def __init__(self, attempt: Attempt, number: int = 0) -> None:
        count = attempt.task.nodes
        self.attempt = attempt
        self.ranks = [replace(attempt, rank=Rank(place, count, number)) for place in range(count)]
        self.nodes: dict[str, str] = {}  # where ranks have a place, by their ids
        self.has_begun = False
        self.is_stopped = False
        self._numbers = {rank.id: place for place, rank in enumerate(self.ranks)}
        self._ready: dict[str, RankCame] = {}
        self._ended: dict[str, AttemptEnded] = {}
        self._told_begin = False
        self._lines: dict[tuple[int, str], str] = {}  # that have not ended, by rank and stream

    @property
    def is_placed(self) -> bool:
        """Whether each rank has a place."""
        return len(self.nodes) == len(self.ranks)

    @property
    def is_ready(self) -> bool:
        """Whether each rank is ready to begin."""
        return len(self._ready) == len(self.ranks)

    @property
    def has_failed(self) -> bool:
        """Whether a rank has, so that the others are to be ended."""
        return any(ended.failure is not None for ended in self._ended.values())

    @property
    def left(self) -> list[str]:
        """Ids of the ranks that have not ended."""
        return [rank.id for rank in self.ranks if rank.id not in self._ended]

    def came(self, event: RankCame) -> AttemptEnded | None:
        """A rank has a place, or is ready to begin. One that comes again to a gang that has begun was lost: how."""
        if self.has_begun:
            if event.attempt in self._ended or event == self._ready.get(event.attempt):
                return None
            node = self.nodes[event.attempt]
            words = f"its node {node} died while it executed attempt {self.attempt.number}"
            return AttemptEnded(event.attempt, 0.0, 0.0, failure=Failure("node", words))
        self.nodes[event.attempt] = event.node
        self._ready.pop(event.attempt, None)
        if event.address:
            self._ready[event.attempt] = event
        return None

    def begin(self) -> tuple[str, int]:
        """All may begin: where they find the first."""
        self.has_begun = True
        first = self._ready[self.ranks[0].id]
        return first.address, first.port

    def take(self, event: AttemptEvent) -> list[AttemptEvent]:
        """A rank tells something: what is to be told of the attempt before it has ended."""
        number = self._numbers[event.attempt]
        match event:
            case AttemptStarted():
                if self._told_begin:
                    return []
                self._told_begin = True
                return [AttemptStarted(self.attempt.id, event.at)]
            case LogChunk():
                return self._written(number, event.stream, event.text)
            case Told():
                return [] if number else [Told(self.attempt.id, event.entries)]
            case AttemptEnded():
                if event.attempt in self._ended:
                    return []
                self._ended[event.attempt] = event
                ending = [stream for place, stream in self._lines if place == number]
                return [chunk for stream in ending for chunk in self._written(number, stream, "", ends=True)]

    def _written(self, number: int, stream: str, text: str, *, ends: bool = False) -> list[AttemptEvent]:
        """Whole lines of one rank, so that those of others do not come in between."""
        text = self._lines.pop((number, stream), "") + text
        whole, _, rest = text.rpartition("\n") if "\n" in text else ("", "", text)
        lines = whole.split("\n") if "\n" in text else []
        if rest and (len(rest) > LONGEST_LINE or ends):
            lines.append(rest)
            rest = ""
        if rest:
            self._lines[number, stream] = rest
        if not lines:
            return []
        mark = f"[rank {number}] " if number else ""
        return [LogChunk(self.attempt.id, stream, "".join(f"{mark}{line}\n" for line in lines))]

    @property
    def ended(self) -> AttemptEnded | None:
        """How the attempt has ended; None while one of its ranks has not, if it has begun or none has failed."""
        if self.left and (self.has_begun or not self.has_failed):
            return None
        found = list(self._ended.values())
        at, seconds = max(event.at for event in found), max(event.seconds for event in found)
        if self.has_failed:
            damaged = tuple(dict.fromkeys(name for event in found for name in event.damaged))
            return AttemptEnded(self.attempt.id, at, seconds, failure=self._cause(), damaged=damaged)
        first = self._ended[self.ranks[0].id]
        observed = {name: value for event in reversed(found) for name, value in event.observed.items()}
        hosts = tuple(sorted({host for event in found for host in event.hosts}))
        whole = replace(
            first, attempt=self.attempt.id, at=at, seconds=seconds, observed={**observed, **first.observed}, hosts=hosts
        )
        return checked_outputs(self.attempt, whole)

    def _cause(self) -> Failure:
        """The failure that the others follow from, as far as can be told; with its rank."""
        failed = [(self._numbers[name], event) for name, event in self._ended.items() if event.failure is not None]
        if self.is_stopped and any(_failure(event).kind == "canceled" for _, event in failed):
            return Failure("canceled", "the attempt was canceled")
        number, event = min(failed, key=lambda item: (*_weight(_failure(item[1])), item[1].at, item[0]))
        failure = _failure(event)
        return replace(failure, message=f"rank {number}: {failure.message}")


def _failure(event: AttemptEnded) -> Failure:
    assert event.failure is not None
    return event.failure


def _weight(failure: Failure) -> tuple[bool, bool, bool]:
    """The lighter, the likelier is it the cause of the others."""
    names = {name.rpartition(".")[2] for name in failure.types}
    return failure.kind == "canceled", bool(names & CONSEQUENCES), failure.kind not in DEATHS


class Gangs:
    """The gangs that one driver has at a cluster, of which one gathers at a time; to be used by one thread at a time.

    An attempt is open from `add` until how it has ended was returned, by whichever of these methods.
    """

    def __init__(self) -> None:
        self._queue: deque[Attempt] = deque()
        self._gathering: Gang | None = None
        self._since: float | None = None  # when that one had its first place
        self._gangs: dict[str, Gang] = {}  # those on their way, by the ids of their ranks
        self._rounds: Counter[str] = Counter()
        self._deaths: Counter[str] = Counter()  # nodes that died before it began
        self._not_before: dict[str, float] = {}

    @property
    def waiting(self) -> int:
        """How many attempts are queued."""
        return len(self._queue)

    @property
    def needed(self) -> int:
        """How many nodes the attempt asks for that gathers, or is the next to; 0 where none waits."""
        waiting = self._gathering.attempt if self._gathering else next(iter(self._queue), None)
        return waiting.task.nodes if waiting else 0

    def add(self, attempts: Iterable[Attempt]) -> None:
        """Queue attempts; idle ones after all others."""
        self._queue = deque(sorted([*self._queue, *attempts], key=lambda attempt: attempt.idle))

    def withdraw(self) -> list[str]:
        """Empty the queue; the ids of those that were in it."""
        found = [attempt.id for attempt in self._queue]
        self._queue.clear()
        for attempt in found:
            self._forget(attempt)
        return found

    def gang_of(self, rank: str) -> Gang | None:
        """The gang on its way that has this rank."""
        return self._gangs.get(rank)

    @property
    def is_gathering(self) -> bool:
        """Whether one is on its way that may not begin yet."""
        return self._gathering is not None

    @property
    def on_their_way(self) -> list[Gang]:
        """Those that were sent and have not ended."""
        return list(dict.fromkeys(self._gangs.values()))

    # -- what is to be done ------------------------------------------------------------------------------------------

    def next(self, now: float) -> Gang | None:
        """The gang that is to be sent now; none while another gathers, or all of them pause."""
        if self._gathering is not None:
            return None
        ready = [attempt for attempt in self._queue if self._not_before.get(attempt.id, 0.0) <= now]
        if not ready:
            return None
        self._queue.remove(ready[0])
        gang = Gang(ready[0], self._rounds[ready[0].id])
        self._gathering, self._since = gang, None
        self._gangs.update((rank.id, gang) for rank in gang.ranks)
        return gang

    def held(self, now: float) -> None:
        """What was sent last may hold places from now on."""
        if self._since is None:
            self._since = now

    def ready(self) -> Gang | None:
        """The gang all of whose ranks are ready: they are to begin, and the next may gather."""
        gang = self._gathering
        if gang is None or not gang.is_ready:
            return None
        self._gathering = None
        return gang

    def overdue(self, now: float) -> Gang | None:
        """The gang that has held some places for too long: it is queued again, and they are to be given back."""
        gang = self._gathering
        if gang is None or self._until is None or now < self._until:
            return None
        self._send_again(gang, now)
        return gang

    def next_time(self, now: float) -> float | None:
        """When something is due that no event will tell; None if nothing is."""
        if self._gathering is not None:
            return self._until
        return min((max(self._not_before.get(attempt.id, 0.0), now) for attempt in self._queue), default=None)

    @property
    def _until(self) -> float | None:
        gang = self._gathering
        if gang is None or self._since is None or gang.is_placed:
            return None  # who has all places waits for nobody else's
        return self._since + stretched(PATIENCE, MOST_PATIENCE, gang.attempt.id, self._rounds[gang.attempt.id])

    def _send_again(self, gang: Gang, now: float) -> None:
        name = gang.attempt.id
        self._dissolve(gang)
        self._rounds[name] += 1
        self._not_before[name] = now + stretched(PAUSE, MOST_PAUSE, name, self._rounds[name])
        self._queue.appendleft(gang.attempt)

    def _dissolve(self, gang: Gang) -> None:
        """What is told of its ranks from now on is told of nobody."""
        if gang is self._gathering:
            self._gathering = None
        for rank in gang.ranks:
            self._gangs.pop(rank.id, None)

    def _forget(self, attempt: str) -> None:
        for counted in (self._rounds, self._deaths, self._not_before):
            counted.pop(attempt, None)

    # -- what has happened -------------------------------------------------------------------------------------------

    def came(self, event: RankCame, now: float) -> AttemptEnded | None:
        """A rank has come; how one has ended that comes again though it has begun."""
        gang = self._gangs.get(event.attempt)
        if gang is None:
            return None
        if gang is self._gathering:
            self.held(now)
        return gang.came(event)

    def take(self, event: AttemptEvent, now: float) -> tuple[list[AttemptEvent], Gang | None]:
        """A rank tells something: what is to be told of its attempt, and the gang that is on its way no more.

        Where a node dies before its gang has begun, the gang is queued again, unless that has happened too often.
        """
        gang = self._gangs.get(event.attempt)
        if gang is None:
            return [], None
        if isinstance(event, AttemptEnded) and not gang.has_begun and event.failure and event.failure.kind == "node":
            self._deaths[gang.attempt.id] += 1
            if self._deaths[gang.attempt.id] <= RETURNS:
                self._send_again(gang, now)
                return [], gang
        told = gang.take(event)
        if (ended := gang.ended) is None:
            return told, None
        self._dissolve(gang)
        self._forget(gang.attempt.id)
        return [*told, ended], gang

    def fail(self, gang: Gang, failure: Failure, now: float) -> AttemptEnded:
        """A gang ends without having begun."""
        self._dissolve(gang)
        self._forget(gang.attempt.id)
        return AttemptEnded(gang.attempt.id, now, 0.0, failure=failure)

    def stop(self, wanted: Iterable[str]) -> tuple[list[str], list[Gang], list[Gang]]:
        """Nobody wants these any more: ids of those that had not begun, gangs to be given back, and gangs to end."""
        names = set(wanted)
        queued = [attempt.id for attempt in self._queue if attempt.id in names]
        self._queue = deque(attempt for attempt in self._queue if attempt.id not in names)
        gangs = [gang for gang in self.on_their_way if gang.attempt.id in names]
        gathering = [gang for gang in gangs if not gang.has_begun]
        for gang in gangs:
            gang.is_stopped = True
        for gang in gathering:
            self._dissolve(gang)
        not_begun = [*queued, *(gang.attempt.id for gang in gathering)]
        for attempt in not_begun:
            self._forget(attempt)
        return not_begun, gathering, [gang for gang in gangs if gang.has_begun]


def stretched(least: float, most: float, attempt: str, number: int) -> float:
    """Seconds of one round: they double with each, and are longer by a share that differs between attempts."""
    share = int(digest([attempt, number])[-8:], 16) / 0xFFFFFFFF
    return min(float(least * 2 ** min(number, 30)), most) * (1.0 + share)
