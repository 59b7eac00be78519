"""Records in memory: the twins of what `storage` keeps in a database."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import fmean
from typing import Any

from pipelinekit.classes import field, mutable, replace
from pipelinekit.domain.accounting import Kept
from pipelinekit.domain.attempts import LogChunk
from pipelinekit.domain.metrics import Entry
from pipelinekit.domain.pipeline_drafts import PipelineDraft
from pipelinekit.domain.published_pipelines import PublishedPipeline
from pipelinekit.domain.runs import (
    NEWEST_EXECUTIONS,
    PIPELINE,
    CarriedRecord,
    Completion,
    Failure,
    RunRecord,
    RunStatus,
    StepRecord,
    StepStatus,
)
from pipelinekit.domain.values import StoredValue
from pipelinekit.domain.vitals import RUNS, STEP_SECONDS, STEPS
from pipelinekit.errors import LeaseLostError, NotFoundError, UsageError
from pipelinekit.ports import Clock
from pipelinekit.testing import queueing


@mutable
class MemoryState:
    """Everything that the twins of one workspace share. `dead` names the owners that count as dead."""

    clock: Clock
    runs: dict[str, RunRecord] = field(default_factory=dict)
    experiments: dict[str, int] = field(default_factory=dict)
    made: dict[str, float] = field(default_factory=dict)
    archived: dict[str, float] = field(default_factory=dict)
    described: dict[str, str] = field(default_factory=dict)
    experiment_tags: dict[str, dict[str, str]] = field(default_factory=dict)
    steps: dict[str, dict[str, StepRecord]] = field(default_factory=dict)
    completions: list[Completion] = field(default_factory=list)
    reusable: dict[str, Completion] = field(default_factory=dict)
    revoked: dict[str, str] = field(default_factory=dict)
    observations: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    claims: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    documents: dict[str, str] = field(default_factory=dict)
    logs: dict[tuple[str, str], list[LogChunk]] = field(default_factory=dict)
    events: dict[str, list[list[tuple[str, str]]]] = field(default_factory=dict)
    moments: dict[str, list[float]] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    used: dict[tuple[str, str], float] = field(default_factory=dict)
    doomed: dict[tuple[str, str, int], float] = field(default_factory=dict)
    compiled: dict[str, float] = field(default_factory=dict)
    published: dict[str, PublishedPipeline] = field(default_factory=dict)
    drafts: dict[str, PipelineDraft] = field(default_factory=dict)
    waiting_for: dict[str, tuple[int, str]] = field(default_factory=dict)
    losses: set[str] = field(default_factory=set)
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    metrics: dict[tuple[str, str, bool, str], list[Entry]] = field(default_factory=dict)
    tags: dict[tuple[str, str, bool], dict[str, str]] = field(default_factory=dict)
    properties: dict[tuple[str, str, bool], dict[str, str]] = field(default_factory=dict)
    files: dict[tuple[str, str, bool], dict[str, StoredValue]] = field(default_factory=dict)
    told_by: dict[tuple[str, str], int] = field(default_factory=dict)
    fruitless: dict[str, int] = field(default_factory=dict)
    offered: dict[str, float] = field(default_factory=dict)
    totals: dict[tuple[str, str], float] = field(default_factory=dict)
    limits: dict[tuple[str, str], int] = field(default_factory=dict)
    failed: dict[tuple[str, str, int], tuple[str, str]] = field(default_factory=dict)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside, or none of it."""
        kept = {name: copy.copy(getattr(self, name)) for name in self.__match_args__}
        kept["steps"] = {run: dict(steps) for run, steps in self.steps.items()}
        kept["events"] = {run: list(events) for run, events in self.events.items()}
        kept["moments"] = {run: list(moments) for run, moments in self.moments.items()}
        try:
            yield
        except BaseException:
            for name, value in kept.items():
                setattr(self, name, value)
            raise

    def tell(self, run: str, body: list[tuple[str, str]]) -> None:
        """Keep an event."""
        self.events.setdefault(run, []).append(body)
        self.moments.setdefault(run, []).append(self.clock.now())

    def leased(self, run: str, epoch: int) -> RunRecord:
        """The run, if this epoch holds it. Raises LeaseLostError."""
        record = self.runs.get(run)
        if record is None or record.epoch != epoch or record.status not in _DRIVEN:
            raise LeaseLostError(f"run {run} is driven by another process, or has ended")
        return record

    def gather(self, run: str) -> None:
        """Let a run have what the steps that it reused told their run."""
        for step in self.steps.get(run, {}).values():
            if step.status is StepStatus.REUSED:
                for told in (self.tags, self.properties, self.files):
                    earlier = told.get((step.original_run, step.original_step, True), {})
                    if earlier:
                        told[run, "", False] = {**earlier, **told.get((run, "", False), {})}  # type: ignore[dict-item]

    def end_steps(self, run: str, *, is_canceled: bool) -> list[tuple[str, str]]:
        """Let the steps of a run that have not ended be canceled; which they were."""
        left = {name: step for name, step in self.steps.get(run, {}).items() if not step.status.final}
        for name, step in left.items():
            note, now = "the run was canceled" if is_canceled else "the driver of the run died", self.clock.now()
            self.steps[run][name] = replace(step, status=StepStatus.CANCELED, note=note, ended_at=now)
        return [(name, "Canceled") for name in left]

    def has_begun(self, run: str) -> bool:
        """Whether a step of the run may be at work."""
        return any(step.attempt and not step.status.final for step in self.steps.get(run, {}).values())

    def count_ended(self, run: str) -> None:
        """Count a run that has ended, and its steps, for good."""
        told = [(RUNS, str(self.runs[run].status), 1.0)]
        for step in self.steps.get(run, {}).values():
            told += [(STEPS, str(step.status), 1.0), (STEP_SECONDS, str(step.status), step.seconds)]
        for name, label, value in told:
            self.totals = {**self.totals, (name, label): self.totals.get((name, label), 0.0) + value}

    def holds(self, claim: tuple[str, int, str]) -> bool:
        """Whether a claim is live."""
        run = self.runs[claim[0]]
        return not run.status.final and run.epoch == claim[1] and bool(run.owner) and run.owner not in self.dead


