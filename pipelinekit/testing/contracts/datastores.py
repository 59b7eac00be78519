"""What datastores and their files must do. Derive a test class, and give it `make()`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from pipelinekit.domain.datastores import Datastore
from pipelinekit.errors import ConflictError, NotFoundError, UsageError
from pipelinekit.ports.datasets import DatastoreRecords, Store

ESCAPES = ("../secret", "a/../../secret", "/etc/passwd", "a//b", "./a", "a/.", "a\\b", "a\0b", "file::/etc/passwd", "")


class DatastoresContract:
    """The suite for records of datastores."""

    def make(self) -> DatastoreRecords:
        """Empty records."""
        raise NotImplementedError

    def test_a_datastore_is_found_whatever_the_case_of_its_name(self) -> None:
        records = self.make()
        store = Datastore("Raw", "s3://bucket/raw", {"region": "eu"}, {"key": "my-key"}, created_at=1.0)
        records.put(store)
        assert records.get("raw") == records.get("RAW") == store
        assert list(records.list()) == [store]

    def test_a_name_that_is_taken_is_a_conflict_unless_it_is_overwritten(self) -> None:
        records = self.make()
        records.put(Datastore("raw", "file:///a"))
        with pytest.raises(ConflictError):
            records.put(Datastore("RAW", "file:///b"))
        assert records.get("raw").url == "file:///a"
        records.put(Datastore("RAW", "file:///b"), overwrite=True)
        assert [store.url for store in records.list()] == ["file:///b"]

    def test_one_is_the_default_and_stays_so_when_it_is_overwritten(self) -> None:
        records = self.make()
        records.put(Datastore("a", "file:///a", is_default=True))
        records.put(Datastore("b", "file:///b"))
        assert [store.is_default for store in records.list()] == [True, False]
        records.set_default("B")
        records.put(Datastore("b", "file:///c"), overwrite=True)
        assert [store.is_default for store in records.list()] == [False, True]

    def test_what_is_not_there_is_told(self) -> None:
        records = self.make()
        for action in (records.get, records.remove, records.set_default):
            with pytest.raises(NotFoundError):
                action("nowhere")
        records.put(Datastore("a", "file:///a"))
        records.remove("A")
        assert list(records.list()) == []


class StoreContract:
    """The suite for the files of a store that can be written to."""

    def make(self) -> Store:
        """An empty store."""
        raise NotImplementedError

    def write(self, store: Store, **files: bytes) -> None:
        """Put files there; `__` stands for a slash."""
        with tempfile.TemporaryDirectory() as folder:
            for name, data in files.items():
                source = Path(folder, "source")
                source.write_bytes(data)
                store.write(name.replace("__", "/") + ".csv", source)

    def test_what_is_written_is_listed_and_read(self) -> None:
        store = self.make()
        store.check()
        self.write(store, b=b"2", a=b"one", sub__deep__c=b"", sub2=b"x")
        found = [(item.path, item.size) for item in store.files("")]
        assert found == [("a.csv", 3), ("b.csv", 1), ("sub/deep/c.csv", 0), ("sub2.csv", 1)]
        with store.read("a.csv") as stream:
            assert stream.read() == b"one"
        assert [item.path for item in store.files("sub")] == ["sub/deep/c.csv"]
        assert [item.path for item in store.files("sub/deep/c.csv")] == ["sub/deep/c.csv"]
        local = store.local("a.csv")
        assert local is None or local.read_bytes() == b"one"

    def test_what_is_written_again_is_replaced_and_marked_anew(self) -> None:
        store = self.make()
        self.write(store, a=b"1")
        before = [item.mark for item in store.files("a.csv")]
        self.write(store, a=b"2")
        with store.read("a.csv") as stream:
            assert stream.read() == b"2"
        after = [item.mark for item in store.files("a.csv")]
        assert before == [""] or after != before

    def test_nothing_is_found_where_nothing_is(self) -> None:
        store = self.make()
        assert list(store.files("nothing")) == []
        with pytest.raises(NotFoundError):
            store.read("nothing.csv")

    def test_no_path_leads_out(self) -> None:
        store = self.make()
        with tempfile.NamedTemporaryFile() as source:
            for path in ESCAPES:
                for action in (store.read, lambda path: store.write(path, Path(source.name))):
                    with pytest.raises(UsageError):
                        action(path)
                if path:
                    with pytest.raises(UsageError):
                        list(store.files(path))
