"""Schedules, the ledger of their instants, and the lease of who makes them run, in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipelinekit.classes import replace
from pipelinekit.domain.runs import RunStatus
from pipelinekit.domain.schedules import DUE, Backfill, Disposition, Glance, Schedule, ScheduleState, Tick, TickRange
from pipelinekit.domain.vitals import TICKS, lateness_totals
from pipelinekit.errors import ConflictError, LeaseLostError, NotFoundError
from pipelinekit.late import late
from pipelinekit.ports import Clock
from pipelinekit.storage import leases
from pipelinekit.storage.database import Database, Row
from pipelinekit.typed import TYPE_CHECKING, Any
from pipelinekit.wire.schedules import cursor_from_json, cursor_to_json, spec_from_json, spec_to_json
from pipelinekit.wire.values import dumps, loads, plain_from_json, plain_to_json

if TYPE_CHECKING:
    from pipelinekit.domain.webhooks import Event
    from pipelinekit.storage import outbox
    from pipelinekit.wire import webhooks
else:
    outbox = late("pipelinekit.storage.outbox")
    webhooks = late("pipelinekit.wire.webhooks")

TICKER = "ticker"


class SQLSchedules:
    """Implements `ports.ScheduleRecords` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, schedule: Schedule) -> None:
        """Keep a new schedule."""
        with self._database.transaction():
            self._database.lock()
            self._refuse_taken(schedule)
            row = (schedule.id, *_content(schedule), schedule.version, schedule.created_at)
            self._database.write("add_schedule", _ordered(row))

    def get(self, name: str) -> Schedule:
        """The schedule of this name, or of this id."""
        rows = self._database.read("find_schedule", (name, name.lower()))
        if not rows:
            raise no_schedule(name, [schedule.name for schedule in self.list()])
        return _schedule(rows[0])

    def list(self, *, deleted: bool = False) -> Sequence[Schedule]:
        """All of them."""
        found = [_schedule(row) for row in self._database.read("list_schedules")]
        return [schedule for schedule in found if deleted or schedule.state is not ScheduleState.DELETED]

    def glance(self) -> Sequence[Glance]:
        """Those that there may be something to do for."""
        rows = self._database.read("glance_at_schedules")
        return [Glance(row["id"], row["version"], bool(row["pending"]), bool(row["open"])) for row in rows]

    def some(self, ids: Iterable[str]) -> Mapping[str, Schedule]:
        """Schedules by id."""
        return {row["id"]: _schedule(row) for row in self._database.read_keys("some_schedules", ids)}

    def change(
        self,
        schedule: Schedule,
        *,
        ticks: Iterable[Tick] = (),
        ranges: Iterable[TickRange] = (),
        backfills: Iterable[Backfill] = (),
        void: str = "",
        every_origin: bool = False,
        at: float = 0.0,
    ) -> Schedule | None:
        """Keep a schedule as it is here, and what belongs to the change."""
        with self._database.transaction():
            self._database.lock()
            if schedule.state is not ScheduleState.DELETED:
                self._refuse_taken(schedule)
            found = self._database.write_returning(
                "change_schedule", (*_content(schedule), schedule.id, schedule.version)
            )
            if not found:
                return None
            voided = "void_ticks" if every_origin else "void_due_ticks"
            if void and (count := self._database.write(voided, (void, at, schedule.id))):
                self._database.send("count_total", [(TICKS, str(Disposition.VOIDED), float(count))])
            ticks, ranges = tuple(ticks), tuple(ranges)
            self._database.send("add_tick", map(_tick_row, ticks))
            self._database.send("add_range", map(_range_row, ranges))
            self._tell_missed(schedule, ticks, ranges)
            self._database.send("add_backfill", map(_backfill_row, backfills))
            decided = [
                (TICKS, str(tick.disposition), 1.0) for tick in ticks if tick.disposition is not Disposition.PENDING
            ]
            told = [(TICKS, str(found.disposition), float(found.count)) for found in ranges]
            self._database.send("count_total", [*decided, *told])
        return replace(schedule, version=found[0]["version"])

    def pending(self, schedule: str) -> Sequence[Tick]:
        """Ticks without a disposition."""
        return [_tick(row) for row in self._database.read("pending_ticks", (schedule,))]

    def hold(self, tick: Tick) -> Schedule | None:
        """The schedule of a tick that is pending."""
        self._database.lock()
        if not self._database.read("pending_tick", tick.key):
            return None
        return _schedule(self._database.read("find_schedule", (tick.schedule, ""))[0])

    def decide(self, tick: Tick) -> bool:
        """Give a pending tick its disposition."""
        row = (str(tick.disposition), tick.run, tick.reason, tick.decided_at, _parameters_text(tick), *tick.key)
        with self._database.transaction():
            if not self._database.write("decide_tick", row):
                return False
            self._database.send("count_total", [(TICKS, str(tick.disposition), 1.0)])
            if tick.disposition is Disposition.FIRED and tick.origin == DUE and tick.decided_at is not None:
                late = tick.decided_at - max(tick.due, tick.not_before)
                self._database.send("count_total", lateness_totals(late))
            self._tell_decided(tick)
        return True

    def open(self, schedule: str) -> Sequence[Tick]:
        """Ticks with a run whose outcome is not recorded yet."""
        return [_tick(row) for row in self._database.read("open_ticks", (schedule,))]

    def settle(self, tick: Tick) -> bool:
        """Record the outcome of a tick's run."""
        return self._database.write("settle_tick", (_outcome_text(tick), *tick.key)) > 0

    def fired(self, schedule: str, since: float, until: float) -> Mapping[float, str]:
        """Runs by the instants that they were started for."""
        return {row["due"]: row["run"] for row in self._database.read("fired_ticks", (schedule, since, until))}

    def previous_success(self, schedule: str, due: float) -> float | None:
        """The newest instant before this one whose run has completed."""
        rows = self._database.read("previous_success", (schedule, due))
        return rows[0]["due"] if rows else None

    def history(self, schedule: str, most: int) -> tuple[Sequence[Tick], Sequence[TickRange]]:
        """The newest ticks and ranges."""
        ticks = [_tick(row) for row in self._database.read("newest_ticks", (schedule, most))]
        return ticks, [_range(row) for row in self._database.read("newest_ranges", (schedule, most))]

    def backfills(self, schedule: str) -> Sequence[Backfill]:
        """Backfills in the order of their numbers."""
        return [
            Backfill(
                row["schedule"], row["number"], row["since"], row["until"], bool(row["missing_only"]), row["at_once"],
                row["created_at"],
            )
            for row in self._database.read("list_backfills", (schedule,))
        ]  # fmt: skip

    def _tell_missed(self, schedule: Schedule, ticks: Iterable[Tick], ranges: Iterable[TickRange]) -> None:
        """Have it told that instants passed, and no run will be started for them."""
        passed: tuple[Tick | TickRange, ...] = (*ticks, *ranges)
        missed = [item for item in passed if item.disposition is Disposition.SKIPPED_MISFIRE]
        if missed:
            at = max(item.decided_at or 0.0 for item in missed)
            outbox.tell_if_heard(
                self._database, lambda: webhooks.not_fired_event(schedule, missed, at, self._endpoint_of(schedule))
            )

    def _tell_decided(self, tick: Tick) -> None:
        """Have it told that no run was started for an instant."""
        if tick.disposition not in (Disposition.ERROR, Disposition.SKIPPED_OVERLAP):
            return

        def event() -> Event:
            schedule, at = self.get(tick.schedule), tick.decided_at or 0.0
            if tick.disposition is Disposition.ERROR:
                return webhooks.start_failed_event(schedule, tick, at, self._endpoint_of(schedule))
            return webhooks.not_fired_event(schedule, [tick], at, self._endpoint_of(schedule))

        outbox.tell_if_heard(self._database, event)

    def _endpoint_of(self, schedule: Schedule) -> str:
        """The id of the endpoint that a schedule runs, if it runs one that is there."""
        name = schedule.spec.target.endpoint
        rows = self._database.read("get_endpoint", (name.lower(), name)) if name else []
        return str(rows[0]["id"]) if rows else ""

    def _refuse_taken(self, schedule: Schedule) -> None:
        """Inside a transaction: raise ConflictError where another schedule has the name."""
        rows = self._database.read("find_schedule", ("", schedule.name.lower()))
        if rows and rows[0]["id"] != schedule.id:
            raise ConflictError(
                f"there is a schedule {schedule.name!r} already",
                hint="choose another name, or update or delete that one",
            )


