"""Whether few runs fulfil one of the conditions of a query: then a list begins with those, whatever it is sorted by.

What an index tells is counted, and no further than matters. Where nothing is rare, the list is walked in its own order,
and a page of it is full soon.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelinekit.classes import frozen
from pipelinekit.domain.names import run_id
from pipelinekit.domain.run_queries import METRIC, PARAMETER, Condition, RunQuery
from pipelinekit.domain.runs import RunStatus
from pipelinekit.storage.database import Database

FEW = 5000  # runs that are sorted faster than a million are looked through
AROUND_SECONDS = 3600.0  # an id tells the time of its run; who wrote both may have read the clock twice

BAD_ENDS = frozenset({RunStatus.FAILED, RunStatus.CANCELED})
OPEN = frozenset({RunStatus.NOT_STARTED, RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.CANCEL_REQUESTED})


@frozen
class Source:
    """A statement that gives the ids of runs, with its parameters."""

    text: str
    parameters: tuple[Any, ...] = ()


def few_runs(database: Database, query: RunQuery, pieces: Mapping[str, str], most: int) -> Source | None:
    """The runs that fulfil the rarest condition, if they are few: at most so many."""
    rarest, found = None, most + 1
    for source in _sources(query, pieces):
        text = pieces["how_many"].replace("{told}", source.text)
        count: int = database.select(text, (*source.parameters, found))[0]["found"]
        if count < found:
            rarest, found = source, count
    return rarest


def id_bounds(query: RunQuery) -> tuple[str, str]:
    """Ids between which the runs of a query's time lie; empty where it does not say."""
    since = "" if query.since is None else _id_at(query.since - AROUND_SECONDS)
    return since, "" if query.until is None else _id_at(query.until + AROUND_SECONDS)


def status_list(query: RunQuery) -> str:
    """The statuses of a query as SQL lists them: as text, because an index is made for some."""
    return ", ".join(f"'{status.value}'" for status in query.statuses)


def _id_at(seconds: float) -> str:
    return run_id(int(max(seconds, 0.0) * 1000), 0)


def _sources(query: RunQuery, pieces: Mapping[str, str]) -> Iterator[Source]:
    if query.statuses and OPEN.issuperset(query.statuses):
        yield Source(pieces["told_by_open"])
    elif query.statuses and BAD_ENDS.issuperset(query.statuses):
        yield Source(pieces["told_by_bad_end"].replace("{statuses}", status_list(query)))
    if query.experiment:
        yield Source(pieces["told_by_experiment"], (query.experiment,))
    if query.since is not None or query.until is not None:
        since, until = id_bounds(query)
        yield Source(pieces["told_by_time"], (since, until or "~"))
    for of, marks in (("tag", query.tags), ("property", query.properties)):
        for key, value in marks.items():
            if value is None:
                yield Source(pieces[f"told_by_{of}_key"], (key,))
            else:
                yield Source(pieces[f"told_by_{of}"], (key, value))
    for item in query.conditions:
        if name := _piece(item):
            yield Source(pieces[name].replace("{op}", item.op), (item.name, item.value))


def _piece(item: Condition) -> str:
    """The piece for a condition that an index can answer; the operator is one of `COMPARISONS`."""
    if isinstance(item.value, float) and item.op != "!=":
        return f"told_by_{METRIC if item.of == METRIC else PARAMETER}_number"
    return "told_by_parameter_text" if item.of == PARAMETER and item.op == "=" else ""
