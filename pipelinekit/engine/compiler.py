"""From a draft to a graph: every fault of the pipeline at once, or an ordered list of uniquely named nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipelinekit.classes import replace
from pipelinekit.domain.graphs import (
    Binding,
    CompiledStep,
    Condition,
    DictOf,
    FirstOf,
    Graph,
    ListOf,
    Literal,
    Node,
    OutputRef,
    ParameterRef,
    Referring,
    predecessors,
)
from pipelinekit.domain.names import Namer
from pipelinekit.domain.pipelines import Call, Draft, StepDeclaration
from pipelinekit.domain.steps import Port
from pipelinekit.domain.types import ANY, PathRef, PortType, accepts, describe, element_of, problem, shorten
from pipelinekit.errors import CompileError, Fault
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import graphlib
    import heapq
else:
    graphlib = late("graphlib")
    heapq = late("heapq")

_NOT_COMPARED = frozenset({"table", "array", "file", "folder", "path", "object"})
_NUMBERS = frozenset({"bool", "int", "float"})
_SCALARS = frozenset({bool, int, float, str, type(None)})
_TOLD_BY_CLASS = frozenset({"any", "bool", "int", "float", "str", "none"})  # whether a scalar fits, its class says


def check(draft: Draft, known: Sequence[Fault] = ()) -> None:
    """Raise CompileError with every fault of the draft and those that are known; return when there is none."""
    faults = [*draft.faults, *known]
    checker = _Checker(draft)
    for step in draft.steps:
        faults.extend(checker.declaration(step))
    faults.extend(_duplicate_names(draft.calls))
    for call in draft.calls:
        faults.extend(checker.call(call))
    faults.extend(_cycle(draft.calls))
    if not draft.calls and not faults:
        faults.append(Fault(f"pipeline {draft.name!r} calls no step"))
    raise_faults(draft.name, faults)


def raise_faults(name: str, faults: Sequence[Fault]) -> None:
    """Raise one CompileError with these faults, in the order of their places; do nothing when there are none."""
    if faults:
        unique = sorted(dict.fromkeys(faults), key=lambda fault: (fault.file, fault.line))
        count = "1 fault" if len(unique) == 1 else f"{len(unique)} faults"
        raise CompileError(f"pipeline {name!r} cannot be compiled: {count}", faults=unique)


def assemble(draft: Draft, steps: Sequence[CompiledStep], snapshot: str) -> Graph:
    """The graph of a checked draft, whose steps have been compiled in the draft's order."""
    nodes = _name_nodes(draft.calls)
    outputs = tuple(draft.outputs.items())
    if not _in_order(nodes):
        order = _order(nodes)
        position = {old: new for new, old in enumerate(order)}
        nodes = [_move(nodes[old], position) for old in order]
        outputs = tuple((name, _move_binding(binding, position)) for name, binding in outputs)
    return Graph(draft.name, tuple(steps), tuple(nodes), tuple(draft.parameters), outputs, snapshot, draft.description)


# -- names -------------------------------------------------------------------------------------------------------------


def _name_nodes(calls: Sequence[Call]) -> list[Node]:
    namer = Namer(call.full_name for call in calls if call.explicit)
    return [
        Node(
            call.full_name if call.explicit else namer.next(call.full_name if call.scope else call.name),
            call.step,
            call.inputs,
            tuple(call.after),
            call.conditions,
            call.each,
            call.file,
            call.line,
        )
        for call in calls
    ]


def _duplicate_names(calls: Sequence[Call]) -> list[Fault]:
    seen: dict[str, Call] = {}
    faults = []
    for call in calls:
        if not call.explicit:
            continue
        first = seen.setdefault(call.full_name, call)
        if first is not call:
            hint = f"the other is at {first.file}:{first.line}; leave the name out, or give each call its own"
            faults.append(Fault(f"two steps are named {call.full_name!r}", call.file, call.line, hint))
    return faults


# -- order -------------------------------------------------------------------------------------------------------------


def _in_order(calls: Sequence[Referring]) -> bool:
    """Whether no call waits for a later one. By data and conditions none can: its handle is there once it is called."""
    return all(max(call.after) < position for position, call in enumerate(calls) if call.after)


def _cycle(calls: Sequence[Call]) -> list[Fault]:
    if _in_order(calls):
        return []
    before = [predecessors(call) for call in calls]
    try:
        graphlib.TopologicalSorter(dict(enumerate(before))).prepare()
    except graphlib.CycleError as error:
        ring: list[int] = error.args[1]
        nodes = _name_nodes(calls)
        names = " -> ".join(nodes[position].name for position in ring)
        first = calls[min(ring)]
        return [Fault(f"the steps wait for each other in a cycle: {names}", first.file, first.line)]
    return []