_DRIVEN = (RunStatus.RUNNING, RunStatus.CANCEL_REQUESTED)
_NO_STEPS = ("driver", "status")  # what else events tell
_WAITING = (RunStatus.NOT_STARTED, RunStatus.QUEUED)


class MemoryRuns:
    """Twin of `storage.runs.SQLRuns`."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def create(self, run: RunRecord, properties: Mapping[str, str] | None = None) -> RunRecord:
        """Record a new run."""
        self._state.properties.update({(run.id, "", False): dict(properties)} if properties else {})
        number = self._state.experiments.get(run.experiment, 0) + 1
        self._state.experiments[run.experiment] = number
        self._state.made.setdefault(run.experiment, run.created_at)
        self._state.archived.pop(run.experiment, None)
        self._state.runs[run.id] = replace(run, number=number)
        return self._state.runs[run.id]

    def get(self, run: str) -> RunRecord:
        """The run of this id, of a unique beginning of one, or the newest."""
        if run in ("", "latest"):
            visible = {name for name, found in self._state.runs.items() if not found.parent} - self._state.removed
            if not visible:
                raise NotFoundError("this workspace has no runs yet")
            return self._state.runs[max(visible)]
        if run in self._state.runs:
            return self._state.runs[run]
        found = [name for name in self._state.runs if name.startswith(run)]
        if not found:
            raise NotFoundError(f"there is no run {run!r}")
        if len(found) > 1:
            raise UsageError(f"several runs begin with {run!r}")
        return self._state.runs[found[0]]

    def steps(self, run: str) -> Sequence[StepRecord]:
        """Step runs in the order of the graph."""
        records = self._state.steps.get(run, {}).values()
        return [
            self._with_outputs(step) for step in sorted(records, key=lambda item: (item.node, item.element, item.name))
        ]

    def _with_outputs(self, step: StepRecord) -> StepRecord:
        if not step.status.good:
            return replace(step, outputs={})
        found = [item for item in self._state.completions if (item.run, item.step) == _shown(step)]
        return replace(step, outputs=max(found, key=lambda item: item.attempt).outputs if found else {})

    def changes(self, run: str) -> Sequence[tuple[float, Sequence[tuple[str, str]]]]:
        """When step runs changed, and to which status."""
        told = zip(self._state.moments.get(run, ()), self._state.events.get(run, ()), strict=True)
        return [(at, steps) for at, body in told if (steps := [item for item in body if item[0] not in _NO_STEPS])]

    def waits(self, run: str = "") -> Mapping[str, str]:
        """Why runs wait that limits hold back, or whose steps can begin nowhere."""
        return queueing.waits(self._state, run)

    def request_cancel(self, run: str) -> RunRecord:
        """Ask the driver to end the run, or cancel it where there is none."""
        record = self.get(run)
        if record.status in _WAITING and not record.owner and not self._state.has_begun(record.id):
            record = replace(record, status=RunStatus.CANCELED, cancel_requested=True, ended_at=self._state.clock.now())
            self._state.end_steps(record.id, is_canceled=True)
            self._state.runs[record.id] = record
            self._state.count_ended(record.id)
        elif not record.status.final:
            is_driven = record.status is RunStatus.RUNNING or not record.owner
            status = RunStatus.CANCEL_REQUESTED if is_driven else record.status
            record = replace(record, status=status, cancel_requested=True)
        self._state.runs[record.id] = record
        return record


class MemoryDriving(queueing.MemoryQueueing):
    """Twin of `storage.runs.SQLDriving`."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def take(self, run: str, owner: str) -> RunRecord:
        """Take the run's lease."""
        record = self._state.runs.get(run)
        if record is None:
            raise NotFoundError(f"there is no run {run!r}")
        if record.owner and record.owner != owner and record.owner not in self._state.dead:
            raise LeaseLostError(f"run {run} is driven by another process ({record.owner})")
        if record.status.final:
            raise LeaseLostError(f"run {run} has ended as {record.status}")
        status = RunStatus.RUNNING if record.status in _WAITING else record.status
        started = record.started_at if record.started_at is not None else self._state.clock.now()
        record = replace(record, owner=owner, epoch=record.epoch + 1, status=status, started_at=started)
        self._state.runs[run] = record
        self._state.fruitless = {**self._state.fruitless, run: self._state.fruitless.get(run, 0) + 1}
        self._event(run, [("driver", owner)])
        return record

    def renew(self, run: str, epoch: int) -> bool:
        """Keep the lease."""
        return self._state.leased(run, epoch).cancel_requested

    def record(
        self, run: str, epoch: int, changes: Sequence[StepRecord], completions: Sequence[Completion] = ()
    ) -> None:
        """Write step runs and completions."""
        with self._state.transaction():
            self._state.leased(run, epoch)
            self._event(run, [(change.name, str(change.status)) for change in changes])
            steps = self._state.steps.setdefault(run, {})
            for change in changes:
                if change.failure and not change.status.final:
                    told = change.failure.kind, change.failure.message
                    self._state.failed = {**self._state.failed, (run, change.name, change.attempt): told}
                before = steps.get(change.name)
                if before is not None and before.status.final:
                    healing = before.status.good and change.status is StepStatus.QUEUED
                    again = before.status is StepStatus.REUSED and change.status is StepStatus.REUSED
                    if not (healing or again):
                        raise LeaseLostError(f"run {run}: a step that has ended cannot move again ({change.name})")
                ended = change.ended_at
                if ended is None and change.status.final:
                    ended = self._state.clock.now()
                steps[change.name] = replace(change, ended_at=ended)
                if change.status is StepStatus.REUSED:
                    self._state.used[change.original_run, change.original_step] = self._state.clock.now()
            for completion in completions:
                self._accept(run, epoch, completion)
                self._state.fruitless = {**self._state.fruitless, run: 0}

    def failed(self, run: str) -> Mapping[str, Sequence[tuple[str, str]]]:
        """How attempts failed."""
        found: dict[str, list[tuple[str, str]]] = {}
        for (of, step, _), told in self._state.failed.items():
            if of == run:
                found.setdefault(step, []).append(told)
        return found

    def finish(
        self, run: str, epoch: int, status: RunStatus, outputs: Mapping[str, StoredValue], failure: Failure | None
    ) -> None:
        """End the run."""
        record = self._state.leased(run, epoch)
        is_canceled = status is RunStatus.CANCELED
        left = self._state.end_steps(run, is_canceled=is_canceled) if epoch > 1 else ()
        self._event(run, [("status", str(status)), *left])
        now = self._state.clock.now()
        self._state.gather(run)
        self._state.runs[run] = replace(
            record, status=status, outputs=dict(outputs), failure=failure, ended_at=now, owner=""
        )
        self._state.count_ended(run)
        self._drop_claims(run)

    def hand_back(self, run: str, epoch: int) -> None:
        """Queue a detached run again."""
        record = self._state.leased(run, epoch)
        if not record.detached or record.cancel_requested:
            raise LeaseLostError(f"run {run} cannot be handed back: it is not detached, or is to be canceled")
        self._event(run, [("status", "Queued")])
        self._state.runs[run] = replace(record, status=RunStatus.QUEUED, owner="", epoch=epoch + 1)
        self._state.fruitless = {**self._state.fruitless, run: self._state.fruitless[run] - 1}
        self._state.offered = {**self._state.offered, run: 0.0}
        self._drop_claims(run)

    def _accept(self, run: str, epoch: int, completion: Completion) -> None:
        completion = replace(completion, created_at=self._state.clock.now())
        self._state.completions.append(completion)
        claimed = completion.claim or completion.key
        claim = self._state.claims.get(claimed)
        if claim is not None and claim[:2] == (run, epoch):
            del self._state.claims[claimed]
            self._state.reusable[completion.key] = completion

    def _event(self, run: str, body: list[tuple[str, str]]) -> None:
        self._state.tell(run, body)


