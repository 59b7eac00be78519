"""The state of one step in a run in progress, and how its inputs are put together from what came before."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from typing import Any

from pipelinekit.classes import entity, field
from pipelinekit.domain.graphs import (
    Binding,
    CompiledStep,
    Condition,
    DictOf,
    FirstOf,
    ListOf,
    Literal,
    Node,
    OutputRef,
    ParameterRef,
    predecessors,
    sources,
)
from pipelinekit.domain.runs import Completion, Failure, Reason, StepRecord, StepStatus, worst_status
from pipelinekit.domain.types import PathRef
from pipelinekit.domain.values import StoredValue, dict_of, list_of, plain
from pipelinekit.engine.carrying import CarriedStep
from pipelinekit.engine.events import Start
from pipelinekit.engine.verification import Expected

_TOLD_BY_VALUE = frozenset({int, str, bool})  # not float: 0.0 equals -0.0


class State(Enum):
    """Where the orchestrator stands with a step; the statuses that people see follow from it."""

    WAITING = auto()  # for what comes before it
    EXPANDING = auto()  # for the elements of the lists that it is mapped over
    OPEN = auto()  # a mapped step whose elements are on their way
    LOOKING = auto()  # for a completion under its key
    CLAIMING = auto()  # for the right to execute its key
    HELD = auto()  # for another run, or another step of this one, that executes the same key
    SLEEPING = auto()  # for its next attempt
    EXECUTING = auto()  # handed to the compute target
    DONE = auto()


@entity
class Work:
    """One step of the run: a node, a mapped node that stands for its elements, or one element.

    `waiting` counts the works that must end before; `followers` are told when this one ends, `sharers` when its
    elements are known. `broken` means that what depends on it cannot run. `fixed` holds inputs that only this element
    has.
    """

    name: str
    node: Node
    position: int
    step: CompiledStep
    parent: Work | None = None
    element: int = -1
    state: State = State.WAITING
    status: StepStatus = StepStatus.NOT_STARTED
    waiting: int = 0
    followers: list[Work] = field(default_factory=list)
    sharers: list[Work] = field(default_factory=list)
    children: list[Work] | None = None
    open_children: int = 0
    fixed: dict[str, StoredValue | Work] = field(default_factory=dict)
    inputs: dict[str, StoredValue] = field(default_factory=dict)
    key: str = ""
    filed_key: str = ""  # the key that the result lies under, where undeclared files count as well
    opened: dict[str, str] = field(default_factory=dict)
    outputs: Mapping[str, StoredValue] = field(default_factory=dict)
    original: tuple[str, str] = ("", "")
    attempt: int = 0
    left: bool = False  # whether its last attempt may be at work still: an earlier driver's, or one that was lost
    failed: tuple[tuple[str, str], ...] = ()  # of its failed attempts the kind of each failure, and what it said
    overdue: bool = False  # its attempt was stopped as it had waited too long for room
    forced: bool = False
    rethinks: bool = False  # forced only because of a completion that another run may have replaced meanwhile
    expected: Expected | None = None
    verified: str = ""
    claimed: bool = False
    stopping: bool = False
    broken: bool = False
    failure: Failure | None = None
    reasons: tuple[Reason, ...] = ()
    note: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    seconds: float = 0.0

    @property
    def mapped(self) -> bool:
        """Whether this work stands for the elements of a mapped node."""
        return self.parent is None and bool(self.node.each)

    @property
    def worst_status(self) -> StepStatus:
        """What a mapped work whose elements have ended is shown as."""
        return worst_status(child.status for child in self.children or ())

    def begin(self) -> Start:
        """Its next attempt."""
        self.state = State.EXECUTING
        self.attempt += 1
        self.failure, self.overdue = None, False
        idle, continues = self.expected is not None, self.left
        self.left = False
        return Start(self.name, self.attempt, self.node.step, self.key, self.inputs, idle, continues)

    def completion(self, run: str) -> Completion:
        """The result of this work, which has ended well in that run, for others with its key."""
        original = self.original if self.status is StepStatus.REUSED else (run, self.name)
        return Completion(self.filed_key or self.key, *original, self.outputs, self.seconds)

    def output(self, name: str) -> StoredValue | None:
        """One output; of a mapped step the list over its elements. None when the step was skipped."""
        if self.children is None:
            return self.outputs.get(name)
        if name not in self.outputs:
            values = [child.outputs[name] for child in self.children if name in child.outputs]
            self.outputs = {**self.outputs, name: list_of(values)}
        return self.outputs[name]

    def record(self, run: str) -> StepRecord:
        """The step run as it stands."""
        return StepRecord(
            run,
            self.name,
            self.position,
            self.status,
            self.filed_key or self.key,
            self.attempt,
            *self.original,
            self.started_at,
            self.ended_at,
            self.seconds,
            self.outputs if self.status is StepStatus.COMPLETED and self.children is None else {},
            self.reasons,
            self.failure,
            self.note,
            self.element,
            self.verified,
            self.key if self.filed_key else "",
        )


def take_over(works: list[Work], carried: Mapping[int, CarriedStep]) -> None:
    """Let works stand as they were carried over from an earlier run."""
    for position, step in carried.items():
        work = works[position]
        work.state, work.status = State.DONE, step.status
        work.outputs, work.original = step.outputs, step.original


def link(works: list[Work]) -> None:
    """Connect works by what they wait for: other works' ends, or only their elements."""
    for work in works:
        if work.state is State.DONE:
            continue  # it was carried over
        before = {position for position in predecessors(work.node) if works[position].state is not State.DONE}
        shared = shared_sources(work, works) & before
        for position in before - shared:
            works[position].followers.append(work)
        for position in shared:
            works[position].sharers.append(work)
        work.waiting = len(before)


