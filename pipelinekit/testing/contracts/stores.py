"""What every store and every cache must do. Derive a test class, and give it `make()`."""

from __future__ import annotations

import tempfile
from io import BytesIO
from pathlib import Path

from pipelinekit.domain.digests import digest_bytes
from pipelinekit.errors import IntegrityError, StorageError
from pipelinekit.ports import Blobs, Cache
from pipelinekit.testing.contracts.records import refused


class BlobsContract:
    """The suite for stores."""

    def make(self) -> Blobs:
        """An empty store."""
        raise NotImplementedError

    def damage(self, blobs: Blobs, digest: str) -> None:
        """Change a blob's bytes behind the store's back."""
        raise NotImplementedError

    def test_bytes_come_back_by_their_digest(self) -> None:
        blobs = self.make()
        for data in (b"", b"one", bytes(range(256)) * 4096):
            digest, size = blobs.put(data)
            assert (digest, size) == (digest_bytes(data), len(data))
            assert blobs.read(digest) == data
            assert blobs.path(digest).read_bytes() == data

    def test_streams_and_files_are_stored_like_bytes(self) -> None:
        blobs = self.make()
        expected = digest_bytes(b"content")
        assert blobs.put(BytesIO(b"content")) == (expected, 7)
        with tempfile.TemporaryDirectory() as folder:
            kept, moved = Path(folder, "kept"), Path(folder, "moved")
            kept.write_bytes(b"content")
            moved.write_bytes(b"other")
            assert blobs.put_file(kept) == (expected, 7)
            assert kept.read_bytes() == b"content"
            assert blobs.put_file(moved, move=True) == (digest_bytes(b"other"), 5)
            assert not moved.exists()
        assert blobs.read(digest_bytes(b"other")) == b"other"

    def test_many_files_are_stored_as_each_would_be(self) -> None:
        blobs = self.make()
        contents = [b"one", b"", b"two", b"one", *(str(number).encode() for number in range(300))]
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder, str(number)) for number in range(len(contents))]
            for path, content in zip(paths, contents, strict=True):
                path.write_bytes(content)
            stored = [(digest_bytes(content), len(content)) for content in contents]
            assert blobs.put_files(paths) == stored
            assert blobs.put_files(paths, move=True) == stored
            assert not any(path.exists() for path in paths)
        assert [blobs.read(digest) for digest, _ in stored] == contents
        assert blobs.put_files([]) == []

    def test_of_many_files_none_is_lost_when_one_cannot_be_stored(self) -> None:
        blobs = self.make()
        with tempfile.TemporaryDirectory() as folder:
            there, absent = Path(folder, "there"), Path(folder, "absent")
            there.write_bytes(b"content")
            with refused(StorageError):
                blobs.put_files([there, absent], move=True)
            assert there.read_bytes() == b"content" or blobs.read(digest_bytes(b"content")) == b"content"

    def test_storing_twice_changes_nothing(self) -> None:
        blobs = self.make()
        first = blobs.put(b"same")
        assert blobs.put(b"same") == first
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "file")
            file.write_bytes(b"same")
            assert blobs.put_file(file, move=True) == first
            assert not file.exists()
        assert blobs.read(first[0]) == b"same"

    def test_a_file_that_is_stored_may_change_afterwards(self) -> None:
        blobs = self.make()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "file")
            file.write_bytes(b"before")
            digest, _ = blobs.put_file(file)
            file.write_bytes(b"after!")
        assert blobs.read(digest) == b"before"

    def test_missing_blobs_are_told(self) -> None:
        blobs = self.make()
        there, _ = blobs.put(b"there")
        absent = digest_bytes(b"absent")
        assert blobs.missing([there, absent]) == {absent}
        with refused(IntegrityError):
            blobs.read(absent)
        with refused(IntegrityError):
            blobs.path(absent)

    def test_names_that_are_no_digest_are_refused(self) -> None:
        blobs = self.make()
        for name in ("", "abc", "xxh3:../../../../etc/passwd", "xxh3:" + "G" * 32, "xxh3:" + "0" * 31):
            with refused(IntegrityError):
                blobs.read(name)

    def test_a_damaged_blob_is_noticed_set_aside_and_can_be_stored_again(self) -> None:
        blobs = self.make()
        digest, _ = blobs.put(b"precious")
        assert blobs.read(digest) == b"precious"
        self.damage(blobs, digest)
        with refused(IntegrityError):
            blobs.read(digest)
        assert blobs.missing([digest]) == {digest}
        blobs.put(b"precious")
        assert blobs.read(digest) == b"precious"

    def test_discarded_blobs_are_gone(self) -> None:
        blobs = self.make()
        digest, _ = blobs.put(b"unwanted")
        blobs.discard(digest)
        blobs.discard(digest)
        assert blobs.missing([digest]) == {digest}


class CacheContract:
    """The suite for caches."""

    def make(self) -> Cache:
        """An empty cache."""
        raise NotImplementedError

    def test_texts_come_back_by_space_and_key(self) -> None:
        cache = self.make()
        cache.put("one", {"a": "1", "b": "é"})
        cache.put("two", {"a": "2"})
        cache.put("one", {"a": "3"})
        assert cache.get("one", ["a", "b", "c"]) == {"a": "3", "b": "é"}
        assert cache.get("two", ["a", "b"]) == {"a": "2"}
        assert cache.get("three", ["a"]) == {}

    def test_many_keys_at_once(self) -> None:
        cache = self.make()
        items = {f"key {number}": str(number) for number in range(1203)}
        cache.put("many", items)
        assert cache.get("many", items) == items
        cache.put("many", {})
