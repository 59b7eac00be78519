"""The twin and the implementations of records of compute targets pass one suite."""

import pytest

from pipelinekit.domain.addresses import postgres_address
from pipelinekit.domain.computes import Cluster, ComputeTarget
from pipelinekit.storage import leases
from pipelinekit.storage.computes import SQLComputes, SQLKeepers
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.computes import MemoryComputes, MemoryKeepers
from pipelinekit.testing.contracts.computes import ComputesContract, KeepersContract


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


def keepers_of(database):
    SQLComputes(database).add(ComputeTarget("pool", Cluster(2)))
    return SQLKeepers(database, HandClock()), leases.owner_id()


class TestMemoryKeepers(KeepersContract):
    def make(self):
        return MemoryKeepers(), ""


class TestSQLiteKeepers(KeepersContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        return keepers_of(SQLiteDatabase(self.folder / "records.db"))

    def test_a_keeper_that_died_is_noticed(self):
        keepers, owner = self.make()
        keepers.want("pool", wanted=True)
        keepers.take("pool", owner.rpartition("|")[0] + "|another start")
        assert keepers.state("pool").alive is False
        assert keepers.take("pool", owner) == 2


class TestPostgresKeepers(KeepersContract):
    @pytest.fixture(autouse=True)
    def _address(self, postgres):
        self.address = postgres_address(postgres.new())

    def make(self):
        return keepers_of(PostgresDatabase(self.address))
