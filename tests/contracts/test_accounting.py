"""Twins and implementations of accounts pass one suite."""

import pytest

from pipelinekit.storage import leases
from pipelinekit.storage.accounting import SQLAccounts
from pipelinekit.storage.documents import SQLDocuments
from pipelinekit.storage.logs import SQLLogs
from pipelinekit.storage.reuse import SQLReuse
from pipelinekit.storage.runs import SQLDriving, SQLRuns
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.storage.upkeep import SQLUpkeep
from pipelinekit.testing.accounting import MemoryAccounts
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.accounting import AccountsContract, MadeAccounts
from pipelinekit.testing.contracts.records import MadeRecords
from pipelinekit.testing.records import (
    MemoryDocuments,
    MemoryDriving,
    MemoryLogs,
    MemoryReuse,
    MemoryRuns,
    MemoryState,
)
from pipelinekit.testing.upkeep import MemoryUpkeep


class TestMemory(AccountsContract):
    def make(self):
        clock = HandClock()
        state = MemoryState(clock)
        stores = [MemoryRuns(state), MemoryDriving(state), MemoryReuse(state), MemoryDocuments(state)]
        records = MadeRecords(*stores, MemoryLogs(state), clock, "alive", "dead")
        return MadeAccounts(MemoryAccounts(state), records, MemoryUpkeep(state))


class TestSQLite(AccountsContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        database = SQLiteDatabase(self.folder / "records.db")
        clock = HandClock()
        stores = [SQLRuns(database, clock), SQLDriving(database, clock), SQLReuse(database, clock)]
        records = MadeRecords(*stores, SQLDocuments(database), SQLLogs(database), clock, leases.owner_id(), "dead")
        return MadeAccounts(SQLAccounts(database), records, SQLUpkeep(database, clock))
