"""The twin and the implementation of vitals pass one suite."""

import pytest
from made_records import memory_records, sql_records

from pipelinekit.domain.addresses import postgres_address
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.schedules import SQLSchedules
from pipelinekit.storage.servers import SQLServers
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.storage.upkeep import SQLUpkeep
from pipelinekit.storage.vitals import SQLVitals
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.vitals import MadeVitals, VitalsContract
from pipelinekit.testing.records import MemoryState
from pipelinekit.testing.schedules import MemoryLedger, MemorySchedules
from pipelinekit.testing.servers import MemoryServers
from pipelinekit.testing.upkeep import MemoryUpkeep
from pipelinekit.testing.vitals import MemoryVitals

NOW = 1_000_000.0


class TestMemory(VitalsContract):
    def make(self):
        state, ledger, servers = MemoryState(HandClock(NOW)), MemoryLedger(), MemoryServers({"dead"})
        state.dead.add("dead")
        vitals = MemoryVitals(state, ledger, servers)
        return MadeVitals(vitals, memory_records(state), MemoryUpkeep(state), MemorySchedules(ledger), servers)


def made(database):
    clock = HandClock(NOW)
    servers = SQLServers(database, clock)
    vitals = SQLVitals(database, servers, clock)
    records = sql_records(database, clock)
    return MadeVitals(vitals, records, SQLUpkeep(database, clock), SQLSchedules(database), servers)


class TestSQLite(VitalsContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        return made(SQLiteDatabase(self.folder / "records.db"))


class TestPostgres(VitalsContract):
    @pytest.fixture(autouse=True)
    def _address(self, postgres):
        self.address = postgres_address(postgres.new())

    def make(self):
        return made(PostgresDatabase(self.address))
