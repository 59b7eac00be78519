"""Records that are put back to an earlier state: whoever works on as if they had not been is refused, and nothing is torn."""

import os
from contextlib import closing

import pytest
from conftest import alive, wait_for
from made_records import sql_records

from pipelinekit.domain.addresses import postgres_address
from pipelinekit.domain.runs import RunStatus, StepStatus
from pipelinekit.errors import LeaseLostError
from pipelinekit.storage import leases
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.runs import SQLDriving
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.storage.sqlite_library import sqlite3
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.records import change, key, new_run


def copied(source, target):
    """Copy a database as it is at one moment over another, whoever has it open."""
    with closing(sqlite3.connect(source)) as whole, closing(sqlite3.connect(target)) as copy:
        whole.backup(copy)


class Copied:
    """A database that can be put back to what it was, in place: open connections stay open."""

    def __init__(self, tmp_path, postgres=None):
        self.folder = tmp_path
        self.postgres = postgres
        self.address = postgres_address(postgres.new()) if postgres else tmp_path / "records.db"
        self.said = []

    def open(self):
        return PostgresDatabase(self.address) if self.postgres else SQLiteDatabase(self.address)

    def driving(self):
        """Driver records as a driver in this workspace folder has them."""
        seen = leases.Seen(self.folder / "records.seen", "these", self.said.append)
        return SQLDriving(self.open(), HandClock(), seen)

    def keep(self):
        if not self.postgres:
            copied(self.address, self.folder / "kept")
            return
        schema = self.address.schema
        self.tables = [
            row[0] for row in self.postgres.sql("select tablename from pg_tables where schemaname = %s", (schema,))
        ]
        for table in self.tables:
            self.postgres.sql(f"create table kept_{table} as select * from {table}", schema=schema)

    def put_back(self):
        if not self.postgres:
            copied(self.folder / "kept", self.address)
            return
        schema = self.address.schema
        fill = "".join(f"insert into {table} select * from kept_{table};" for table in self.tables)
        empty = f"truncate {', '.join(self.tables)}"
        self.postgres.sql(f"begin; set constraints all deferred; {empty}; {fill} commit", schema=schema)


@pytest.mark.parametrize("kind", ["file", "postgres"])
def test_whoever_drives_on_after_a_restore_is_fenced_and_what_was_open_has_failed(tmp_path, request, kind):
    place = Copied(tmp_path, request.getfixturevalue("postgres") if kind == "postgres" else None)
    records = sql_records(place.open(), HandClock())
    one = place.driving()
    taken = one.take(records.runs.create(new_run("a")).id, records.alive)
    one.record(taken.id, taken.epoch, [change(taken.id, "s", StepStatus.RUNNING, key=key("s"))])
    assert records.reuse.claim(taken.id, taken.epoch, {"s": key("s")}, frozenset())[0]
    waiting = records.runs.create(new_run("b"))
    place.keep()

    one.record(taken.id, taken.epoch, [change(taken.id, "t", StepStatus.RUNNING)])
    two = place.driving()  # takes what waited when the copy was made
    second = two.take(waiting.id, records.alive)
    two.record(second.id, second.epoch, [change(second.id, "s", StepStatus.RUNNING)])
    three = place.driving()  # drives what the copy does not know
    third = three.take(records.runs.create(new_run("c")).id, records.alive)
    three.record(third.id, third.epoch, [change(third.id, "s", StepStatus.RUNNING)])
    place.put_back()

    with pytest.raises(LeaseLostError, match="put back to an earlier state while it went on") as error:
        one.record(taken.id, taken.epoch, [change(taken.id, "s", StepStatus.COMPLETED)])
    assert "what is still recorded is reused" in error.value.hint
    for driving, run in ((two, second), (three, third)):
        with pytest.raises(LeaseLostError):
            driving.record(run.id, run.epoch, [change(run.id, "s", StepStatus.COMPLETED)])

    records = sql_records(place.open(), HandClock())
    four = place.driving()
    fourth = four.take(records.runs.create(new_run("d")).id, records.alive)
    four.record(fourth.id, fourth.epoch, [change(fourth.id, "s", StepStatus.RUNNING)])
    (words,) = place.said
    assert f"they were put back; runs that were in progress then have failed: {taken.id}" in words
    lost = records.runs.get(taken.id)
    assert (lost.status, lost.failure.kind) == (RunStatus.FAILED, "lost")
    assert "put back to an earlier state" in lost.failure.message
    assert [step.status for step in records.runs.steps(taken.id)] == [StepStatus.CANCELED]
    assert records.reuse.claim(fourth.id, fourth.epoch, {"s": key("s")}, frozenset())[0], "its claim is free"
    again = place.driving().take(waiting.id, records.alive)
    assert again.epoch > second.epoch + 1, "the epoch jumped over all that was given since the copy"
    with pytest.raises(LeaseLostError):
        two.record(second.id, second.epoch, [change(second.id, "s", StepStatus.COMPLETED)])
    assert len(place.said) == 1, "it is noticed once"
    place.put_back()
    five = place.driving()
    five.take(records.runs.create(new_run("e")).id, records.alive)
    assert len(place.said) == 2, "and again, when it is done again"


