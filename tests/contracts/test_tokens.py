"""The twin and the implementations of records of access tokens pass one suite."""

import pytest

from pipelinekit.domain.addresses import postgres_address
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.storage.tokens import SQLTokens
from pipelinekit.testing.contracts.tokens import TokensContract
from pipelinekit.testing.tokens import MemoryTokens


class TestMemory(TokensContract):
    def make(self):
        return MemoryTokens()


class TestSQLite(TokensContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        return SQLTokens(SQLiteDatabase(self.folder / "records.db"))


class TestPostgres(TokensContract):
    @pytest.fixture(autouse=True)
    def _address(self, postgres):
        self.address = postgres_address(postgres.new())

    def make(self):
        return SQLTokens(PostgresDatabase(self.address))
