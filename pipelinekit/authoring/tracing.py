"""Tracing: running a pipeline function once, with handles in place of values, and noting every step that it calls.

What is wrong is noted and tracing goes on, so that all faults are told at once.
"""

from __future__ import annotations

import enum
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from pathlib import Path

from pipelinekit.authoring.current import current
from pipelinekit.authoring.handles import (
    ConditionHandle,
    FirstHandle,
    Fixed,
    LookedAtParameterError,
    OutputHandle,
    OutputsHandle,
    ParameterHandle,
)
from pipelinekit.classes import field, frozen, replace
from pipelinekit.domain.graphs import Binding, Condition, DictOf, FirstOf, ListOf, Literal
from pipelinekit.domain.names import Namer
from pipelinekit.domain.parameters import unknown_names
from pipelinekit.domain.pipelines import Call, Draft, StepDeclaration
from pipelinekit.domain.steps import WHOLE_OUTPUT
from pipelinekit.domain.types import ANY, PathRef, PortType, coerce, map_paths, paths_in
from pipelinekit.domain.values import why_not_plain
from pipelinekit.errors import Fault
from pipelinekit.formats.loading import revive
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any
from pipelinekit.workspace.inputs import place_paths

if TYPE_CHECKING:
    from pipelinekit.domain import datasets
else:
    datasets = late("pipelinekit.domain.datasets")

_OWN_FOLDER = str(Path(__file__).parent.parent) + os.sep
_SCALARS = frozenset({int, bool, type(None)})  # plain data as they are, and equal only to their like


@frozen
class Traced:
    """A step as the tracer needs it: its declaration, and where it came from, so that equal ones are declared once."""

    declaration: StepDeclaration
    identity: int
    explicit_name: str = ""
    after: tuple[Any, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Fault, ...] = ()


@frozen
class _Declared:
    """A step of the draft: its position there, the types of its inputs, whether what it returns is one output."""

    position: int
    kinds: Mapping[str, PortType]
    is_whole: bool


