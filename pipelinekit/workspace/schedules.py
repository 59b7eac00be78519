"""Schedules of a workspace: create, look, change, stop, run now, make up for the past."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from itertools import islice
from typing import Any

from pipelinekit.classes import frozen, replace
from pipelinekit.domain.data_changes import Cursor, DataChange
from pipelinekit.domain.names import check_name, run_id
from pipelinekit.domain.schedules import (
    MANUAL,
    MOST_BACKFILLED,
    Backfill,
    Cron,
    Disposition,
    Policies,
    Recurrence,
    Schedule,
    ScheduleSpec,
    ScheduleState,
    Target,
    Tick,
    TickRange,
    check_backfill,
)
from pipelinekit.engine.recurrence import Preview, Timetable, first_mark, rule_faults
from pipelinekit.engine.ticking import Plan, unaccounted
from pipelinekit.engine.walls import instant_of
from pipelinekit.errors import ConflictError, Fault, NotFoundError, ScheduleError, UsageError
from pipelinekit.ports import Clock
from pipelinekit.ports.schedules import ScheduleRecords, Zones
from pipelinekit.wire.schedules import spec_from_json
from pipelinekit.workspace.runs import checked_tags

Moment = float | str | datetime  # an instant in seconds since 1970, or what clocks of the schedule's zone show
CheckTarget = Callable[[ScheduleSpec], Sequence[Fault]]
PREVIEWED = 20
FIRST_YEAR, LAST_YEAR = 1900, 9000
YEAR_SECONDS = 365.2425 * 86400
TRIES = 20  # of a change, while others change the same schedule
RECENT = 20  # newest ticks, among which is the last that somebody asked for, if that was just now
GRAIN_SECONDS = 0.001  # of a clock, at most


@frozen
class ScheduleStores:
    """What handles of schedules work with. `check_target` says what is wrong with target, parameters and notices."""

    records: ScheduleRecords
    zones: Zones
    clock: Clock
    check_target: CheckTarget


class ScheduleHandle:
    """A schedule of the workspace."""

    def __init__(self, record: Schedule, schedules: ScheduleCollection) -> None:
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
        """The next instants; see `ScheduleCollection.preview`."""
        return self._schedules.preview(self.id, count)

    def history(self, most: int = 100) -> tuple[Sequence[Tick], Sequence[TickRange]]:
        """What became of its instants; see `ScheduleCollection.history`."""
        return self._schedules.history(self.id, most)

    def runs(self, most: int = 100) -> list[str]:
        """Ids of the runs that it started, the newest first."""
        ticks, _ = self.history(most)
        return [tick.run for tick in ticks if tick.disposition is Disposition.FIRED]

    def pending(self) -> Sequence[Tick]:
        """Its ticks that have not started, the earliest first."""
        return self._schedules.pending(self.id)

    def enable(self, *, replay: bool = False) -> ScheduleHandle:
        """See `ScheduleCollection.enable`."""
        return self._schedules.enable(self.id, replay=replay)

    def disable(self) -> ScheduleHandle:
        """See `ScheduleCollection.disable`."""
        return self._schedules.disable(self.id)

    def update(self, **changes: Any) -> ScheduleHandle:
        """See `ScheduleCollection.update`."""
        return self._schedules.update(self.id, **changes)

    def run_now(self) -> Tick:
        """See `ScheduleCollection.run_now`."""
        return self._schedules.run_now(self.id)

    def backfill(self, since: Moment, until: Moment, *, missing_only: bool = True, at_once: int = 1) -> Backfill:
        """See `ScheduleCollection.backfill`."""
        return self._schedules.backfill(self.id, since, until, missing_only=missing_only, at_once=at_once)

    def delete(self) -> None:
        """See `ScheduleCollection.delete`."""
        self._schedules.delete(self.id)

    def __repr__(self) -> str:
        return f"<schedule {self.name!r}, {self.state}>"


class ScheduleCollection:
    """The schedules of a workspace. Names and ids are taken alike; deleted ones are found by id only."""

    def __init__(self, stores: ScheduleStores) -> None:
        self._records = stores.records
        self._zones = stores.zones
        self._clock = stores.clock
        self._check_target = stores.check_target

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
    ) -> ScheduleHandle:
        """Make a schedule, which runs a pipeline endpoint or a published pipeline.

        It is due by a cron expression or a recurrence, or when data changes. Start and end are what clocks of the zone
        show. Raises ScheduleError with all that is wrong, ConflictError
        where the name is taken.
        """
        given = {
            "trigger": trigger, "target": Target(endpoint, pipeline), "experiment": experiment, "zone": zone,
            "start": start, "end": end, "policies": policies or Policies(), "parameters": dict(parameters or {}),
            "continue_on_step_failure": continue_on_step_failure, "notify": tuple(notify),
            "priority": priority,
        }  # fmt: skip
        now = self._clock.now()
        faults = [*_named_faults(name, tags)]
        spec = self._checked(given, now, faults, f"schedule {name!r} cannot be made")
        identity = run_id(int(now * 1000), int.from_bytes(os.urandom(4)) >> 7)
        state = ScheduleState.ACTIVE if enabled else ScheduleState.DISABLED
        schedule = Schedule(
            identity, name, spec, first_mark(spec, now), now, now, state, 1, 1, description, checked_tags(tags or {})
        )
        self._records.add(schedule)
        return ScheduleHandle(schedule, self)

    def load(self, document: Mapping[str, Any], *, replace: bool = False) -> ScheduleHandle:
        """Make a schedule of a document, such as `wire.schedule_files.read_schedule` finds in a file.

        With `replace` a schedule of this name that is there becomes what the document says, and stays enabled or not.
        Raises ScheduleError with all that is wrong with its form, or else with what it says.
        """
        beside = {key: document[key] for key in _BESIDE if key in document}
        if "name" not in beside:
            raise ScheduleError("a schedule needs a name", hint="give the document a field 'name'")
        spec = spec_from_json({key: value for key, value in document.items() if key not in beside})
        given: dict[str, Any] = {
            "trigger": spec.trigger, "experiment": spec.experiment, "endpoint": spec.target.endpoint,
            "pipeline": spec.target.pipeline, "zone": spec.zone, "policies": spec.policies,
            "parameters": spec.parameters, "continue_on_step_failure": spec.continue_on_step_failure,
            "notify": spec.notify, "priority": spec.priority,
        }  # fmt: skip
        name = beside.pop("name")
        if replace and any(item.name.lower() == str(name).lower() for item in self.list()):
            bounds = dict.fromkeys(("start", "end"))
            return self.update(name, **given, **bounds | {key: beside[key] for key in beside if key != "enabled"})
        return self.create(name, **given, **beside)

    def get(self, name: str) -> ScheduleHandle:
        """The schedule of this name or id. Raises NotFoundError."""
        return ScheduleHandle(self._records.get(name), self)

    def list(
        self, *, active_only: bool = False, endpoint: str = "", pipeline: str = "", deleted: bool = False
    ) -> Sequence[ScheduleHandle]:
        """Schedules by name; `endpoint` and `pipeline` ask for those that run one."""
        return [
            ScheduleHandle(schedule, self)
            for schedule in self._records.list(deleted=deleted)
            if (schedule.state is ScheduleState.ACTIVE or not active_only)
            and (not endpoint or schedule.spec.target.endpoint.lower() == endpoint.lower())
            and (not pipeline or schedule.spec.target.pipeline == pipeline)
        ]

    def update(self, name: str, **changes: Any) -> ScheduleHandle:
        """Change what is given; the names are those of `create`, and None leaves as it is, but for start and end.

        A change of what the schedule says makes a new version of it: what came due before and has not started is void.
        Raises ScheduleError with all that is wrong.
        """
        if odd := [key for key in changes if key not in _CHANGEABLE]:
            hint = f"it can be: {', '.join(_CHANGEABLE)}"
            raise UsageError(f"{', '.join(odd)} of a schedule cannot be changed", hint=hint)
        given = {key: value for key, value in changes.items() if value is not None or key in ("start", "end")}

        def make(schedule: Schedule) -> Schedule:
            faults = [*_named_faults(schedule.name, given.get("tags"))]
            spec = self._checked(
                _merged(schedule.spec, given), schedule.created_at, faults, f"schedule {name!r} cannot be so"
            )
            cursor = schedule.cursor if spec.trigger == schedule.spec.trigger else Cursor()
            return replace(
                schedule,
                spec=spec,
                cursor=cursor,
                spec_version=schedule.spec_version + (spec != schedule.spec),
                description=given.get("description", schedule.description),
                tags=checked_tags(given["tags"]) if "tags" in given else schedule.tags,
            )

        return self._change(name, make, "the schedule was changed", every_origin=True)

    def enable(self, name: str, *, replay: bool = False) -> ScheduleHandle:
        """Have instants come due again. What passed meanwhile is void, or with `replay` made up as the policy says."""

        def make(schedule: Schedule) -> Schedule:
            return replace(schedule, state=ScheduleState.ACTIVE, trouble="")

        return self._change(name, make, "the schedule was disabled", replay=replay)

    def disable(self, name: str) -> ScheduleHandle:
        """Have no instants come due any more; what has not started is void. Runs that are open go on."""

        def make(schedule: Schedule) -> Schedule:
            return replace(schedule, state=ScheduleState.DISABLED)

        return self._change(name, make, "the schedule was disabled")

    def delete(self, name: str) -> None:
        """Disable a schedule for good, and free its name; its history is kept under its id. Open runs go on."""

        def make(schedule: Schedule) -> Schedule:
            return replace(schedule, state=ScheduleState.DELETED)

        self._change(name, make, "the schedule was deleted", every_origin=True)

    def preview(self, name: str, count: int = PREVIEWED) -> Sequence[Preview]:
        """The next instants, enabled or not, with what changes of clocks do to them."""
        schedule = self._records.get(name)
        return self._timetable(schedule).preview(max(schedule.high_water, self._clock.now()), count)

    def history(self, name: str, most: int = 100) -> tuple[Sequence[Tick], Sequence[TickRange]]:
        """What became of its instants, the newest first: one by one, and where many have one disposition, in ranges."""
        return self._records.history(self._records.get(name).id, most)

    def pending(self, name: str) -> Sequence[Tick]:
        """What has come due or was asked for, and has not started; the earliest first."""
        return self._records.pending(self._records.get(name).id)

    def run_now(self, name: str) -> Tick:
        """Have a run started as soon as the schedules are looked at, whatever is open, enabled or not; its tick."""
        for _ in range(TRIES):
            schedule = self._existing(name)
            due = now = self._clock.now()
            asked = [tick.due for tick in self._records.history(schedule.id, RECENT)[0] if tick.origin == MANUAL]
            if asked and due <= asked[0] < due + GRAIN_SECONDS:  # each has a run of its own
                due = math.nextafter(asked[0], math.inf)
            tick = Tick(schedule.id, schedule.spec_version, due, now, MANUAL, not_before=now)
            if self._records.change(schedule, ticks=[tick]) is not None:
                return tick
        raise _busy(name)

    def backfill(
        self, name: str, since: Moment, until: Moment, *, missing_only: bool = True, at_once: int = 1
    ) -> Backfill:
        """Have runs started for instants of the past, both bounds included, at most `at_once` of them open at a time.

        With `missing_only`, for those that no run was started for. Instants that are pending are left to themselves.
        Raises UsageError.
        """
        for _ in range(TRIES):
            schedule = self._existing(name)
            timetable, now = self._timetable(schedule), self._clock.now()
            first, last = (self._instant(moment, timetable.zone) for moment in (since, until))
            if last > now:
                raise UsageError("a backfill is for the past", hint="end it now or earlier")
            known = self._records.fired(schedule.id, first, last) if missing_only else {}
            waiting = {tick.due for tick in self._records.pending(schedule.id)}
            dues = (due for due in timetable.between(first - 1e-3, last) if due not in known and due not in waiting)
            found = [*islice(dues, MOST_BACKFILLED + 1)]
            check_backfill(first, last, at_once, found)
            number = len(self._records.backfills(schedule.id)) + 1
            backfill = Backfill(schedule.id, number, first, last, missing_only, at_once, now)
            ticks = [Tick(schedule.id, schedule.spec_version, due, now, backfill.origin) for due in found]
            if self._records.change(schedule, ticks=ticks, backfills=[backfill]) is not None:
                return backfill
        raise _busy(name)

    # ------------------------------------------------------------------------------------------------------------------

    def _change(
        self,
        name: str,
        make: Callable[[Schedule], Schedule],
        reason: str,
        *,
        every_origin: bool = False,
        replay: bool = False,
    ) -> ScheduleHandle:
        """Change a schedule as it stands, and account for what came due before; begin anew if others were first.

        `make` may leave a schedule as it is, or change what says nothing of instants: nothing is void then.
        """
        for _ in range(TRIES):
            schedule = self._existing(name)
            now = self._clock.now()
            changed = make(schedule)
            if changed == schedule:
                return ScheduleHandle(schedule, self)
            goes_on = (changed.state, changed.spec_version) == (schedule.state, schedule.spec_version)
            passed = Plan((), (), schedule.high_water)
            if not goes_on and not replay:
                passed = self._passed(schedule, now, reason)
            changed = replace(changed, high_water=passed.high_water, updated_at=now)
            kept = self._records.change(
                changed,
                ticks=passed.ticks,
                ranges=passed.ranges,
                void="" if goes_on or replay else reason,
                every_origin=every_origin,
                at=now,
            )
            if kept is not None:
                return ScheduleHandle(kept, self)
        raise _busy(name)

    def _passed(self, schedule: Schedule, now: float, reason: str) -> Plan:
        """What came due and was not looked at. A rule that leads nowhere is no hindrance to be rid of it."""
        try:
            before = "the schedule was disabled" if schedule.state is ScheduleState.DISABLED else reason
            return unaccounted(schedule, self._timetable(schedule), now, before)
        except (ScheduleError, NotFoundError):
            return Plan((), (), max(schedule.high_water, now))

    def _existing(self, name: str) -> Schedule:
        schedule = self._records.get(name)
        if schedule.state is ScheduleState.DELETED:
            raise UsageError(f"schedule {schedule.name!r} ({schedule.id}) was deleted", hint="create a new one")
        return schedule

    def _timetable(self, schedule: Schedule) -> Timetable:
        return Timetable(schedule.spec, self._zones.find(schedule.spec.zone), schedule.created_at)

    def _checked(self, given: Mapping[str, Any], created_at: float, faults: Sequence[Fault], what: str) -> ScheduleSpec:
        """What a schedule says, of what was given. Raises ScheduleError with everything that is wrong."""
        found, zone = [*faults], None
        try:
            zone = self._zones.find(given["zone"])
        except NotFoundError as error:
            found.append(Fault(error.message, hint=error.hint))
        bounds = {}
        for bound in ("start", "end"):
            try:
                moment = given[bound]
                bounds[bound] = None if moment is None or zone is None else self._instant(moment, zone)
            except UsageError as error:
                found.append(Fault(f"{bound}: {error.message}", hint=error.hint))
        trigger = given["trigger"]
        if isinstance(trigger, str):
            trigger = Cron(trigger)
        elif isinstance(trigger, Recurrence):
            trigger = replace(
                trigger, hours=tuple(trigger.hours), minutes=tuple(trigger.minutes), week_days=tuple(trigger.week_days)
            )
        spec = ScheduleSpec(**{**given, **dict.fromkeys(("start", "end")), **bounds, "trigger": trigger})
        found += rule_faults(spec, zone if not found else None, created_at)
        found += self._check_target(spec)
        if found:
            raise ScheduleError(what, faults=found)
        return spec

    def _instant(self, moment: Moment, zone: tzinfo) -> float:
        """The instant that is meant. Raises UsageError for what is no time, or brings a zone of its own."""
        if isinstance(moment, int | float) and not isinstance(moment, bool):
            if not FIRST_YEAR <= 1970 + moment / YEAR_SECONDS <= LAST_YEAR:
                raise _far(moment)
            return float(moment)
        try:
            shown = moment if isinstance(moment, datetime) else datetime.fromisoformat(str(moment))
        except ValueError:
            raise UsageError(f"{moment!r} is no time", hint="write it as 2026-01-31T09:30") from None
        if shown.tzinfo is not None:
            raise UsageError(
                f"{moment!s} brings a zone of its own", hint="leave it out: the time is one of the schedule's zone"
            )
        if not FIRST_YEAR <= shown.year <= LAST_YEAR:
            raise _far(moment)
        return instant_of(zone, shown)


def _far(moment: Moment) -> UsageError:
    return UsageError(f"{moment!s} is too far away", hint=f"give a time from {FIRST_YEAR} to {LAST_YEAR}")


def preview_document(schedule: Schedule, coming: Sequence[Preview]) -> dict[str, Any]:
    """The next instants of a schedule as JSON data."""
    found = [{"due": item.due, "shown": item.shown, "note": item.note} for item in coming]
    return {"schedule": schedule.id, "name": schedule.name, "preview": found}


_BESIDE = ("name", "description", "tags", "enabled", "start", "end")  # that are no data of the wire's own form
_CHANGEABLE = (
    "trigger", "endpoint", "pipeline", "experiment", "zone", "start", "end", "policies", "parameters",
    "continue_on_step_failure", "notify", "priority", "description", "tags",
)  # fmt: skip


def _merged(spec: ScheduleSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a schedule says, with what is given in its place; a target takes the place of one of either kind."""
    found = {name: getattr(spec, name) for name in _SPEC_FIELDS}
    found.update({key: value for key, value in given.items() if key in found})
    if "endpoint" in given or "pipeline" in given:
        found["target"] = Target(given.get("endpoint", ""), given.get("pipeline", ""))
    return {**found, "notify": tuple(found["notify"]), "parameters": dict(found["parameters"])}


_SPEC_FIELDS = ("trigger", "target", "experiment", "zone", "start", "end", "policies", "parameters",
                "continue_on_step_failure", "notify", "priority")  # fmt: skip


def _named_faults(name: str, tags: Mapping[str, object] | None) -> Iterator[Fault]:
    try:
        check_name("schedule", name)
    except UsageError as error:
        yield Fault(error.message, hint=error.hint)
    try:
        checked_tags(tags or {})
    except UsageError as error:
        yield Fault(error.message, hint=error.hint)


def _busy(name: str) -> ConflictError:
    return ConflictError(f"schedule {name!r} is being changed by others all the time", hint="try again")
