"""Twins and implementations of datastores pass one suite; S3 is a server that the tests start."""

import itertools
import os

import pytest

from pipelinekit.domain.datastores import Datastore
from pipelinekit.errors import StorageError, UsageError
from pipelinekit.storage.datastores import SQLDatastores
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.storage.stores.local import LocalStore
from pipelinekit.storage.stores.opening import StoreOpener
from pipelinekit.testing.contracts.datastores import DatastoresContract, StoreContract
from pipelinekit.testing.datastores import MemoryDatastores, MemorySecretValues, MemoryStore

SECRETS = MemorySecretValues({"id": "the-key", "word": "the-very-secret"})
_numbers = itertools.count()


class TestMemoryRecords(DatastoresContract):
    def make(self):
        return MemoryDatastores()


class TestSQLiteRecords(DatastoresContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        return SQLDatastores(SQLiteDatabase(self.folder / "records.db"))


class TestMemoryStore(StoreContract):
    def make(self):
        return MemoryStore()


class TestLocalStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        root = self.folder / "root"
        root.mkdir()
        return LocalStore("datastore 'raw'", root)

    def test_links_that_lead_out_are_refused_whatever_is_done_with_them(self):
        store = self.make()
        (self.folder / "secret").write_text("s")
        (self.folder / "outside").mkdir()
        (self.folder / "root" / "link").symlink_to(self.folder / "secret")
        (self.folder / "root" / "folder").symlink_to(self.folder / "outside")
        for action in (
            lambda: store.read("link"),
            lambda: list(store.files("link")),
            lambda: list(store.files("")),
            lambda: store.local("link"),
            lambda: store.write("folder/x", self.folder / "secret"),
        ):
            with pytest.raises(UsageError, match="link"):
                action()
        assert os.listdir(self.folder / "outside") == []

    def test_a_folder_that_is_not_there_cannot_be_reached(self):
        with pytest.raises(StorageError, match="No such file"):
            LocalStore("datastore 'raw'", self.folder / "nothing").check()

    def test_a_write_that_fails_leaves_what_was(self):
        store = self.make()
        self.write(store, a=b"1")
        with pytest.raises(StorageError):
            store.write("a.csv", self.folder / "nothing")
        assert os.listdir(self.folder / "root") == ["a.csv"]
        assert (self.folder / "root" / "a.csv").read_bytes() == b"1"


class TestS3Store(StoreContract):
    @pytest.fixture(autouse=True)
    def _server(self, s3_server):
        self.server = s3_server

    def record(self, url):
        options = {"endpoint": self.server.url, "region": "us-east-1"}
        return Datastore("raw", url, options, {"key": "id", "secret": "word"})

    def make(self):
        bucket = f"bucket{next(_numbers)}"
        self.server.make_bucket(bucket)
        return StoreOpener(lambda: SECRETS)(self.record(f"s3://{bucket}/some/root"))

    def test_a_store_below_a_prefix_sees_nothing_beside_it(self):
        store = self.make()
        self.write(store, a=b"1")
        bucket = f"bucket{next(_numbers) - 1}"
        beside = StoreOpener(lambda: SECRETS)(self.record(f"s3://{bucket}/some/rooted"))
        self.write(beside, b=b"2")
        assert [item.path for item in store.files("")] == ["a.csv"]

    def test_a_bucket_that_is_not_there_is_told_without_the_secret(self):
        with pytest.raises(StorageError) as error:
            StoreOpener(lambda: SECRETS)(self.record("s3://nothing-there")).check()
        assert "raw" in str(error.value)
        assert "the-very-secret" not in str(error.value)
