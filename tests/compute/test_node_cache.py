"""Source folders and environments in a node's own folder: room, use by several workers, damage."""

import os
import shutil
import subprocess
import sys
import time

import object_servers
import pytest

from pipelinekit.compute.node_cache import RECENT_SECONDS, NodeCache
from pipelinekit.compute.sources import source_folder
from pipelinekit.compute.transfers import Transfers
from pipelinekit.domain.snapshots import Tree, TreeEntry

KB = 1000
ROOM = 100 * KB


@pytest.fixture
def cache(tmp_path):
    return NodeCache(tmp_path, ROOM)


def unused_for(folder, seconds):
    then = time.time() - seconds
    os.utime(folder, (then, then))


def source(home, number, size=20 * KB, unused=0.0):
    folder = source_folder(home, f"xxh3:{number}")
    folder.mkdir(parents=True)
    (folder / "main.py").write_bytes(b"#" * size)
    unused_for(folder, unused)
    return folder


def environment(home, number, size=20 * KB, unused=0.0):
    folder = home / "environments" / f"e{number}"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").write_bytes(b"#" * size)
    unused_for(folder, unused)
    return folder


def python_of(folder):
    return str(folder / "bin" / "python")


def test_what_was_used_longest_ago_goes_when_the_room_is_used_up(cache, tmp_path):
    entries = [source(tmp_path, 1, unused=4000), environment(tmp_path, 2, unused=5000)]
    entries += [
        source(tmp_path, 3, unused=2000),
        environment(tmp_path, 4, unused=3000),
        source(tmp_path, 5, unused=1000),
    ]
    bytecode = tmp_path / "pycache" / entries[0].relative_to(entries[0].anchor)
    bytecode.mkdir(parents=True)
    cache.trim()
    assert all(entry.exists() for entry in entries), "there is room for all of them"
    entries.append(source(tmp_path, 6))
    cache.trim()
    assert [entry.exists() for entry in entries] == [False, False, True, True, True, True], "down to nine tenths"
    assert not bytecode.exists()
    assert not (tmp_path / "trash").exists()


def test_what_is_held_stays_and_letting_go_is_a_use(cache, tmp_path):
    first, second, third = source(tmp_path, 1, unused=5000), environment(tmp_path, 2, unused=4000), source(tmp_path, 3)
    hold = cache.hold(first, python_of(second))
    for folder in (first, second):
        unused_for(folder, 5000)
    source(tmp_path, 4, 90 * KB)
    cache.trim()
    assert (first.exists(), second.exists()) == (True, True)
    hold.let_go()
    cache.trim()
    assert (first.exists(), second.exists()) == (True, True), "somebody may be about to begin"
    for folder in (first, second, third):
        unused_for(folder, RECENT_SECONDS + 1)
    cache.trim()
    assert (first.exists(), second.exists(), third.exists()) == (False, False, False)


def test_without_a_limit_nothing_is_looked_at(tmp_path):
    cache = NodeCache(tmp_path)
    folder = source(tmp_path, 1, unused=5000)
    cache.hold(folder, sys.executable).let_go()
    cache.trim()
    assert [path.name for path in tmp_path.iterdir()] == ["snapshots"]


HOLDER = """
import sys, time
from pathlib import Path
from pipelinekit.compute.node_cache import NodeCache
home, source, python = map(Path, sys.argv[1:])
hold = NodeCache(home, 1000).hold(source, str(python))
print("held", flush=True)
time.sleep(600)
"""


