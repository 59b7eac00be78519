"""The twin and the implementations of records of servers pass one suite."""

import pytest

from pipelinekit.domain.addresses import postgres_address
from pipelinekit.storage import leases
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.servers import SQLServers
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.servers import ServersContract
from pipelinekit.testing.servers import MemoryServers


def in_database(database):
    owner = leases.owner_id()
    return SQLServers(database, HandClock()), owner, owner.rpartition("|")[0] + "|another start"


class TestMemory(ServersContract):
    def make(self):
        return MemoryServers({"dead"}), "alive", "dead"


class TestSQLite(ServersContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        return in_database(SQLiteDatabase(self.folder / "records.db"))


class TestPostgres(ServersContract):
    @pytest.fixture(autouse=True)
    def _address(self, postgres):
        self.address = postgres_address(postgres.new())

    def make(self):
        return in_database(PostgresDatabase(self.address))