class SQLTickers:
    """Implements `ports.TickerRecords` on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def take(self, owner: str) -> int:
        """Become the ticker; the epoch of the lease."""
        with self._database.transaction():
            self._database.lock()
            rows = self._database.read("get_ticker", (TICKER,))
            if rows and rows[0]["owner"] and leases.is_held(self._database, rows[0]):
                raise LeaseLostError(f"another process sees to the schedules ({rows[0]['owner']})")
            found = self._database.write_returning("take_ticker", (TICKER, owner, *self._lease()))
            return int(found[0]["epoch"])

    def renew(self, epoch: int) -> None:
        """Keep the lease."""
        if not self._database.touch("renew_ticker", (*self._lease(), TICKER, epoch)):
            raise LeaseLostError("another process sees to the schedules now")

    def release(self, epoch: int) -> None:
        """Give the lease back."""
        self._database.write("release_ticker", (TICKER, epoch))

    def holder(self) -> str:
        """Who is the ticker now."""
        rows = self._database.read("get_ticker", (TICKER,))
        return str(rows[0]["owner"]) if rows and rows[0]["owner"] and leases.is_held(self._database, rows[0]) else ""

    def _lease(self) -> tuple[float, float]:
        return leases.deadline(), leases.seen_at(self._database, self._clock)


def no_schedule(name: str, known: Sequence[str]) -> NotFoundError:
    """What to say where a schedule is not."""
    hint = f"there are: {', '.join(known) or 'none'}; 'pipelinekit schedules create' adds one"
    return NotFoundError(f"there is no schedule {name!r}", hint=hint)


def _content(schedule: Schedule) -> tuple[Any, ...]:
    """What of a schedule may change, in the order of `change_schedule`."""
    return (
        schedule.name.lower(), schedule.name, str(schedule.state), dumps(spec_to_json(schedule.spec)),
        schedule.spec_version, schedule.high_water, schedule.description, dumps(dict(schedule.tags)), schedule.trouble,
        dumps(cursor_to_json(schedule.cursor)), schedule.updated_at,
    )  # fmt: skip


def _ordered(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same for a new one: its version stands before the high-water mark, its making before the last change."""
    identity, *content, version, created_at = row
    return (identity, *content[:5], version, *content[5:10], created_at, content[10])


