"""Gangs of ranks: laws of one, whatever its ranks tell in any order, and of many that want the same few nodes."""

import heapq
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelinekit.domain.attempts import (
    Attempt,
    AttemptEnded,
    AttemptStarted,
    LogChunk,
    RankCame,
    Task,
    Told,
    is_rank,
)
from pipelinekit.domain.runs import Failure
from pipelinekit.domain.steps import Port
from pipelinekit.domain.types import ANY
from pipelinekit.domain.values import plain
from pipelinekit.engine.gangs import MOST_PATIENCE, PATIENCE, Gangs
from pipelinekit.engine.placing import RETURNS


def attempt(step="s", nodes=3, run="run"):
    task = Task("python", "main:wide", "snapshot", (), (Port("output", ANY),), nodes=nodes)
    return Attempt(run, step, 1, task, {})


def well(rank, at=1.0, **details):
    outputs = {} if rank.rank.number else {"output": plain(7)}
    return AttemptEnded(rank.id, at, 1.0, outputs, **details)


def ill(rank, kind="user", words="no", types=(), at=1.0, **details):
    return AttemptEnded(rank.id, at, 1.0, failure=Failure(kind, words, types), **details)


def arrive(gangs, gang, now=0.0):
    """All ranks of a gang come and are ready; it begins."""
    for number, rank in enumerate(gang.ranks):
        gangs.came(RankCame(rank.id, f"node {number}"), now)
        gangs.came(RankCame(rank.id, f"node {number}", f"10.0.0.{number}", 5000 + number), now)
    assert gangs.ready() is gang
    return gang.begin()


def begun(nodes=3):
    gangs = Gangs()
    gangs.add([attempt(nodes=nodes)])
    gang = gangs.next(0.0)
    arrive(gangs, gang)
    return gangs, gang


def test_nobody_begins_before_all_are_ready_and_they_meet_at_the_first():
    gangs = Gangs()
    gangs.add([attempt("a"), attempt("b")])
    gang = gangs.next(0.0)
    assert gangs.next(0.0) is None, "one gathers at a time"
    assert [rank.id for rank in gang.ranks] == ["run/a/1#0.0", "run/a/1#0.1", "run/a/1#0.2"]
    assert all(map(is_rank, (rank.id for rank in gang.ranks)))
    assert not is_rank("run/a#1/1")
    for rank in gang.ranks[:2]:
        gangs.came(RankCame(rank.id, "n", "10.0.0.9", 1), 0.0)
    assert gangs.ready() is None
    assert arrive(gangs, gang) == ("10.0.0.0", 5000)
    assert gangs.next(0.0).attempt.step == "b", "and then the next may gather"


def test_what_ranks_tell_is_told_of_their_attempt():
    gangs, gang = begun(2)
    first, second = gang.ranks
    told = []

    def tell(event):
        found, _ = gangs.take(event, 0.0)
        told.extend(found)

    for event in (AttemptStarted(second.id, 2.0), AttemptStarted(first.id, 3.0)):
        tell(event)
    assert told == [AttemptStarted("run/s/1", 2.0)], "it begins once"
    told.clear()
    tell(LogChunk(first.id, "stdout", "one\ntw"))
    tell(LogChunk(second.id, "stdout", "three\n\nfour\nfi"))
    tell(LogChunk(first.id, "stdout", "o\n"))
    tell(Told(second.id, ("entry",)))
    tell(Told(first.id, ("entry",)))
    tell(well(second))
    assert [(item.text if isinstance(item, LogChunk) else item) for item in told] == [
        "one\n",
        "[rank 1] three\n[rank 1] \n[rank 1] four\n",
        "two\n",
        Told("run/s/1", ("entry",)),
        "[rank 1] fi\n",
    ]
    (end,), gone = gangs.take(well(first, observed={"file:a": "1"}), 0.0)
    assert gone is gang
    assert (end.attempt, end.outputs, end.observed) == ("run/s/1", {"output": plain(7)}, {"file:a": "1"})


