"""Twins and implementations of changes pass one suite."""

import pytest

from pipelinekit.domain.addresses import postgres_address
from pipelinekit.storage.changes import SQLChanges
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.runs import SQLRuns
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.storage.upkeep import SQLUpkeep
from pipelinekit.testing.changes import MemoryChanges
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.changes import ChangeRecordsContract, MadeChanges
from pipelinekit.testing.records import MemoryRuns, MemoryState
from pipelinekit.testing.upkeep import MemoryUpkeep


class TestMemory(ChangeRecordsContract):
    def make(self):
        state = MemoryState(HandClock())
        return MadeChanges(MemoryChanges(state), MemoryRuns(state), MemoryUpkeep(state))


class TestSQLite(ChangeRecordsContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        database, clock = SQLiteDatabase(self.folder / "records.db"), HandClock()
        return MadeChanges(SQLChanges(database), SQLRuns(database, clock), SQLUpkeep(database, clock))


class TestPostgres(ChangeRecordsContract):
    @pytest.fixture(autouse=True)
    def _address(self, postgres):
        self.address = postgres_address(postgres.new())

    def make(self):
        database, clock = PostgresDatabase(self.address), HandClock()
        return MadeChanges(SQLChanges(database), SQLRuns(database, clock), SQLUpkeep(database, clock))