def _order(nodes: Sequence[Node]) -> list[int]:
    """Positions in topological order; nodes that may come in any order keep the order of their calls."""
    before = [predecessors(node) for node in nodes]
    waiting = [len(found) for found in before]
    followers: list[list[int]] = [[] for _ in nodes]
    for position, found in enumerate(before):
        for earlier in found:
            followers[earlier].append(position)
    ready = [position for position, count in enumerate(waiting) if count == 0]
    order = []
    while ready:
        position = heapq.heappop(ready)
        order.append(position)
        for follower in followers[position]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                heapq.heappush(ready, follower)
    return order


def _move(node: Node, position: Mapping[int, int]) -> Node:
    return replace(
        node,
        inputs={port: _move_binding(binding, position) for port, binding in node.inputs.items()},
        after=tuple(position[earlier] for earlier in node.after),
        conditions=tuple(
            Condition(_move_binding(item.subject, position), item.op, _move_binding(item.other, position), item.negated)
            for item in node.conditions
        ),
    )


def _move_binding(binding: Binding, position: Mapping[int, int]) -> Binding:
    match binding:
        case OutputRef(node=node, output=output):
            return OutputRef(position[node], output)
        case ListOf(items=items):
            return ListOf(tuple(_move_binding(item, position) for item in items))
        case FirstOf(items=items):
            return FirstOf(tuple(_move_binding(item, position) for item in items))
        case DictOf(entries=entries):
            return DictOf(tuple((key, _move_binding(item, position)) for key, item in entries))
        case _:
            return binding


# -- types -------------------------------------------------------------------------------------------------------------


