"""Clean-up of an object store beside those who store and look, in whatever order their requests come: nobody loses."""

import datetime
import itertools
import threading
from collections import deque
from contextlib import contextmanager

import object_servers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelinekit.domain.digests import digest_bytes
from pipelinekit.errors import StorageError
from pipelinekit.storage.object_blobs import ObjectBlobs, name_of
from pipelinekit.storage.object_sweeping import ObjectSweeper
from pipelinekit.storage.object_uses import CONDEMNED, STALE_SECONDS, Uses
from pipelinekit.storage.objects import ObjectStore

NOW = 2_000_000_000.0
OLD = 10_000
WORDS = [b"one", b"two", b"three"]
DIGESTS = [digest_bytes(word) for word in WORDS]


class Turns:
    """Lets actors make one request at a time, in a given order, and by turns when that is at its end."""

    def __init__(self, order, count):
        self._order = deque(order)
        self._live = list(range(count))
        self._changed = threading.Condition()
        self._next = 0
        self._choose()

    def _choose(self):
        if not self._live:
            return
        if self._order:
            self._next = self._live[self._order.popleft() % len(self._live)]
        else:
            self._next = next((actor for actor in self._live if actor > self._next), self._live[0])

    @contextmanager
    def turn(self, actor):
        with self._changed:
            assert self._changed.wait_for(lambda: self._next == actor, timeout=30)
        try:
            yield
        finally:
            with self._changed:
                self._choose()
                self._changed.notify_all()

    def end(self, actor):
        with self._changed:
            self._live.remove(actor)
            if self._next == actor:
                self._choose()
            self._changed.notify_all()


class Stepping:
    """The library of a store, each call of which waits for its turn."""

    def __init__(self, library, turns, actor):
        self._library, self._turns, self._actor = library, turns, actor

    def __getattr__(self, name):
        function = getattr(self._library, name)

        def call(*words, **options):
            with self._turns.turn(self._actor):
                return function(*words, **options)

        return call


def actor_store(address, turns, actor):
    store = ObjectStore(address)
    store.__dict__["_fs"] = Stepping(store._fs, turns, actor)

    def pause(_):
        with turns.turn(actor):
            pass

    return store, Uses(store, pause=pause)


