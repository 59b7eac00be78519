"""Twins and implementations of stores and caches pass one suite."""

import os
from pathlib import Path

import object_servers
import pytest

from pipelinekit.domain.digests import PREFIX, digest_bytes
from pipelinekit.errors import IntegrityError
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.storage.cache import FileCache
from pipelinekit.storage.object_blobs import name_of
from pipelinekit.storage.objects import PART
from pipelinekit.testing.contracts.stores import BlobsContract, CacheContract
from pipelinekit.testing.stores import MemoryBlobs, MemoryCache


class TestMemoryBlobs(BlobsContract):
    def make(self):
        return MemoryBlobs()

    def damage(self, blobs, digest):
        blobs.damage(digest)


class TestFolderBlobs(BlobsContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path):
        self.folder = tmp_path

    def make(self):
        (self.folder / "blobs").mkdir()
        return FolderBlobs(self.folder / "blobs")

    def damage(self, blobs, digest):
        name = digest.removeprefix(PREFIX)
        place = blobs.folder / name[:2] / name[2:]
        os.chmod(place, 0o600)
        place.write_bytes(b"PRECIOUS")


class ObjectStoreContract(BlobsContract):
    """Whatever the server: two machines with copies of their own see one store."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path):
        self.folder = tmp_path
        self.place = self.address()

    def make(self):
        return object_servers.opened(self.place, self.folder / "copies").blobs

    def elsewhere(self):
        return object_servers.opened(self.place, self.folder / "elsewhere").blobs

    def damage(self, blobs, digest):
        object_servers.damage(blobs, digest)

    def test_what_one_machine_stores_another_reads(self):
        here, there = self.make(), self.elsewhere()
        for data in (b"", b"one", os.urandom(3_000_000)):
            digest, _ = here.put(data)
            assert there.missing([digest]) == set()
            assert there.read(digest) == data
            assert there.path(digest).parent.parent == self.folder / "elsewhere"

    def test_a_large_blob_travels_in_parts(self):
        data = os.urandom(2 * PART + 12_345)
        digest, size = self.make().put(data)
        assert size == len(data)
        assert self.elsewhere().read(digest) == data

    def test_a_blob_whose_size_is_that_of_whole_parts_comes_whole(self):
        data = os.urandom(PART)
        digest, _ = self.make().put(data)
        assert self.elsewhere().read(digest) == data

    @pytest.mark.parametrize("data", [b"precious"[:4], b"precious and more", b"Precious", b""])
    def test_an_object_that_changed_is_found_and_is_stored_again_by_whoever_has_it(self, data):
        here, there = self.make(), self.elsewhere()
        digest, _ = here.put(b"precious")
        here.store.put_bytes(name_of(digest), data)
        with pytest.raises(IntegrityError, match="is damaged in the store"):
            there.read(digest)
        assert here.missing([digest]) == {digest}, "a copy does not count"
        here.put(b"precious")
        assert there.read(digest) == b"precious"

    def test_many_are_looked_for_at_once(self):
        blobs = self.make()
        digests = [digest_bytes(b"%d" % number) for number in range(150)]
        blobs.store.each(
            lambda number: blobs.store.put_bytes(name_of(digests[number]), b"%d" % number), range(0, 150, 2)
        )
        assert blobs.missing(digests) == set(digests[1::2])


class TestObjectsInMemory(ObjectStoreContract):
    def address(self):
        return object_servers.InMemory().address()


class TestS3(ObjectStoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path, moto):
        self.folder = tmp_path
        self.place = moto.address()


class TestMemoryCache(CacheContract):
    def make(self):
        return MemoryCache()


class TestFileCache(CacheContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path):
        self.folder = tmp_path

    def make(self):
        return FileCache(self.folder / "cache.db")

    def test_a_damaged_file_is_replaced(self):
        (self.folder / "cache.db").write_bytes(b"not a database" * 100)
        cache = self.make()
        cache.put("one", {"a": "1"})
        assert cache.get("one", ["a"]) == {"a": "1"}
