"""Two workspaces in one place of an object store notice each other before anything is removed."""

import object_servers
import pytest

from pipelinekit.errors import StorageError
from pipelinekit.storage.object_owners import Owners
from pipelinekit.storage.object_stores import store_at
from pipelinekit.storage.objects import ObjectStore


def workspace(address, home):
    home.mkdir(exist_ok=True)
    store = ObjectStore(address)
    return store_at(store, home / "copies", owners=Owners(store, home))


def test_a_clean_up_removes_nothing_where_another_workspace_keeps_blobs(tmp_path):
    server = object_servers.InMemory()
    place = server.address()
    one, two = workspace(place, tmp_path / "one"), workspace(place, tmp_path / "two")
    first, _ = one.blobs.put(b"one")
    server.age(place, 10_000)
    assert workspace(place, tmp_path / "one").upkeep.remove([first], object_servers.now() - 1000) == [first]
    second, _ = two.blobs.put(b"two")
    server.age(place, 10_000)
    with pytest.raises(StorageError, match=f"{tmp_path / 'two'} keeps blobs there, too") as error:
        one.upkeep.remove([second], object_servers.now() - 1000)
    assert error.value.hint.startswith("give each workspace a prefix of its own")
    gone = error.value.hint.rpartition(" ")[2]
    one.blobs.store.remove([gone])
    assert one.upkeep.remove([second], object_servers.now() - 1000) == [second]
    assert list(one.upkeep.leftovers()) == []


def test_a_workspace_that_moves_to_another_place_is_known_there(tmp_path):
    server = object_servers.InMemory()
    for address in (server.address(), server.address()):
        made = workspace(address, tmp_path / "one")
        made.blobs.put(b"content")
        assert len(list(made.blobs.store.walk("workspaces"))) == 1
