"""Twins and implementations of upkeep pass one suite."""

import os
import time

import pytest

from pipelinekit.domain.digests import PREFIX
from pipelinekit.storage import leases
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.storage.documents import SQLDocuments
from pipelinekit.storage.logs import SQLLogs
from pipelinekit.storage.reuse import SQLReuse
from pipelinekit.storage.runs import SQLDriving, SQLRuns
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.storage.sweeping import FolderSweeper
from pipelinekit.storage.upkeep import SQLUpkeep
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.records import MadeRecords
from pipelinekit.testing.contracts.upkeep import BlobUpkeepContract, MadeStore, MadeUpkeep, UpkeepContract
from pipelinekit.testing.records import (
    MemoryDocuments,
    MemoryDriving,
    MemoryLogs,
    MemoryReuse,
    MemoryRuns,
    MemoryState,
)
from pipelinekit.testing.stores import MemoryBlobs, MemorySweeper
from pipelinekit.testing.upkeep import MemoryUpkeep


class TestMemoryUpkeep(UpkeepContract):
    def make(self):
        clock = HandClock()
        state = MemoryState(clock, dead={"dead"})
        records = MadeRecords(
            MemoryRuns(state),
            MemoryDriving(state),
            MemoryReuse(state),
            MemoryDocuments(state),
            MemoryLogs(state),
            clock,
            "alive",
            "dead",
        )
        return MadeUpkeep(MemoryUpkeep(state), records)


class TestSQLiteUpkeep(UpkeepContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        database = SQLiteDatabase(self.folder / "records.db")
        clock = HandClock()
        records = MadeRecords(
            SQLRuns(database, clock),
            SQLDriving(database, clock),
            SQLReuse(database, clock),
            SQLDocuments(database),
            SQLLogs(database),
            clock,
            leases.owner_id(),
            "dead",
        )
        return MadeUpkeep(SQLUpkeep(database, clock), records)


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