@pytest.mark.parametrize(
    ("failures", "message"),
    [
        ([("canceled", (), 1.0), ("user", (), 2.0), ("canceled", (), 1.0)], "rank 1: no"),
        ([("user", ("ConnectionResetError", "ConnectionError"), 1.0), ("user", (), 2.0), None], "rank 1: no"),
        ([("user", (), 1.0), ("user", (), 1.5), ("lost", (), 2.0)], "rank 2: no"),
        ([("user", (), 2.0), ("user", (), 1.5), ("user", (), 1.0)], "rank 2: no"),
        ([None, ("timeout", (), 2.0), ("canceled", (), 1.0)], "rank 1: no"),
    ],
)
def test_the_cause_is_told_and_not_what_follows_from_it(failures, message):
    gangs, gang = begun()
    for rank, failed in zip(gang.ranks, failures, strict=True):
        event = ill(rank, failed[0], types=failed[1], at=failed[2]) if failed else well(rank)
        told, gone = gangs.take(event, 0.0)
    assert gone is gang
    assert told[-1].failure.message == message


def test_it_ends_when_all_have_ended_and_not_before_so_that_none_is_left():
    gangs, gang = begun()
    assert gangs.take(ill(gang.ranks[1]), 0.0) == ([], None)
    assert gang.has_failed
    assert gang.left == [gang.ranks[0].id, gang.ranks[2].id]
    assert gangs.take(ill(gang.ranks[0], "canceled"), 0.0) == ([], None)
    (end,), _ = gangs.take(ill(gang.ranks[2], "canceled"), 0.0)
    assert (end.attempt, end.failure.message) == ("run/s/1", "rank 1: no")


def test_one_that_fails_before_all_have_come_ends_the_attempt_at_once():
    gangs = Gangs()
    gangs.add([attempt()])
    gang = gangs.next(0.0)
    (end,), gone = gangs.take(ill(gang.ranks[2], "environment"), 0.0)
    assert (gone, end.failure.message) == (gang, "rank 2: no")
    assert gangs.take(ill(gang.ranks[1], "canceled"), 0.0) == ([], None), "nobody asks any more"
    assert gangs.next(0.0) is None


def test_who_comes_again_to_a_gang_that_has_begun_was_lost():
    gangs, gang = begun()
    again = RankCame(gang.ranks[1].id, "node 9")
    lost = gangs.came(again, 0.0)
    assert lost.failure == Failure("node", "its node node 1 died while it executed attempt 1")


def test_nodes_that_die_before_it_begins_send_it_again_but_not_for_ever():
    gangs = Gangs()
    gangs.add([attempt()])
    now = 0.0
    for _ in range(RETURNS):
        gang = gangs.next(now)
        assert gangs.take(ill(gang.ranks[0], "node"), now) == ([], gang)
        now = gangs.next_time(now)
    gang = gangs.next(now)
    (end,), _ = gangs.take(ill(gang.ranks[0], "node"), now)
    assert end.failure.kind == "node"


def test_who_has_not_all_places_in_time_gives_them_back_and_waits_longer_each_time():
    gangs = Gangs()
    gangs.add([attempt()])
    now, waits, seen = 0.0, [], set()
    for _ in range(12):
        gang = gangs.next(now)
        assert gangs.next_time(now) is None, "who holds nothing keeps nobody waiting"
        gangs.came(RankCame(gang.ranks[0].id, "node"), now)
        until = gangs.next_time(now)
        assert gangs.overdue(until - 0.001) is None
        assert gangs.overdue(until) is gang
        assert not seen.intersection(rank.id for rank in gang.ranks), "what is late from one round is not of the next"
        seen.update(rank.id for rank in gang.ranks)
        waits.append(until - now)
        assert gangs.next(until) is None
        now = gangs.next_time(until)
        assert now > until
    assert PATIENCE <= waits[0] <= 2 * PATIENCE
    assert MOST_PATIENCE <= waits[-1] <= 2 * MOST_PATIENCE
    gang = gangs.next(now)
    arrive(gangs, gang, now)
    assert gangs.overdue(now + 1e6) is None


def test_what_nobody_wants_any_more():
    gangs, gang = begun()
    gangs.add([attempt("gathers"), attempt("queued")])
    gathers = gangs.next(0.0)
    not_begun, given_back, left = gangs.stop(["run/s/1", "run/gathers/1", "run/queued/1", "run/other/1"])
    assert sorted(not_begun) == ["run/gathers/1", "run/queued/1"]
    assert (given_back, left) == ([gathers], [gang])
    assert gangs.next(0.0) is None
    for rank in gang.ranks:
        told, _ = gangs.take(
            ill(rank, "user", types=("ConnectionError",)) if rank.rank.number else ill(rank, "canceled"), 0.0
        )
    assert told[-1].failure == Failure("canceled", "the attempt was canceled")


