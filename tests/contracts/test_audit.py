"""The twin and the implementations of records of the audit log pass one suite."""

import threading

import pytest

from pipelinekit.domain.addresses import postgres_address
from pipelinekit.domain.audit import broken_links
from pipelinekit.storage.audit import SQLAudit
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.testing.audit import MemoryAudit
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.audit import AuditContract, event


class TestMemory(AuditContract):
    def make(self, clock):
        return MemoryAudit(clock)


class InDatabase(AuditContract):
    def make(self, clock):
        return SQLAudit(self.open(), clock)

    def test_a_row_is_written_with_what_it_tells_of_or_not_at_all(self):
        database = self.open()
        log = SQLAudit(database, HandClock())
        first = log.append(event(1))

        def fails():
            with database.transaction():
                log.append(event(2))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fails()
        second = log.append(event(3))
        assert list(log.all()) == [first, second]
        assert second.number == 2
        assert broken_links(log.all()) == []

    def test_a_long_log_is_read_in_parts(self, monkeypatch):
        monkeypatch.setattr("pipelinekit.storage.audit.ROWS_AT_ONCE", 3)
        log = self.make(HandClock())
        rows = [log.append(event(number)) for number in range(7)]
        assert list(log.all()) == rows

    def test_the_chain_stays_whole_where_many_write_at_once(self):
        def write(number):
            database = self.open()
            log = SQLAudit(database, HandClock())
            for _ in range(5):
                log.append(event(number))
            database.close()

        self.open().close()
        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rows = list(SQLAudit(self.open(), HandClock()).all())
        assert [row.number for row in rows] == list(range(1, 21))
        assert broken_links(rows) == []


class TestSQLite(InDatabase):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def open(self):
        return SQLiteDatabase(self.folder / "records.db")


class TestPostgres(InDatabase):
    @pytest.fixture(autouse=True)
    def _address(self, postgres):
        self.address = postgres_address(postgres.new())

    def open(self):
        return PostgresDatabase(self.address)
