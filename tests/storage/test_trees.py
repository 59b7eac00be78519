"""Folders as trees of blobs: what they keep, what they leave out, what they refuse."""

import os
import socket
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelinekit.domain.digests import digest_bytes
from pipelinekit.domain.snapshots import Tree, TreeEntry, parse_manifest
from pipelinekit.errors import IntegrityError, UsageError
from pipelinekit.formats.paths import place_folder, store_folder
from pipelinekit.storage.blobs import FolderBlobs

EMPTY = digest_bytes(b"")


@pytest.fixture
def store(tmp_path):
    (tmp_path / "blobs").mkdir()
    return FolderBlobs(tmp_path / "blobs")


def write(root, files):
    for path, (data, executable) in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
        os.chmod(root / path, 0o755 if executable else 0o644)


def read(root):
    return {
        str(path.relative_to(root)): (path.read_bytes(), bool(path.stat().st_mode & 0o100))
        for path in root.rglob("*")
        if path.is_file()
    }


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0\\"), min_size=1, max_size=6).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 50
)
FILES = st.dictionaries(
    st.tuples(st.sampled_from(["", "sub/", "sub/deep/", "ö/"]), NAMES).map(lambda parts: "f" + "f".join(parts)),
    st.tuples(st.binary(max_size=20), st.booleans()),
    max_size=6,
).filter(lambda files: len({unicodedata.normalize("NFC", name) for name in files}) == len(files))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=FILES, copy=st.booleans())
def test_a_folder_comes_back_as_it_was(tmp_path_factory, files, copy):
    home = tmp_path_factory.mktemp("tree")
    for name in ("blobs", "one", "two"):
        (home / name).mkdir()
    store = FolderBlobs(home / "blobs")
    write(home / "one", files)
    value = store_folder(home / "one", store, move=False)
    place_folder(value.blob, home / "back", store, share=not copy)
    assert read(home / "back") == {unicodedata.normalize("NFC", name): file for name, file in files.items()}
    write(home / "two", dict(reversed(files.items())))
    for path in (home / "two").rglob("*"):
        os.utime(path, (1, 1))
    assert store_folder(home / "two", store, move=False) == value, "order and times are no part of it"


@given(st.permutations([TreeEntry(path, EMPTY, 0) for path in ("a", "a.b", "a/b", "B", "é", "a-b")]))
def test_the_order_in_which_files_are_found_is_no_part_of_a_tree(entries):
    tree = Tree.of(entries)
    assert [entry.path for entry in tree.entries] == sorted(entry.path for entry in entries)
    assert parse_manifest(tree.manifest()) == tree


def test_every_part_of_a_tree_counts(store, tmp_path):
    variants = [
        {"a": (b"1", False)},
        {"a": (b"2", False)},
        {"a": (b"1", True)},
        {"b": (b"1", False)},
        {"sub/a": (b"1", False)},
        {"a": (b"1", False), "b": (b"", False)},
        {},
    ]
    found = set()
    for number, files in enumerate(variants):
        root = tmp_path / str(number)
        root.mkdir()
        write(root, files)
        found.add(store_folder(root, store, move=False).digest)
    assert len(found) == len(variants)


def test_only_the_owners_executable_bit_counts(store, tmp_path):
    (tmp_path / "folder").mkdir()
    file = tmp_path / "folder" / "file"
    file.write_bytes(b"x")
    digests = []
    for mode in (0o644, 0o600, 0o664, 0o455, 0o700, 0o755):
        os.chmod(file, mode)
        digests.append(store_folder(tmp_path / "folder", store, move=False).digest)
    assert len(set(digests[:4])) == 1
    assert digests[4] == digests[5] != digests[0]


def test_placed_files_share_the_bytes_and_executables_do_not_share_the_mode(store, tmp_path):
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder", {"data": (b"data", False), "tool": (b"tool", True)})
    value = store_folder(tmp_path / "folder", store, move=False)
    place_folder(value.blob, tmp_path / "shared", store)
    assert (tmp_path / "shared" / "data").samefile(store.path(digest_bytes(b"data")))
    assert not (tmp_path / "shared" / "tool").samefile(store.path(digest_bytes(b"tool")))
    assert os.access(tmp_path / "shared" / "tool", os.X_OK)
    assert store.path(digest_bytes(b"tool")).stat().st_mode & 0o777 == 0o444
    place_folder(value.blob, tmp_path / "copied", store, share=False)
    (tmp_path / "copied" / "data").write_bytes(b"changed")
    assert store.read(digest_bytes(b"data")) == b"data"


def test_a_folder_that_is_moved_is_taken_over(store, tmp_path):
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder", {"a": (b"1", False), "tool": (b"2", True)})
    kept = tmp_path / "kept"
    kept.mkdir()
    write(kept, {"a": (b"1", False), "tool": (b"2", True)})
    assert store_folder(tmp_path / "folder", store, move=True) == store_folder(kept, store, move=False)
    assert read(tmp_path / "folder") == {}
    assert read(kept) == {"a": (b"1", False), "tool": (b"2", True)}


