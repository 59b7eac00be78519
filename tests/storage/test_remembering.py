"""What a transaction has read is asked for once, for as long as it has not written to a table that it came from."""

import pytest

from pipelinekit.storage.remembering import MOST_ROWS, Remembered

READ = "select * from pipeline_endpoints join endpoint_versions using (id) where name = %s"
ROWS = [{"id": "a"}]


def filled():
    remembered = Remembered()
    remembered.note(READ, ["a"], ROWS)
    return remembered


def test_what_was_read_is_found_by_statement_and_parameters():
    remembered = filled()
    assert remembered.find(READ, ["a"]) == ROWS
    assert remembered.find(READ, ["b"]) is None
    assert remembered.find(READ + " limit 1", ["a"]) is None


@pytest.mark.parametrize(
    "statement",
    [
        "insert into endpoint_versions (id) values (%s)",
        "update pipeline_endpoints set name = %s",
        "delete from endpoint_versions",
        "insert into runs (id) select id from pipeline_endpoints",
        "select * from pipeline_endpoints for update",
    ],
)
def test_what_a_statement_may_have_changed_is_forgotten(statement):
    remembered = filled()
    remembered.note(statement, [], [])
    assert remembered.find(READ, ["a"]) is None
    remembered = filled()
    remembered.forget(statement)
    assert remembered.find(READ, ["a"]) is None


def test_what_is_written_elsewhere_changes_nothing():
    remembered = filled()
    remembered.note("insert into audit (number) values (%s)", [1], [])
    assert remembered.find(READ, ["a"]) == ROWS


@pytest.mark.parametrize(
    "statement",
    [
        "select * from runs for update",
        "insert into runs (id) values (1) returning id",
        "select pg_try_advisory_lock(1) as granted from runs",
        "select clock_timestamp() as now from runs",
        "with gone as (delete from runs returning id) select * from gone",
    ],
)
def test_what_does_something_or_gives_another_answer_each_time_is_not_kept(statement):
    remembered = Remembered()
    remembered.note(statement, [], ROWS)
    assert remembered.find(statement, []) is None


def test_long_answers_are_not_kept():
    remembered = Remembered()
    remembered.note("select * from runs", [], ROWS * (MOST_ROWS + 1))
    assert remembered.find("select * from runs", []) is None


def test_nothing_is_kept_beyond_the_end():
    remembered = filled()
    remembered.clear()
    assert remembered.find(READ, ["a"]) is None
