"""What a pipeline function holds instead of values: outputs that do not exist yet, and parameters that may vary.

An output flows into steps and may be compared to make a condition; looking at its value is an error, because there is
none while the pipeline is compiled. A parameter flows likewise; looking at its value is allowed, and makes it
*structural*: the graph then has the shape that this value gives it.
"""

from __future__ import annotations

import enum
import operator
import os
from collections.abc import Callable, Iterator

from pipelinekit.classes import frozen, replace
from pipelinekit.domain.graphs import Binding, Condition, Literal, OutputRef, ParameterRef
from pipelinekit.domain.values import why_not_plain
from pipelinekit.typed import Any


class LookedAtParameterError(Exception):
    """A pipeline function used the value of a parameter that has none yet."""


Note = Callable[[str], None]  # notes a fault at the place in the pipeline function that is running


class ConditionHandle:
    """A comparison of an output, for `when(...)`."""

    def __init__(self, condition: Condition, note: Note) -> None:
        self.condition = condition
        self._note = note

    def __invert__(self) -> ConditionHandle:
        item = self.condition
        return ConditionHandle(replace(item, negated=not item.negated), self._note)

    def __bool__(self) -> bool:
        self._note("a comparison of an output has no truth value while the pipeline is compiled; use when(...)")
        return True