@settings(max_examples=150, deadline=None)
@given(course=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["came", "ready", "well", "ill", "node", "stop"]))))
def test_whatever_ranks_tell_each_attempt_ends_once(course):
    gangs = Gangs()
    gangs.add([attempt("a", 2), attempt("b", 2)])
    ends, now = [], 0.0
    for place, what in course:
        now += 100.0
        gangs.next(now)
        gangs.overdue(now - 100.0)
        if (ready := gangs.ready()) is not None:
            ready.begin()
        ranks = sorted(rank.id for gang in gangs.on_their_way for rank in gang.ranks)
        if what == "stop":
            ends += gangs.stop([f"run/{'ab'[place % 2]}/1"])[0]
        elif place < len(ranks):
            rank = next(rank for gang in gangs.on_their_way for rank in gang.ranks if rank.id == ranks[place])
            if what in ("came", "ready"):
                lost = gangs.came(RankCame(rank.id, "n", "h" if what == "ready" else "", 1), now)
                told = gangs.take(lost, now)[0] if lost else []
            else:
                told, _ = gangs.take(well(rank) if what == "well" else ill(rank, {"ill": "user"}.get(what, what)), now)
            ends += [event.attempt for event in told if isinstance(event, AttemptEnded)]
    still = {gang.attempt.id for gang in gangs.on_their_way}
    assert len(set(ends)) == len(ends)
    assert not still & set(ends)
    assert gangs.waiting + len(still) + len(ends) == 2, "each is queued, on its way, or was told of"


class Nodes:
    """Nodes for one rank each, which come to any of them in the order that chance has; in imaginary time."""

    def __init__(self, drivers, count, chance):
        self.drivers, self.chance = drivers, chance
        self.queues = [[] for _ in range(count)]  # of ranks, with their drivers; the first has the node
        self.happens, self.numbers, self.now = [], itertools.count(), 0.0
        self.done = []

    def after(self, seconds, act, *arguments):
        heapq.heappush(self.happens, (self.now + seconds, next(self.numbers), act, arguments))

    def run(self, until):
        for gangs in self.drivers:
            self.look(gangs)
        while self.happens and self.now < until:
            self.now, _, act, arguments = heapq.heappop(self.happens)
            act(*arguments)

    def look(self, gangs):
        if (late := gangs.overdue(self.now)) is not None:
            self.take_back(late)
        if (fresh := gangs.next(self.now)) is not None:
            nodes = self.chance.sample(range(len(self.queues)), len(fresh.ranks))
            for rank, node in zip(fresh.ranks, nodes, strict=True):
                self.after(self.chance.uniform(0.0, 0.3), self.arrive, gangs, rank, node)
        if (at := gangs.next_time(self.now)) is not None:
            self.after(max(at - self.now, 0.0), self.look, gangs)

    def arrive(self, gangs, rank, node):
        if gangs.gang_of(rank.id) is not None:
            self.queues[node].append((gangs, rank))
            self.place(node)

    def place(self, node):
        if not self.queues[node]:
            return
        gangs, rank = self.queues[node][0]
        gangs.came(RankCame(rank.id, str(node), "host", 1), self.now)
        if (ready := gangs.ready()) is not None:
            ready.begin()
            self.after(self.chance.uniform(0.1, 3.0), self.end, gangs, ready)
        self.look(gangs)

    def take_back(self, gang):
        ids = {rank.id for rank in gang.ranks}
        for node, queue in enumerate(self.queues):
            had = bool(queue) and queue[0][1].id in ids
            queue[:] = [item for item in queue if item[1].id not in ids]
            if had:
                self.place(node)

    def end(self, gangs, gang):
        for rank in gang.ranks:
            told, _ = gangs.take(well(rank), self.now)
        self.done += [event.attempt for event in told if isinstance(event, AttemptEnded)]
        self.take_back(gang)
        self.look(gangs)


@settings(max_examples=60, deadline=None)
@given(
    drivers=st.integers(2, 5),
    each=st.integers(1, 4),
    nodes=st.integers(2, 5),
    chance=st.randoms(use_true_random=False),
)
def test_gangs_of_several_drivers_that_want_the_same_nodes_all_come_to_their_end(drivers, each, nodes, chance):
    """Without turns, which drivers take at a real scheduler: by giving way alone."""
    all_of = []
    for driver in range(drivers):
        gangs = Gangs()
        gangs.add([attempt(f"s{number}", nodes, f"run{driver}") for number in range(each)])
        all_of.append(gangs)
    cluster = Nodes(all_of, nodes, chance)
    cluster.run(100_000.0)
    assert len(set(cluster.done)) == len(cluster.done) == drivers * each
