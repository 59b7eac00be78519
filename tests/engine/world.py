"""An imaginary world for the orchestrator: it answers instructions from dictionaries, and remembers what was executed."""

from collections import deque

from pipelinekit.classes import replace
from pipelinekit.domain.attempts import AttemptEnded, AttemptStarted, attempt_id
from pipelinekit.domain.runs import Completion, Failure, Reason, RunOptions
from pipelinekit.domain.values import plain
from pipelinekit.engine.events import (
    CancelRequested,
    Claim,
    Claimed,
    Expand,
    Expanded,
    Finish,
    LookedUp,
    LookUp,
    Record,
    Release,
    Sleep,
    Start,
    Stop,
    Woken,
)
from pipelinekit.engine.orchestrator import Orchestrator

WHY = (Reason("first run", "it has not run before"),)


class World:
    """Runs graphs. `function(step, inputs, attempt)` gives an output, or raises; completions are kept by key.

    `pick` chooses which of the waiting events happens next; by default the oldest.
    """

    def __init__(self, function=None, pick=None):
        self.function = function or (lambda step, inputs, attempt: [step.split("[")[0].split("-")[0], *inputs.values()])
        self.pick = pick or (lambda count: 0)
        self.kept = {}
        self.held = {}
        self.executed = []
        self.log = []
        self.results = {}

    def run(self, graph, options=None, arguments=None, cancel_after=None, run="run", die_after=None):
        self.run_name = run
        self.executed = []
        self.changes = {}
        self.failed = {}
        self.history = []
        return self.drive(graph, options, arguments, cancel_after, die_after)

    def take_up(self, graph, options=None, arguments=None, cancel_after=None, die_after=None):
        """Another driver goes on with the run: it knows what was recorded, and nothing else."""
        return self.drive(graph, options, arguments, cancel_after, die_after, self.recorded())

    def recorded(self):
        """The step runs of the run, with what they show."""
        return [
            replace(change, outputs=self.results[change.original_run, change.original_step] if change.original_run else change.outputs)
            for change in self.changes.values()
        ]  # fmt: skip

    def drive(self, graph, options, arguments, cancel_after, die_after, recorded=()):
        self.claimed = set()
        self.started = {}
        self.finish = None
        self.events = deque()
        self.orchestrator = Orchestrator(
            self.run_name,
            graph,
            arguments or {},
            options or RunOptions(),
            recorded=recorded,
            failed={step: list(told.values()) for step, told in self.failed.items()},
        )
        self.perform(self.orchestrator.start())
        turns = 0
        while self.finish is None:
            turns += 1
            if die_after is not None and turns > die_after:
                return None
            if cancel_after is not None and turns == cancel_after:
                self.perform(self.orchestrator.handle(CancelRequested()))
                continue
            assert self.events, "the run hangs: nothing can happen any more"
            position = self.pick(len(self.events))
            self.events.rotate(-position)
            event = self.events.popleft()
            self.events.rotate(position)
            self.perform(self.orchestrator.handle(event))
        return self.finish

    @property
    def statuses(self):
        return {name: str(change.status) for name, change in self.changes.items()}

    def perform(self, instructions):
        waiting = deque(instructions)
        while waiting:
            instruction = waiting.popleft()
            self.log.append(instruction)
            match instruction:
                case Record(changes=changes):
                    for change in changes:
                        before = self.changes.get(change.name)
                        assert before is None or not before.status.final or before.status.good, (
                            f"{change.name} moved after its end"
                        )
                        self.changes[change.name] = change
                        if change.failure and not change.status.final:
                            told = self.failed.setdefault(change.name, {})
                            told[change.attempt] = change.failure.kind, change.failure.message
                        if change.outputs:
                            self.results[self.run_name, change.name] = change.outputs
                        if change.outputs and change.key in self.claimed:
                            self.claimed.discard(change.key)
                            self.kept[change.key] = Completion(
                                change.key, self.run_name, change.name, change.outputs, 1.0
                            )
                        self.history.append((change.name, str(change.status)))
                case LookUp(keys=keys):
                    found = {step: self.kept[key] for step, key in keys.items() if key in self.kept}
                    reasons = {step: WHY for step in keys if step not in found}
                    waiting.extend(self.orchestrator.handle(LookedUp(found, reasons)))
                case Claim(keys=keys, forced=forced):
                    held = {step: self.held[key] for step, key in keys.items() if key in self.held}
                    landed = {
                        step: self.kept[key]
                        for step, key in keys.items()
                        if key in self.kept and step not in forced and step not in held
                    }
                    granted = tuple(step for step in keys if step not in held and step not in landed)
                    for step in granted:
                        assert keys[step] not in self.claimed, "one key is claimed twice"
                        self.claimed.add(keys[step])
                    waiting.extend(self.orchestrator.handle(Claimed(granted, held, landed)))
                case Release(keys=keys):
                    self.claimed -= set(keys)
                case Expand(step=step, lists=lists):
                    elements = {
                        port: tuple(plain(item) for item in self.big[value.blob]) for port, value in lists.items()
                    }
                    self.events.append(Expanded(step, elements))
                case Start():
                    self.started[instruction.step, instruction.attempt] = instruction
                    self.events.append(
                        AttemptStarted(attempt_id(self.run_name, instruction.step, instruction.attempt), 1.0)
                    )
                    self.events.append(self.execute(instruction))
                case Stop(step=step, attempt=attempt):
                    del self.started[step, attempt]
                    mine = (step, attempt_id(self.run_name, step, attempt))
                    self.events = deque(item for item in self.events if not {*mine} & {*told_of(item)})
                    self.events.append(
                        AttemptEnded(
                            attempt_id(self.run_name, step, attempt), 2.0, 0.0, failure=Failure("canceled", "canceled")
                        )
                    )
                case Sleep(step=step, attempt=attempt):
                    self.events.append(Woken(step, attempt))
                case Finish():
                    assert not waiting, "something is asked after the end"
                    self.finish = instruction

    def execute(self, start):
        self.executed.append(start.step)
        attempt = attempt_id(self.run_name, start.step, start.attempt)
        inputs = {port: value_of(value) for port, value in start.inputs.items()}
        try:
            output = self.function(start.step, inputs, start.attempt)
        except Damaged as error:
            return AttemptEnded(attempt, 2.0, 1.0, failure=Failure("input", "damaged"), damaged=error.args)
        except Late:
            return AttemptEnded(attempt, 2.0, 1.0, failure=Failure("timeout", "too long"))
        except Lost:
            return AttemptEnded(attempt, 2.0, 1.0, failure=Failure("lost", "worker lost"))
        except Exception as error:
            names = tuple(kind.__name__ for kind in type(error).__mro__)
            return AttemptEnded(attempt, 2.0, 1.0, failure=Failure("user", str(error), names))
        value = output if hasattr(output, "digest") else plain(output)
        return AttemptEnded(attempt, 2.0, 1.0, {"output": value})


def told_of(event):
    """The step and the attempt that an event is about."""
    return getattr(event, "step", ""), getattr(event, "attempt", "")


class Damaged(Exception):
    """An input blob was not what its digest says."""


class Late(Exception):
    """The attempt took longer than its timeout."""


class Lost(Exception):
    """The worker vanished."""


def value_of(stored):
    """The plain value behind a stored one."""
    if stored.format == "list":
        return [value_of(item) for item in stored.items]
    return stored.inline if stored.is_inline else stored.digest
