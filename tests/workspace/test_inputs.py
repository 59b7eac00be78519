"""Files and folders given to a pipeline: told by content, wherever they lie, and read no more often than they must be."""

import os
import shutil
import time
from pathlib import Path, PurePath

import pytest
from conftest import wait_for
from seams import Child, obey_permissions, opened

from pipelinekit.domain.digests import digest_bytes
from pipelinekit.domain.types import ANY, PathRef, PortType
from pipelinekit.errors import ParameterError
from pipelinekit.formats.paths import store_file, store_folder
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.storage.cache import FileCache
from pipelinekit.testing.stores import MemoryBlobs, MemoryCache
from pipelinekit.workspace.files import SETTLED_NANOSECONDS, FileDigests
from pipelinekit.workspace.inputs import InputPaths, place_paths


@pytest.fixture
def store(tmp_path):
    (tmp_path / "blobs").mkdir()
    return FolderBlobs(tmp_path / "blobs")


def write(root, files):
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def value_of(path, store=None, cache=None, keep=True):
    store = MemoryBlobs() if store is None else store
    ref = PathRef(str(path), path.is_dir())
    return InputPaths(store, cache or MemoryCache(), keep=keep).resolve([ref], Path("/"))[ref]


def settle(root):
    """Wait until another change of these files would show in their times."""
    newest = max(path.stat().st_ctime_ns for path in [root, *root.rglob("*")])
    probe = root.parent / "probe"
    while True:
        probe.write_text("")
        if probe.stat().st_ctime_ns - newest > 2 * SETTLED_NANOSECONDS:
            return


FOLDER = {"a.csv": b"1", "sub/b.csv": b"2", "sub/deeper/c": b"3", "é": b"4"}


# -- told by content ---------------------------------------------------------------------------------------------------


def test_touched_copied_and_renamed_files_are_the_same(tmp_path):
    file = write(tmp_path, {"data.csv": b"1,2"}) / "data.csv"
    before = value_of(file)
    os.utime(file)
    copy = shutil.copy(file, tmp_path / "other.csv")
    (tmp_path / "link.csv").symlink_to(file)
    os.chmod(copy, 0o700)
    assert value_of(file) == value_of(Path(copy)) == value_of(tmp_path / "link.csv") == before
    assert (before.format, before.size, before.suffix) == ("file", 3, ".csv")


def test_bytes_and_suffix_count(tmp_path):
    write(tmp_path, {"a.csv": b"1", "b.csv": b"2", "a.txt": b"1", "a": b"1", "a.csv.gz": b"1", "empty.csv": b""})
    digests = {value_of(tmp_path / name).digest for name in ("a.csv", "b.csv", "a.txt", "a", "a.csv.gz", "empty.csv")}
    assert len(digests) == 6


def test_touched_and_copied_folders_are_the_same(tmp_path):
    one = write(tmp_path / "one", FOLDER)
    two = write(tmp_path / "two", dict(reversed(FOLDER.items())))
    for path in two.rglob("*"):
        os.utime(path, (1, 1))
    (two / "empty").mkdir()
    assert value_of(one) == value_of(two)
    assert value_of(one).size == 4


@pytest.mark.parametrize("change", ["content", "new", "removed", "renamed", "moved", "executable", "nested"])
def test_every_change_in_a_folder_counts(tmp_path, change):
    root = write(tmp_path / "data", FOLDER)
    before = value_of(root)
    match change:
        case "content":
            (root / "a.csv").write_bytes(b"!")
        case "new":
            (root / "new").write_bytes(b"")
        case "removed":
            (root / "é").unlink()
        case "renamed":
            (root / "a.csv").rename(root / "b.csv")
        case "moved":
            (root / "a.csv").rename(root / "sub" / "a.csv")
        case "executable":
            os.chmod(root / "a.csv", 0o755)
        case "nested":
            (root / "sub" / "deeper" / "c").write_bytes(b"!")
    assert value_of(root).digest != before.digest


