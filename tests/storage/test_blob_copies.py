"""Local copies of what lies in an object store: how much room they take, and which go first."""

import os
import time

import object_servers
import pytest

from pipelinekit.domain.digests import PREFIX
from pipelinekit.storage.blob_cache import RECENT_SECONDS

KB = 1000
BUDGET = 100 * KB


@pytest.fixture
def made(tmp_path):
    return object_servers.opened(object_servers.InMemory().address(), tmp_path / "copies", BUDGET)


def place_of(made, digest):
    name = digest.removeprefix(PREFIX)
    return made.blobs.local.folder / name[:2] / name[2:]


def unused_for(made, digest, seconds):
    then = time.time() - seconds
    os.utime(place_of(made, digest), (then, then))


def put(made, number, size=10 * KB, unused=0.0):
    digest, _ = made.blobs.put(bytes([number]) * size)
    unused_for(made, digest, unused)
    return digest


def here(made, digests):
    return [place_of(made, digest).exists() for digest in digests]


def test_copies_that_were_used_longest_ago_go_when_the_budget_is_used_up(made):
    digests = [put(made, number, unused=5000 - number) for number in range(10)]
    assert here(made, digests) == [True] * 10
    put(made, 99)
    assert here(made, digests) == [False, False] + [True] * 8, "down to nine tenths"
    assert made.blobs.missing(digests) == set(), "they are in the store"
    assert made.blobs.read(digests[0]) == bytes([0]) * 10 * KB


def test_reading_is_a_use(made):
    digests = [put(made, number, unused=5000 - number) for number in range(10)]
    made.blobs.read(digests[0])
    put(made, 99)
    assert here(made, digests) == [True, False, False] + [True] * 7


def test_copies_that_were_just_used_stay_whatever_the_budget(made):
    digests = [put(made, number, unused=RECENT_SECONDS - 60) for number in range(20)]
    assert here(made, digests) == [True] * 20
    for digest in digests[:15]:
        unused_for(made, digest, RECENT_SECONDS + 60)
    put(made, 99)
    assert sum(here(made, digests)) <= 9


def test_what_was_there_when_the_workspace_was_opened_counts(made, tmp_path):
    digests = [put(made, number, unused=5000 - number) for number in range(10)]
    again = object_servers.opened(made.blobs.store.address, tmp_path / "copies", 50 * KB)
    put(again, 99)
    assert sum(here(again, digests)) == 3


def test_a_damaged_copy_is_fetched_again(made):
    digest = put(made, 1)
    place = place_of(made, digest)
    os.chmod(place, 0o600)
    place.write_bytes(b"flipped")
    assert made.blobs.read(digest) == bytes([1]) * 10 * KB
    assert made.upkeep.verify(digest) == ""


def test_a_damaged_copy_does_not_keep_whole_bytes_from_being_stored(made):
    digest = put(made, 1)
    made.blobs.discard(digest)
    made.blobs.local.put(bytes([1]) * 10 * KB)
    place = place_of(made, digest)
    os.chmod(place, 0o600)
    place.write_bytes(b"flipped")
    assert made.blobs.put(bytes([1]) * 10 * KB)[0] == digest
    assert made.upkeep.verify(digest) == ""
