"""Removal of blobs beside processes that store and look: nobody loses what was stored or found."""

import os
import time
from pathlib import Path

import pytest
from conftest import wait_for
from seams import children

from pipelinekit.domain.upkeep import Leftover
from pipelinekit.storage.blobs import FolderBlobs, held
from pipelinekit.storage.sweeping import FolderSweeper

COUNT = 600

USER = """
    import random, sys
    from pathlib import Path
    from pipelinekit.domain.digests import digest_bytes
    from pipelinekit.storage.blobs import FolderBlobs

    folder, how, count, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    store = FolderBlobs(folder)
    scratch = folder.parent / f"scratch-{seed}"
    scratch.mkdir()
    numbers = random.Random(seed).sample(range(count), count)
    print("ready", flush=True)
    for position, number in enumerate(numbers):
        if position % 20 == 0:
            sys.stdin.readline()
        data = b"content %d" % number
        if how == "put":
            store.put(data)
        elif how == "move":
            (scratch / "file").write_bytes(data)
            store.put_file(scratch / "file", move=True)
        elif store.missing([digest_bytes(data)]):
            continue
        print(number, flush=True)
"""


@pytest.fixture
def store(tmp_path):
    (tmp_path / "blobs").mkdir()
    return FolderBlobs(tmp_path / "blobs")


def age(store, seconds=10_000):
    for path in store.folder.rglob("*"):
        if path.is_file():
            then = time.time() - seconds
            os.utime(path, (then, then))


@pytest.mark.parametrize("how", ["put", "move", "look"])
def test_what_is_stored_or_found_while_old_blobs_are_removed_stays(store, tmp_path, how):
    digests = [store.put(b"content %d" % number)[0] for number in range(COUNT)]
    age(store)
    sweeper = FolderSweeper(store.folder)
    before = time.time() - 1000
    with children(USER, store.folder, how, COUNT, count=2) as users:
        removed = []
        for start in range(0, COUNT, 20):
            for (
                user
            ) in users:  # who use as many as are removed meanwhile, so that neither side is done before the other
                user.tell()
            removed += sweeper.remove(digests[start : start + 20], before)
        used = {int(line) for user in users for line in user.end().split()}
    assert removed
    assert store.missing([digests[number] for number in used]) == set()
    if how != "look":
        assert len(used) == COUNT
        assert store.read(digests[0]) == b"content 0"


REMOVER = """
    import sys, time
    from pathlib import Path
    from pipelinekit.storage.sweeping import FolderSweeper

    print("ready", flush=True)
    sys.stdin.readline()
    print(FolderSweeper(Path(sys.argv[1])).remove([sys.argv[2]], time.time() - 1000), flush=True)
"""


def test_removal_waits_for_whoever_has_just_found_a_blob(store):
    digest, _ = store.put(b"content")
    (place,) = store.folder.glob("??/*")
    age(store)
    with children(REMOVER, store.folder, digest, count=1) as (remover,):
        with held(store.folder):
            found = place.exists()
            remover.tell()
            locks = Path("/proc/locks")
            wait_for(lambda: f" {remover.process.pid} " in locks.read_text() or not place.exists())
            os.utime(place)
        assert remover.says() == "[]"
        remover.end()
    assert found
    assert store.missing([digest]) == set()


def test_the_times_that_a_step_left_on_its_file_do_not_count(store, tmp_path):
    file = tmp_path / "output"
    file.write_bytes(b"output")
    os.utime(file, (0, 0))
    digest, _ = store.put_file(file, move=True)
    assert FolderSweeper(store.folder).remove([digest], time.time() - 1000) == []


def test_a_use_does_not_look_like_a_change(store):
    digest, _ = store.put(b"content")
    (place,) = store.folder.glob("??/*")
    age(store)
    before = place.stat()
    store.missing([digest])
    after = place.stat()
    assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)
    assert after.st_atime > before.st_atime


def test_files_that_are_no_blobs_are_told_by_kind(store):
    digest, _ = store.put(b"content")
    for name in ("staging", "damaged", "zz"):
        (store.folder / name).mkdir(exist_ok=True)
        (store.folder / name / "file").write_bytes(b"left")
    (store.folder / digest[5:7] / "notes.txt").write_bytes(b"mine")
    sweeper = FolderSweeper(store.folder)
    found = {item.path: item.kind for item in sweeper.leftovers()}
    assert found == {
        "staging/file": "half-written",
        "damaged/file": "set aside",
        "zz/file": "foreign",
        f"{digest[5:7]}/notes.txt": "foreign",
    }
    assert [entry.digest for entry in sweeper.blobs()] == [digest]


def test_leftovers_go_when_they_are_old(store):
    (store.folder / "staging").mkdir(exist_ok=True)
    (store.folder / "staging" / "file").write_bytes(b"left")
    sweeper = FolderSweeper(store.folder)
    (leftover,) = sweeper.leftovers()
    assert leftover == Leftover("half-written", "staging/file", 4, leftover.used_at)
    assert not sweeper.remove_leftover(leftover, time.time() - 1000)
    age(store)
    assert sweeper.remove_leftover(leftover, time.time() - 1000)
    assert not sweeper.remove_leftover(leftover, time.time() - 1000)


def test_a_foreign_file_is_set_aside(store):
    (store.folder / "zz").mkdir()
    (store.folder / "zz" / "file").write_bytes(b"left")
    sweeper = FolderSweeper(store.folder)
    sweeper.set_aside(next(iter(sweeper.leftovers())))
    (leftover,) = sweeper.leftovers()
    assert (leftover.kind, leftover.path) == ("set aside", "damaged/zz_file")
    assert (store.folder / "damaged" / "zz_file").read_bytes() == b"left"
