"""What goes wrong on the way to an object store, with a real server and a proxy that makes it go wrong."""

import os

import object_servers
import pytest
from cutting_proxy import Proxy
from seams import Child, small_disk

from pipelinekit.domain.digests import digest_bytes
from pipelinekit.domain.stores import StoreAddress
from pipelinekit.errors import StorageError
from pipelinekit.storage.object_blobs import name_of
from pipelinekit.storage.objects import PART

LARGE = 2 * PART + 12_345  # travels in three parts


@pytest.fixture
def proxy(moto):
    made = Proxy(moto.endpoint)
    yield made
    made.close()


@pytest.fixture
def place(moto):
    return moto.address()


@pytest.fixture
def store(place, tmp_path):
    """The store as it is behind the proxy."""
    return object_servers.opened(place, tmp_path / "behind")


@pytest.fixture
def through(place, proxy, tmp_path):
    """The store through the proxy."""
    return object_servers.opened(StoreAddress(place.url, proxy.endpoint, place.region), tmp_path / "through", tries=4)


def present(store):
    return {entry.digest for entry in store.upkeep.blobs()}


def test_a_connection_that_is_cut_while_a_blob_comes_is_made_anew(store, through, proxy):
    digest, _ = store.blobs.put(data := os.urandom(LARGE))
    proxy.down, proxy.cuts = PART // 2, 3
    assert through.blobs.read(digest) == data
    assert proxy.cuts == 0


def test_a_connection_that_is_cut_while_a_blob_goes_is_made_anew(store, through, proxy):
    proxy.up, proxy.cuts = PART // 2, 3
    digest, _ = through.blobs.put(data := os.urandom(LARGE))
    assert proxy.cuts == 0
    assert store.blobs.read(digest) == data


def test_a_store_that_is_overloaded_for_a_while_is_waited_for(store, through, proxy):
    proxy.busy = 5
    digest, _ = through.blobs.put(b"patience")
    assert proxy.busy == 0
    assert store.blobs.read(digest) == b"patience"


def test_an_answer_that_is_lost_after_the_blob_was_stored_does_no_harm(store, through, proxy):
    digest = digest_bytes(b"stored once")
    through.blobs.missing([digest])
    proxy.swallow, proxy.cuts = f"PUT /{store.blobs.store.address.url[5:]}/{name_of(digest)}".encode(), 1
    assert through.blobs.put(b"stored once") == (digest, 11)
    assert proxy.cuts == 0
    assert store.blobs.read(digest) == b"stored once"


def test_a_connection_that_is_cut_always_is_told_and_leaves_nothing(store, through, proxy):
    digest, _ = store.blobs.put(os.urandom(LARGE))
    lost = os.urandom(LARGE)
    proxy.up = proxy.down = PART // 2
    proxy.cuts = 10_000
    for what, action in (
        ("stored", lambda: through.blobs.put(lost)),
        ("read", lambda: through.blobs.read(digest)),
    ):
        with pytest.raises(StorageError, match=f"could not be {what} in s3://") as error:
            action()
        assert error.value.hint == "try again when the store can be reached; nothing was half-written"
    assert present(store) == {digest}
    assert not (through.blobs.local.folder / name_of(digest)).exists()
    proxy.cuts = 0
    assert through.blobs.put(lost)[0] in present(store), "and then it works again"


WRITER = """
    import os, sys
    from pathlib import Path
    from pipelinekit.domain.stores import StoreAddress
    from pipelinekit.storage.object_stores import store_at
    from pipelinekit.storage.objects import ObjectStore
    store = store_at(ObjectStore(StoreAddress(sys.argv[1], sys.argv[2], "us-east-1")), Path(sys.argv[3]))
    store.blobs.put(os.urandom(int(sys.argv[4])))
"""


def test_a_writer_that_is_killed_leaves_no_blob_and_clean_up_ends_its_upload(store, proxy, tmp_path):
    proxy.hold = b"?uploadId="  # what would end an upload in parts
    store.blobs.put(b"before")
    writer = Child(WRITER, store.blobs.store.address.url, proxy.endpoint, tmp_path / "killed", LARGE)
    assert proxy.held.wait(60)
    assert present(store) == {digest_bytes(b"before")}
    writer.kill()
    assert present(store) == {digest_bytes(b"before")}
    (found,) = store.upkeep.leftovers()
    assert (found.kind, found.path.partition(" ")[0]) == ("half-written", "upload")
    assert not store.upkeep.remove_leftover(found, found.used_at)
    assert store.upkeep.remove_leftover(found, found.used_at + 1)
    assert list(store.upkeep.leftovers()) == []


def test_a_bucket_that_is_not_there_is_told(moto, tmp_path):
    absent = StoreAddress("s3://there-is-none/prefix", moto.endpoint, "us-east-1")
    with pytest.raises(StorageError, match="could not be written in s3://there-is-none") as error:
        object_servers.opened(absent, tmp_path / "copies").blobs.put(b"x")
    assert error.value.hint == "is there such a bucket or container? pipelinekit makes none"


def test_a_server_that_is_not_there_is_told(tmp_path):
    absent = StoreAddress("s3://bucket/prefix", "http://127.0.0.1:9", "us-east-1")
    with pytest.raises(StorageError, match=r"s3://bucket/prefix at http://127\.0\.0\.1:9") as error:
        object_servers.opened(absent, tmp_path / "copies", tries=2).blobs.missing([digest_bytes(b"x")])
    assert "try again when the store can be reached" in error.value.hint


def test_a_full_disk_for_copies_is_told_and_leaves_nothing(tmp_path):
    script = """
        import sys
        from pathlib import Path
        from pipelinekit.domain.digests import digest_bytes
        from pipelinekit.domain.stores import StoreAddress
        from pipelinekit.errors import StorageError
        from pipelinekit.storage.object_blobs import name_of
        from pipelinekit.storage.object_stores import store_at
        from pipelinekit.storage.objects import ObjectStore
        disk = Path(sys.argv[1])
        store = store_at(ObjectStore(StoreAddress("memory://bucket/prefix")), disk)
        data = bytes(range(256)) * 8192
        store.blobs.store.put_bytes(name_of(digest_bytes(data)), data)
        for action in (lambda: store.blobs.read(digest_bytes(data)), lambda: store.blobs.put(data + b"!")):
            try:
                action()
            except StorageError as error:
                print(error)
            print(len([path for path in disk.rglob("*") if path.is_file()]), "files")
        print(store.blobs.put(b"small")[1], store.blobs.read(digest_bytes(b"small")))
    """
    disk = tmp_path / "disk"
    disk.mkdir()
    said = Child(script, disk, prefix=small_disk(disk, "1m")).end()
    assert said.count("No space left on device") == 2
    assert said.count("0 files\n") == 2
    assert said.endswith("5 b'small'\n")
