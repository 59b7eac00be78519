"""Twins and implementations of stores and caches pass one suite."""

import os
from pathlib import Path

import pytest

from pipelinekit.domain.digests import PREFIX
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.storage.cache import FileCache
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
