"""Moving blobs to another store: all of them, whole, and the old store counts until the last moment."""

import os

import object_servers
import pytest

from pipelinekit.domain.digests import PREFIX, digest_bytes
from pipelinekit.errors import StorageError
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.storage.object_blobs import name_of
from pipelinekit.storage.sweeping import FolderSweeper
from pipelinekit.workspace.moving_blobs import BlobStore, move_blobs


def folder_store(folder):
    folder.mkdir(exist_ok=True)
    blobs = FolderBlobs(folder)

    def add(places):
        for place in places.values():
            blobs.put_file(place)

    return BlobStore(blobs, FolderSweeper(folder), add, len)


def object_store(address, folder):
    opened = object_servers.opened(address, folder)
    return BlobStore(opened.blobs, opened.upkeep, opened.blobs.take_files, opened.blobs.bring)


@pytest.fixture
def old(tmp_path):
    return folder_store(tmp_path / "old")


@pytest.fixture
def new(tmp_path):
    return object_store(object_servers.InMemory().address(), tmp_path / "copies")


def fill(store, count=20):
    return {store.blobs.put(b"content %d" % number)[0] for number in range(count)}


def present(store):
    return {entry.digest for entry in store.upkeep.blobs()}


def test_everything_is_copied_before_the_switch_and_nothing_is_lost(old, new):
    digests = fill(old)
    seen = []
    moved = move_blobs(old, new, lambda: seen.append(present(new)))
    assert seen == [digests]
    assert present(old) == digests
    assert (moved.copied, moved.there, moved.damaged) == (20, 0, ())
    assert all(new.upkeep.verify(digest) == "" for digest in digests)


def test_there_and_back_again(old, new, tmp_path):
    digests = fill(old)
    move_blobs(old, new, lambda: None)
    back = folder_store(tmp_path / "back")
    move_blobs(new, back, lambda: None)
    assert present(back) == digests
    assert all(back.blobs.read(digest) == old.blobs.read(digest) for digest in digests)


def test_a_move_that_is_cut_off_leaves_the_old_store_in_use_and_can_be_begun_again(old, new):
    digests = fill(old)

    def cut(places):
        new.add(dict(list(places.items())[:7]))
        raise KeyboardInterrupt

    switched = []
    with pytest.raises(KeyboardInterrupt):
        move_blobs(old, BlobStore(new.blobs, new.upkeep, cut, new.bring), lambda: switched.append(1))
    assert switched == []
    assert present(old) == digests
    moved = move_blobs(old, new, lambda: switched.append(1))
    assert (moved.copied, moved.there, switched) == (13, 7, [1])


def test_what_is_stored_meanwhile_is_moved_as_well(old, new):
    fill(old)
    late = []

    def add(places):
        new.add(places)
        if not late:
            late.append(old.blobs.put(b"late")[0])

    move_blobs(old, BlobStore(new.blobs, new.upkeep, add, new.bring), lambda: None)
    assert present(new) == present(old)
    assert late[0] in present(new)


def test_what_was_damaged_before_is_told_and_left_behind(old, new, tmp_path):
    digests = fill(old)
    damaged = sorted(digests)[3]
    place = tmp_path / "old" / name_of(damaged)
    os.chmod(place, 0o600)
    place.write_bytes(b"flipped")
    moved = move_blobs(old, new, lambda: None)
    assert moved.damaged == (damaged,)
    assert present(new) == digests - {damaged}


def test_what_does_not_arrive_whole_stops_the_move(old, new):
    fill(old)
    wrong = digest_bytes(b"content 3")

    def add(places):
        new.add(places)
        new.blobs.store.put_bytes(name_of(wrong), b"flipped")

    switched = []
    with pytest.raises(StorageError, match=f"1 blob did not arrive as it was, the first is {PREFIX}") as error:
        move_blobs(old, BlobStore(new.blobs, new.upkeep, add, new.bring), lambda: switched.append(1))
    assert switched == []
    assert "the old store is still the one that is used" in error.value.hint
    move_blobs(old, new, lambda: switched.append(1))
    assert new.upkeep.verify(wrong) == ""


def test_what_is_there_already_is_read_before_the_switch(old, new):
    fill(old)
    wrong = digest_bytes(b"content 3")
    new.blobs.store.put_bytes(name_of(wrong), b"flipped by somebody")
    with pytest.raises(StorageError, match="did not arrive"):
        move_blobs(old, new, lambda: pytest.fail("it was switched"))
    move_blobs(old, new, lambda: None)
    assert new.upkeep.verify(wrong) == ""
