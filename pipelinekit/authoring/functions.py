"""The parameters of functions.

Plain functions are read by hand, because `inspect` costs more to load than most pipelines to compile; it is loaded for
those that are wrapped or are no functions of Python's.
"""

from __future__ import annotations

from types import FunctionType

from pipelinekit.classes import frozen
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import inspect
else:
    inspect = late("inspect")

_VARIADIC, _VARIADIC_NAMED = 0x04, 0x08  # flags of a code object: it has *args, it has **kwargs


class Empty:
    """Stands for a default or an annotation that is not there."""


@frozen
class Argument:
    """One parameter of a function. `kind` is `named`, `positional` (only by position) or `variadic`."""

    name: str
    kind: str
    default: Any = Empty
    annotation: Any = Empty


def unwrapped(function: Any) -> Any:
    """The function behind decorators that say what they wrap."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


def arguments_of(function: Any) -> list[Argument]:
    """The parameters of a function, in their order."""
    return _read(function) if _is_plain(function) else _inspected(function)


def has_return_annotation(function: Any) -> bool:
    """Whether it is said what a function returns."""
    if _is_plain(function):
        return "return" in function.__annotations__
    return bool(inspect.signature(function).return_annotation is not inspect.Signature.empty)


def _is_plain(function: Any) -> bool:
    return type(function) is FunctionType and not {"__wrapped__", "__signature__"} & function.__dict__.keys()


def _read(function: Any) -> list[Argument]:
    code, annotations = function.__code__, function.__annotations__
    names = code.co_varnames
    count = code.co_argcount
    defaults = function.__defaults__ or ()
    given = dict(zip(names[count - len(defaults) : count], defaults, strict=True)) | (function.__kwdefaults__ or {})
    kinds = dict.fromkeys(names[: code.co_posonlyargcount], "positional")
    order = [*names[:count]]
    rest = list(names[count + code.co_kwonlyargcount :])
    if code.co_flags & _VARIADIC:
        order.append(rest.pop(0))
        kinds[order[-1]] = "variadic"
    order += names[count : count + code.co_kwonlyargcount]
    if code.co_flags & _VARIADIC_NAMED:
        order.append(rest.pop(0))
        kinds[order[-1]] = "variadic"
    return [
        Argument(name, kinds.get(name, "named"), given.get(name, Empty), annotations.get(name, Empty)) for name in order
    ]


def _inspected(function: Any) -> list[Argument]:
    kinds: dict[object, str] = {
        inspect.Parameter.POSITIONAL_ONLY: "positional",
        inspect.Parameter.VAR_POSITIONAL: "variadic",
        inspect.Parameter.VAR_KEYWORD: "variadic",
    }
    return [
        Argument(
            name,
            kinds.get(parameter.kind, "named"),
            Empty if parameter.default is parameter.empty else parameter.default,
            Empty if parameter.annotation is parameter.empty else parameter.annotation,
        )
        for name, parameter in inspect.signature(function).parameters.items()
    ]
