"""Python annotations as port types, and the ports of a function from its signature."""

from __future__ import annotations

import collections.abc
import enum
import types
from pathlib import PurePath

from pipelinekit.authoring.functions import Empty, arguments_of, has_return_annotation
from pipelinekit.classes import frozen
from pipelinekit.domain.names import is_port_name
from pipelinekit.domain.steps import WHOLE_OUTPUT, Canonical, Port
from pipelinekit.domain.types import ANY, PortType, date_kind
from pipelinekit.formats.paths import File, Folder
from pipelinekit.formats.registry import Format, custom_format_of, data_kind
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dataclasses
    import typing
else:
    dataclasses = late("dataclasses")
    typing = late("typing")

_SCALARS: dict[Any, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    bytes: "bytes",
    types.NoneType: "none",
    None: "none",
    File: "file",
    Folder: "folder",
}
_LISTS = (
    list,
    tuple,
    collections.abc.Sequence,
    collections.abc.Iterable,
    collections.abc.Iterator,
    collections.abc.Generator,
    collections.abc.Collection,
)
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def to_type(annotation: Any) -> PortType:
    """The port type of an annotation. Classes that nothing is known of become objects without a format."""
    if annotation is object or annotation is Empty:
        return ANY
    if type(annotation) is type:
        origin, arguments = None, ()
    elif type(annotation) is types.GenericAlias:
        origin, arguments = annotation.__origin__, annotation.__args__
    else:
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if (found := _special(annotation, origin, arguments)) is not None:
            return found
    if origin in _LISTS or annotation in _LISTS:
        return PortType("list", (_element(origin, arguments),))
    if origin in _DICTS or annotation in _DICTS:
        return _dict(arguments)
    return _class(annotation)