def test_what_a_step_returns_is_told_as_what_it_is_given(tmp_path, store):
    """Else a pipeline that reads a file which another one wrote would run again for nothing."""
    root = write(tmp_path / "data", FOLDER)
    os.chmod(root / "a.csv", 0o755)
    assert value_of(root) == store_folder(root, store, move=False)
    assert value_of(root / "a.csv") == store_file(root / "a.csv", store, move=False)


# -- kept --------------------------------------------------------------------------------------------------------------


def test_what_is_kept_can_be_read_from_the_store(tmp_path, store):
    root = write(tmp_path / "data", FOLDER)
    file, folder = value_of(root / "a.csv", store), value_of(root, store)
    assert store.read(file.blob) == b"1"
    assert b"sub/deeper/c" in store.read(folder.blob)
    shutil.rmtree(root)
    assert store.read(file.blob) == b"1"


def test_a_plan_gives_the_same_values_and_writes_nothing(tmp_path, store):
    root = write(tmp_path / "data", FOLDER)
    assert value_of(root, store, keep=False) == value_of(root)
    assert value_of(root / "a.csv", store, keep=False) == value_of(root / "a.csv")
    assert list(store.folder.iterdir()) == []


def test_unchanged_files_are_not_read_again(tmp_path, store):
    root = write(tmp_path / "data", FOLDER)
    settle(root)
    cache = FileCache(tmp_path / "cache.db")

    def own(seen):
        return {Path(path).name for path in seen if path.startswith(f"{root}/") and Path(path).is_file()}

    with opened() as first:
        before = value_of(root, store, cache), value_of(root / "a.csv", store, cache)
    with opened() as second:
        assert (value_of(root, store, cache), value_of(root / "a.csv", store, cache)) == before
    os.utime(root / "a.csv", (1, 1))
    (root / "é").write_bytes(b"5")
    with opened() as third:
        assert value_of(root, store, cache) != before[0]
    assert own(first) == {"a.csv", "b.csv", "c", "é"}
    assert own(second) == set()
    assert own(third) == {"a.csv", "é"}


def test_files_that_may_not_be_read_are_named_and_others_are_kept(tmp_path, store):
    root = write(tmp_path / "data", FOLDER)
    script = """
        import os, sys
        from pathlib import Path
        from pipelinekit.domain.types import PathRef
        from pipelinekit.errors import ParameterError
        from pipelinekit.storage.blobs import FolderBlobs
        from pipelinekit.testing.stores import MemoryCache
        from pipelinekit.workspace.inputs import InputPaths
        root, blobs = map(Path, sys.argv[1:])
        for ref in (PathRef("a.csv"), PathRef("."  , True), PathRef("sub/b.csv")):
            try:
                print(InputPaths(FolderBlobs(blobs), MemoryCache(), keep=True).resolve([ref], root)[ref].size)
            except ParameterError as error:
                print(error)
    """
    os.chmod(root / "a.csv", 0)
    said = Child(script, root, store.folder, preexec_fn=obey_permissions).end()
    assert "file 'a.csv': Permission denied" in said
    assert "folder '.': Permission denied" in said
    assert said.endswith("1\n")


def test_a_file_that_is_not_what_it_was_when_it_was_digested_is_told(tmp_path, store):
    """The cache stands for the moment before the change."""
    root = write(tmp_path / "data", {"file": b"before"})
    settle(root)
    cache = MemoryCache()
    before = value_of(root / "file", store, cache)
    for (space, key), body in list(cache._kept.items()):
        cache.put(space, {key: body.replace(before.blob, "xxh3:" + "0" * 32)})
    with pytest.raises(ParameterError, match=r"file '.*file': it changed while it was read"):
        value_of(root / "file", store, cache)


# -- what cannot be read -----------------------------------------------------------------------------------------------