def test_what_another_worker_holds_stays_until_he_dies(cache, tmp_path):
    folder, built = source(tmp_path, 1, 150 * KB), environment(tmp_path, 2, 150 * KB)
    words = [sys.executable, "-c", HOLDER, str(tmp_path), str(folder), python_of(built)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        for entry in (folder, built):
            unused_for(entry, 5000)
        cache.trim()
        assert (folder.exists(), built.exists()) == (True, True)
        other.kill()
    cache.trim()
    assert (folder.exists(), built.exists()) == (False, False)


def test_an_entry_that_is_held_again_while_it_goes_is_there_or_held_anew(tmp_path):
    """Two that hold and two that remove, at once: whoever holds an entry that he has found keeps it."""
    folder = source_folder(tmp_path, "xxh3:1")
    ready = tmp_path / "go"
    worker = f"""
import os, sys, time
from pathlib import Path
sys.path.insert(0, {os.path.dirname(__file__)!r})
from pipelinekit.compute.node_cache import NodeCache
home, folder = Path({str(tmp_path)!r}), Path({str(folder)!r})
cache = NodeCache(home, 10, clock=lambda: time.time() + 1000)
while not Path({str(ready)!r}).exists():
    time.sleep(0.01)
for turn in range(150):
    if sys.argv[1] == "trim":
        cache.trim()
        continue
    hold = cache.hold(folder, sys.executable)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{{os.getpid()}}").write_text("x" * 100)
    time.sleep(0.001)
    assert (folder / f"{{os.getpid()}}").exists(), turn
    hold.let_go()
"""
    words = [sys.executable, "-c", worker]
    others = [subprocess.Popen([*words, word], stderr=subprocess.PIPE) for word in ("hold", "hold", "trim", "trim")]
    ready.touch()
    for other in others:
        _, err = other.communicate(timeout=60)
        assert (other.returncode, err) == (0, b"")


def stored_source(blobs):
    files = {"main.py": b"print(1)\n", "package/__init__.py": b"", "package/words.py": b"words = ['a']\n"}
    tree = Tree.of(TreeEntry(path, *blobs.put(data)) for path, data in files.items())
    return blobs.put(tree.manifest())[0], files


def tampered(folder):
    place = folder / "package" / "words.py"
    place.unlink()
    place.write_bytes(b"words = ['b']\n")


def lost(folder):
    (folder / "main.py").unlink()


def added(folder):
    (folder / "numpy.py").write_text("never = 1\n")


def in_place(folder):
    """As a disk does it: size and times stay as they are."""
    place = folder / "package" / "words.py"
    state = place.stat()
    os.chmod(place, 0o600)
    place.write_bytes(b"words = ['b']\n")
    os.utime(place, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.parametrize("damage", [tampered, lost, added, in_place])
@pytest.mark.parametrize("fresh", [True, False], ids=["another worker", "the same worker"])
def test_a_source_folder_that_was_damaged_is_brought_again_before_anybody_starts_in_it(tmp_path, damage, fresh):
    address = object_servers.InMemory().address()
    blobs = object_servers.opened(address, tmp_path / "copies").blobs
    snapshot, files = stored_source(blobs)
    transfers = Transfers(blobs, blobs)
    folder = transfers.bring_source(tmp_path, snapshot)
    inode = folder.stat().st_ino
    assert transfers.bring_source(tmp_path, snapshot).stat().st_ino == inode, "it is whole, and stays"
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "main.pyc").write_bytes(b"bytecode")
    assert transfers.bring_source(tmp_path, snapshot).stat().st_ino == inode, "bytecode comes and goes"
    shutil.rmtree(folder / "__pycache__")
    damage(folder)
    if fresh:
        blobs = object_servers.opened(address, tmp_path / "copies").blobs
        transfers = Transfers(blobs, blobs)
    again = transfers.bring_source(tmp_path, snapshot)
    assert {str(path.relative_to(again)): path.read_bytes() for path in again.rglob("*") if path.is_file()} == files


def test_copies_whose_folder_has_gone_are_brought_again(tmp_path):
    blobs = object_servers.opened(object_servers.InMemory().address(), tmp_path / "node" / "copies").blobs
    digest, _ = blobs.put(b"data")
    shutil.rmtree(tmp_path / "node")
    assert blobs.bring([digest]) == {}
    assert blobs.read(digest) == b"data"
