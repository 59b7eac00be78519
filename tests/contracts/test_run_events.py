"""Twins and implementations of the event logs of runs pass one suite."""

import pytest
from made_records import memory_records, sql_records

from pipelinekit.domain.addresses import postgres_address
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.run_events import SQLRunEvents
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.storage.upkeep import SQLUpkeep
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.run_events import MadeRunEvents, RunEventRecordsContract
from pipelinekit.testing.records import MemoryState
from pipelinekit.testing.run_events import MemoryRunEvents
from pipelinekit.testing.upkeep import MemoryUpkeep


def on(database):
    clock = HandClock()
    return MadeRunEvents(SQLRunEvents(database), sql_records(database, clock), SQLUpkeep(database, clock))


class TestMemory(RunEventRecordsContract):
    def make(self):
        state = MemoryState(HandClock())
        return MadeRunEvents(MemoryRunEvents(state), memory_records(state), MemoryUpkeep(state))


class TestSQLite(RunEventRecordsContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        return on(SQLiteDatabase(self.folder / "records.db"))


class TestPostgres(RunEventRecordsContract):
    @pytest.fixture(autouse=True)
    def _address(self, postgres):
        self.address = postgres_address(postgres.new())

    def make(self):
        return on(PostgresDatabase(self.address))
