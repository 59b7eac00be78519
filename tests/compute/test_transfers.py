"""What a supervisor carries between an object store and the copies that step processes see."""

import object_servers
import pytest

from pipelinekit.compute.transfers import Transfers
from pipelinekit.domain.attempts import Attempt, AttemptEnded, Task
from pipelinekit.domain.digests import digest_bytes
from pipelinekit.domain.snapshots import Tree, TreeEntry
from pipelinekit.domain.values import StoredValue, plain
from pipelinekit.formats.paths import store_tree
from pipelinekit.storage.object_blobs import name_of

TASK = Task("python", "steps:step", "", (), ())


@pytest.fixture
def address():
    return object_servers.InMemory().address()


@pytest.fixture
def here(address, tmp_path):
    return object_servers.opened(address, tmp_path / "here", tries=1).blobs


@pytest.fixture
def there(address, tmp_path):
    return object_servers.opened(address, tmp_path / "there", tries=1).blobs


def folder_of(blobs, *contents):
    entries = [TreeEntry(f"{number}.txt", *blobs.put(data)) for number, data in enumerate(contents)]
    return store_tree(Tree.of(entries), blobs)


def attempt(**inputs):
    return Attempt("run", "step", 1, TASK, inputs)


def test_inputs_lie_here_before_an_attempt_begins(here, there):
    digest, size = there.put(b"file")
    folder = folder_of(there, b"one", b"two")
    value = StoredValue(digest, "bytes", size, digest)
    assert Transfers(here, here).bring_inputs(attempt(a=value, b=folder, c=plain(1))) is None
    for blob in (digest, folder.blob, digest_bytes(b"one"), digest_bytes(b"two")):
        assert (here.local.folder / name_of(blob)).exists()


def test_all_inputs_that_cannot_be_had_are_named_at_once(here, there):
    digest, size = there.put(b"file")
    folder = folder_of(there, b"one", b"two")
    there.discard(digest)
    object_servers.damage(there, digest_bytes(b"two"), b"TWO")
    found = Transfers(here, here).bring_inputs(attempt(a=StoredValue(digest, "bytes", size, digest), b=folder))
    assert found.failure.kind == "input"
    assert set(found.damaged) == {digest, digest_bytes(b"two"), folder.blob}
    assert "is not in the store" in found.failure.message
    assert "is damaged in the store" in found.failure.message


def test_outputs_are_in_the_store_before_it_is_told_that_the_attempt_has_ended(here, there):
    folder = folder_of(here.local, b"one", b"two")
    ended = AttemptEnded("run/step/1", 1.0, 1.0, {"output": folder})
    assert Transfers(here, here).take_outputs(ended) is ended
    assert there.missing([folder.blob, digest_bytes(b"one"), digest_bytes(b"two")]) == set()


def test_an_attempt_whose_outputs_cannot_be_stored_has_failed(here):
    folder = folder_of(here.local, b"one")

    class Broken:
        def __getattr__(self, name):
            raise ConnectionError("nobody answers")

    here.store.__dict__["_fs"] = Broken()
    ended = Transfers(here, here).take_outputs(AttemptEnded("run/step/1", 1.0, 1.0, {"output": folder}))
    assert (ended.failure.kind, ended.outputs) == ("storage", {})
    assert ended.failure.message.startswith("the outputs could not be stored: ")
    assert "nobody answers" in ended.failure.message


def test_where_the_store_is_the_folder_nothing_is_carried(here):
    ended = AttemptEnded("run/step/1", 1.0, 1.0, {"output": StoredValue("x", "bytes", 1, digest_bytes(b"absent"))})
    transfers = Transfers(here.local)
    assert transfers.take_outputs(ended) is ended
    assert transfers.bring_inputs(attempt(a=ended.outputs["output"])) is None
