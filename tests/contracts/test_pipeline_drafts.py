"""The twin and the implementation of records of pipeline drafts pass one suite."""

import pytest

from pipelinekit.domain.addresses import postgres_address
from pipelinekit.storage.pipeline_drafts import SQLPipelineDrafts
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.testing.contracts.pipeline_drafts import PipelineDraftsContract
from pipelinekit.testing.pipeline_drafts import MemoryPipelineDrafts


class TestMemory(PipelineDraftsContract):
    def make(self):
        return MemoryPipelineDrafts({})


class TestSQLite(PipelineDraftsContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        return SQLPipelineDrafts(SQLiteDatabase(self.folder / "records.db"))


class TestPostgres(PipelineDraftsContract):
    @pytest.fixture(autouse=True)
    def _address(self, postgres):
        self.address = postgres_address(postgres.new())

    def make(self):
        return SQLPipelineDrafts(PostgresDatabase(self.address))
