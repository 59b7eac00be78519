"""Schedules that a server has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pipelinekit.client.connection import Connection, quoted
from pipelinekit.domain.data_changes import DataChange
from pipelinekit.domain.schedules import (
    Backfill,
    Cron,
    Disposition,
    Policies,
    Recurrence,
    Schedule,
    ScheduleState,
    Tick,
    TickRange,
)
from pipelinekit.engine.recurrence import Preview
from pipelinekit.errors import ScheduleError
from pipelinekit.wire.schedules import (
    backfill_from_document,
    new_document,
    range_from_document,
    schedule_from_document,
    tick_from_document,
)

Moment = float | str | datetime
PREVIEWED = 20


class RemoteSchedule:
    """A schedule of the workspace."""

    def __init__(self, record: Schedule, schedules: RemoteSchedules) -> None:
        self.record = record
        self._schedules = schedules

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def id(self) -> str:
        """Its id, which no other schedule ever had."""
        return self.record.id

    @property
    def state(self) -> ScheduleState:
        """Whether instants come due."""
        return self.record.state

    def preview(self, count: int = PREVIEWED) -> Sequence[Preview]:
        """The next instants; see `RemoteSchedules.preview`."""
        return self._schedules.preview(self.id, count)

    def history(self, most: int = 100) -> tuple[Sequence[Tick], Sequence[TickRange]]:
        """What became of its instants; see `RemoteSchedules.history`."""
        return self._schedules.history(self.id, most)

    def runs(self, most: int = 100) -> list[str]:
        """Ids of the runs that it started, the newest first."""
        ticks, _ = self.history(most)
        return [tick.run for tick in ticks if tick.disposition is Disposition.FIRED]

    def pending(self) -> Sequence[Tick]:
        """Its ticks that have not started, the earliest first."""
        return self._schedules.pending(self.id)

    def enable(self, *, replay: bool = False) -> RemoteSchedule:
        """See `RemoteSchedules.enable`."""
        return self._schedules.enable(self.id, replay=replay)

    def disable(self) -> RemoteSchedule:
        """See `RemoteSchedules.disable`."""
        return self._schedules.disable(self.id)

    def update(self, **changes: Any) -> RemoteSchedule:
        """See `RemoteSchedules.update`."""
        return self._schedules.update(self.id, **changes)

    def run_now(self) -> Tick:
        """See `RemoteSchedules.run_now`."""
        return self._schedules.run_now(self.id)

    def backfill(self, since: Moment, until: Moment, *, missing_only: bool = True, at_once: int = 1) -> Backfill:
        """See `RemoteSchedules.backfill`."""
        return self._schedules.backfill(self.id, since, until, missing_only=missing_only, at_once=at_once)

    def delete(self) -> None:
        """See `RemoteSchedules.delete`."""
        self._schedules.delete(self.id)

    def __repr__(self) -> str:
        return f"<schedule {self.name!r}, {self.state}>"


class RemoteSchedules:
    """The schedules of a workspace. Names and ids are taken alike; deleted ones are found by id only."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self,
        name: str,
        trigger: str | Cron | Recurrence | DataChange,
        *,
        experiment: str,
        endpoint: str = "",
        pipeline: str = "",
        zone: str = "UTC",
        start: Moment | None = None,
        end: Moment | None = None,
        policies: Policies | None = None,
        parameters: Mapping[str, Any] | None = None,
        continue_on_step_failure: bool = False,
        notify: Sequence[str] = (),
        priority: int = 0,
        description: str = "",
        tags: Mapping[str, object] | None = None,
        enabled: bool = True,
    ) -> RemoteSchedule:
        """Make a schedule, which runs a pipeline endpoint or a published pipeline.

        Raises ScheduleError with all that is wrong, ConflictError where the name is taken.
        """
        given = {
            "name": name, "trigger": trigger, "endpoint": endpoint, "pipeline": pipeline, "experiment": experiment,
            "zone": zone, "start": start, "end": end, "policies": policies, "parameters": parameters,
            "continue_on_step_failure": continue_on_step_failure, "notify": notify, "description": description,
            "tags": tags, "enabled": enabled, "priority": priority,
        }  # fmt: skip
        return self._handle(self._connection.ask("POST", "/schedules", new_document(given)).document)

    def load(self, document: Mapping[str, Any], *, replace: bool = False) -> RemoteSchedule:
        """Make a schedule of a document, as `wire.schedule_files.read_schedule` finds it in a file.

        With `replace` a schedule of this name that is there becomes what the document says, and stays enabled or not.
        """
        body = {key: value for key, value in document.items() if key != "schema"}
        if "name" not in body:
            raise ScheduleError("a schedule needs a name", hint="give the document a field 'name'")
        name = str(body["name"])
        if replace and any(item.name.lower() == name.lower() for item in self.list()):
            body = {key: value for key, value in body.items() if key not in ("name", "enabled")}
            return self._handle(self._connection.ask("PUT", f"/schedules/{quoted(name)}", body).document)
        return self._handle(self._connection.ask("POST", "/schedules", body).document)

    def get(self, name: str) -> RemoteSchedule:
        """The schedule of this name or id. Raises NotFoundError."""
        return self._handle(self._connection.get(f"/schedules/{quoted(name)}"))

    def list(
        self, *, active_only: bool = False, endpoint: str = "", pipeline: str = "", deleted: bool = False
    ) -> Sequence[RemoteSchedule]:
        """Schedules by name; `endpoint` and `pipeline` ask for those that run one."""
        words = {"active": active_only, "endpoint": endpoint, "pipeline": pipeline, "deleted": deleted}
        return [self._handle(item) for item in self._connection.get("/schedules", **words)["schedules"]]

    def are_served(self) -> bool:
        """Whether some process makes runs of schedules now."""
        return bool(self._connection.get("/schedules", active=True)["served"])

    def update(self, name: str, **changes: Any) -> RemoteSchedule:
        """Change what is given; the names are those of `create`, and None leaves as it is, but for start and end."""
        record = self.get(name).record
        given = {key: value for key, value in changes.items() if value is not None or key in ("start", "end")}
        spec = record.spec
        words: dict[str, Any] = {field: getattr(spec, field) for field in spec.__match_args__ if field != "target"}
        words |= {"endpoint": spec.target.endpoint, "pipeline": spec.target.pipeline}
        if {"endpoint", "pipeline"} & given.keys():
            words |= {"endpoint": "", "pipeline": ""}
        body = new_document({**words, **given})
        return self._handle(self._connection.ask("PUT", f"/schedules/{quoted(record.id)}", body).document)

    def enable(self, name: str, *, replay: bool = False) -> RemoteSchedule:
        """Have instants come due again. What passed meanwhile is void, or with `replay` made up as the policy says."""
        path = f"/schedules/{quoted(name)}/enable"
        return self._handle(self._connection.ask("POST", path, query={"replay": replay}, again=True).document)

    def disable(self, name: str) -> RemoteSchedule:
        """Have no instants come due any more; what has not started is void. Runs that are open go on."""
        return self._handle(self._connection.ask("POST", f"/schedules/{quoted(name)}/disable", again=True).document)

    def delete(self, name: str) -> None:
        """Disable a schedule for good, and free its name; its history is kept under its id. Open runs go on."""
        self._connection.ask("DELETE", f"/schedules/{quoted(name)}")

    def preview(self, name: str, count: int = PREVIEWED) -> Sequence[Preview]:
        """The next instants, enabled or not, with what changes of clocks do to them."""
        found = self._connection.get(f"/schedules/{quoted(name)}/preview", count=count)["preview"]
        return [Preview(item["due"], item["shown"], item["note"]) for item in found]

    def history(self, name: str, most: int = 100) -> tuple[Sequence[Tick], Sequence[TickRange]]:
        """What became of its instants, the newest first: one by one, and where many have one disposition, in ranges."""
        found = self._connection.get(f"/schedules/{quoted(name)}/history", limit=most)
        schedule, entries = found["schedule"], found["history"]
        ticks = [tick_from_document(schedule, item) for item in entries if "due" in item]
        return ticks, [range_from_document(schedule, item) for item in entries if "due" not in item]

    def pending(self, name: str) -> Sequence[Tick]:
        """What has come due or was asked for, and has not started; the earliest first."""
        schedule = self.get(name).id
        found = self._connection.get(f"/schedules/{schedule}/pending")["ticks"]
        return [tick_from_document(schedule, item) for item in found]

    def run_now(self, name: str) -> Tick:
        """Have a run started as soon as the schedules are looked at, whatever is open, enabled or not; its tick."""
        made = self._connection.ask("POST", f"/schedules/{quoted(name)}/run-now").document
        return tick_from_document(made["schedule"], made)

    def backfill(
        self, name: str, since: Moment, until: Moment, *, missing_only: bool = True, at_once: int = 1
    ) -> Backfill:
        """Have runs started for instants of the past, both bounds included, `at_once` of them open at a time."""
        moments = [moment.isoformat() if isinstance(moment, datetime) else moment for moment in (since, until)]
        body = {"since": moments[0], "until": moments[1], "missing_only": missing_only, "at_once": at_once}
        made = self._connection.ask("POST", f"/schedules/{quoted(name)}/backfills", body).document
        return backfill_from_document(made["schedule"], made)

    def _handle(self, document: Mapping[str, Any]) -> RemoteSchedule:
        return RemoteSchedule(schedule_from_document(document), self)
