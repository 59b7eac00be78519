"""A step that returns a link, or a folder with links in it: what is stored is the content, never the link."""

import os

import pytest

from pipelinekit.domain.types import PortType
from pipelinekit.formats.paths import place_folder, store_folder
from pipelinekit.formats.storing import store_value
from pipelinekit.storage.blobs import FolderBlobs


@pytest.fixture
def store(tmp_path):
    (tmp_path / "blobs").mkdir()
    return FolderBlobs(tmp_path / "blobs")


def test_a_link_that_is_moved_into_the_store_leaves_its_content_there(store, tmp_path):
    (tmp_path / "real").write_bytes(b"content")
    (tmp_path / "link").symlink_to("real")
    digest, _ = store.put_file(tmp_path / "link", move=True)
    assert not store.path(digest).is_symlink()
    assert store.read(digest) == b"content"


def test_a_step_may_return_a_link_to_its_own_file(store, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "real.csv").write_bytes(b"content")
    (scratch / "out.csv").symlink_to("real.csv")
    value = store_value(scratch / "out.csv", PortType("file"), store, scratch)
    assert store.read(value.blob) == b"content"


def test_a_link_to_a_file_elsewhere_leaves_that_file_alone(store, tmp_path):
    scratch, elsewhere = tmp_path / "scratch", tmp_path / "elsewhere.csv"
    scratch.mkdir()
    elsewhere.write_bytes(b"precious")
    os.chmod(elsewhere, 0o644)
    (scratch / "out.csv").symlink_to(elsewhere)
    value = store_value(scratch / "out.csv", PortType("file"), store, scratch)
    assert oct(elsewhere.stat().st_mode & 0o777) == "0o644"
    elsewhere.write_bytes(b"changed!")
    assert store.read(value.blob) == b"precious"


def test_links_in_a_moved_folder_are_stored_wherever_they_stand_in_the_order(store, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "model-v1.bin").write_bytes(b"content")
    (tmp_path / "folder" / "model.bin").symlink_to("model-v1.bin")
    value = store_folder(tmp_path / "folder", store, move=True)
    place_folder(value.blob, tmp_path / "back", store)
    assert (tmp_path / "back" / "model.bin").read_bytes() == b"content"


def test_two_names_of_one_executable_are_both_executable(store, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_bytes(b"tool")
    os.chmod(tmp_path / "folder" / "a", 0o755)
    os.link(tmp_path / "folder" / "a", tmp_path / "folder" / "b")
    value = store_folder(tmp_path / "folder", store, move=True)
    place_folder(value.blob, tmp_path / "back", store)
    assert [os.access(tmp_path / "back" / name, os.X_OK) for name in "ab"] == [True, True]
