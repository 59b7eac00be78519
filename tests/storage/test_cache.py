"""What this machine remembers: fast while it is there, and never in the way when it is not."""

import os

import pytest
from seams import Child, children, opened

from pipelinekit.domain.digests import digest_bytes
from pipelinekit.storage.cache import FileCache
from pipelinekit.storage.sqlite_library import sqlite3
from pipelinekit.testing.stores import MemoryCache
from pipelinekit.workspace.files import SETTLED_NANOSECONDS, FileDigests


def settled(path, data, mode=0o644):
    """A file that was last changed long ago, as far as its times go that can be set; waits for the one that cannot."""
    path.write_bytes(data)
    os.chmod(path, mode)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return let_settle(path)


def let_settle(path):
    """Wait until a file's last change is so old that another one would show in its times."""
    probe = path.with_name(".probe")
    while True:
        probe.write_bytes(b"")
        if probe.stat().st_ctime_ns - path.stat().st_ctime_ns > 2 * SETTLED_NANOSECONDS:
            probe.unlink()
            return path


# -- the file ----------------------------------------------------------------------------------------------------------


def test_texts_survive_the_process(tmp_path):
    FileCache(tmp_path / "cache.db").put("space", {"a": "1"})
    script = """
        import sys
        from pathlib import Path
        from pipelinekit.storage.cache import FileCache
        print(FileCache(Path(sys.argv[1])).get("space", ["a", "b"]))
    """
    assert Child(script, tmp_path / "cache.db").end() == "{'a': '1'}\n"


@pytest.mark.parametrize("content", [b"", b"junk", b"SQLite format 3\0" + b"\xff" * 5000, bytes(4096)])
def test_a_file_that_is_no_cache_is_replaced(tmp_path, content):
    (tmp_path / "cache.db").write_bytes(content)
    FileCache(tmp_path / "cache.db").put("space", {"a": "1"})
    assert FileCache(tmp_path / "cache.db").get("space", ["a"]) == {"a": "1"}


def test_a_cache_that_is_damaged_while_it_is_open_forgets_and_does_not_fail(tmp_path):
    path = tmp_path / "cache.db"
    cache = FileCache(path)
    cache.put("space", {str(number): "x" * 100 for number in range(500)})
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.write(b"\xff" * size)
    assert cache.get("space", ["1"]) in ({}, {"1": "x" * 100})
    cache.put("space", {"2": "y"})
    FileCache(path).put("space", {"3": "z"})
    assert FileCache(path).get("space", ["3"]) == {"3": "z"}


def test_a_lost_file_loses_nothing_else(tmp_path):
    cache = FileCache(tmp_path / "cache.db")
    cache.put("space", {"a": "1"})
    (tmp_path / "cache.db").unlink()
    cache.put("space", {"b": "2"})
    cache.get("space", ["a", "b"])
    again = FileCache(tmp_path / "cache.db")
    again.put("space", {"c": "3"})
    assert again.get("space", ["c"]) == {"c": "3"}


