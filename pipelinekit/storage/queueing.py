"""Which of the open runs may go, as the database tells; and the limits that hold runs back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from pipelinekit.domain.queueing import Limits, OpenRun, check_limit, limited
from pipelinekit.domain.runs import PIPELINE, RunStatus
from pipelinekit.engine.queueing import held_back, in_turn
from pipelinekit.ports import Clock
from pipelinekit.storage.database import Database, Row
from pipelinekit.wire.values import loads

TOLD_SECONDS = 30.0  # for so long a run counts as under way that was told to somebody who is to drive it
WAITING = (RunStatus.NOT_STARTED, RunStatus.QUEUED)


class SQLRunLimits:
    """Implements `ports.queueing.RunLimits` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, kind: str, name: str, most: int) -> None:
        """Limit how many runs of a kind and name are under way at once; 0 for no limit."""
        check_limit(most)
        if most:
            self._database.write("put_run_limit", (*limited(kind, name), most))
        else:
            self._database.write("drop_run_limit", limited(kind, name))

    def all(self) -> Limits:
        """All limits."""
        return limits_of(self._database)


def limits_of(database: Database) -> Limits:
    """The limits that there are."""
    return {(row["kind"], row["name"]): row["most"] for row in database.read("run_limits")}


def turns_of(rows: Sequence[Row], limits: Limits, now: float) -> list[str]:
    """Those of all open runs that wait and may go, in their turn."""
    return in_turn(_line(rows, limits, now), limits)


def waits(database: Database, clock: Clock, run: str = "") -> Mapping[str, str]:
    """Why runs wait that limits hold back, and those whose steps can begin nowhere; `run` counts as queued, too."""
    told = {row["id"]: row["waits_for"] for row in database.read("runs_that_wait") if row["id"] != run}
    if not (limits := limits_of(database)):
        return told
    return {**told, **held_back(_line(database.read("open_runs"), limits, clock.now(), run), limits)}


def under_way(database: Database, clock: Clock) -> int:
    """How many runs are driven, or were given to a driver just now."""
    now = clock.now()
    return sum(_is_under_way(row, now) for row in database.read("open_runs"))


def longest_wait(row: Row) -> float:
    """Seconds that a run which nobody has taken yet may wait; 0 for any time."""
    if row["status"] not in WAITING or row["started_at"] is not None or '"max_queue_seconds"' not in row["options"]:
        return 0.0
    return float(loads(row["options"])["max_queue_seconds"])


def passed(now: float, since: float, seconds: float) -> bool:
    """Whether so much time has passed; a clock that was set back by as much is not waited for."""
    return abs(now - since) >= seconds


def _line(rows: Sequence[Row], limits: Limits, now: float, asked: str = "") -> list[OpenRun]:
    """The open runs of pipelines, but those that only end; options are only read where they matter."""
    return [
        OpenRun(row["id"], row["experiment"], *_options(row, limits), row["id"] != asked and _is_under_way(row, now))
        for row in rows
        if row["kind"] == PIPELINE and (row["owner"] or row["status"] != RunStatus.CANCEL_REQUESTED)
    ]


def _options(row: Row, limits: Limits) -> tuple[str, int]:
    if not limits and '"priority"' not in row["options"]:
        return "", 0
    return _parsed(row["options"])


@lru_cache(maxsize=1024)
def _parsed(text: str) -> tuple[str, int]:
    """Compute target and priority from options, which many runs have alike, and a server looks at all the time."""
    options = loads(text)
    return options["compute"], options.get("priority", 0)


def _is_under_way(row: Row, now: float) -> bool:
    if row["status"] not in WAITING and row["owner"]:
        return True
    return not row["owner"] and bool(row["renewed_at"]) and not passed(now, row["renewed_at"], TOLD_SECONDS)
