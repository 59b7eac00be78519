"""The twin and the implementations of records of compute targets pass one suite."""

import pytest

from pipelinekit.domain.addresses import postgres_address
from pipelinekit.storage.computes import SQLComputes
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.testing.computes import MemoryComputes
from pipelinekit.testing.contracts.computes import ComputesContract


class TestMemory(ComputesContract):
    def make(self):
        return MemoryComputes()


class TestSQLite(ComputesContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        return SQLComputes(SQLiteDatabase(self.folder / "records.db"))


class TestPostgres(ComputesContract):
    @pytest.fixture(autouse=True)
    def _address(self, postgres):
        self.address = postgres_address(postgres.new())

    def make(self):
        return SQLComputes(PostgresDatabase(self.address))