def test_a_locked_cache_forgets_and_goes_on(tmp_path):
    path = tmp_path / "cache.db"
    cache = FileCache(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("begin exclusive")
    cache.put("space", {"a": "1"})
    holder.execute("rollback")
    holder.close()
    assert cache.get("space", ["a"]) == {}
    cache.put("space", {"a": "2"})
    assert cache.get("space", ["a"]) == {"a": "2"}


def test_processes_that_write_at_once_do_not_spoil_it(tmp_path):
    """A text may be lost where others were faster; a wrong one never appears, and the file stays whole."""
    script = """
        import sys
        from pathlib import Path
        from pipelinekit.storage.cache import FileCache
        cache = FileCache(Path(sys.argv[1]))
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(40):
            cache.put("space", {f"{sys.argv[2]} {number}": str(number), "shared": sys.argv[2]})
    """
    path = tmp_path / "cache.db"
    with children(script, path, count=3) as processes:
        for process in processes:
            process.tell()
        for process in processes:
            process.end()
    keys = {f"{process} {number}": str(number) for process in range(3) for number in range(40)}
    found = FileCache(path).get("space", keys)
    assert len(found) > 40
    assert found.items() <= keys.items()
    assert FileCache(path).get("space", ["shared"])["shared"] in ("0", "1", "2")
    connection = sqlite3.connect(path)
    assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    connection.close()


# -- digests of files --------------------------------------------------------------------------------------------------


def digest_of(cache, path):
    return FileDigests(cache).digests({path: path.stat()})[path]


def test_an_unchanged_file_is_not_read_again(tmp_path):
    cache, file = MemoryCache(), settled(tmp_path / "file", b"content")
    with opened() as first:
        found = digest_of(cache, file)
    with opened() as second:
        assert digest_of(cache, file) == found == digest_bytes(b"content")
    assert str(file) in first
    assert str(file) not in second


def test_a_changed_file_is_read_once_more_and_then_remembered_again(tmp_path):
    cache, file = FileCache(tmp_path / "cache.db"), settled(tmp_path / "file", b"before")
    digest_of(cache, file)
    settled(file, b"after!")
    assert digest_of(cache, file) == digest_bytes(b"after!")
    with opened() as seen:
        assert digest_of(cache, file) == digest_bytes(b"after!")
    assert str(file) not in seen


def test_an_edit_that_keeps_size_and_time_is_noticed(tmp_path):
    cache, file = MemoryCache(), settled(tmp_path / "file", b"before")
    before = file.stat()
    assert digest_of(cache, file) == digest_bytes(b"before")
    file.write_bytes(b"after!")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert digest_of(cache, file) == digest_bytes(b"after!")


def test_a_file_that_was_replaced_by_another_of_the_same_size_and_time_is_noticed(tmp_path):
    cache, file = MemoryCache(), settled(tmp_path / "file", b"before")
    digest_of(cache, file)
    other = settled(tmp_path / "other", b"after!")
    os.replace(other, file)
    assert digest_of(cache, file) == digest_bytes(b"after!")


def test_a_file_that_was_just_written_is_not_remembered(tmp_path):
    """Its next change may fall into the same tick of the clock, and could not be seen."""
    cache, file = MemoryCache(), tmp_path / "file"
    for number in range(50):  # the machine may be slow, so that a file is old at once; not fifty times
        file.write_bytes(b"%02d" % number)
        assert digest_of(cache, file) == digest_bytes(b"%02d" % number)
        with opened() as seen:
            digest_of(cache, file)
        if str(file) in seen:
            return
    raise AssertionError("it was always remembered")


def test_a_touched_file_has_the_same_digest(tmp_path):
    cache, file = MemoryCache(), settled(tmp_path / "file", b"content")
    before = digest_of(cache, file)
    os.utime(file)
    assert digest_of(cache, file) == before


def test_what_is_remembered_for_one_file_is_not_used_for_another(tmp_path):
    cache = MemoryCache()
    one, two = settled(tmp_path / "one", b"1"), settled(tmp_path / "two", b"2")
    states = {one: one.stat(), two: two.stat()}
    for _ in range(2):
        assert FileDigests(cache).digests(states) == {one: digest_bytes(b"1"), two: digest_bytes(b"2")}


def test_a_file_that_changes_between_the_look_and_the_read_is_not_remembered(tmp_path):
    cache, file = MemoryCache(), settled(tmp_path / "file", b"before")
    state = file.stat()
    file.write_bytes(b"after!")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    let_settle(file)
    assert FileDigests(cache).digests({file: state})[file] == digest_bytes(b"after!")
    with opened() as seen:
        FileDigests(cache).digests({file: state})
    assert str(file) in seen


def digests_of_folder(cache, folder):
    states = {str(path): path.stat() for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        os.path.relpath(path, folder): digest for path, digest in FileDigests(cache).digests_by_folder(states).items()
    }


def test_of_a_folder_only_what_changed_is_read_again(tmp_path):
    cache, folder = FileCache(tmp_path / "cache.db"), tmp_path / "folder"
    (folder / "in").mkdir(parents=True)
    one, two, three = (settled(folder / name, name.encode()) for name in ("one", "two", "in/three"))
    expected = {name: digest_bytes(name.encode()) for name in ("one", "two", "in/three")}
    assert digests_of_folder(cache, folder) == expected
    with opened() as seen:
        assert digests_of_folder(cache, folder) == expected
    assert not {str(one), str(two), str(three)} & set(seen)
    settled(two, b"owt")
    with opened() as seen:
        assert digests_of_folder(cache, folder) == {**expected, "two": digest_bytes(b"owt")}
    assert {str(one), str(two), str(three)} & set(seen) == {str(two)}
    two.unlink()
    assert digests_of_folder(cache, folder) == {"one": expected["one"], "in/three": expected["in/three"]}


def test_files_that_changed_places_in_a_folder_are_told_apart(tmp_path):
    cache, folder = MemoryCache(), tmp_path / "folder"
    folder.mkdir()
    one, two = settled(folder / "one", b"1"), settled(folder / "two", b"2")
    digests_of_folder(cache, folder)
    os.rename(one, folder / "three")
    os.rename(two, one)
    os.rename(folder / "three", two)
    assert digests_of_folder(cache, folder) == {"one": digest_bytes(b"2"), "two": digest_bytes(b"1")}


def test_a_folder_with_a_file_that_changes_between_the_look_and_the_read_is_not_remembered(tmp_path):
    cache, file = MemoryCache(), settled(tmp_path / "file", b"before")
    state = file.stat()
    file.write_bytes(b"after!")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    let_settle(file)
    assert FileDigests(cache).digests_by_folder({str(file): state})[str(file)] == digest_bytes(b"after!")
    with opened() as seen:
        FileDigests(cache).digests_by_folder({str(file): state})
    assert str(file) in seen