def _special(annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> PortType | None:
    """The port type of an annotation that is made with `typing`, or by a statement for types."""
    if annotation is typing.Any:
        return ANY
    if isinstance(annotation, typing.TypeVar) or origin is typing.Final:
        return ANY
    if isinstance(annotation, typing.NewType):
        return to_type(annotation.__supertype__)
    if hasattr(annotation, "__value__") and type(annotation).__name__ == "TypeAliasType":
        return to_type(annotation.__value__)
    if origin is typing.Annotated:
        return _annotated(arguments)
    if origin in (typing.Union, types.UnionType):
        return _union([to_type(item) for item in arguments])
    if origin is typing.Literal:
        values = tuple(item.name if isinstance(item, enum.Enum) else item for item in arguments)
        return PortType("literal", values=values)
    return None


def _annotated(arguments: tuple[Any, ...]) -> PortType:
    inner = to_type(arguments[0])
    chosen = next((item for item in arguments[1:] if isinstance(item, Format)), None)
    if chosen is None:
        return inner
    name, ancestors = (inner.name, inner.ancestors) if inner.kind == "object" else (str(inner), ())
    return PortType("object", name=name, ancestors=ancestors, format=chosen.name)


def _union(items: list[PortType]) -> PortType:
    flat: dict[PortType, None] = {}
    for item in items:
        flat.update(dict.fromkeys(item.items if item.kind == "union" else (item,)))
    if ANY in flat:
        return ANY
    return PortType("union", tuple(flat)) if len(flat) > 1 else next(iter(flat))


def _element(origin: Any, arguments: tuple[Any, ...]) -> PortType:
    items = [to_type(item) for item in arguments if item is not Ellipsis]
    if not items:
        return ANY
    if origin is collections.abc.Generator:
        return items[0]
    return items[0] if len(set(items)) == 1 else _union(items)


def _dict(arguments: tuple[Any, ...]) -> PortType:
    if len(arguments) == 2 and to_type(arguments[0]).kind not in ("str", "any"):
        return ANY  # keys of other types are plain data too, but JSON objects they are not
    return PortType("dict", (to_type(arguments[1]) if len(arguments) == 2 else ANY,))


def _class(annotation: Any) -> PortType:
    if isinstance(annotation, collections.abc.Hashable) and annotation in _SCALARS:
        return PortType(_SCALARS[annotation])
    if not isinstance(annotation, type):
        return ANY
    if date := date_kind(annotation):
        return PortType(date)
    if type(annotation) is not type and typing.is_typeddict(annotation):
        return PortType("dict", (ANY,))
    if issubclass(annotation, enum.Enum):
        return PortType("enum", values=tuple(annotation.__members__), name=_name(annotation))
    if kind := data_kind(annotation):
        return PortType(kind)
    if issubclass(annotation, PurePath):
        return PortType("path")
    custom = custom_format_of(annotation)
    ancestors = tuple(_name(item) for item in annotation.__mro__[1:-1])
    return PortType("object", name=_name(annotation), ancestors=ancestors, format=custom.name if custom else "")


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


# -- signatures --------------------------------------------------------------------------------------------------------


@frozen
class Signature:
    """The ports of a function.

    `defaults` holds the defaults of inputs as they are, and `annotations` what their types were read from; `problems`
    says what cannot be a port.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    defaults: dict[str, Any]
    annotations: dict[str, Any]
    problems: tuple[str, ...]


def read_signature(function: Any) -> Signature:
    """Inputs from the parameters of a function, outputs from its return annotation."""
    problems: list[str] = []
    try:
        hints = _evident_hints(function) or typing.get_type_hints(function, include_extras=True)
    except Exception as error:  # annotations are the author's expressions and may raise anything
        problems.append(f"its annotations cannot be read: {type(error).__name__}: {error}")
        hints = {}
    inputs, defaults = [], {}
    for argument in arguments_of(function):
        name = argument.name
        if argument.kind == "variadic":
            problems.append(f"it takes *{name}: every input needs a name of its own (take a list or a dict instead)")
            continue
        if argument.kind == "positional":
            problems.append(f"its parameter {name!r} is positional-only: inputs are passed by name")
            continue
        if argument.default is not Empty:
            defaults[name] = argument.default
        inputs.append(Port(name, to_type(hints.get(name, argument.annotation)), name not in defaults))
    has_return = "return" in hints or has_return_annotation(function)
    outputs = _outputs(hints.get("return", Empty)) if has_return else (Port(WHOLE_OUTPUT, ANY),)
    problems += [f"{port.name!r} cannot name a port" for port in [*inputs, *outputs] if not is_port_name(port.name)]
    return Signature(tuple(inputs), outputs, defaults, hints, tuple(problems))


def _evident_hints(function: Any) -> dict[str, Any]:
    """The annotations of a plain function where each is a class, or made of classes: nothing is to be resolved."""
    if type(function) is not types.FunctionType or function.__dict__:
        return {}
    found: dict[str, Any] = function.__annotations__
    return dict(found) if all(map(_is_evident, found.values())) else {}


def _is_evident(annotation: Any) -> bool:
    if type(annotation) is types.GenericAlias:
        return all(map(_is_evident, annotation.__args__))
    return type(annotation) is type


def _outputs(annotation: Any) -> tuple[Port, ...]:
    """No output for None, several for a NamedTuple or dataclass, else one."""
    if annotation is types.NoneType or annotation is None:
        return ()
    if fields := output_fields(annotation):
        return tuple(Port(name, to_type(kind), canonical=_canonical(kind)) for name, kind in fields.items())
    return (Port(WHOLE_OUTPUT, to_type(annotation), canonical=_canonical(annotation)),)


def _canonical(annotation: Any) -> Canonical | None:
    """The canonical form that `Annotated[T, Canonical(...)]` declares."""
    if _is_evident(annotation) or typing.get_origin(annotation) is not typing.Annotated:
        return None
    return next((item for item in typing.get_args(annotation)[1:] if isinstance(item, Canonical)), None)


def output_fields(annotation: Any) -> dict[str, Any]:
    """Names and annotations of the fields of a NamedTuple or dataclass; empty for anything else.

    A class with a registered format is one value, whatever fields it has.
    """
    if isinstance(annotation, type) and custom_format_of(annotation) is not None:
        return {}
    is_tuple = isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields")
    if not is_tuple and not (isinstance(annotation, type) and hasattr(annotation, "__dataclass_fields__")):
        return {}
    hints = typing.get_type_hints(annotation, include_extras=True)
    names = annotation._fields if is_tuple else _field_names(annotation)
    return {name: hints.get(name, typing.Any) for name in names}


def _field_names(kind: Any) -> list[str]:
    fields = dataclasses.fields(kind)  # loaded already by whoever made the class
    return [field.name for field in fields]
