"""Runs and step runs in the database. Every change of state checks epoch and status in the statement that makes it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import lru_cache

from pipelinekit.classes import replace
from pipelinekit.domain.names import is_run_id
from pipelinekit.domain.runs import Completion, Failure, Reason, RunRecord, RunStatus, StepRecord, StepStatus
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import LeaseLostError, NotFoundError, StorageError, UsageError
from pipelinekit.late import late
from pipelinekit.storage import leases
from pipelinekit.storage.database import Database, Row
from pipelinekit.typed import TYPE_CHECKING, Any
from pipelinekit.wire.runs import (
    failure_from_json,
    failure_to_json,
    options_from_json,
    options_to_json,
    paths_from_json,
    paths_to_json,
    reason_to_json,
    reasons_from_json,
)
from pipelinekit.wire.values import (
    WrittenValues,
    dumps,
    loads,
    plain_to_json,
    values_from_json,
    values_text,
    values_to_json,
)

if TYPE_CHECKING:
    from pipelinekit.ports import Clock
    from pipelinekit.storage import outbox, queueing, recovery
else:
    outbox = late("pipelinekit.storage.outbox")
    queueing = late("pipelinekit.storage.queueing")
    recovery = late("pipelinekit.storage.recovery")

LATEST = "latest"
WORDS_OF_FAILED = 500  # of an attempt that another follows
_GATHERED = ("gather_tags", "gather_properties", "gather_files", "gather_metrics", "gather_own_metrics")


CANCELED_NOTE, LOST_NOTE = "the run was canceled", "the driver of the run died"  # of steps that had begun


class SQLRuns:
    """Implements `ports.RunRecords` on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(self, run: RunRecord, properties: Mapping[str, str] | None = None) -> RunRecord:
        """Record a new run with its number in the experiment and its properties."""
        with self._database.transaction():
            self._database.lock()
            known = self._database.read("experiment_runs", (run.experiment,))
            number = known[0]["runs"] + 1 if known else 1
            self._database.send("add_experiment", [(run.experiment, run.created_at)])
            self._database.send(
                "add_run",
                [
                    (
                        run.id,
                        number,
                        run.experiment,
                        run.pipeline,
                        run.graph,
                        str(run.status),
                        run.created_at,
                        dumps(values_to_json(run.arguments)),
                        dumps(paths_to_json(run.paths)),
                        dumps(options_to_json(run.options)),
                        run.source,
                        dumps(dict(run.details)),
                        run.kind,
                        run.parent,
                        run.parent_step,
                        run.display_name,
                        run.description,
                        int(run.detached),
                    )
                ],
            )
            shown = [(run.id, name, *_comparable(value)) for name, value in run.arguments.items() if value.is_inline]
            self._database.send("add_parameter", shown)
            if properties:
                rows = [(run.id, "", 0, key, value) for key, value in properties.items()]
                self._database.send("add_property", rows)
            self._database.foretell("experiment_runs", (run.experiment,), [{"runs": number}])
            tell_of_run(self._database, run.id, run.created_at, is_new=True)
        return replace(run, number=number)

    def get(self, run: str) -> RunRecord:
        """The run of this id, of a unique beginning of one, or the newest for `latest`."""
        if run in ("", LATEST):
            rows = self._database.read("newest_run")
            if not rows:
                raise NotFoundError("this workspace has no runs yet", hint="start one with 'pipelinekit run FILE'")
            return run_record(rows[0])
        rows = self._database.read("runs_like", (run, run + "~"))
        if not rows or (is_run_id(run) and rows[0]["id"] != run):
            raise NotFoundError(
                f"there is no run {run!r}", hint="'pipelinekit runs list' shows the runs of this workspace"
            )
        if len(rows) > 1 and rows[0]["id"] != run:
            raise UsageError(f"several runs begin with {run!r}", hint="give more characters of the id")
        return run_record(rows[0])

    def steps(self, run: str) -> Sequence[StepRecord]:
        """Step runs in the order of the graph."""
        return [step_record(row) for row in self._database.read("steps_of_run", (run,))]

    def changes(self, run: str) -> Sequence[tuple[float, Sequence[tuple[str, str]]]]:
        """When step runs changed, and to which status."""
        told = [
            (row["at"], loads(row["body"]).get("steps", ())) for row in self._database.read("events_of_run", (run,))
        ]
        return [(at, [(name, status) for name, status in steps]) for at, steps in told if steps]

    def waits(self, run: str = "") -> Mapping[str, str]:
        """Why runs wait that limits hold back, or whose steps can begin nowhere."""
        return queueing.waits(self._database, self._clock, run)

    def request_cancel(self, run: str) -> RunRecord:
        """Ask the driver to end the run, or cancel it where there is none."""
        found = self.get(run)
        with self._database.transaction():
            now = self._clock.now()
            if self._database.write("cancel_waiting", (now, found.id)):
                self._tell_canceled(found.id, now)
                self._database.send("count_ended_run", [(found.id,) * 2])
                tell_of_run(self._database, found.id, now)
            else:
                self._database.write("request_cancel", (found.id,))
        return self.get(found.id)

    def _tell_canceled(self, run: str, now: float) -> None:
        """End the steps that a driver had begun before the run was queued again."""
        left = self._database.write_returning("end_lost_steps", (now, CANCELED_NOTE, run))
        if left:
            number = self._database.write_returning("count_last_event", (run,))[0]["events"]
            body = {"status": str(RunStatus.CANCELED), "steps": [[step["step"], "Canceled"] for step in left]}
            self._database.send("add_event", [(run, number, now, dumps(body))])