def test_everything_that_cannot_be_read_is_named_at_once(tmp_path, store):
    write(tmp_path, {"file": b"", "folder/x": b""})
    os.mkfifo(tmp_path / "folder" / "pipe")
    refs = [
        PathRef("absent"),
        PathRef("absent", True),
        PathRef("file", True),
        PathRef("folder"),
        PathRef("folder", True),
    ]
    with pytest.raises(ParameterError) as error:
        InputPaths(store, MemoryCache(), keep=True).resolve([*refs, PathRef("file")], tmp_path)
    words = [fault.message for fault in error.value.faults]
    assert len(words) == len(refs)
    assert words[0].startswith("file 'absent': No such file")
    assert words[1] == "folder 'absent': there is no such folder"
    assert words[2] == "folder 'file': there is no such folder"
    assert words[3] == "file 'folder': it is a folder, not a file"
    assert "pipe is neither a file nor a folder" in words[4]


def test_links_out_of_a_folder_are_refused(tmp_path, store):
    root = write(tmp_path / "data", FOLDER)
    write(tmp_path, {"secret": b"s"})
    (root / "link").symlink_to("../secret")
    with pytest.raises(ParameterError, match=r"link is a link to .*secret, outside"):
        value_of(root, store)


def test_paths_are_relative_to_the_folder_that_is_given(tmp_path, store):
    write(tmp_path / "one", {"x": b"1"})
    write(tmp_path / "two", {"x": b"2"})
    inputs = InputPaths(store, MemoryCache(), keep=True)
    one = inputs.value(PathRef("x"), tmp_path / "one")
    assert inputs.value(PathRef("x"), tmp_path / "two") != one
    assert inputs.value(PathRef(str(tmp_path / "one" / "x")), tmp_path / "two") == one
    assert inputs.value(PathRef("../one/x"), tmp_path / "two") == one


FILE, FOLDER_TYPE, PATH, TEXT = PortType("file"), PortType("folder"), PortType("path"), PortType("str")


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("x", FILE, PathRef("x")),
        ("d", FILE, PathRef("d")),
        ("d", FOLDER_TYPE, PathRef("d", True)),
        ("d", PATH, PathRef("d", True)),
        ("x", PATH, PathRef("x")),
        ("absent", PATH, PathRef("absent")),
        ("x", TEXT, "x"),
        ("x", ANY, "x"),
        (PurePath("x"), ANY, PathRef("x")),
        (PurePath("d"), ANY, PathRef("d", True)),
        (["x", "d"], PortType("list", (PATH,)), [PathRef("x"), PathRef("d", True)]),
        ({"k": "x"}, PortType("dict", (FILE,)), {"k": PathRef("x")}),
        ({"k": ["x"]}, PortType("dict", (PortType("list", (FILE,)),)), {"k": [PathRef("x")]}),
        (None, FILE, None),
        (PathRef("d"), PATH, PathRef("d", True)),
    ],
)
def test_texts_become_paths_where_the_type_says_so(tmp_path, value, kind, expected):
    write(tmp_path, {"x": b"", "d/y": b""})
    assert place_paths(value, kind, tmp_path) == expected


def test_a_file_changed_just_now_is_not_remembered(tmp_path):
    cache, path = MemoryCache(), tmp_path / "a.txt"
    path.write_text("one")
    os.utime(path, ns=(0, time.time_ns() + 10**12))
    assert FileDigests(cache).digests({path: path.stat()}) == {path: digest_bytes(b"one")}
    assert not cache.get("files", [str(path)])


def test_a_file_that_took_the_place_of_another_is_read_although_size_and_time_are_equal(tmp_path):
    cache, path, other = MemoryCache(), tmp_path / "a.txt", tmp_path / "b.txt"
    path.write_text("one")
    other.write_text("two")
    for file in (path, other):
        os.utime(file, ns=(10**18, 10**18))

    def remembered():
        FileDigests(cache).digests({path: path.stat()})
        return cache.get("files", [str(path)])

    assert wait_for(remembered)
    os.replace(other, path)
    assert FileDigests(cache).digests({path: path.stat()}) == {path: digest_bytes(b"two")}
