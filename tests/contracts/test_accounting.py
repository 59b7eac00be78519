"""Twins and implementations of accounts pass one suite."""

import pytest
from made_records import memory_records, sql_records

from pipelinekit.domain.addresses import postgres_address
from pipelinekit.storage.accounting import SQLAccounts
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.storage.upkeep import SQLUpkeep
from pipelinekit.testing.accounting import MemoryAccounts
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.accounting import AccountsContract, MadeAccounts
from pipelinekit.testing.records import MemoryState
from pipelinekit.testing.upkeep import MemoryUpkeep


class TestMemory(AccountsContract):
    def make(self):
        state = MemoryState(HandClock())
        return MadeAccounts(MemoryAccounts(state), memory_records(state), MemoryUpkeep(state))


class TestSQLite(AccountsContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        database, clock = SQLiteDatabase(self.folder / "records.db"), HandClock()
        return MadeAccounts(SQLAccounts(database), sql_records(database, clock), SQLUpkeep(database, clock))


class TestPostgresAccounts(AccountsContract):
    @pytest.fixture(autouse=True)
    def _address(self, postgres):
        self.address = postgres_address(postgres.new())

    def make(self):
        database, clock = PostgresDatabase(self.address), HandClock()
        return MadeAccounts(SQLAccounts(database), sql_records(database, clock), SQLUpkeep(database, clock))