class SQLDriving:
    """Implements `ports.DriverRecords` on a database.

    With `seen` it notices when the records were put back to an earlier state: runs that were in progress then have
    failed, and whoever still drives one, or another that they do not know, is refused.
    """

    def __init__(self, database: Database, clock: Clock, seen: leases.Seen | None = None) -> None:
        self._database = database
        self._clock = clock
        self._seen = seen
        self._taken: tuple[int, int] | None = None  # what is to be noted once it is committed
        self._events: dict[str, int] = {}  # the last event of each run that was written from here
        self._fruitful: set[str] = set()  # runs that have had a result accepted from here

    def take(self, run: str, owner: str) -> RunRecord:
        """Take the run's lease; the epoch grows."""
        with self._database.transaction():
            self._database.lock()
            now = self._clock.now()
            if self._seen is not None:
                self._look_back(self._seen, now)
            row = self._lease(run)
            if row["owner"] and row["owner"] != owner and leases.is_held(self._database, row):
                raise LeaseLostError(f"run {run} is driven by another process ({row['owner']})")
            lease = (leases.deadline(), leases.seen_at(self._database, self._clock))
            if self._database.write("take_run", (owner, *lease, now, run, row["epoch"])) == 0:
                raise LeaseLostError(f"run {run} has ended as {row['status']}")
            self._event(run, row["epoch"] + 1, {"driver": owner})
        return SQLRuns(self._database, self._clock).get(run)

    def renew(self, run: str, epoch: int) -> bool:
        """Keep the lease; whether the run is to be canceled."""
        lease = (leases.deadline(), leases.seen_at(self._database, self._clock))
        rows = self._database.touch("renew_run", (*lease, run, epoch))
        if not rows:
            raise LeaseLostError(f"run {run} is driven by another process, or has ended")
        return bool(rows[0]["cancel_requested"])

    def record(
        self, run: str, epoch: int, changes: Sequence[StepRecord], completions: Sequence[Completion] = ()
    ) -> None:
        """Write step runs and accepted completions in one transaction, with one event."""
        if self._seen is not None and self._taken is not None:  # this is a later transaction than the one that took it
            self._seen.note(*self._taken)
            self._taken = None
        with self._database.transaction():
            body: dict[str, Any] = {"steps": [[change.name, str(change.status)] for change in changes]}
            if failed := [_failed(change) for change in changes if change.failure and not change.status.final]:
                body["failed"] = failed
            event = self._event(run, epoch, body)
            if event <= self._events.get(run, 0):
                raise LeaseLostError(
                    f"run {run}: the records were put back to an earlier state while it went on",
                    hint="run the pipeline again: what is still recorded is reused",
                )
            now = self._clock.now()
            pipeline = self._database.read("pipeline_of_run", (run,))[0]["pipeline"]
            rows = [_step_row(change, pipeline, now) for change in changes]
            if self._database.write_many("put_step", rows) != len(rows):
                names = ", ".join(change.name for change in changes[:5])
                raise LeaseLostError(f"run {run}: a step that has ended cannot move again (among {names})")
            if completions:
                self._accept(run, epoch, completions, now)
                if run not in self._fruitful:
                    self._database.send("bear_fruit", [(run,)])
            good = [(pipeline, change.name, run) for change in changes if change.status.good]
            self._database.send("put_latest", good)
        self._events[run] = event
        if completions:
            self._fruitful.add(run)

    def failed(self, run: str) -> Mapping[str, Sequence[tuple[str, str]]]:
        """How attempts failed, from the events."""
        found: dict[str, dict[int, tuple[str, str]]] = {}
        for row in self._database.read("events_of_run", (run,)):
            for step, attempt, kind, message in loads(row["body"]).get("failed", ()):
                found.setdefault(step, {})[attempt] = kind, message
        return {step: list(attempts.values()) for step, attempts in found.items()}

    def finish(
        self, run: str, epoch: int, status: RunStatus, outputs: Mapping[str, StoredValue], failure: Failure | None
    ) -> None:
        """End the run and its claims."""
        with self._database.transaction():
            now = self._clock.now()
            # what an earlier driver had begun, and this one did not come to
            note = CANCELED_NOTE if status is RunStatus.CANCELED else LOST_NOTE
            left = self._database.write_returning("end_lost_steps", (now, note, run)) if epoch > 1 else ()
            steps = {"steps": [[step["step"], "Canceled"] for step in left]} if left else {}
            self._event(run, epoch, {"status": str(status), **steps})
            text = dumps(failure_to_json(failure)) if failure else None
            self._gather(run)
            row = (str(status), values_text(outputs), text, now, run, epoch)
            self._database.send("finish_run", [row])
            self._database.send("drop_claims_of_run", [(run,)])
            self._database.send("count_ended_run", [(run, run)])
            tell_of_run(self._database, run, now)
        self._events.pop(run, None)
        self._fruitful.discard(run)

    def hold(self, run: str, owner: str) -> bool:
        """Keep a place among the runs that wait."""
        lease = (leases.deadline(), leases.seen_at(self._database, self._clock))
        rows = self._database.write_returning("hold_place", (owner, *lease, run, owner))
        if not rows:
            raise LeaseLostError(f"run {run} has ended, or is driven by another process")
        return bool(rows[0]["cancel_requested"])

    def tell_waits(self, run: str, epoch: int, why: str) -> None:
        """Tell what steps of the run wait for."""
        if not self._database.touch("tell_waits", (why, run, epoch)):
            raise LeaseLostError(f"run {run} is driven by another process, or has ended")

    def leave(self, run: str, owner: str) -> None:
        """Give the place back."""
        self._database.write("leave_place", (run, owner))

    def put_back(self, run: str, epoch: int) -> None:
        """Queue a run again that was taken before its turn."""
        self._database.write("put_back_run", (run, epoch))

    def hand_back(self, run: str, epoch: int) -> None:
        """Queue a detached run again."""
        with self._database.transaction():
            self._event(run, epoch, {"status": str(RunStatus.QUEUED)})
            if self._database.write("hand_back_run", (run, epoch)) == 0:
                raise LeaseLostError(f"run {run} cannot be handed back: it is not detached, or is to be canceled")
            self._database.send("drop_claims_of_run", [(run,)])

    def unattended(self, patience: float, most: int | None = None, *, ends: bool = False) -> bool:
        """Whether `recover` has something to do."""
        if not self._database.read("has_open_runs"):
            return False
        return recovery.has_unattended(self._database, self._clock, patience, most, ends=ends)

    def recover(self, patience: float, most: int | None = None, *, ends: bool = False) -> Sequence[str]:
        """End or queue again the runs of dead drivers; where nothing can be written now, whoever comes next does."""
        if not self.unattended(patience, most, ends=ends):
            return []
        try:
            return recovery.recover(self._database, self._clock, patience, most, ends=ends)
        except StorageError:
            return []

    def _lease(self, run: str) -> Row:
        rows = self._database.read("run_lease", (run,))
        if not rows:
            raise NotFoundError(f"there is no run {run!r}")
        return rows[0]

    def _gather(self, run: str) -> None:
        """Let the run have what its steps told it, also those that it reused, so that runs can be found by it."""
        if self._database.read("is_told", (run, run))[0]["told"]:
            self._database.write("gather_metrics_of_only_step", (run, run))  # first: what the run was told wins
            for query in _GATHERED:
                self._database.write(query, (run,))

    def _look_back(self, seen: leases.Seen, now: float) -> None:
        """Count that a run is taken, and see whether the records are behind what was seen of them."""
        row = self._database.write_returning("count_take", ())[0]
        last = seen.last()
        self._taken = row["generation"], row["taken"]
        if last < self._taken:
            return
        failure = Failure(
            "lost",
            "the records were put back to an earlier state, in which this run was in progress",
            hint="run the pipeline again: what is still recorded is reused",
        )
        self._taken = last[0] + 1, row["taken"]
        self._database.write("next_generation", self._taken)
        self._database.write("jump_epochs")  # whoever has taken one of them since may not go on
        forgotten = self._database.write_returning("fail_forgotten_runs", (dumps(failure_to_json(failure)), now))
        for lost in forgotten:
            self._database.write_returning("end_lost_steps", (now, LOST_NOTE, lost["id"]))
            self._database.write("drop_claims_of_run", (lost["id"],))
            self._database.write("count_ended_run", (lost["id"],) * 2)
            tell_of_run(self._database, lost["id"], now)
        names = ", ".join(lost["id"] for lost in forgotten)
        ended = f"; runs that were in progress then have failed: {names}" if forgotten else ""
        seen.tell(f"the records are older than those that this workspace saw last: they were put back{ended}")

    def _event(self, run: str, epoch: int, body: dict[str, Any]) -> int:
        return add_event(self._database, run, epoch, self._clock.now(), body)

    def _accept(self, run: str, epoch: int, completions: Sequence[Completion], now: float) -> None:
        """Keep completions. Those whose claim is held take the place of what was reusable under their key."""
        claims = [completion.claim or completion.key for completion in completions]
        held = {row["key"] for row in self._database.write_keys("end_claims", claims, (run, epoch))}
        reusable = []
        for claim in claims:
            reusable.append(claim in held)
            held.discard(claim)  # a claim counts once
        self._database.write_keys("supersede", itertools.compress((item.key for item in completions), reusable))
        rows = [
            (
                run,
                completion.step,
                completion.attempt,
                completion.key,
                completion.definition,
                dumps(values_to_json(completion.outputs)),
                completion.seconds,
                now,
                int(counts),
            )
            for completion, counts in zip(completions, reusable, strict=True)
        ]
        self._database.send("add_completion", rows)