class MemoryCarrying:
    """Twin of `storage.carrying.SQLCarrying`."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def earlier(self, run: RunRecord) -> RunRecord | None:
        """The newest completed run of the same pipeline that was submitted before."""
        found = [
            item
            for item in self._state.runs.values()
            if item.pipeline == run.pipeline and item.status is RunStatus.COMPLETED and item.id < run.id
            if item.kind == PIPELINE
        ]
        visible = [item for item in found if item.id not in self._state.removed]
        return max(visible, key=lambda item: item.id, default=None)

    def spent(self, run: str) -> tuple[set[int], Mapping[int, Sequence[StoredValue]]]:
        """Nodes with results that may no longer be reused, and outputs that name blobs."""
        spent: set[int] = set()
        named: dict[int, list[StoredValue]] = {}
        for step in self._state.steps.get(run, {}).values():
            kept = self._state.reusable.get(step.key)
            if step.status is StepStatus.SKIPPED:
                continue
            if kept is None or (kept.run, kept.step) != _shown(step):
                spent.add(step.node)
            elif any(True for value in kept.outputs.values() for _ in value.blobs()):
                named.setdefault(step.node, []).extend(kept.outputs.values())
        return spent, named

    def carry(
        self, run: str, epoch: int, earlier: str, but: Collection[int] = ()
    ) -> tuple[Mapping[StepStatus, int], float]:
        """Copy step runs of an earlier run."""
        self._state.leased(run, epoch)
        now = self._state.clock.now()
        steps = self._state.steps.setdefault(run, {})
        for step in self._state.steps[earlier].values():
            if step.node in but:
                continue
            skipped = step.status is StepStatus.SKIPPED
            steps[step.name] = StepRecord(
                run,
                step.name,
                step.node,
                StepStatus.SKIPPED if skipped else StepStatus.REUSED,
                step.key,
                0,
                *(("", "") if skipped else _shown(step)),
                ended_at=now,
                seconds=step.seconds,
                note=step.note if skipped else "",
                element=step.element,
            )
            if not skipped:
                self._state.used[_shown(step)] = now
        self._state.tell(run, [(step.name, str(step.status)) for step in steps.values()])
        counts = {status: sum(step.status is status for step in steps.values()) for status in StepStatus}
        seconds = sum(step.seconds for step in steps.values() if step.status is StepStatus.REUSED)
        return {status: count for status, count in counts.items() if count}, seconds

    def carried(self, run: str) -> Sequence[CarriedRecord]:
        """What was carried over, with outputs."""
        found = sorted(self._state.steps.get(run, {}).values(), key=lambda step: (step.node, step.element))
        return [
            CarriedRecord(
                step.node,
                step.element,
                step.status,
                self._state.reusable[step.key].outputs if step.status is StepStatus.REUSED else {},
                (step.original_run, step.original_step),
            )
            for step in found
        ]


def _shown(step: StepRecord) -> tuple[str, str]:
    """Run and step of the result that a step run shows."""
    return (step.original_run, step.original_step) if step.original_run else (step.run, step.name)


class MemoryReuse:
    """Twin of `storage.reuse.SQLReuse`."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def find(self, keys: Iterable[str]) -> Mapping[str, Completion]:
        """The reusable completions."""
        return {key: self._state.reusable[key] for key in keys if key in self._state.reusable}

    def claim(
        self, run: str, epoch: int, keys: Mapping[str, str], forced: frozenset[str]
    ) -> tuple[Sequence[str], Mapping[str, str], Mapping[str, Completion]]:
        """Claim keys by step."""
        self._state.leased(run, epoch)
        granted, held, landed = [], {}, {}
        for step, key in keys.items():
            claim = self._state.claims.get(key)
            if step not in forced and key in self._state.reusable:
                landed[step] = self._state.reusable[key]
            elif claim is not None and claim[0] != run and self._state.holds(claim):
                held[step] = f"step {claim[2]!r} of run {claim[0]}"
            else:
                self._state.claims[key] = (run, epoch, step)
                granted.append(step)
        return granted, held, landed

    def release(self, run: str, epoch: int, keys: Sequence[str]) -> None:
        """Give claims up."""
        for key in keys:
            claim = self._state.claims.get(key)
            if claim is not None and claim[:2] == (run, epoch):
                del self._state.claims[key]

    def kept(self) -> Sequence[Kept]:
        """All completions that may be reused."""
        found = sorted(self._state.reusable.values(), key=lambda item: (item.created_at, item.key))
        return [self._kept(item) for item in found]

    def _kept(self, item: Completion) -> Kept:
        step = self._state.steps.get(item.run, {}).get(item.step)
        causes = tuple(dict.fromkeys(reason.cause for reason in step.reasons)) if step else ()
        return Kept(item.key, item.run, item.step, self._state.runs[item.run].pipeline, item.created_at, causes)

    def revoke(self, keys: Sequence[str], why: str) -> int:
        """Make completions unusable."""
        gone = [key for key in keys if self._state.reusable.pop(key, None) is not None]
        self._state.revoked = {**self._state.revoked, **dict.fromkeys(gone, why)}
        return len(gone)

    def revoked(self, keys: Iterable[str]) -> Mapping[str, str]:
        """Why completions were revoked."""
        return {key: self._state.revoked[key] for key in keys if key in self._state.revoked}

    def observe(self, definition: str, files: Sequence[str]) -> None:
        """Remember a set of files."""
        kept = self._state.observations.get(definition, [])
        found = tuple(sorted(files))
        self._state.observations = {**self._state.observations, definition: [*(x for x in kept if x != found), found]}

    def observed(self, definitions: Iterable[str]) -> Mapping[str, Sequence[tuple[str, ...]]]:
        """The sets of files."""
        return {name: self._state.observations[name] for name in definitions if name in self._state.observations}

    def previous(self, pipeline: str, steps: Iterable[str], before: str = "") -> Mapping[str, StepRecord]:
        """The newest completed or reused step run of each name."""
        wanted = set(steps)
        runs = [run for name, run in sorted(self._state.runs.items()) if not before or name < before]
        return {
            step.name: replace(step, outputs={})
            for run in runs
            if run.pipeline == pipeline
            for step in self._state.steps.get(run.id, {}).values()
            if step.name in wanted and step.status.good
        }

    def definitions(self, definitions: Iterable[str]) -> Mapping[str, float]:
        """Mean seconds of definitions that have completed."""
        times: dict[str, list[float]] = {}
        for item in self._state.completions:
            times.setdefault(item.definition, []).append(item.seconds)
        return {name: fmean(times[name][-NEWEST_EXECUTIONS:]) for name in definitions if name in times}
