"""Reuse in a workspace: what it saved, by run and by week, and why steps ran."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from fnmatch import fnmatchcase

from pipelinekit.classes import frozen, mutable
from pipelinekit.domain.accounting import Kept, StepUse
from pipelinekit.domain.runs import StepStatus


@mutable
class Account:
    """Steps and seconds of one run, or of one week: `saved` by reuse, `spent` on executions."""

    name: str
    pipeline: str = ""
    reused: int = 0
    executed: int = 0
    saved: float = 0.0
    spent: float = 0.0

    def add(self, use: StepUse) -> None:
        """Count a step run."""
        if use.status is StepStatus.REUSED:
            self.reused += 1
            self.saved += use.seconds
        else:
            self.executed += 1
            self.spent += use.seconds


@mutable
class Cause:
    """Why steps ran: how many did for this cause, and the seconds that they took.

    A step that ran for several causes counts for each; its seconds are divided among them.
    """

    cause: str
    steps: int = 0
    seconds: float = 0.0


@frozen
class ReuseStatistics:
    """Accounts of runs, newest first, of weeks by their Monday, oldest first, and causes, the dearest first."""

    total: Account
    runs: tuple[Account, ...]
    weeks: tuple[Account, ...]
    causes: tuple[Cause, ...]


def statistics(uses: Iterable[StepUse]) -> ReuseStatistics:
    """What reuse saved, and why steps ran. Weeks begin on Monday by the local clock; empty ones between are told."""
    total = Account("total")
    runs: dict[str, Account] = {}
    weeks: dict[datetime.date, Account] = {}
    causes: dict[str, Cause] = {}
    for use in uses:
        monday = _monday(use.created_at)
        total.add(use)
        runs.setdefault(use.run, Account(use.run, use.pipeline)).add(use)
        weeks.setdefault(monday, Account(monday.isoformat())).add(use)
        for cause in use.causes:
            found = causes.setdefault(cause, Cause(cause))
            found.steps += 1
            found.seconds += use.seconds / len(use.causes)
    ranked = sorted(causes.values(), key=lambda item: (-item.seconds, -item.steps, item.cause))
    newest = sorted(runs.values(), key=lambda item: item.name, reverse=True)
    return ReuseStatistics(total, tuple(newest), tuple(_without_gaps(weeks)), tuple(ranked))


def _monday(at: float) -> datetime.date:
    day = datetime.datetime.fromtimestamp(at).date()
    return day - datetime.timedelta(days=day.weekday())


def _without_gaps(weeks: dict[datetime.date, Account]) -> Iterable[Account]:
    if not weeks:
        return
    monday, last = min(weeks), max(weeks)
    while monday <= last:
        yield weeks.get(monday) or Account(monday.isoformat())
        monday += datetime.timedelta(days=7)


@frozen
class Criteria:
    """Which results are meant: all that fit every criterion given.

    `step` and `pipeline` are patterns of names (elements of a mapped step fit by its name too), `run` is the run that
    made them, `before` a time (seconds since 1970, UTC) that they are older than, `cause` why their step ran.
    """

    step: str = ""
    pipeline: str = ""
    run: str = ""
    before: float = 0.0
    cause: str = ""

    def fit(self, kept: Kept) -> bool:
        """Whether a result is meant."""
        names = (kept.step, kept.step.rpartition("[")[0])
        return (
            (not self.step or any(fnmatchcase(name, self.step) for name in names))
            and (not self.pipeline or fnmatchcase(kept.pipeline, self.pipeline))
            and self.run in ("", kept.run)
            and (not self.before or kept.created_at < self.before)
            and (not self.cause or self.cause in kept.causes)
        )
