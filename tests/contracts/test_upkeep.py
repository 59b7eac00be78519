"""Twins and implementations of upkeep pass one suite."""

import os
import time

import object_servers
import pytest
from made_records import memory_records, sql_records

from pipelinekit.domain.addresses import postgres_address
from pipelinekit.domain.digests import PREFIX
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.storage.sweeping import FolderSweeper
from pipelinekit.storage.upkeep import SQLUpkeep
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.upkeep import BlobUpkeepContract, MadeStore, MadeUpkeep, UpkeepContract
from pipelinekit.testing.records import MemoryState
from pipelinekit.testing.stores import MemoryBlobs, MemorySweeper
from pipelinekit.testing.upkeep import MemoryUpkeep


class TestMemoryUpkeep(UpkeepContract):
    def make(self):
        state = MemoryState(HandClock(), dead={"dead"})
        return MadeUpkeep(MemoryUpkeep(state), memory_records(state))


class TestSQLiteUpkeep(UpkeepContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        database, clock = SQLiteDatabase(self.folder / "records.db"), HandClock()
        return MadeUpkeep(SQLUpkeep(database, clock), sql_records(database, clock))


class TestPostgresUpkeep(UpkeepContract):
    @pytest.fixture(autouse=True)
    def _address(self, postgres):
        self.address = postgres_address(postgres.new())

    def make(self):
        database, clock = PostgresDatabase(self.address), HandClock()
        return MadeUpkeep(SQLUpkeep(database, clock), sql_records(database, clock))


class TestMemoryBlobUpkeep(BlobUpkeepContract):
    def make(self):
        clock = HandClock()
        blobs = MemoryBlobs(clock)
        return MadeStore(blobs, MemorySweeper(blobs), clock)

    def damage(self, blobs, digest):
        blobs.damage(digest)

    def age(self, made, seconds):
        made.clock.turn(seconds)


class TestFolderBlobUpkeep(BlobUpkeepContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        folder = self.folder / "blobs"
        folder.mkdir()
        return MadeStore(FolderBlobs(folder), FolderSweeper(folder), HandClock(time.time()))

    def damage(self, blobs, digest):
        name = digest.removeprefix(PREFIX)
        place = blobs.folder / name[:2] / name[2:]
        os.chmod(place, 0o600)
        place.write_bytes(b"PRECIOUS")

    def age(self, made, seconds):
        for path in made.blobs.folder.glob("??/*"):
            then = path.stat().st_mtime - seconds
            os.utime(path, (then, then))


class ObjectUpkeepContract(BlobUpkeepContract):
    def make(self):
        store = object_servers.opened(self.place, self.folder / "copies")
        return MadeStore(store.blobs, store.upkeep, HandClock(time.time()))

    def damage(self, blobs, digest):
        object_servers.damage(blobs, digest)

    def age(self, made, seconds):
        self.server.age(self.place, seconds)
        # whoever comes later is another process, which has noted nothing yet
        later = object_servers.opened(self.place, self.folder / "copies")
        made.blobs.uses, made.upkeep.uses = later.blobs.uses, later.upkeep.uses


class TestObjectUpkeepInMemory(ObjectUpkeepContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder, self.server = tmp_path, object_servers.InMemory()
        self.place = self.server.address()


class TestS3Upkeep(ObjectUpkeepContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path, moto):
        self.folder, self.server = tmp_path, moto
        self.place = moto.address()
