"""What becomes of runs that nobody drives: those of dead drivers, and those that were queued and never taken."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.domain.runs import Failure, RunStatus
from pipelinekit.ports import Clock
from pipelinekit.storage.database import Database, Row
from pipelinekit.storage.leases import is_held
from pipelinekit.storage.runs import tell_of_run
from pipelinekit.wire.runs import failure_to_json
from pipelinekit.wire.values import dumps

AGAIN_SECONDS = 30.0  # a run is told once more when nobody has taken it for so long since it was told
MOST_FRUITLESS = 3  # drivers in a row that a run may lose without one accepted result
DIED = "the process that drove this run died"
AGAIN = "run the pipeline again: what was finished is reused"


def recover(database: Database, clock: Clock, patience: float, most: int | None) -> Sequence[str]:
    """End or queue again what dead drivers left; the runs that wait for a driver, each told to one caller only."""
    waiting = []
    with database.transaction():
        database.lock()
        rows = database.read("open_runs")
        for row in unattended(database, rows, clock, patience):  # another may have been quicker, or a driver be back
            if not row["owner"]:
                waiting.append(row["id"])
            elif row["status"] == RunStatus.RUNNING and row["detached"] and row["fruitless"] < MOST_FRUITLESS:
                _queue_again(database, clock, row)
                waiting.append(row["id"])
            else:
                _end(database, clock, row)
        told = sorted(waiting)[:most]
        database.write_many("offer_run", [(clock.now(), run) for run in told])
    return told


def has_unattended(database: Database, rows: Sequence[Row], clock: Clock, patience: float, most: int | None) -> bool:
    """Whether there is something to do about these open runs; runs that wait are none where none is to be told."""
    return any(row["owner"] or most != 0 for row in unattended(database, rows, clock, patience))


def unattended(database: Database, rows: Sequence[Row], clock: Clock, patience: float) -> Sequence[Row]:
    """Of these open runs those whose driver is dead, and detached ones that have waited longer than `patience`."""
    now = clock.now()
    return [row for row in rows if (_waits(row, now, patience) if not row["owner"] else not is_held(database, row))]


def _waits(row: Row, now: float, patience: float) -> bool:
    told = row["renewed_at"]
    waits = _passed(now, told, AGAIN_SECONDS) if told else row["epoch"] > 0 or _passed(now, row["created_at"], patience)
    return bool(row["detached"]) and waits


def _passed(now: float, since: float, seconds: float) -> bool:
    """Whether so much time has passed; a clock that was set back by as much is not waited for."""
    return abs(now - since) >= seconds


def _queue_again(database: Database, clock: Clock, row: Row) -> None:
    _tell(database, clock, row, RunStatus.QUEUED)
    database.write("queue_lost_run", (row["id"], row["epoch"]))
    database.write("drop_claims_of_run", (row["id"],))


def _end(database: Database, clock: Clock, row: Row) -> None:
    """A run that was to be canceled is; another has failed."""
    status, failure = RunStatus.CANCELED, None
    if not row["cancel_requested"]:
        times = f", and so did {row['fruitless'] - 1} before it" if row["detached"] else ""
        status, failure = RunStatus.FAILED, Failure("lost", f"{DIED}{times}", hint=AGAIN)
    now = clock.now()
    ended = [[step["step"], "Canceled"] for step in database.write_returning("end_lost_steps", (now, row["id"]))]
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