def shared_sources(work: Work, works: list[Work]) -> set[int]:
    """Mapped steps that this one maps over element by element: it need not wait until they have ended."""
    bindings = [work.node.inputs[port] for port in work.node.each]
    found = {item.node for item in bindings if isinstance(item, OutputRef) and works[item.node].mapped}
    if not found:
        return found
    rest = {port: binding for port, binding in work.node.inputs.items() if port not in work.node.each}
    return found - predecessors(Node("", 0, rest, work.node.after, work.node.conditions))


def broken_cause(work: Work, works: list[Work]) -> str:
    """What before this work did not complete, so that it cannot run; empty when nothing."""
    elements = {value.position: value for value in work.fixed.values() if isinstance(value, Work)}
    shared = shared_sources(work, works) if work.mapped else set()
    shared = {position for position in shared if works[position].children is not None}  # else there are no elements
    for position in sorted(predecessors(work.node) - shared):
        earlier = elements.get(position, works[position])
        if earlier.broken and earlier.state is State.DONE:
            return f"step {earlier.name!r} did not complete"
    return ""


def producers(work: Work, works: list[Work]) -> list[Work]:
    """The works whose outputs this one takes in; elements of mapped steps one by one."""
    found: list[Work] = [value for value in work.fixed.values() if isinstance(value, Work)]
    for position in predecessors(work.node):
        earlier = works[position]
        found.extend(earlier.children if earlier.children is not None else [earlier])
    return found


def makers_of(work: Work, works: list[Work], blobs: set[str]) -> list[Work]:
    """Those of the works before this one whose outputs hold any of these blobs."""
    return [
        earlier
        for earlier in producers(work, works)
        if any(not blobs.isdisjoint(value.blobs()) for value in earlier.outputs.values())
    ]


def reopen(work: Work) -> None:
    """Let a work that has ended begin anew, as an output of it is to be made again."""
    if work.parent is not None:
        work.parent.outputs = {}
        work.parent.open_children += 1
    if work.mapped:
        work.outputs = {}
    work.state = State.WAITING
    work.status = StepStatus.NOT_STARTED
    work.forced = True
    work.filed_key, work.opened = "", {}
    work.original = ("", "")
    work.reasons = (Reason("missing output", "its stored output was damaged or missing, and is made again"),)


def of_step(name: str, failure: Failure) -> Failure:
    """The failure of a step as the one that its run failed with."""
    words = f"step {name!r} failed: {failure.message}"
    return Failure(failure.kind, words, failure.types, failure.traceback, failure.hint)


class Resolver:
    """Values of bindings, from the run's arguments and the works that have ended."""

    def __init__(
        self, arguments: Mapping[str, StoredValue], paths: Mapping[PathRef, StoredValue], works: list[Work]
    ) -> None:
        self.arguments = arguments
        self.paths = paths
        self.works = works
        self._literals: dict[Any, StoredValue] = {}

    def inputs(self, work: Work) -> dict[str, StoredValue] | None:
        """The inputs of a work put together; None when one comes from a step that was skipped."""
        values: dict[str, StoredValue] = {}
        for port, binding in work.node.inputs.items():
            fixed = work.fixed.get(port)
            if isinstance(fixed, Work):
                source = binding.output if isinstance(binding, OutputRef) else ""
                value = fixed.output(source)
            elif fixed is not None:
                value = fixed
            else:
                value = self.value(binding)
            if value is None:
                return None
            values[port] = value
        return values

    def value(self, binding: Binding) -> StoredValue | None:
        """The value of a binding; None when it comes from a step that was skipped.

        Skipped items leave lists and dicts.
        """
        match binding:
            case OutputRef(node=node, output=output):
                return self.works[node].output(output)
            case Literal():
                return self.literal(binding)
            case ParameterRef(name=name):
                return self.arguments[name]
            case ListOf(items=items):
                values = [self.value(item) for item in items]
                return list_of(value for value in values if value is not None)
            case DictOf(entries=entries):
                pairs = [(key, self.value(item)) for key, item in entries]
                return dict_of({key: value for key, value in pairs if value is not None})
            case FirstOf(items=items):
                return next((value for item in items if (value := self.value(item)) is not None), None)

    def sound(self, bindings: Iterable[tuple[str, Binding]]) -> dict[str, StoredValue]:
        """The values of those bindings that nothing broken and nothing skipped stands behind."""
        whole = (pair for pair in bindings if not any(self.works[position].broken for position in sources(pair[1])))
        return {name: value for name, binding in whole if (value := self.value(binding)) is not None}

    def literal(self, binding: Literal) -> StoredValue:
        """A literal as a stored value; many nodes share literals, or have equal ones, so each is digested once."""
        value = binding.value
        place = (type(value), value) if type(value) in _TOLD_BY_VALUE else id(binding)
        known = self._literals.get(place)
        if known is None:
            known = self._literals[place] = self.paths[value] if isinstance(value, PathRef) else plain(value)
        return known

    def holds(self, condition: Condition) -> bool | Failure:
        """Whether a condition holds, or why that cannot be told."""
        sides = []
        for binding in condition.sides:
            value = self.value(binding)
            if value is None:
                return False
            if not value.is_inline:
                words = f"a condition needs small plain values, not {value.format} of {value.size} bytes"
                return Failure("input", words)
            sides.append(value.inline)
        try:
            return _compare(condition.op, *sides) is not condition.negated
        except TypeError as error:
            return Failure("input", f"a condition cannot be told: {error}")


_COMPARISONS: dict[str, Callable[[Any, Any], object]] = {
    "is": lambda left, _: left,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _compare(op: str, left: Any, right: Any) -> bool:
    if op not in _COMPARISONS:
        raise TypeError(f"unknown comparison {op!r}")
    return bool(_COMPARISONS[op](left, right))