def play(turns, *actions):
    """Let each action be an actor; their results."""
    results = [None] * len(actions)

    def act(number, action):
        try:
            results[number] = action()
        except BaseException as error:
            results[number] = error
        finally:
            turns.end(number)

    threads = [threading.Thread(target=act, args=item) for item in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


@settings(max_examples=60, deadline=None)
@given(
    order=st.lists(st.integers(0, 2), max_size=40),
    looked_for=st.sets(st.sampled_from(range(3))),
    stored=st.sets(st.sampled_from(range(3))),
)
def test_what_is_stored_or_found_beside_a_clean_up_stays(tmp_path_factory, order, looked_for, stored):
    server = object_servers.InMemory()
    place = server.address()
    first = object_servers.opened(place, tmp_path_factory.mktemp("copies"))
    for word in WORDS:
        first.blobs.put(word)
    server.age(place, OLD)
    turns = Turns(order, 3)
    (sweeping, of_sweeper), (looking, of_looker), (storing, of_storer) = (
        actor_store(place, turns, actor) for actor in range(3)
    )
    looker = ObjectBlobs(looking, first.blobs.local, uses=of_looker)
    storer = ObjectBlobs(storing, first.blobs.local, uses=of_storer)
    sweeper = ObjectSweeper(sweeping, uses=of_sweeper)
    before = object_servers.now() - 1000

    removed, missing, _ = play(
        turns,
        lambda: sweeper.remove(DIGESTS, before),
        lambda: looker.missing([DIGESTS[number] for number in looked_for]),
        lambda: [storer.put(WORDS[number]) for number in sorted(stored)],
    )

    there = {entry.digest for entry in first.upkeep.blobs()}
    found = {DIGESTS[number] for number in looked_for} - missing
    assert found | {DIGESTS[number] for number in stored} <= there
    untouched = set(DIGESTS) - {DIGESTS[number] for number in looked_for | stored}
    assert untouched <= set(removed)
    assert list(first.blobs.store.walk(CONDEMNED)) == []


@pytest.fixture
def server():
    return object_servers.InMemory()


@pytest.fixture
def place(server):
    return server.address()


@pytest.fixture
def made(place, tmp_path):
    return object_servers.opened(place, tmp_path / "copies")


def test_a_condemnation_whose_clean_up_was_killed_is_waited_for_no_longer_than_it_may_last(made, server, place):
    digest, _ = made.blobs.put(b"content")
    made.blobs.store.put_bytes(f"{CONDEMNED}/dead", digest.encode())
    waited = []
    made.blobs.uses = Uses(made.blobs.store, pause=waited.append)
    assert made.blobs.missing([digest]) == set()
    assert STALE_SECONDS <= sum(waited) < STALE_SECONDS + 60
    assert [item.kind for item in made.upkeep.leftovers()] == ["half-written"]


def test_a_clean_up_that_never_ends_is_told(made):
    digest, _ = made.blobs.put(b"content")
    made.blobs.store.put_bytes(f"{CONDEMNED}/running", digest.encode())
    renewed = itertools.count()

    def pause(_):
        made.blobs.store.remove([f"{CONDEMNED}/running"])
        made.blobs.store.put_bytes(f"{CONDEMNED}/running", digest.encode())
        item = made.blobs.store._fs.store["/" + made.blobs.store._full(f"{CONDEMNED}/running")]
        item.created += datetime.timedelta(seconds=10 * next(renewed))

    made.blobs.uses = Uses(made.blobs.store, pause=pause)
    with pytest.raises(StorageError, match=r"a clean-up of memory://.* has not ended for long") as error:
        made.blobs.missing([digest])
    assert "gc" in error.value.hint


def test_a_clean_up_that_was_held_up_removes_nothing(made, server, place):
    digest, _ = made.blobs.put(b"content")
    server.age(place, OLD)
    times = itertools.count(0, 1000)
    slow = ObjectSweeper(made.blobs.store, ticking=lambda: next(times))
    assert slow.remove([digest], object_servers.now() - 1000) == []
    assert made.upkeep.verify(digest) == ""


@pytest.mark.parametrize("ahead", [-800.0, 800.0])
def test_times_are_compared_by_the_clock_of_the_store(made, server, place, ahead):
    """A machine whose clock is wrong neither removes what is young nor keeps what is old."""
    old, _ = made.blobs.put(b"old")
    server.age(place, 2000)
    young, _ = made.blobs.put(b"young")
    server.age(place, 500)

    def wrong():
        return object_servers.now() - ahead

    sweeper = ObjectSweeper(made.blobs.store, clock=wrong)
    assert sweeper.remove([old, young], wrong() - 1000) == [old]


def test_notes_are_kept_for_longer_grace_periods_and_go_at_last(made, server, place):
    digest, _ = made.blobs.put(b"content")
    assert [name for name, _ in made.blobs.store.walk("uses")]
    server.age(place, 20 * 86400)
    made.upkeep.remove([digest_bytes(b"absent")], object_servers.now() - 3600)
    assert [name for name, _ in made.blobs.store.walk("uses")]
    server.age(place, 20 * 86400)
    made.upkeep.remove([digest_bytes(b"absent")], object_servers.now() - 3600)
    assert [name for name, _ in made.blobs.store.walk("uses")] == []
    assert made.upkeep.verify(digest) == ""


def test_a_store_without_conditional_puts_gets_the_same_bytes_again(made, place, tmp_path):
    other = object_servers.opened(place, tmp_path / "other")
    library, modes = made.blobs.store._fs, []

    class Plain:
        def __getattr__(self, name):
            return getattr(library, name)

        def put_file(self, path, name, mode, **options):
            modes.append(mode)
            if mode == "create":
                raise OSError(38, "A header you provided implies functionality that is not implemented")
            return library.put_file(path, name)

    other.blobs.store.__dict__["_fs"] = Plain()
    for word in (b"one", b"two"):
        assert other.blobs.put(word)[0] == digest_bytes(word)
        assert made.blobs.read(digest_bytes(word)) == word
    assert modes == ["create", "overwrite", "overwrite"]


def test_what_lies_there_with_another_size_is_set_aside_when_the_blob_is_stored(made):
    made.blobs.store.put_bytes(name_of(digest_bytes(b"content")), b"cut")
    digest, _ = made.blobs.put(b"content")
    assert made.upkeep.verify(digest) == ""
    assert [(item.kind, item.size) for item in made.upkeep.leftovers()] == [("set aside", 3)]
