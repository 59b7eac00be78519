"""Twins and implementations of records pass one suite."""

import time

import pytest
from made_records import memory_records, sql_records

from pipelinekit.classes import replace
from pipelinekit.domain.addresses import postgres_address
from pipelinekit.storage import leases
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.run_queries import SQLRunQueries
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.carrying import CarryingContract
from pipelinekit.testing.contracts.experiments import ExperimentsContract
from pipelinekit.testing.contracts.facts import FactsContract
from pipelinekit.testing.contracts.queueing import QueueingContract
from pipelinekit.testing.contracts.records import RecordsContract
from pipelinekit.testing.contracts.recovery import RecoveryContract
from pipelinekit.testing.records import MemoryState


class Memory:
    def make(self):
        return memory_records(MemoryState(HandClock(), dead={"dead"}))


class SQLite:
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        return sql_records(SQLiteDatabase(self.folder / "records.db"), HandClock())


class Postgres:
    @pytest.fixture(autouse=True)
    def _address(self, postgres):
        self.address = postgres_address(postgres.new())

    def make(self):
        return sql_records(PostgresDatabase(self.address), HandClock())


class TestMemoryRecords(Memory, RecordsContract):
    pass


class TestSQLiteRecords(SQLite, RecordsContract):
    def test_a_driver_on_another_machine_is_dead_only_after_a_long_silence(self):
        elsewhere = "another-machine|boot|1|2"
        now = time.time()
        assert leases.is_alive(elsewhere, 0.0, now - 60)
        assert not leases.is_alive(elsewhere, 1e12, now - 600)


class TestPostgresRecords(Postgres, RecordsContract):
    pass


class TestMemoryRecovery(Memory, RecoveryContract):
    pass


class TestSQLiteRecovery(SQLite, RecoveryContract):
    pass


class TestPostgresRecovery(Postgres, RecoveryContract):
    pass


class TestMemoryCarrying(Memory, CarryingContract):
    pass


class TestSQLiteCarrying(SQLite, CarryingContract):
    pass


class TestMemoryFacts(Memory, FactsContract):
    pass


class TestSQLiteFacts(SQLite, FactsContract):
    pass


class TestMemoryExperiments(Memory, ExperimentsContract):
    pass


class TestSQLiteExperiments(SQLite, ExperimentsContract):
    pass


class TestPostgresFacts(Postgres, FactsContract):
    pass


class TestSQLiteWalkedLists(SQLite, ExperimentsContract):
    def make(self):
        made = super().make()
        return replace(made, queries=SQLRunQueries(made.runs._database, few=-1))


class TestPostgresWalkedLists(Postgres, ExperimentsContract):
    def make(self):
        made = super().make()
        return replace(made, queries=SQLRunQueries(made.runs._database, few=-1))


class TestPostgresExperiments(Postgres, ExperimentsContract):
    pass


class TestPostgresCarrying(Postgres, CarryingContract):
    pass


class TestMemoryQueueing(Memory, QueueingContract):
    pass


class TestSQLiteQueueing(SQLite, QueueingContract):
    pass


class TestPostgresQueueing(Postgres, QueueingContract):
    pass
