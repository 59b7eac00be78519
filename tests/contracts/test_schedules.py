"""The twins and the implementations of records of schedules pass one suite."""

import pytest

from pipelinekit.domain.addresses import postgres_address
from pipelinekit.errors import NotFoundError
from pipelinekit.storage import leases
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.schedules import SQLSchedules, SQLTickers
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.storage.zones import InstalledZones
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.schedules import SchedulesContract, TickersContract
from pipelinekit.testing.schedules import MemoryLedger, MemorySchedules, MemoryTickers, MemoryZones


class TestMemory(SchedulesContract):
    def make(self):
        ledger = MemoryLedger()
        return MemorySchedules(ledger), ledger.batch


class TestSQLite(SchedulesContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        database = SQLiteDatabase(self.folder / "records.db")
        return SQLSchedules(database), database.transaction


class TestPostgres(SchedulesContract):
    @pytest.fixture(autouse=True)
    def _address(self, postgres):
        self.address = postgres_address(postgres.new())

    def make(self):
        database = PostgresDatabase(self.address)
        return SQLSchedules(database), database.transaction


def tickers_of(database):
    owner = leases.owner_id()
    return SQLTickers(database, HandClock()), owner, owner.rpartition("|")[0] + "|another start"


class TestMemoryTickers(TickersContract):
    def make(self):
        return MemoryTickers({"dead"}), "alive", "dead"


class TestSQLiteTickers(TickersContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        return tickers_of(SQLiteDatabase(self.folder / "records.db"))


class TestPostgresTickers(TickersContract):
    @pytest.fixture(autouse=True)
    def _address(self, postgres):
        self.address = postgres_address(postgres.new())

    def make(self):
        return tickers_of(PostgresDatabase(self.address))


@pytest.mark.parametrize("zones", [InstalledZones(), MemoryZones()])
def test_zones_are_found_by_name_and_say_which_rules_they_are_of(zones):
    assert zones.find("UTC").utcoffset(None) is not None or str(zones.find("UTC")) == "UTC"
    assert zones.version()
    for name in ("Europe/Berlim", "", "../etc/passwd", "Europe"):
        with pytest.raises(NotFoundError, match="no time zone"):
            zones.find(name)
