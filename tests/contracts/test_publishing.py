"""The twins and the implementations of records of published pipelines and endpoints pass one suite."""

import pytest

from pipelinekit.domain.addresses import postgres_address
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.publishing import SQLPipelineEndpoints, SQLPublishedPipelines
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.testing.contracts.publishing import PublishingContract
from pipelinekit.testing.publishing import MemoryPipelineEndpoints, MemoryPublishedPipelines


def in_database(database):
    return SQLPublishedPipelines(database), SQLPipelineEndpoints(database)


class TestMemory(PublishingContract):
    def make(self):
        endpoints = MemoryPipelineEndpoints()
        return MemoryPublishedPipelines({}, endpoints), endpoints


class TestSQLite(PublishingContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        return in_database(SQLiteDatabase(self.folder / "records.db"))


class TestPostgres(PublishingContract):
    @pytest.fixture(autouse=True)
    def _address(self, postgres):
        self.address = postgres_address(postgres.new())

    def make(self):
        return in_database(PostgresDatabase(self.address))