def tell_of_run(database: Database, run: str, now: float, *, is_new: bool = False) -> None:
    """In the transaction that records or ends a run: have it told who listens. Where nobody does, it is one look.

    Who asked to be told of one run's end alone does not listen to it yet when it is new.
    """
    if database.read("listeners", ("" if is_new else run,)):
        outbox.tell_of_run(database, run, now)


def add_event(database: Database, run: str, epoch: int, at: float, body: Mapping[str, Any]) -> int:
    """Write the next event of a run that is driven under this epoch; its number. Raises LeaseLostError."""
    rows = database.write_returning("count_event", (run, epoch))
    if not rows:
        raise LeaseLostError(f"run {run} is driven by another process, or has ended")
    number: int = rows[0]["events"]
    database.write("add_event", (run, number, at, dumps(body)))
    return number


def _failed(step: StepRecord) -> list[Any]:
    """What an event keeps of an attempt that failed, and that another follows: the next driver goes on counting."""
    assert step.failure is not None
    return [step.name, step.attempt, step.failure.kind, step.failure.message[:WORDS_OF_FAILED]]


def _step_row(step: StepRecord, pipeline: str, now: float) -> tuple[Any, ...]:
    ended = step.ended_at if step.ended_at is not None or not step.status.final else now
    return (
        step.run,
        step.name,
        pipeline,
        step.node,
        step.element,
        step.status.value,
        step.key,
        step.attempt,
        step.original_run,
        step.original_step,
        step.started_at,
        ended,
        step.seconds,
        _reasons_text(step.reasons) if step.reasons else "[]",
        dumps(failure_to_json(step.failure)) if step.failure else None,
        step.note,
        step.verified,
    )