def _schedule(row: Row) -> Schedule:
    return Schedule(
        row["id"],
        row["name"],
        spec_from_json(loads(row["spec"])),
        row["high_water"],
        row["created_at"],
        row["updated_at"],
        ScheduleState(row["state"]),
        row["spec_version"],
        row["version"],
        row["description"],
        loads(row["tags"]),
        row["trouble"],
        cursor_from_json(loads(row["watched"])),
    )


def _parameters_text(tick: Tick) -> str:
    return dumps({name: plain_to_json(value) for name, value in tick.parameters.items()})


def _outcome_text(tick: Tick) -> str:
    return "" if tick.outcome is None else str(tick.outcome)


def _tick_row(tick: Tick) -> tuple[Any, ...]:
    return (
        *tick.key, str(tick.disposition), tick.run, tick.reason, tick.not_before, tick.planned_at, tick.decided_at,
        _parameters_text(tick), _outcome_text(tick), tick.zone_version,
    )  # fmt: skip


def _tick(row: Row) -> Tick:
    return Tick(
        row["schedule"],
        row["spec_version"],
        row["due"],
        row["planned_at"],
        row["origin"],
        Disposition(row["disposition"]),
        row["run"],
        row["reason"],
        row["not_before"],
        row["decided_at"],
        {name: plain_from_json(value) for name, value in loads(row["parameters"]).items()},
        RunStatus(row["outcome"]) if row["outcome"] else None,
        row["zone_version"],
    )


def _range_row(found: TickRange) -> tuple[Any, ...]:
    return (
        found.schedule, found.spec_version, found.first, found.last, found.count, str(found.disposition), found.reason,
        found.decided_at,
    )  # fmt: skip


def _range(row: Row) -> TickRange:
    return TickRange(
        row["schedule"],
        row["spec_version"],
        row["first_due"],
        row["last_due"],
        row["instants"],
        Disposition(row["disposition"]),
        row["reason"],
        row["decided_at"],
    )


def _backfill_row(found: Backfill) -> tuple[Any, ...]:
    return (
        found.schedule, found.number, found.since, found.until, int(found.missing_only), found.at_once, found.created_at
    )  # fmt: skip
