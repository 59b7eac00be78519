"""The contract suite of what receives blobs, in memory and in a folder."""

import os

import pytest

from pipelinekit.domain.digests import digest_bytes
from pipelinekit.errors import StorageError, UsageError
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.storage.leftovers import HomeSweeper
from pipelinekit.storage.uploads import FolderUploads
from pipelinekit.testing.contracts.uploads import DIGEST, HALF, WHOLE, UploadsContract
from pipelinekit.testing.stores import MemoryBlobs
from pipelinekit.testing.uploads import MemoryUploads


class TestMemory(UploadsContract):
    def make(self):
        blobs = MemoryBlobs()
        return MemoryUploads(blobs), blobs


class TestFolder(UploadsContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path):
        self.home = tmp_path

    def make(self):
        blobs = FolderBlobs(self.home / "blobs")
        return FolderUploads(self.home, blobs), blobs

    def test_nothing_is_left_beside_the_store(self):
        uploads, _ = self.make()
        uploads.store([(digest_bytes(b"a"), memoryview(b"a"))])
        uploads.append("anna", DIGEST, len(WHOLE), 0, WHOLE)
        assert list((self.home / "uploads").iterdir()) == []

    def test_what_was_never_finished_is_cleaned_up(self):
        uploads, _ = self.make()
        uploads.append("anna", DIGEST, len(WHOLE), 0, WHOLE[:HALF])
        (place,) = (self.home / "uploads").iterdir()
        at = place.stat().st_mtime
        sweeper = HomeSweeper(self.home)
        assert list(sweeper.leftovers(set(), at - 1)) == []
        (found,) = sweeper.leftovers(set(), at + 1)
        assert (found.kind, found.size) == ("unfinished upload", HALF)
        sweeper.take_away(found)
        assert uploads.parts("anna", [DIGEST]) == {}

    def test_names_that_lead_elsewhere_are_refused(self):
        uploads, _ = self.make()
        for name in ("../../etc", "xxh3:../..", "", "xxh3:" + "g" * 32):
            with pytest.raises(UsageError):
                uploads.append("anna", name, 3, 0, b"abc")

    def test_what_the_disk_has_no_room_for_is_refused_at_once(self):
        uploads, _ = self.make()
        with pytest.raises(StorageError, match="no room"):
            uploads.append("anna", DIGEST, 1 << 60, 0, b"abc")
        assert uploads.parts("anna", [DIGEST]) == {}

    def test_a_disk_that_refuses_is_told(self):
        uploads, _ = self.make()
        (self.home / "uploads").write_text("in the way")
        with pytest.raises(StorageError, match="refuses"):
            uploads.append("anna", DIGEST, len(WHOLE), 0, WHOLE[:HALF])
        os.unlink(self.home / "uploads")
        assert uploads.append("anna", DIGEST, len(WHOLE), 0, WHOLE[:HALF]) == HALF