def test_a_folder_in_which_one_file_changed_adds_that_file_alone(store, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(10):
        (folder / f"{number}.bin").write_bytes(bytes([number]) * 1000)
    store_folder(folder, store, move=False)
    before = {path for path in store.folder.rglob("*") if path.is_file()}
    (folder / "3.bin").write_bytes(b"new")
    manifest = store_folder(folder, store, move=False).blob
    added = {path for path in store.folder.rglob("*") if path.is_file()} - before
    assert sorted(path.read_bytes() for path in added) == sorted([b"new", store.read(manifest)])


def test_empty_folders_are_left_out_as_git_does(store, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, {"a": (b"1", False)})
    (tmp_path / "two" / "empty" / "deeper").mkdir(parents=True)
    value = store_folder(tmp_path / "one", store, move=False)
    assert store_folder(tmp_path / "two", store, move=False) == value
    place_folder(value.blob, tmp_path / "back", store)
    assert sorted(path.name for path in (tmp_path / "back").rglob("*")) == ["a"]


def test_an_empty_folder_comes_back_empty(store, tmp_path):
    (tmp_path / "empty").mkdir()
    value = store_folder(tmp_path / "empty", store, move=False)
    place_folder(value.blob, tmp_path / "back", store)
    assert (tmp_path / "back").is_dir()
    assert value.size == 0


def test_links_to_files_inside_are_stored_as_what_they_point_to(store, tmp_path):
    root = tmp_path / "folder"
    root.mkdir()
    write(root, {"sub/real": (b"content", True)})
    (root / "link").symlink_to("sub/real")
    (root / "whole").symlink_to(root / "sub" / "real")
    value = store_folder(root, store, move=True)
    place_folder(value.blob, tmp_path / "back", store)
    assert read(tmp_path / "back") == dict.fromkeys(("link", "whole", "sub/real"), (b"content", True))
    assert not (tmp_path / "back" / "link").is_symlink()


@pytest.mark.parametrize("target", ["../outside", "/etc/hostname", "sub", ".", "nowhere"])
def test_other_links_are_refused_by_name(store, tmp_path, target):
    root = tmp_path / "folder"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "outside").write_bytes(b"secret")
    (root / "odd").symlink_to(target)
    with pytest.raises(UsageError, match="odd"):
        store_folder(root, store, move=False)
    with pytest.raises(UsageError, match="odd"):
        store_folder(root, store, move=True)
    assert (tmp_path / "outside").read_bytes() == b"secret"


def test_what_is_neither_file_nor_folder_is_refused(store, tmp_path):
    root = tmp_path / "folder"
    root.mkdir()
    os.mkfifo(root / "pipe")
    with pytest.raises(UsageError, match="pipe is neither a file nor a folder"):
        store_folder(root, store, move=False)
    os.remove(root / "pipe")
    before = os.getcwd()
    os.chdir(root)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("listener")
            with pytest.raises(UsageError, match="listener is neither a file nor a folder"):
                store_folder(root, store, move=False)
    finally:
        os.chdir(before)


def test_names_come_back_in_one_form(store, tmp_path):
    trees = []
    for form in ("NFC", "NFD"):
        root = tmp_path / form
        root.mkdir()
        write(root, {unicodedata.normalize(form, "sübfolder/é.csv"): (b"1", False)})
        trees.append(store_folder(root, store, move=False))
    assert trees[0] == trees[1]
    place_folder(trees[1].blob, tmp_path / "back", store)
    assert list(read(tmp_path / "back")) == [unicodedata.normalize("NFC", "sübfolder/é.csv")]


def test_two_names_that_are_one_are_refused(store, tmp_path):
    root = tmp_path / "folder"
    root.mkdir()
    write(root, {unicodedata.normalize(form, "é"): (b"1", False) for form in ("NFC", "NFD")})
    with pytest.raises(IntegrityError, match="two files have the same path 'é'"):
        store_folder(root, store, move=False)


@pytest.mark.parametrize(
    "path", ["../out", "/etc/passwd", "a/../../out", "a//b", "", ".", "a/.", "a\\..\\b", "a\0b", "..", "sub/.."]
)
def test_a_manifest_cannot_place_files_elsewhere(store, tmp_path, path):
    store.put(b"")
    manifest, _ = store.put(Tree((TreeEntry(path, EMPTY, 0),)).manifest())
    with pytest.raises(IntegrityError, match="unsafe path"):
        place_folder(manifest, tmp_path / "target", store)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"tree":2,"entries":[]}', b'{"tree":1,"entries":[["a"]]}', b"\xff"]
)
def test_what_is_no_manifest_is_told(data):
    with pytest.raises(IntegrityError, match="manifest"):
        parse_manifest(data)


def test_a_missing_file_of_a_tree_is_named(store, tmp_path):
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder", {"a": (b"1", False), "b": (b"2", False)})
    value = store_folder(tmp_path / "folder", store, move=False)
    store.discard(digest_bytes(b"2"))
    with pytest.raises(IntegrityError) as error:
        place_folder(value.blob, tmp_path / "back", store)
    assert error.value.fields["digest"] == digest_bytes(b"2")