class _Checker:
    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.calls = draft.calls
        self.parameters = {parameter.name: parameter.type for parameter in draft.parameters}
        self.outputs = [{port.name: port.type for port in step.outputs} for step in draft.steps]
        self.fitting: set[tuple[Any, ...]] = set()
        self.lists: dict[int, PortType] = {}

    def declaration(self, step: StepDeclaration) -> list[Fault]:
        return [
            Fault(
                f"output {port.name!r} of step {step.title!r} has type {describe(port.type)}, which cannot be stored",
                step.file,
                step.line,
                "return tables, arrays, plain data, files or models, annotate it with a Format, or register a format",
            )
            for port in step.outputs
            if not _storable(port.type)
        ]

    def call(self, call: Call) -> list[Fault]:
        step = self.draft.steps[call.step]
        faults = []
        for port in step.inputs:
            binding = call.inputs.get(port.name)
            if self.has_fitted(port.type, binding) and not call.each:
                continue
            if binding is None:
                if port.required and port.name not in call.faulty:
                    faults.append(self.fault(call, f"has no value for its input {port.name!r} ({describe(port.type)})"))
            elif port.name in call.each:
                faults.extend(self.each(call, port, binding))
                if not port.keyed:
                    words = f"input {port.name!r} is not keyed, so that its elements could not be told apart"
                    faults.append(
                        Fault(f"step {call.full_name!r}: {words}", call.file, call.line, "wrap it in fixed(...)")
                    )
            elif why := self.misfit(port.type, binding):
                faults.append(self.fault(call, f"input {port.name!r}: {why}"))
        if call.conditions:
            odd = [why for condition in call.conditions if (why := self.odd(condition))]
            faults.extend(self.fault(call, f"has a condition {why}") for why in odd)
        return faults

    def has_fitted(self, target: PortType, binding: Binding | None) -> bool:
        """Whether a binding of this kind was seen to fit this port before. Types live as long as the draft."""
        if type(binding) is Literal:
            return (id(target), type(binding.value)) in self.fitting
        if type(binding) is OutputRef:
            maker = self.calls[binding.node]
            return (id(target), maker.step, binding.output, not maker.each) in self.fitting
        return False

    def odd(self, condition: Condition) -> str:
        """Why a condition can never be told; empty when it can."""
        kinds = [self.type_of(side) for side in condition.sides[: 1 if condition.op == "is" else 2]]
        for kind, side in zip(kinds, condition.sides, strict=False):
            if kind.kind in _NOT_COMPARED:
                return (
                    f"on {describe(kind)} from {self.source(side)}; it takes plain values, such as a number or a text"
                )
        if condition.op in ("<", "<=", ">", ">="):
            sorts = {"number" if kind.kind in _NUMBERS else kind.kind for kind in kinds}
            if len(sorts) > 1 and sorts <= {"number", "str", "none", "list", "dict"}:
                return f"{describe(kinds[0])} {condition.op} {describe(kinds[1])}, which have no order"
        return ""

    def fault(self, call: Call, words: str) -> Fault:
        return Fault(f"step {call.full_name!r} {words}", call.file, call.line)

    def each(self, call: Call, port: Port, binding: Binding) -> list[Fault]:
        """Faults of an input that is mapped over: it must be a list whose elements fit the port."""
        if isinstance(binding, ListOf):
            return [
                self.fault(call, f"input {port.name!r}, element {i}: {why}")
                for i, item in enumerate(binding.items)
                if (why := self.misfit(port.type, item))
            ]
        if isinstance(binding, Literal) and isinstance(binding.value, list | tuple):
            return [
                self.fault(call, f"input {port.name!r}, element {i}: {why}")
                for i, item in enumerate(binding.value)
                if (why := problem(port.type, item))
            ]
        if isinstance(binding, Literal) and isinstance(binding.value, PathRef) and binding.value.dataset:
            why = problem(PortType("list", (port.type,)), binding.value)
            return [self.fault(call, f"input {port.name!r} is mapped over: {why}")] if why else []
        given = self.type_of(binding)
        if isinstance(binding, Literal | DictOf) or given.kind not in ("list", "any"):
            words = f"input {port.name!r} is mapped over and must be a list, not {self.named(binding, given)}"
            return [self.fault(call, f"{words}; wrap what every element shares in fixed(...)")]
        if given.kind == "list" and not accepts(port.type, given.items[0]):
            words = f"input {port.name!r} takes {describe(port.type)}, but the elements are {describe(given.items[0])}"
            return [self.fault(call, words)]
        return []

    def misfit(self, target: PortType, binding: Binding) -> str:
        """Why a binding does not fit a port type; empty when it does."""
        if self.has_fitted(target, binding):
            return ""
        match binding:
            case Literal(value=value):
                why = problem(target, value)
                if not why and target.kind in _TOLD_BY_CLASS and type(value) in _SCALARS:
                    self.fitting.add((id(target), type(value)))
                return why
            case OutputRef(node=node, output=output):
                given = self.type_of(binding)
                if accepts(target, given):
                    maker = self.calls[node]
                    self.fitting.add((id(target), maker.step, output, not maker.each))
                    return ""
                return f"expected {describe(target)}, got {describe(given)} from {self.source(binding)}"
            case ListOf(items=items):
                return self.composed(target, "list", items)
            case DictOf(entries=entries):
                return self.composed(target, "dict", [item for _, item in entries])
            case FirstOf(items=items):
                return next((why for item in items if (why := self.misfit(target, item))), "")
            case _:
                given = self.type_of(binding)
                if accepts(target, given):
                    return ""
                return f"expected {describe(target)}, got {describe(given)} from {self.source(binding)}"

    def composed(self, target: PortType, kind: str, items: Sequence[Binding]) -> str:
        if target.kind == "any":
            return ""
        options = target.items if target.kind == "union" else (target,)
        if all(option.kind not in (kind, "any") for option in options):
            return f"expected {describe(target)}, got a {kind}"
        element = element_of(target, kind)
        for i, item in enumerate(items):
            if not self.has_fitted(element, item) and (why := self.misfit(element, item)):
                return f"item {i}: {why}"
        return ""

    def type_of(self, binding: Binding) -> PortType:
        match binding:
            case ParameterRef(name=name):
                return self.parameters.get(name, ANY)
            case OutputRef(node=node, output=output):
                call = self.draft.calls[node]
                found = self.outputs[call.step].get(output, ANY)
                return self.listed(found) if call.each else found
            case FirstOf(items=items) if items:
                return self.type_of(items[0])
            case ListOf(items=items):
                return PortType("list", (self.type_of(items[0]) if items else ANY,))
            case Literal(value=bool() | int() | float() | str() | None as value):
                return PortType("none" if value is None else type(value).__name__)
            case _:
                return ANY

    def listed(self, kind: PortType) -> PortType:
        """The type of a list of these, of which there is one."""
        return self.lists.setdefault(id(kind), PortType("list", (kind,)))

    def named(self, binding: Binding, given: PortType) -> str:
        """A binding's value or type, for messages."""
        return shorten(binding.value) if isinstance(binding, Literal) else describe(given)

    def source(self, binding: Binding) -> str:
        """Where a binding's value comes from, for messages."""
        if isinstance(binding, ParameterRef):
            return f"parameter {binding.name!r}"
        if isinstance(binding, OutputRef):
            call = self.draft.calls[binding.node]
            several = len(self.draft.steps[call.step].outputs) > 1
            return f"output {binding.output!r} of step {call.full_name!r}" if several else f"step {call.full_name!r}"
        return "the pipeline"


def _storable(kind: PortType) -> bool:
    if kind.kind == "object":
        return kind.format != ""
    return all(_storable(item) for item in kind.items)
