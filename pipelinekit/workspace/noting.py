"""Changes of whoever has the workspace folder, in the audit log: noted where the records are written.

A server notes itself what requests change, and who asked. Here something stands before the records of a noun: what
changes them is carried out in one transaction with the row that tells of it. What runs change does not come this way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from pipelinekit.classes import frozen
from pipelinekit.domain.computes import Attached
from pipelinekit.domain.pipeline_endpoints import EndpointStatus, PipelineEndpoint
from pipelinekit.domain.published_pipelines import PublishedPipeline, PublishedStatus
from pipelinekit.domain.queueing import limited
from pipelinekit.domain.schedules import MANUAL, Schedule, ScheduleState
from pipelinekit.errors import NotFoundError
from pipelinekit.workspace.audit import AuditLog

Row = tuple[str, str]  # an action, and the name of its object


@frozen
class Change:
    """A change of records: what was found before, what it was given, and what came of it."""

    before: Any
    given: Sequence[Any]
    more: Mapping[str, Any]
    result: Any


@frozen
class Word:
    """How a change is told; `before` finds what there was."""

    told: Callable[[Change], Sequence[Row]]
    before: Callable[..., Any] = lambda *_: None


class NotedRecords:
    """Records whose changes are noted; everything else is theirs."""

    def __init__(
        self,
        records: Any,
        words: Mapping[str, Word],
        audit: Callable[[], AuditLog],
        batch: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._records = records
        self._words = words
        self._audit = audit
        self._batch = batch

    def __getattr__(self, name: str) -> Any:
        act = getattr(self._records, name)
        return partial(self._noted, act, self._words[name]) if name in self._words else act

    def _noted(self, act: Callable[..., Any], word: Word, *given: Any, **more: Any) -> Any:
        with self._batch():
            before = word.before(self._records, *given)
            result = act(*given, **more)
            for action, name in word.told(Change(before, given, more, result)):
                self._audit().note(action, name)
        return result


def _always(action: str, name: Callable[[Change], str]) -> Word:
    return Word(lambda change: [(action, name(change))])


def _found(records: Any, name: str, *_: Any) -> Any:
    """What has this name; None where nothing has."""
    try:
        return records.get(name)
    except NotFoundError:
        return None


def _first(change: Change) -> str:
    return str(change.given[0])


def _pipeline_rows(change: Change) -> Sequence[Row]:
    before: PublishedPipeline = change.before
    after: PublishedPipeline = change.result
    if before.status is after.status:
        return [("pipelines.describe", after.id)]
    return [(f"pipelines.{'enable' if after.status is PublishedStatus.ACTIVE else 'disable'}", after.id)]


_STATUSES = {
    EndpointStatus.ACTIVE: "enable",
    EndpointStatus.DISABLED: "disable",
    EndpointStatus.ARCHIVED: "archive",
}


def _endpoint_rows(change: Change) -> Sequence[Row]:
    before: PipelineEndpoint = change.before
    after: PipelineEndpoint = change.result
    verb = "change"
    if len(after.versions) > len(before.versions):
        verb = "add-version"
    elif after.status is not before.status:
        verb = "reactivate" if before.status is EndpointStatus.ARCHIVED else _STATUSES[after.status]
    return [(f"pipeline-endpoints.{verb}", after.name)]


_STATES = {ScheduleState.ACTIVE: "enable", ScheduleState.DISABLED: "disable", ScheduleState.DELETED: "delete"}


def _schedule_rows(change: Change) -> Sequence[Row]:
    before: Schedule | None = change.before
    after: Schedule | None = change.result
    if after is None or before is None:
        return []  # somebody else came first: it is tried again
    if change.more.get("backfills"):
        verb = "backfill"
    elif any(tick.origin == MANUAL for tick in change.more.get("ticks", ())):
        verb = "run-now"
    else:
        verb = _STATES[after.state] if after.state is not before.state else "replace"
    return [(f"schedules.{verb}", after.name)]


def _dataset_rows(change: Change) -> Sequence[Row]:
    """None where somebody looked at a table, whose profile was made for that."""
    is_looked_at = change.before.profile is None and change.given[0].profile is not None
    return [] if is_looked_at else [("datasets.update", change.given[0].label)]


def _label(mark: str, name: str, version: int = 0) -> str:
    return f"{name}{mark}{version}" if version else name


def _compute(verb: str) -> Word:
    return _always(f"computes.{verb}", lambda change: str(getattr(change.given[0], "name", change.given[0])))


def _experiment(verb: str) -> Word:
    return _always(f"experiments.{verb}", _first)


_TAG = Word(lambda change: [("runs.tag", _first(change))] if change.given[1] else [])

WORDS: Mapping[str, Mapping[str, Word]] = {
    "runs": {
        "request_cancel": Word(
            lambda change: [("runs.cancel", change.result.id)] if change.before != change.result.status else [],
            lambda records, run: records.get(run).status,
        ),
    },
    "facts": {
        "set_tags": _TAG,
        "remove_tags": _TAG,
        "add_properties": _always("runs.add-properties", _first),
        "put_file": _always("runs.keep-file", _first),
        "rename": _always("runs.describe", _first),
    },
    "upkeep": {
        "pin": Word(lambda change: [(f"runs.{'pin' if change.more['pinned'] else 'unpin'}", _first(change))]),
    },
    "pipelines": {
        "add": _always("pipelines.publish", lambda change: change.given[0].id),
        "change": Word(_pipeline_rows, _found),
        "remove": Word(lambda change: [("pipelines.delete", change.before.id)], _found),
    },
    "pipeline-endpoints": {
        "add": _always("pipeline-endpoints.create", lambda change: change.given[0].name),
        "change": Word(_endpoint_rows, _found),
        "remove": Word(lambda change: [("pipeline-endpoints.delete", change.before.name)], _found),
    },
    "pipeline-drafts": {
        "add": _always("pipeline-drafts.create", lambda change: change.given[0].id),
        "replace": Word(lambda change: [("pipeline-drafts.change", change.given[0].id)] if change.result else []),
        "remove": _always("pipeline-drafts.delete", _first),
    },
    "schedules": {
        "add": _always("schedules.create", lambda change: change.given[0].name),
        "change": Word(_schedule_rows, lambda records, schedule: _found(records, schedule.id)),
    },
    "datasets": {
        "add": _always("datasets.register", lambda change: change.result.label),
        "update": Word(_dataset_rows, lambda records, version: records.get(version.name, version.version)),
        "remove": _always("datasets.unregister", lambda change: _label("@", *change.given)),
    },
    "datastores": {
        "put": _always("datastores.register", lambda change: change.given[0].name),
        "remove": _always("datastores.unregister", _first),
        "set_default": _always("datastores.set-default", _first),
    },
    "environments": {
        "register": _always("environments.register", lambda change: change.result.label),
        "delete": _always("environments.delete", lambda change: _label(":", *change.given)),
    },
    "computes": {
        "add": Word(
            lambda change: [
                (
                    f"computes.{'attach' if isinstance(change.given[0].definition, Attached) else 'create'}",
                    change.given[0].name,
                )
            ]
        ),
        "replace": _compute("update"),
        "remove": Word(
            lambda change: [
                (
                    f"computes.{'detach' if isinstance(change.before.definition, Attached) else 'delete'}",
                    change.before.name,
                )
            ],
            _found,
        ),
    },
    "run-limits": {
        "set": Word(
            lambda change: [] if change.before == change.given[2] else [("computes.limit", str(change.given[1]))],
            lambda records, kind, name, _: records.all().get(limited(kind, name), 0),
        ),
    },
    "secrets": {
        "put": _always("secrets.set", _first),
        "delete": _always("secrets.delete", _first),
    },
    "experiments": {
        "make": Word(
            lambda change: [] if change.before is not None else [("experiments.make", change.result.name)], _found
        ),
        "archive": Word(
            lambda change: [(f"experiments.{'archive' if change.more['archived'] else 'reactivate'}", _first(change))]
        ),
        "describe": _experiment("change"),
        "limit": _experiment("limit"),
        "set_tags": _experiment("change"),
        "remove_tags": _experiment("change"),
        "delete": _experiment("delete"),
    },
}