@lru_cache
def _reasons_text(reasons: tuple[Reason, ...]) -> str:
    """Reasons as JSON; many steps of a run have the same."""
    return dumps([reason_to_json(reason) for reason in reasons])


def step_record(row: Row) -> StepRecord:
    """A step run from its row, which holds the outputs of the execution that it shows."""
    return StepRecord(
        row["run"],
        row["step"],
        row["node"],
        StepStatus(row["status"]),
        row["key"],
        row["attempt"],
        row["original_run"],
        row["original_step"],
        row["started_at"],
        row["ended_at"],
        row["seconds"],
        values_from_json(loads(row["outputs"])) if row["outputs"] and StepStatus(row["status"]).good else {},
        reasons_from_json(loads(row["reasons"])),
        failure_from_json(loads(row["failure"])) if row["failure"] else None,
        row["note"],
        row["element"],
        row["verified"],
    )


def _comparable(value: StoredValue) -> tuple[str, float | None]:
    """A plain value as runs are found by it: as text, and as a number where it is one."""
    plain = value.inline
    number = float(plain) if isinstance(plain, int | float) and -1e300 < plain < 1e300 else None
    return plain if isinstance(plain, str) else dumps(plain_to_json(plain)), number


def run_record(row: Row) -> RunRecord:
    """A run from its row."""
    return RunRecord(
        row["id"],
        row["number"],
        row["experiment"],
        row["pipeline"],
        row["graph"],
        RunStatus(row["status"]),
        row["created_at"],
        values_from_json(loads(row["arguments"])),
        paths_from_json(loads(row["paths"])),
        WrittenValues(row["outputs"]),
        options_from_json(loads(row["options"])),
        row["started_at"],
        row["ended_at"],
        row["owner"],
        row["epoch"],
        bool(row["cancel_requested"]),
        failure_from_json(loads(row["failure"])) if row["failure"] else None,
        row["source"],
        loads(row["details"]),
        bool(row["pinned"]),
        row["removed_at"] is not None,
        row["kind"],
        row["parent"],
        row["parent_step"],
        row["display_name"],
        row["description"],
        bool(row["detached"]),
    )
