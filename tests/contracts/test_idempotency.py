"""The twin and the implementations of records of requests that may be sent twice pass one suite."""

import threading

import pytest

from pipelinekit.domain.addresses import postgres_address
from pipelinekit.domain.idempotency import Fresh, InProgress, Replay
from pipelinekit.domain.run_queries import RunQuery
from pipelinekit.storage.idempotency import SQLIdempotency
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.run_queries import SQLRunQueries
from pipelinekit.storage.runs import SQLRuns
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.idempotency import PLACE, REQUEST, IdempotencyContract
from pipelinekit.testing.contracts.records import new_run
from pipelinekit.testing.idempotency import MemoryIdempotency

SENDERS = 20


def at_once(act):
    """What `act` gives to so many threads that begin together, by number."""
    barrier, found = threading.Barrier(SENDERS), {}

    def send(number):
        barrier.wait()
        found[number] = act(number)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == SENDERS, "none has failed"
    return found


class TestMemory(IdempotencyContract):
    def make(self, clock):
        return MemoryIdempotency(clock)

    def test_of_twenty_at_once_one_is_fresh(self):
        records = self.make(HandClock())
        found = list(at_once(lambda _: records.begin(*PLACE, REQUEST, 2e9)).values())
        assert found.count(Fresh()) == 1
        assert found.count(InProgress()) == SENDERS - 1


class InDatabase(IdempotencyContract):
    def make(self, clock):
        return SQLIdempotency(self.open(), clock)

    def test_of_twenty_at_once_one_makes_the_run_and_all_get_its_answer(self):
        self.open().close()

        def send(number):
            database = self.open()
            records = SQLIdempotency(database, HandClock())
            with database.transaction():
                begun = records.begin(*PLACE, REQUEST, 2e9)
                if begun == Fresh():
                    run = SQLRuns(database, HandClock()).create(new_run(f"run{number}"))
                    records.finish(*PLACE, run.id, f"made by {number}")
            database.close()
            return begun

        found = at_once(send)
        (first,) = [number for number, begun in found.items() if begun == Fresh()]
        others = [begun for number, begun in found.items() if number != first]
        (run,) = SQLRunQueries(self.open()).find(RunQuery())
        assert others == [Replay(run.id, f"made by {first}")] * (SENDERS - 1)

    def test_of_twenty_at_once_that_do_not_wait_for_the_end_one_is_fresh(self):
        self.open().close()

        def send(_):
            database = self.open()
            begun = SQLIdempotency(database, HandClock()).begin(*PLACE, REQUEST, 2e9)
            database.close()
            return begun

        found = list(at_once(send).values())
        assert found.count(Fresh()) == 1
        assert found.count(InProgress()) == SENDERS - 1

    def test_of_a_request_that_failed_nothing_is_left(self):
        database = self.open()
        records = SQLIdempotency(database, HandClock())

        def fails():
            with database.transaction():
                assert records.begin(*PLACE, REQUEST, 2e9) == Fresh()
                raise ZeroDivisionError

        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                fails()


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
