"""Carries out what the orchestrator asks: the one place where instructions meet the outside world.

What must be written and what must be known is done at once, inside one transaction; what acts on the outside (starting
and stopping attempts) is handed over only after that transaction has been committed.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Mapping

from pipelinekit.classes import field, mutable
from pipelinekit.domain.attempts import Attempt, Task
from pipelinekit.domain.environments import variable_identity
from pipelinekit.domain.graphs import CompiledStep, Graph
from pipelinekit.domain.names import IN_PROCESS, LOCAL
from pipelinekit.domain.runs import DIFFERENT, Completion, Failure, RunRecord, RunStatus, StepRecord, StepStatus
from pipelinekit.domain.secrets import ANY_VERSION
from pipelinekit.domain.values import StoredValue, plain
from pipelinekit.engine.events import (
    Claim,
    Claimed,
    Event,
    Expand,
    Expanded,
    Finish,
    Instruction,
    LookUp,
    Observed,
    Record,
    Release,
    Sleep,
    Start,
    Stop,
    Woken,
)
from pipelinekit.engine.orchestrator import Orchestrator
from pipelinekit.errors import IntegrityError
from pipelinekit.formats.loading import load_plain
from pipelinekit.ports import Blobs, Clock, Files
from pipelinekit.runtime.decisions import Decisions
from pipelinekit.runtime.records import Records

Misfit = Callable[[str, tuple[tuple[str, str], ...]], str]  # why this is not that Python with these packages
AtEnd = Callable[[RunRecord, Graph], None]  # what else is recorded when a run ends, whether all went well or not


@mutable
class Handover:
    """What is to be done after the commit."""

    starts: list[Start] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    changes: list[StepRecord] = field(default_factory=list)
    finished: RunStatus | None = None


class Performer:
    """Performs the instructions of one run."""

    def __init__(
        self,
        run: RunRecord,
        graph: Graph,
        records: Records,
        blobs: Blobs,
        clock: Clock,
        files: Files,
        at_end: AtEnd | None = None,
        misfit: Misfit | None = None,
    ) -> None:
        self._run = run
        self._graph = graph
        self._records = records
        self._blobs = blobs
        self._clock = clock
        self._at_end = at_end
        self._misfit = misfit
        self._misfits: dict[tuple[tuple[str, str], ...], str] = {}
        self._changes: dict[str, StepRecord] = {}
        self._results = False  # whether a result is among the changes that are not written yet
        self._documents: dict[str, str] = {}
        self._timers: list[tuple[float, str, int]] = []
        self._tasks: dict[int, Task] = {}
        self.decisions = Decisions(graph, run.id, records.reuse, records.documents, blobs, clock, files)

    def perform(self, orchestrator: Orchestrator, instructions: list[Instruction]) -> Handover:
        """Perform instructions, and those that follow from their answers, in one transaction."""
        handover = Handover()
        waiting = deque(instructions)
        with self._records.batch():
            while waiting:
                answer = self._perform_one(waiting.popleft(), handover)
                if answer is not None:
                    waiting.extend(orchestrator.handle(answer))
            self._write(handover)
        return handover

    def due(self, now: float) -> list[Woken]:
        """What is told of sleeps that are over."""
        found = []
        while self._timers and self._timers[0][0] <= now:
            _, step, attempt = heapq.heappop(self._timers)
            found.append(Woken(step, attempt))
        return found

    def next_timer(self) -> float | None:
        """When the next sleep is over."""
        return self._timers[0][0] if self._timers else None

    def targets_at_work(self) -> set[str]:
        """The clusters that steps which have not ended may be at work on."""
        steps = self._records.runs.steps(self._run.id)
        begun = {step.node for step in steps if step.attempt and not step.status.final}
        found = {self._target(self._graph.steps[self._graph.nodes[node].step]) for node in begun}
        return found - {LOCAL, IN_PROCESS}

    def attempt(self, start: Start, variables: Mapping[str, str]) -> Attempt:
        """The attempt that a start instruction asks for."""
        if start.position not in self._tasks:
            self._tasks[start.position] = self._task(self._graph.steps[start.position], variables)
        about = self._run.id, start.step, start.attempt, self._tasks[start.position], start.inputs
        return Attempt(
            *about,
            priority=self._run.options.priority,
            idle=start.idle,
            outlives=self._run.detached and not start.idle,
            continues=start.continues and self._run.detached,
        )

    def _task(self, step: CompiledStep, variables: Mapping[str, str]) -> Task:
        definition, options = step.definition, step.options
        return Task(
            definition.kind,
            definition.entry,
            step.snapshot,
            step.inputs,
            definition.outputs,
            definition.arguments,
            options.timeout,
            options.resources,
            self._target(step),
            definition.software.python,
            definition.software.packages,
            definition.software.lock,
            {
                **{name: variables[name] for name, _ in definition.software.variables if name in variables},
                **options.variables,
            },
            step.known,
            definition.software.base,
            step.environment,
            {**dict.fromkeys(options.secrets, ANY_VERSION), **dict(definition.secrets)} if options.secrets else {},
            options.dask_client,
            options.nodes,
        )

    def _target(self, step: CompiledStep) -> str:
        return step.options.compute or self._run.options.compute

    def variable_problem(self, start: Start, variables: Mapping[str, str]) -> str:
        """Why this process's environment variables are not those that the step was keyed with; empty when they are."""
        step = self._graph.steps[start.position]
        for name, identity in step.definition.software.variables:
            value = step.options.variables.get(name, variables.get(name))
            if variable_identity(name, value) != identity:
                return (
                    f"environment variable {name} is not what it was when the pipeline was compiled; compile it again"
                )
        return ""

    def software_problem(self, attempt: Attempt) -> str:
        """Why this machine's software is not what the step was keyed with; empty when it is.

        Stored graphs outlive what is installed. Elsewhere, and in environments of their own, others see to it.
        """
        task = attempt.task
        if self._misfit is None or task.has_environment or task.compute not in (LOCAL, IN_PROCESS):
            return ""
        if task.packages not in self._misfits:
            self._misfits[task.packages] = self._misfit(task.python, task.packages)
        return self._misfits[task.packages]

    # -- one instruction ---------------------------------------------------------------------------------------------

    def _perform_one(self, instruction: Instruction, handover: Handover) -> Event | None:
        match instruction:
            case Record(changes=changes):
                self._changes.update((change.name, change) for change in changes)
                self._results = self._results or any(_is_result(change) for change in changes)
            case LookUp():
                if self._results:  # what follows a step may have its very key
                    self._write(handover)
                return self.decisions.look_up(instruction)
            case Claim(keys=keys, forced=forced):
                granted, held, landed = self._records.reuse.claim(self._run.id, self._run.epoch, keys, forced)
                return Claimed(tuple(granted), held, landed)
            case Release(keys=keys):
                self._records.reuse.release(self._run.id, self._run.epoch, keys)
            case Expand():
                return self._expand(instruction)
            case Observed():
                text = self.decisions.document(instruction.step, instruction.inputs, instruction.files)
                self._documents[instruction.key] = text
                definition = self.decisions.definition_digest(instruction.step)
                self._records.reuse.observe(definition, list(instruction.files))
            case Start():
                self._documents[instruction.key] = self.decisions.document(instruction.step, instruction.inputs)
                self._documents.update([self.decisions.definition(instruction.step)])
                handover.starts.append(instruction)
            case Stop():
                handover.stops.append(instruction)
            case Sleep(step=step, seconds=seconds, attempt=attempt):
                heapq.heappush(self._timers, (self._clock.now() + seconds, step, attempt))
            case Finish():
                self._finish(instruction, handover)
        return None

    def _expand(self, asked: Expand) -> Expanded:
        elements: dict[str, tuple[StoredValue, ...]] = {}
        for port, value in asked.lists.items():
            try:
                data = load_plain(value, self._blobs)
            except IntegrityError as error:
                return Expanded(asked.step, {}, Failure("input", error.message, hint=error.hint))
            if not isinstance(data, list):
                words = f"input {port!r} is mapped over, but its value is a {type(data).__name__}, not a list"
                return Expanded(asked.step, {}, Failure("input", words))
            elements[port] = tuple(plain(item) for item in data)
        return Expanded(asked.step, elements)

    def _finish(self, asked: Finish, handover: Handover) -> None:
        self._write(handover)
        run = self._run
        self._records.driving.finish(run.id, run.epoch, asked.status, asked.outputs, asked.failure)
        if self._at_end:
            self._at_end(run, self._graph)
        handover.finished = asked.status

    def _write(self, handover: Handover) -> None:
        if self._documents:
            self._records.documents.put(self._documents)
            self._documents = {}
        if self._changes:
            changes = list(self._changes.values())
            self._changes, self._results = {}, False
            completions = [self._completion(change) for change in changes if _is_result(change)]
            self._records.driving.record(self._run.id, self._run.epoch, changes, completions)
            for change in changes:
                if change.verified == DIFFERENT and change.status is StepStatus.COMPLETED:
                    self._records.reuse.revoke([change.key], f"run {change.run}: {change.note}")
            handover.changes.extend(changes)

    def _completion(self, change: StepRecord) -> Completion:
        return Completion(
            change.key,
            change.run,
            change.name,
            change.outputs,
            change.seconds,
            change.attempt,
            self.decisions.definition_digest(change.name),
            claim=change.claim,
        )


def _is_result(change: StepRecord) -> bool:
    return change.attempt > 0 and change.status is StepStatus.COMPLETED
