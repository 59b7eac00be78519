"""Twins and implementations of datasets pass one suite."""

import pytest
from made_records import memory_records, sql_records

from pipelinekit.storage.datasets import SQLDatasets
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.storage.upkeep import SQLUpkeep
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.datasets import DatasetsContract, MadeDatasets
from pipelinekit.testing.datasets import MemoryDatasets
from pipelinekit.testing.records import MemoryState
from pipelinekit.testing.upkeep import MemoryUpkeep


class TestMemory(DatasetsContract):
    def make(self):
        state = MemoryState(HandClock())
        return MadeDatasets(MemoryDatasets(state), memory_records(state), MemoryUpkeep(state))


class TestSQLite(DatasetsContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        database, clock = SQLiteDatabase(self.folder / "records.db"), HandClock()
        return MadeDatasets(SQLDatasets(database), sql_records(database, clock), SQLUpkeep(database, clock))