STEPS = """
    import time
    from pathlib import Path
    from pipelinekit import pipeline, step

    @step
    def first(n: int) -> bytes:
        return bytes([n]) * 5000

    @step
    def second(data: bytes, marks: str, n: int) -> int:
        Path(marks, f"begun-{n}").touch()
        while not Path(marks, f"go-{n}").exists():
            time.sleep(0.01)
        return len(data) + n

    @pipeline
    def main(marks: str, n: int):
        return second(first(n), marks, n)
"""


def test_a_copy_that_was_taken_in_the_midst_of_a_run_is_gone_on_from(project, tmp_path):
    project.write(main=STEPS)
    words = ("main.py", "-p", f"marks={tmp_path}", "-p")
    (tmp_path / "go-0").touch()
    project.run(*words, "n=0")
    zombie = project.start("run", "--json", *words, "n=1")
    wait_for((tmp_path / "begun-1").exists)
    project("workspace", "backup", str(tmp_path / "kept"))
    (tmp_path / "go-2").touch()
    later = project.run(*words, "n=2")
    blobs = sorted(path.name for path in (project.home / "blobs").rglob("*") if path.is_file())
    refused = project("workspace", "restore", str(tmp_path / "kept"), "--yes", code=2)
    assert "is Running, and needs what is stored" in refused.err
    copied(tmp_path / "kept", project.home / "records.db")  # all the same, by other means
    (tmp_path / "go-3").touch()
    done = project("run", "--json", *words, "n=3")
    assert done.json["outputs"] == {"output": 5003}
    assert "note: the records are older than those that this workspace saw last: they were put back; runs" in done.err
    (tmp_path / "go-1").touch()
    out, err = zombie.communicate(timeout=60)
    assert zombie.returncode == 1, out + err
    assert "by another process" in out + err
    assert "Traceback" not in err
    runs = {run["id"]: run for run in project("runs", "list", "--json").json["runs"]}
    assert later["id"] not in runs
    assert sorted(run["status"] for run in runs.values()) == ["Completed", "Completed", "Failed"]
    assert project("fsck").out == "no faults\n"
    assert set(blobs) <= {path.name for path in (project.home / "blobs").rglob("*")}, "those of later runs are kept"
    assert project.executed(*words, "n=2") == ["first", "second"], "what the records do not know is done again"


def test_records_that_are_replaced_by_a_copy_stop_whoever_has_the_old_ones_open(project, tmp_path):
    project.write(main=STEPS)
    words = ("main.py", "-p", f"marks={tmp_path}", "-p")
    (tmp_path / "go-0").touch()
    project.run(*words, "n=0")
    project("workspace", "backup", str(tmp_path / "kept"))
    zombie = project.start("run", "--json", *words, "n=1")
    wait_for((tmp_path / "begun-1").exists)
    os.replace(tmp_path / "kept", project.home / "records.db")
    (tmp_path / "go-1").touch()
    out, err = zombie.communicate(timeout=60)
    assert zombie.returncode == 1
    assert "were moved or replaced meanwhile" in out + err
    assert not alive(zombie.pid)
    assert project.run(*words, "n=1")["outputs"] == {"output": 5001}
    assert project("fsck").out == "no faults\n"
