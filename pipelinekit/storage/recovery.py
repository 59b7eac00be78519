"""What becomes of runs that nobody drives: those of dead drivers, and those that were queued and never taken."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.domain.runs import Failure, RunStatus
from pipelinekit.domain.texts import seconds_text
from pipelinekit.ports import Clock
from pipelinekit.storage.database import Database, Row
from pipelinekit.storage.leases import is_held
from pipelinekit.storage.queueing import TOLD_SECONDS, WAITING, limits_of, longest_wait, turns_of, waits
from pipelinekit.storage.runs import CANCELED_NOTE, LOST_NOTE, tell_of_run
from pipelinekit.wire.runs import failure_to_json
from pipelinekit.wire.values import dumps

MOST_FRUITLESS = 3  # drivers in a row that a run may lose without one accepted result
DIED = "the process that drove this run died"
DIED_WAITING = "the process that was to drive this run died while it waited for its turn"
AGAIN = "run the pipeline again: what was finished is reused"
ENDED_AT_ONCE = 2  # runs that only end, where there is no room for others
_ALL = 1 << 62


def recover(database: Database, clock: Clock, patience: float, most: int | None, *, ends: bool) -> Sequence[str]:
    """End or queue again what dead drivers left; the runs that wait for a driver, each told to one caller only."""
    with database.transaction():
        database.lock()
        for row in _lost(database, clock):
            if _is_overdue(row, clock):
                _end_overdue(database, clock, row)
            elif row["detached"] and row["status"] in WAITING and not row["cancel_requested"]:
                database.write("leave_place", (row["id"], row["owner"]))
            elif _goes_on(database, row):
                _queue_again(database, clock, row)
            else:
                _end_lost(database, clock, row)
        told = _due(database, clock, patience, most, ends=ends)
        database.write_many("offer_run", [(clock.now(), run) for run in told])
    return told


def has_unattended(database: Database, clock: Clock, patience: float, most: int | None, *, ends: bool) -> bool:
    """Whether there is something to do about open runs; runs that wait are none where none is to be told."""
    return bool(_lost(database, clock)) or bool(_due(database, clock, patience, 0 if most == 0 else 1, ends=ends))


def _lost(database: Database, clock: Clock) -> list[Row]:
    """Of the open runs those whose driver is dead, and those that have waited for their turn longer than they may."""
    rows = database.read("perhaps_lost_runs")
    return [row for row in rows if _is_overdue(row, clock) or (row["owner"] and not is_held(database, row))]


def _goes_on(database: Database, row: Row) -> bool:
    """Whether another driver takes the run up; one that is to be canceled while something of it may be at work."""
    if not row["detached"] or row["fruitless"] >= MOST_FRUITLESS:
        return False
    if row["cancel_requested"]:
        return bool(database.read("has_begun_steps", (row["id"],)))
    return bool(row["status"] == RunStatus.RUNNING)


def _is_overdue(row: Row, clock: Clock) -> bool:
    longest = longest_wait(row)
    return longest > 0 and clock.now() - row["created_at"] >= longest  # a clock that was set back cancels nothing


def _due(database: Database, clock: Clock, patience: float, most: int | None, *, ends: bool) -> list[str]:
    """Detached runs that have waited longer than `patience`, and may go, in their turn; at most `most`.

    Before them come those that are to be canceled once a driver has ended what is at work; see `DriverRecords.recover`.
    Thousands may wait: they are only gone through one by one where limits hold some of them back.
    """
    if most == 0 and not ends:
        return []
    now = clock.now()
    limits = limits_of(database)
    wanted = _ALL if limits or most is None else most + ENDED_AT_ONCE
    due = {row["id"]: row["status"] for row in database.read("due_runs", (now, TOLD_SECONDS, now, patience, wanted))}
    ending = [run for run, status in due.items() if status not in WAITING]
    waiting = [run for run, status in due.items() if status in WAITING]
    if waiting and limits:
        waiting = [run for run in turns_of(database.read("open_runs"), limits, now) if run in due]
    if most is None:
        return [*ending, *waiting]
    return [*ending, *waiting][:most] or (ending[:ENDED_AT_ONCE] if ends else [])


def _queue_again(database: Database, clock: Clock, row: Row) -> None:
    if not row["cancel_requested"]:
        _tell(database, clock, row, RunStatus.QUEUED)
    database.write("queue_lost_run", (row["id"], row["epoch"]))
    database.write("drop_claims_of_run", (row["id"],))


def _end_lost(database: Database, clock: Clock, row: Row) -> None:
    """A run that was to be canceled is; another has failed."""
    if row["cancel_requested"]:
        _end(database, clock, row, RunStatus.CANCELED, None)
        return
    times = f", and so did {row['fruitless'] - 1} before it" if row["detached"] else ""
    words = DIED_WAITING if row["status"] in WAITING else f"{DIED}{times}"
    _end(database, clock, row, RunStatus.FAILED, Failure("lost", words, hint=AGAIN))


def _end_overdue(database: Database, clock: Clock, row: Row) -> None:
    """A run that has waited as long as it may is canceled, and says what it waited for."""
    why = waits(database, clock).get(row["id"], "no driver has taken it")
    words = f"the run had waited {seconds_text(longest_wait(row))} for its turn, as long as it may: {why}"
    _end(database, clock, row, RunStatus.CANCELED, Failure("timeout", words))


def _end(database: Database, clock: Clock, row: Row, status: RunStatus, failure: Failure | None) -> None:
    now, note = clock.now(), CANCELED_NOTE if row["cancel_requested"] else LOST_NOTE
    ended = [[step["step"], "Canceled"] for step in database.write_returning("end_lost_steps", (now, note, row["id"]))]
    _tell(database, clock, row, status, ended)
    text = dumps(failure_to_json(failure)) if failure else None
    database.write("end_lost_run", (str(status), text, now, row["id"], row["epoch"]))
    database.write("drop_claims_of_run", (row["id"],))
    database.write("count_ended_run", (row["id"],) * 2)
    tell_of_run(database, row["id"], now)


def _tell(database: Database, clock: Clock, row: Row, status: RunStatus, steps: Sequence[Sequence[str]] = ()) -> None:
    body = {"status": str(status), **({"steps": steps} if steps else {})}
    for counted in database.write_returning("count_event", (row["id"], row["epoch"])):
        database.write("add_event", (row["id"], counted["events"], clock.now(), dumps(body)))
