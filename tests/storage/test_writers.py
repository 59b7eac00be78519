"""Several processes that run and log in one workspace at the same time: each waits its turn, and nothing is lost."""

from pathlib import Path

import pytest
from seams import children

from pipelinekit.domain.addresses import postgres_address
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.storage.upkeep import SQLUpkeep
from pipelinekit.testing.clock import HandClock

TESTS = Path(__file__).parents[1]
WRITE = """
    import sys, threading
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    from made_records import sql_records
    from pipelinekit.domain.addresses import postgres_address
    from pipelinekit.domain.attempts import LogChunk
    from pipelinekit.domain.run_queries import RunQuery
    from pipelinekit.domain.runs import RunStatus, StepStatus
    from pipelinekit.storage.postgres import PostgresDatabase
    from pipelinekit.storage.sqlite import SQLiteDatabase
    from pipelinekit.testing.clock import HandClock
    from pipelinekit.testing.contracts.records import change, completion, key, new_run

    where, count, number = sys.argv[2], int(sys.argv[3]), sys.argv[4]

    def open_records():
        database = PostgresDatabase(postgres_address(where)) if "://" in where else SQLiteDatabase(Path(where))
        return sql_records(database, HandClock()), database

    records, database = open_records()
    beating, ended, beats = open_records()[0], threading.Event(), []

    def beat():
        while not ended.wait(0.01):
            try:
                beats.append(beating.driving.renew("none", 1))
            except BaseException as error:
                if "ended" not in str(error):
                    beats.append(error)
                    raise

    print("ready", flush=True)
    sys.stdin.readline()
    thread = threading.Thread(target=beat)
    thread.start()
    for turn in range(count):
        name = f"{number}x{turn}"
        with database.transaction():
            run = records.driving.take(records.runs.create(new_run(name)).id, records.alive)
        shared = f"{turn % 7}"
        granted, held, landed = records.reuse.claim(run.id, run.epoch, {"a": key(name), "b": key(shared)}, frozenset())
        records.logs.append([LogChunk(f"{run.id}/a/1", "stdout", f"line {n}") for n in range(3)], 0.0)
        steps = [change(run.id, step, StepStatus.COMPLETED, key=key(name if step == "a" else shared)) for step in granted]
        done = [completion(run.id, step.name, 1, of=name if step.name == "a" else shared) for step in steps]
        records.driving.record(run.id, run.epoch, steps, done)
        records.driving.finish(run.id, run.epoch, RunStatus.COMPLETED, {}, None)
        records.queries.find(RunQuery(limit=5))
    ended.set()
    thread.join()
    print("done", beats, flush=True)
"""


def check(database, processes, count):
    inventory = SQLUpkeep(database, HandClock()).inventory()
    assert len(inventory.runs) == processes * count
    assert {run.status for run in inventory.runs.values()} == {"Completed"}
    reusable = [item.key for item in inventory.completions if item.reusable]
    assert len(reusable) == len(set(reusable)) == processes * count + 7, "one result of each key counts"
    assert inventory.claims == ()
    assert database.check() == []
    numbers = [row["runs"] for row in database.read("list_experiments")]
    assert numbers == [processes * count]
    assert sum(SQLUpkeep(database, HandClock()).logs().values()) == processes * count * 18


def write(where, processes, count):
    with children(WRITE, TESTS, where, count, count=processes) as started:
        for child in started:
            child.tell()
        for child in started:
            assert child.end(seconds=900) == "done []\n"


MINUTES = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]


@pytest.mark.parametrize(("processes", "count"), [(2, 40), pytest.param(6, 300, marks=MINUTES)])
def test_writers_of_one_file_wait_for_each_other(tmp_path, processes, count):
    write(tmp_path / "records.db", processes, count)
    check(SQLiteDatabase(tmp_path / "records.db"), processes, count)


@pytest.mark.parametrize(("processes", "count"), [(2, 40), pytest.param(4, 200, marks=MINUTES)])
def test_writers_of_one_database_wait_for_each_other(postgres, processes, count):
    url = postgres.new()
    write(url, processes, count)
    check(PostgresDatabase(postgres_address(url)), processes, count)