class Tracer:
    """Collects the calls of one pipeline function into a draft."""

    def __init__(self, draft: Draft, values: Mapping[str, Any], annotations: Mapping[str, Any]) -> None:
        self.draft = draft
        self._values = dict(values)
        self._annotations = annotations
        self._declared: dict[int, _Declared] = {}
        self._literals: dict[tuple[Any, type, int], Literal] = {}
        self._kept: list[object] = []
        self._scopes: list[str] = []
        self._scope_namers: dict[tuple[str, ...], Namer] = {}
        self._conditions: list[Condition] = []
        self._last_branch: Condition | None = None

    def run(self, function: Callable[[], Any]) -> Any:
        """Call a pipeline function under this tracer."""
        before, current.tracer = current.tracer, self
        try:
            return function()
        finally:
            current.tracer = before

    # -- parameters --------------------------------------------------------------------------------------------------

    def parameter(self, name: str) -> ParameterHandle:
        """The handle of a parameter."""
        return ParameterHandle(name, self._look)

    def _look(self, name: str) -> Any:
        """The value of a parameter that shapes the graph; from now on it is structural."""
        file, line = self._place()
        for position, parameter in enumerate(self.draft.parameters):
            if parameter.name == name:
                if name not in self._values:
                    raise LookedAtParameterError(f"parameter {name!r} shapes the graph and has no value and no default")
                reason = parameter.reason or f"its value was used at {file}:{line}"
                self.draft.parameters[position] = replace(
                    parameter, structural=True, required=False, default=self._values[name], reason=reason
                )
        value = self._values[name]
        return revive(map_paths(value, _live_path), self._annotations.get(name, Any))

    # -- calls -------------------------------------------------------------------------------------------------------

    def call(self, step: Traced, arguments: tuple[Any, ...], named: dict[str, Any], *, mapped: bool) -> Any:
        """Note a call of a step, or of a step mapped over lists; the handle of its outputs."""
        declaration = step.declaration
        declared = self._declared.get(step.identity) or self._declare(step)
        kinds = declared.kinds
        literals = self._literals
        inputs: dict[str, Binding] = {}
        file, line = self._place(3)
        call = Call(
            declared.position,
            step.explicit_name or declaration.title,
            tuple(self._scopes),
            bool(step.explicit_name),
            inputs,
            [],
            tuple(self._conditions),
            (),
            file,
            line,
        )
        after = list(step.after)
        if "after" in named and "after" not in kinds:
            after += _as_list(named.pop("after"))
        given: dict[str, Any] = dict(zip(kinds, arguments, strict=False))
        if named or len(arguments) > len(kinds):
            self._bind_named(call, kinds, arguments, named, given)
        if mapped:
            call.each = tuple(name for name, value in given.items() if not isinstance(value, Fixed))
            if not call.each:
                self.fault(call, f"step {call.name!r} is mapped over no list")
        for name, argument in given.items():
            if mapped:
                self._bind_mapped(call, name, argument, kinds[name])
            elif type(argument) is OutputHandle:  # most inputs are outputs of steps, or scalars
                inputs[name] = argument.binding
            elif type(argument) in _SCALARS:
                kind = kinds[name]
                inputs[name] = literals.get((argument, type(argument), id(kind))) or self._scalar(argument, kind)
            else:
                self._bind_one(call, name, argument, kinds[name])
        if step.defaults:
            self._bind_defaults(call, step, kinds)
        if after:
            call.after = sorted(self._nodes(after))
        node = len(self.draft.calls)
        self.draft.calls.append(call)
        if declared.is_whole:
            return OutputHandle(node, WHOLE_OUTPUT, declaration.title, self.note)
        return OutputsHandle(node, tuple(port.name for port in declaration.outputs), declaration.title, self.note)

    def note(self, words: str) -> None:
        """Note a fault at the place in the author's code that is running."""
        file, line = self._place()
        self.draft.faults.append(Fault(words, file, line))

    def _bind_mapped(self, call: Call, name: str, argument: Any, kind: PortType) -> None:
        value = argument.value if isinstance(argument, Fixed) else argument
        self._bind_one(call, name, value, PortType("list", (kind,)) if name in call.each else kind)

    def _bind_one(self, call: Call, name: str, value: Any, kind: PortType) -> None:
        given = value.value if isinstance(value, Fixed) else value
        binding = self.binding(given, kind, partial(self._input_fault, call, name))
        if binding is None:
            call.faulty |= {name}
        else:
            call.inputs[name] = binding

    def _bind_named(
        self,
        call: Call,
        names: Mapping[str, Any],
        arguments: tuple[Any, ...],
        named: dict[str, Any],
        given: dict[str, Any],
    ) -> None:
        """Add what was given by name to what was given in order."""
        if len(arguments) > len(names):
            self.fault(call, f"takes {len(names)} inputs, but {len(arguments)} were given")
        for fault in unknown_names(named, names):
            self.fault(call, fault.message.replace("there is no parameter", "has no input"), fault.hint)
        for name, value in named.items():
            if name in given:
                self.fault(call, f"got input {name!r} twice")
            elif name in names:
                given[name] = value

    def _bind_defaults(self, call: Call, step: Traced, kinds: Mapping[str, PortType]) -> None:
        """Defaults that are plain data are inputs like any other: giving them in words makes the same key."""
        for name, default in step.defaults.items():
            if name not in call.inputs and name in kinds:
                binding = self.binding(default, kinds[name], partial(self._input_fault, call, name))
                call.inputs[name] = binding or Literal(default)

    def _declare(self, step: Traced) -> _Declared:
        """Note a step that is called for the first time."""
        declaration = step.declaration
        outputs = declaration.outputs
        declared = self._declared[step.identity] = _Declared(
            len(self.draft.steps),
            {port.name: port.type for port in declaration.inputs},
            len(outputs) == 1 and outputs[0].name == WHOLE_OUTPUT,
        )
        self._kept.append(step)
        self.draft.faults.extend(step.problems)
        self.draft.steps.append(declaration)
        return declared

    def _input_fault(self, call: Call, name: str, words: str) -> None:
        self.fault(call, f"input {name!r}: {words}")

    def fault(self, call: Call, words: str, hint: str = "") -> None:
        """Note a fault of a call."""
        words = words if words.startswith("step ") else f"step {call.full_name!r} {words}"
        self.draft.faults.append(Fault(words, call.file, call.line, hint))

    # -- order, branches, scopes -------------------------------------------------------------------------------------

    def order(self, handles: Iterable[Any]) -> None:
        """Let each of these steps wait for the one before it."""
        positions = [sorted(self._nodes([handle])) for handle in handles]
        for earlier, later in itertools.pairwise(positions):
            for position in later:
                call = self.draft.calls[position]
                call.after = sorted({*call.after, *earlier})

    def enter_branch(self, subject: Any) -> None:
        """From now on, steps run only if the condition holds."""
        self._conditions.append(_condition(subject))

    def enter_otherwise(self) -> None:
        """From now on, steps run only if the condition of the branch before did not hold."""
        if self._last_branch is None:
            self.note("otherwise() follows no when(...) block")
            self._conditions.append(Condition(Literal(False)))
            return
        last = self._last_branch
        self._conditions.append(replace(last, negated=not last.negated))

    def leave_branch(self) -> None:
        """The branch ends here."""
        self._last_branch = self._conditions.pop()

    def enter_scope(self, name: str) -> None:
        """A pipeline inside this pipeline begins."""
        namer = self._scope_namers.setdefault(tuple(self._scopes), Namer())
        self._scopes.append(namer.next(name))

    def leave_scope(self) -> None:
        """The inner pipeline ends."""
        self._scopes.pop()

    def _nodes(self, handles: Iterable[Any]) -> set[int]:
        found: set[int] = set()
        for handle in handles:
            if isinstance(handle, OutputHandle | OutputsHandle):
                found.update(handle.nodes)
            elif isinstance(handle, list | tuple):
                found.update(self._nodes(handle))
            elif isinstance(handle, dict):
                found.update(self._nodes(handle.values()))
            else:
                self.note(f"steps can be ordered after other steps, not after a {type(handle).__name__}")
        return found

    # -- values ------------------------------------------------------------------------------------------------------

    def binding(self, value: Any, kind: PortType, fault: Callable[[str], None]) -> Binding | None:
        """How a value given in the pipeline function reaches a port; None, with a fault noted, when it cannot."""
        if type(value) in _SCALARS:
            return self._scalar(value, kind)
        match value:
            case OutputHandle() | ParameterHandle():
                return value.binding
            case FirstHandle():
                return FirstOf(value.items)
            case OutputsHandle() if len(value.named) == 1:
                return next(iter(value.named.values())).binding
            case OutputsHandle():
                outputs = ", ".join(value.named)
                fault(f"{value!r} has to be named: one of {outputs}" if outputs else f"{value!r} gives no value")
                return None
            case list() | tuple():
                return self._list(list(value), kind, fault)
            case dict():
                return self._dict(value, kind, fault)
            case _:
                return self._literal(value, kind, fault)

    def _scalar(self, value: Any, kind: PortType) -> Literal:
        """A literal that every equal value of a port shares; a type lives as long as the draft, so its id tells it."""
        key = (value, type(value), id(kind))
        known = self._literals.get(key)
        if known is None:
            self._kept.append(kind)
            known = self._literals[key] = Literal(coerce(kind, value))
        return known

    def _list(self, items: list[Any], kind: PortType, fault: Callable[[str], None]) -> Binding | None:
        if items and all(type(item) is OutputHandle for item in items):
            return ListOf(tuple([item.binding for item in items]))
        element = kind.items[0] if kind.kind == "list" else ANY
        bindings = [self.binding(item, element, fault) for item in items]
        if any(binding is None for binding in bindings):
            return None
        if all(isinstance(binding, Literal) and not paths_in(binding.value) for binding in bindings):
            return Literal(coerce(kind, [binding.value for binding in bindings if isinstance(binding, Literal)]))
        return ListOf(tuple(binding for binding in bindings if binding is not None))

    def _dict(self, entries: dict[Any, Any], kind: PortType, fault: Callable[[str], None]) -> Binding | None:
        element = kind.items[0] if kind.kind == "dict" else ANY
        bindings = {key: self.binding(item, element, fault) for key, item in entries.items()}
        if any(binding is None for binding in bindings.values()):
            return None
        if all(isinstance(item, Literal) and not paths_in(item.value) for item in bindings.values()):
            return Literal(
                coerce(kind, {key: item.value for key, item in bindings.items() if isinstance(item, Literal)})
            )
        if any(not isinstance(key, str) for key in bindings):
            fault("a dict that holds outputs of steps needs keys of type str")
            return None
        return DictOf(tuple((key, item) for key, item in bindings.items() if item is not None))

    def _literal(self, value: Any, kind: PortType, fault: Callable[[str], None]) -> Binding | None:
        plain = plain_value(value, kind, Path(self.draft.root))
        if why := why_not_given(plain):
            hint = "make it inside a step, or give it as a file"
            fault(f"{why}, which cannot be written into a pipeline; {hint}")
            return None
        return Literal(coerce(kind, plain))

    def _place(self, above: int = 2) -> tuple[str, int]:
        """File and line of the author's code that is running, relative to the source folder.

        It lies at least so many calls above: to look at each costs more than to call it.
        """
        frame = sys._getframe(above)  # noqa: SLF001 - whoever asks for it is no author
        while frame.f_back is not None and frame.f_code.co_filename.startswith(_OWN_FOLDER):
            frame = frame.f_back
        return shorten_path(frame.f_code.co_filename, self.draft.root), frame.f_lineno


def plain_value(value: Any, kind: PortType, root: Path) -> Any:
    """A value as plain data and paths: enum members by name, texts as paths where a port takes paths."""
    return _name_members(place_paths(value, kind, root))


def _live_path(ref: PathRef) -> Any:
    """A path, or a dataset, as a pipeline function may look at it."""
    return datasets.dataset(ref.path) if ref.dataset else Path(ref.path)


def why_not_given(value: Any) -> str:
    """What keeps a value from being written into a pipeline: plain data and paths can be; empty when nothing does."""
    return why_not_plain(map_paths(value, lambda ref: ref.path))


def _name_members(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, list):
        return [_name_members(item) for item in value]
    if isinstance(value, dict):
        return {_name_members(key): _name_members(item) for key, item in value.items()}
    return value


@cache
def shorten_path(file: str, root: str) -> str:
    """A path relative to the source folder where it lies in it."""
    if root and file.startswith(root + os.sep):
        return os.path.relpath(file, root)
    return file


def _condition(subject: Any) -> Condition:
    if isinstance(subject, ConditionHandle):
        return subject.condition
    if isinstance(subject, OutputHandle | ParameterHandle):
        return Condition(subject.binding)
    return Condition(Literal(bool(subject)))


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple | set) else [value]