class OutputHandle:
    """One output of a step call.

    Looking at its value notes a fault and goes on with something harmless, so that further faults are found too.
    """

    __slots__ = ("_node", "_note", "_output", "_step", "binding")

    def __init__(self, node: int, output: str, step: str, note: Note) -> None:
        self._node = node
        self._output = output
        self._step = step
        self._note = note
        self.binding: Binding = OutputRef(node, output)  # the reference that the graph keeps

    @property
    def nodes(self) -> tuple[int, ...]:
        """The call that it comes from, for ordering."""
        return (self._node,)

    def _compare(self, op: str, other: Any) -> ConditionHandle:
        """A condition on this output and another output, a parameter, or plain data."""
        if isinstance(other, OutputHandle | ParameterHandle):
            return ConditionHandle(Condition(self.binding, op, other.binding), self._note)
        plain = other.name if isinstance(other, enum.Enum) else other
        if why := why_not_plain(plain):
            self._note(f"an output cannot be compared with this: {why}")
            return ConditionHandle(Condition(self.binding), self._note)
        return ConditionHandle(Condition(self.binding, op, Literal(plain)), self._note)

    def __eq__(self, other: object) -> ConditionHandle:  # type: ignore[override]
        return self._compare("==", other)

    def __ne__(self, other: object) -> ConditionHandle:  # type: ignore[override]
        return self._compare("!=", other)

    def __lt__(self, other: Any) -> ConditionHandle:
        return self._compare("<", other)

    def __le__(self, other: Any) -> ConditionHandle:
        return self._compare("<=", other)

    def __gt__(self, other: Any) -> ConditionHandle:
        return self._compare(">", other)

    def __ge__(self, other: Any) -> ConditionHandle:
        return self._compare(">=", other)

    def __invert__(self) -> ConditionHandle:
        return ConditionHandle(Condition(self.binding, negated=True), self._note)

    __hash__ = None  # type: ignore[assignment]

    def _looked_at(self) -> None:
        self._note(
            f"the value of output {self._output!r} of step {self._step!r} is not known while the pipeline is compiled; "
            "pass it to a step, map over it with step.map(...), or branch on it with when(...)"
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._looked_at()
        return self

    def __repr__(self) -> str:
        return f"<output {self._output!r} of step {self._step!r}>"


def _harmless(result: Any) -> Callable[..., Any]:
    def look(self: OutputHandle, *_: Any) -> Any:
        self._looked_at()
        return self if result is OutputHandle else result() if callable(result) else result

    return look


_LOOKS: dict[str, Any] = {
    "__bool__": True,
    "__len__": 0,
    "__int__": 0,
    "__index__": 0,
    "__float__": 0.0,
    "__iter__": lambda: iter(()),
    "__contains__": False,
    "__format__": "",
}
_ARITHMETIC = "getitem call add radd sub rsub mul rmul truediv rtruediv floordiv mod neg pow and or"
_LOOKS.update((f"__{name}__", OutputHandle) for name in _ARITHMETIC.split())
for _look, _result in _LOOKS.items():
    setattr(OutputHandle, _look, _harmless(_result))


class OutputsHandle:
    """A step call with several outputs, by attribute or unpacked in order; or with none, for ordering only."""

    def __init__(self, node: int, outputs: tuple[str, ...], step: str, note: Note) -> None:
        self._node = node
        self._step = step
        self._note = note
        self._outputs = {name: OutputHandle(node, name, step, note) for name in outputs}

    @property
    def nodes(self) -> tuple[int, ...]:
        """The call, for ordering."""
        return (self._node,)

    @property
    def named(self) -> dict[str, OutputHandle]:
        """The outputs by name."""
        return self._outputs

    def __getattr__(self, name: str) -> OutputHandle:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in self._outputs:
            known = ", ".join(self._outputs) or "none"
            self._note(f"step {self._step!r} has no output {name!r}; its outputs: {known}")
            return OutputHandle(self._node, name, self._step, self._note)
        return self._outputs[name]

    def __iter__(self) -> Iterator[OutputHandle]:
        return iter(self._outputs.values())

    def __repr__(self) -> str:
        return f"<step {self._step!r} with outputs {', '.join(self._outputs) or 'none'}>"


class FirstHandle:
    """The first of several outputs whose step was not skipped."""

    def __init__(self, items: tuple[Binding, ...]) -> None:
        self.items = items


@frozen
class Fixed:
    """An argument of `step.map` that every element shares."""

    value: Any


def fixed(value: Any) -> Any:
    """Give a value whole to every element of a mapped step: `score.map(months, model=fixed(model))`."""
    return Fixed(value)


class ParameterHandle:
    """A pipeline parameter. Passed on, it stays a parameter; looked at, it becomes structural and gives its value."""

    def __init__(self, name: str, look: Callable[[str], Any]) -> None:
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_look", look)

    @property
    def binding(self) -> Binding:
        """The reference that the graph keeps."""
        return ParameterRef(self._name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._look(self._name), name)

    def __repr__(self) -> str:
        return f"<parameter {self._name!r}>"


def _looking(operation: str) -> Callable[..., Any]:
    def apply(self: ParameterHandle, *arguments: Any) -> Any:
        if any(isinstance(item, OutputHandle) for item in arguments):
            return NotImplemented  # the output's own comparison takes the parameter as it is
        value = self._look(self._name)
        plain = [item._look(item._name) if isinstance(item, ParameterHandle) else item for item in arguments]  # noqa: SLF001
        return _OPERATIONS[operation](value, *plain)

    return apply


def _reflected(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, other: operation(other, value)


_ARITHMETIC_OF = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "pow": operator.pow,
    "and": operator.and_,
    "or": operator.or_,
    "divmod": divmod,
}
_OPERATIONS: dict[str, Callable[..., Any]] = {
    "__bool__": bool,
    "__int__": int,
    "__float__": float,
    "__len__": len,
    "__iter__": iter,
    "__str__": str,
    "__format__": format,
    "__hash__": hash,
    "__index__": operator.index,
    "__eq__": operator.eq,
    "__ne__": operator.ne,
    "__lt__": operator.lt,
    "__le__": operator.le,
    "__gt__": operator.gt,
    "__ge__": operator.ge,
    "__getitem__": operator.getitem,
    "__contains__": operator.contains,
    "__neg__": operator.neg,
    "__abs__": abs,
    "__fspath__": os.fspath,
    "__round__": round,
    **{f"__{name}__": operation for name, operation in _ARITHMETIC_OF.items()},
    **{f"__r{name}__": _reflected(operation) for name, operation in _ARITHMETIC_OF.items()},
}

for _operation in _OPERATIONS:
    setattr(ParameterHandle, _operation, _looking(_operation))
