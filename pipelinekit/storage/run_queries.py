"""Run queries as SQL: a source that an index gives in the order of the list, and the other conditions on each run.

A list over a million runs reads little more than the page that it shows. Where few runs fulfil one of the conditions,
it begins with those (`storage.few_runs`); else the index of a tag, of a parameter, or of what it is sorted by is
walked, or the runs themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pipelinekit.domain.run_queries import COMPARISONS, METRIC, PARAMETER, Condition, RunQuery
from pipelinekit.domain.runs import CHILD, RunRecord
from pipelinekit.storage.database import SQL_FOLDER, Database, read_queries
from pipelinekit.storage.few_runs import BAD_ENDS, FEW, few_runs, id_bounds, status_list
from pipelinekit.storage.runs import run_record
from pipelinekit.wire.values import dumps


@cache
def _pieces() -> Mapping[str, str]:
    """The pieces that statements are put together of, by name."""
    return read_queries(SQL_FOLDER / "pieces")


class SQLRunQueries:
    """Implements `ports.RunQueries` on a database. `few` are so many that they are sorted rather than walked."""

    def __init__(self, database: Database, few: int = FEW) -> None:
        self._database = database
        self._few = few

    def find(self, query: RunQuery) -> Sequence[RunRecord]:
        """The runs that a query asks for."""
        return find_runs(self._database, query, self._few)


class _Select:
    """A statement in the making."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.parameters: list[Any] = []

    def add(self, text: str, *parameters: Any) -> None:
        """Add a piece with its parameters."""
        self.texts.append(text)
        self.parameters += parameters

    def named(self, name: str, *parameters: Any, op: str = "") -> None:
        """Add a condition that has a name."""
        self.add("and " + _pieces()[name].replace("{op}", op), *parameters)


def find_runs(database: Database, query: RunQuery, most: int = FEW) -> Sequence[RunRecord]:
    """The runs that a query asks for."""
    select, key = _Select(), "runs.id"
    marks = {"tag": dict(query.tags), "property": dict(query.properties)}
    conditions = list(query.conditions)
    few = few_runs(database, query, _pieces(), most)
    if few is not None:
        of, name = query.sort
        source = _pieces()[f"runs_of_few_by_{of}" if of else "runs_of_few"].replace("{told}", few.text)
        select.add(source, *few.parameters, *([name] if of else ()))
        key = "chosen.number" if of else key
    elif query.sort[0]:
        source = "runs_sorted_by_metric" if query.sort[0] == METRIC else "runs_sorted_by_parameter"
        select.add(_pieces()[source], query.sort[1])
        key = "chosen.number"
    elif of := next((of for of in marks if marks[of]), ""):
        wanted = marks[of]
        name = next((name for name, value in wanted.items() if value is not None), next(iter(wanted)))
        value = wanted.pop(name)
        if value is None:
            select.add(_pieces()[f"runs_by_{of}_key"], name)
        else:
            select.add(_pieces()[f"runs_by_{of}"], name, value)
    elif equal := next((item for item in conditions if item.of == PARAMETER and item.op == "="), None):
        conditions.remove(equal)
        select.add(_pieces()[f"runs_by_parameter_{_kind(equal)}"], equal.name, equal.value)
    else:
        select.add(_pieces()["runs_by_time"])
    _add_conditions(select, query, marks, conditions)
    _add_order(select, query, key, "chosen.run" if "chosen" in select.texts[0] else "runs.id")
    return [run_record(row) for row in database.select(" ".join(select.texts), select.parameters)]


def _add_conditions(
    select: _Select, query: RunQuery, marks: dict[str, dict[str, str | None]], conditions: Sequence[Condition]
) -> None:
    for column in ("experiment", "pipeline", "kind"):
        if value := getattr(query, column):
            select.add(f"and runs.{column} = ?", value)
    if query.statuses:
        select.add(f"and runs.status in ({status_list(query)})")
        if BAD_ENDS.issuperset(query.statuses):
            select.named("ended_badly")  # as it stands in the index of such runs, so that it is found
    if not query.children and not query.kind:
        select.add("and runs.kind <> ?", CHILD)
    for limit, comparison in zip(id_bounds(query), (">=", "<"), strict=True):
        if limit:
            select.add(f"and runs.id {comparison} ?", limit)  # roughly, but by the order that runs lie in
    if query.since is not None:
        select.add("and runs.created_at >= ?", query.since)
    if query.until is not None:
        select.add("and runs.created_at < ?", query.until)
    for of, wanted in marks.items():
        for key, value in wanted.items():
            if value is None:
                select.named(f"has_{of}", key)
            else:
                select.named(f"has_{of}_value", key, value)
    for item in conditions:
        value = dumps(item.value) if item.of == METRIC and isinstance(item.value, str) else item.value
        select.named(f"has_{item.of}_{_kind(item)}", item.name, value, op=_op(item))
        if (item.of, item.name) == query.sort and isinstance(value, float):
            select.add(f"and chosen.number {_op(item)} ?", value)  # so that the walk begins there


def _add_order(select: _Select, query: RunQuery, key: str, run: str) -> None:
    """Sort, and go on behind the run that the page before ended with."""
    direction, beyond = ("asc", ">") if query.ascending else ("desc", "<")
    if query.after and key == "runs.id":
        select.add(f"and {run} {beyond} ?", query.after)
    elif query.after:
        number = _pieces()["number_of_metric" if query.sort[0] == METRIC else "number_of_parameter"]
        select.add(f"and ({key}, {run}) {beyond} (({number}), ?)", query.after, query.sort[1], query.after)
    order = f"{run} {direction}" if key == "runs.id" else f"{key} {direction}, {run} {direction}"
    select.add(f"order by {order} limit ?", query.limit)


def _op(condition: Condition) -> str:
    """The comparison as SQL writes it; never a text that somebody has given."""
    return COMPARISONS[COMPARISONS.index(condition.op)].replace("!=", "<>")


def _kind(condition: Condition) -> str:
    return "number" if isinstance(condition.value, float) else "text"
