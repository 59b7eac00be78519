"""Twins and implementations of the records pass one suite."""

import time
from pathlib import Path

import pytest

from pipelinekit.storage import leases
from pipelinekit.storage.documents import SQLDocuments
from pipelinekit.storage.logs import SQLLogs
from pipelinekit.storage.reuse import SQLReuse
from pipelinekit.storage.runs import SQLDriving, SQLRuns
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.records import MadeRecords, RecordsContract
from pipelinekit.testing.records import (
    MemoryDocuments,
    MemoryDriving,
    MemoryLogs,
    MemoryReuse,
    MemoryRuns,
    MemoryState,
)


class TestMemory(RecordsContract):
    def make(self) -> MadeRecords:
        clock = HandClock()
        state = MemoryState(clock, dead={"dead"})
        return MadeRecords(
            MemoryRuns(state),
            MemoryDriving(state),
            MemoryReuse(state),
            MemoryDocuments(state),
            MemoryLogs(state),
            clock,
            "alive",
            "dead",
        )


class TestSQLite(RecordsContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path):
        self.folder = tmp_path

    def test_a_driver_on_another_machine_is_dead_only_after_a_long_silence(self):
        elsewhere = "another-machine|boot|1|2"
        now = time.time()
        assert leases.is_alive(elsewhere, 0.0, now - 60)
        assert not leases.is_alive(elsewhere, 1e12, now - 600)

    def make(self) -> MadeRecords:
        database = SQLiteDatabase(self.folder / "records.db")
        clock = HandClock()
        host, boot, pid, _ = leases.owner_id().split("|")
        return MadeRecords(
            SQLRuns(database, clock),
            SQLDriving(database, clock),
            SQLReuse(database, clock),
            SQLDocuments(database),
            SQLLogs(database),
            clock,
            leases.owner_id(),
            f"{host}|{boot}|{pid}|started before this process",
        )
