"""Completions by key and claims on keys in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipelinekit.domain.runs import NEWEST_EXECUTIONS, Completion, RunStatus, StepRecord, StepStatus
from pipelinekit.errors import LeaseLostError
from pipelinekit.late import late
from pipelinekit.storage import leases
from pipelinekit.storage.database import Database, Row
from pipelinekit.storage.leases import is_held, seen_at
from pipelinekit.storage.runs import step_record
from pipelinekit.typed import TYPE_CHECKING, Any
from pipelinekit.wire.runs import reasons_from_json
from pipelinekit.wire.values import dumps, loads, values_from_json

if TYPE_CHECKING:
    from pipelinekit.domain import accounting
    from pipelinekit.ports import Clock
else:
    accounting = late("pipelinekit.domain.accounting")

_AFTER_ALL = "~"  # sorts after every run id


class SQLReuse:
    """Implements `ports.ReuseRecords` on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def find(self, keys: Iterable[str]) -> Mapping[str, Completion]:
        """The reusable completion of each key that has one."""
        rows = list(self._database.read_keys("find_completions", keys))
        outputs = loads(f"[{','.join(row['outputs'] for row in rows)}]")  # one text is read faster than many
        return {row["key"]: _completion(row, document) for row, document in zip(rows, outputs, strict=True)}

    def claim(
        self, run: str, epoch: int, keys: Mapping[str, str], forced: frozenset[str]
    ) -> tuple[Sequence[str], Mapping[str, str], Mapping[str, Completion]]:
        """Claim keys by step; see `ports.ReuseRecords.claim`."""
        with self._database.transaction():
            self._check(run, epoch)
            completed = self.find(key for step, key in keys.items() if step not in forced)
            landed = {step: completed[key] for step, key in keys.items() if step not in forced and key in completed}
            wanted = {step: key for step, key in keys.items() if step not in landed}
            holders = {
                row["key"]: f"step {row['step']!r} of run {row['run']}"
                for row in self._database.read_keys("claims_held", wanted.values())
                if row["run"] != run and self._holds(row)
            }
            held = {step: holders[key] for step, key in wanted.items() if key in holders}
            granted = [step for step in wanted if step not in held]
            self._database.write_many("put_claim", [(wanted[step], run, epoch, step) for step in granted])
        return granted, held, landed

    def release(self, run: str, epoch: int, keys: Sequence[str]) -> None:
        """Give claims up without a result."""
        self._database.write_many("drop_claims", [(key, run, epoch) for key in keys])

    def kept(self) -> Sequence[accounting.Kept]:
        """All completions that may be reused, oldest first."""
        return [
            accounting.Kept(
                row["key"],
                row["run"],
                row["step"],
                row["pipeline"],
                row["created_at"],
                tuple(dict.fromkeys(reason.cause for reason in reasons_from_json(loads(row["reasons"] or "[]")))),
            )
            for row in self._database.read("kept_completions")
        ]

    def revoke(self, keys: Sequence[str], why: str) -> int:
        """Make the completions of these keys unusable."""
        return self._database.write_many("revoke", [(why, key) for key in keys])

    def revoked(self, keys: Iterable[str]) -> Mapping[str, str]:
        """Why the newest completions of these keys that were revoked were so."""
        return {row["key"]: row["revoked"] for row in self._database.read_keys("revoked", keys)}

    def observe(self, definition: str, files: Sequence[str]) -> None:
        """Remember a set of files that an execution opened."""
        self._database.write("observe", (definition, dumps(sorted(files))))

    def observed(self, definitions: Iterable[str]) -> Mapping[str, Sequence[tuple[str, ...]]]:
        """The sets of files that executions of these definitions opened."""
        found: dict[str, list[tuple[str, ...]]] = {}
        for row in self._database.read_keys("observed", definitions):
            found.setdefault(row["definition"], []).append(tuple(loads(row["files"])))
        return found

    def previous(self, pipeline: str, steps: Iterable[str], before: str = "") -> Mapping[str, StepRecord]:
        """The newest completed or reused step run of each name in this pipeline.

        Nearly always the run before has it. Else the newest run that decided on it anew, or whichever is before.
        """
        found: dict[str, Row] = {}
        missing, last = set(steps), before or _AFTER_ALL
        read = self._database.read_keys
        while missing and (runs := self._database.read("run_before", (pipeline, last))):
            last = runs[0]["id"]
            found.update((row["step"], row) for row in read("good_steps_of_run", missing, (), (last,)))
            missing -= found.keys()
            latest = {row["step"]: row for row in read("latest_steps", missing, (), (pipeline,))}
            found.update((step, row) for step, row in latest.items() if row["run"] < last and _is_good(row))
            missing = latest.keys() - found.keys()  # of other steps there is no run at all
        return {step: step_record({**row, "outputs": None}) for step, row in found.items()}

    def definitions(self, definitions: Iterable[str]) -> Mapping[str, float]:
        """Which definitions have completed before, with their mean seconds."""
        rows = self._database.read_keys("definition_times", definitions, after=(NEWEST_EXECUTIONS,))
        return {row["definition"]: row["seconds"] for row in rows}

    def _check(self, run: str, epoch: int) -> None:
        # taking the write lock first makes what follows one decision
        lease = (leases.deadline(), seen_at(self._database, self._clock))
        if not self._database.write_returning("renew_run", (*lease, run, epoch)):
            raise LeaseLostError(f"run {run} is driven by another process, or has ended")

    def _holds(self, row: Row) -> bool:
        """Whether a claim is live: its run is open, under the same epoch, and its driver is alive."""
        return not RunStatus(row["status"]).final and row["epoch"] == row["run_epoch"] and is_held(self._database, row)


def _is_good(row: Row) -> bool:
    return StepStatus(row["status"]).good


def _completion(row: Row, outputs: Mapping[str, Any]) -> Completion:
    return Completion(
        row["key"],
        row["run"],
        row["step"],
        values_from_json(outputs),
        row["seconds"],
        row["attempt"],
        created_at=row["created_at"],
    )
