"""Classes that hold values: what `dataclass(slots=True)` makes, at a fraction of the cost.

`dataclasses` compiles six functions for each class whenever it is imported, which was a third of what a run cost in
which nothing was new. Here one function is compiled, `__init__`, and not before a class has had some instances: the
first are filled by a function that all classes share, as is the rest. Such a class is a dataclass for everybody who
asks (`dataclasses.fields`, `asdict` and `replace` work), but its fields are made only then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter

from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any, TypeVar, dataclass_transform, overload

if TYPE_CHECKING:
    import dataclasses
    import typing
else:
    dataclasses = late("dataclasses")
    typing = late("typing")

T = TypeVar("T")
_MISSING: Any = object()
_set = object.__setattr__
FEW = 20  # instances of a class that cost less than to compile what makes them
WIDE = 4  # fields from which on another way to make instances of closed classes is cheaper


class Field:
    """A default that is made anew for each instance, or metadata; see `field`."""

    __slots__ = ("default", "factory", "metadata")

    def __init__(self, default: Any, factory: Callable[[], Any] | None, metadata: Mapping[str, Any]) -> None:
        self.default = default
        self.factory = factory
        self.metadata = metadata


@overload
def field(*, default_factory: Callable[[], T], metadata: Mapping[str, Any] | None = None) -> T: ...
@overload
def field(*, default: T, metadata: Mapping[str, Any] | None = None) -> T: ...
def field(
    *,
    default: Any = _MISSING,
    default_factory: Callable[[], Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Any:
    """The default of a field, where it is not one value that all instances may share."""
    return Field(default, default_factory, metadata or {})


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(kind: type[T]) -> type[T]:
    """A class whose instances are values: equal by content, hashable, never changed."""
    made: type[T] = _make(kind, {"__setattr__": _refuse, "__delattr__": _refuse, "__eq__": _equal, "__hash__": _hash})
    return made


@dataclass_transform(field_specifiers=(field,))
def mutable(kind: type[T]) -> type[T]:
    """A class whose instances hold what changes; equal by content, and not hashable."""
    made: type[T] = _make(kind, {"__eq__": _equal, "__hash__": None})
    return made


@dataclass_transform(eq_default=False, field_specifiers=(field,))
def entity(kind: type[T]) -> type[T]:
    """A class whose instances hold what changes, each equal to itself alone."""
    made: type[T] = _make(kind, {})
    return made


def replace(value: T, /, **changes: Any) -> T:
    """A copy of an instance with some fields changed. Raises TypeError for a name that is no field."""
    kept = {name: getattr(value, name) for name in value.__match_args__ if name not in changes}  # type: ignore[attr-defined]
    return type(value)(**kept, **changes)


# -- making a class ----------------------------------------------------------------------------------------------------


def _make(kind: Any, methods: Mapping[str, Any]) -> Any:
    body: dict[str, Any] = dict(kind.__dict__)
    names = tuple(body.get("__annotations__", ()))
    defaults = {name: body.pop(name) for name in names if name in body}
    body.pop("__dict__", None)
    body.pop("__weakref__", None)
    body |= methods
    body.setdefault("__repr__", _repr)
    body["__reduce__"] = _reduce
    body["__slots__"] = body["__match_args__"] = names
    body["__dataclass_fields__"] = _Fields(names, defaults)
    body["_state"] = _getter(names)
    body["__qualname__"] = kind.__qualname__
    closed, checked = "__setattr__" in methods, hasattr(kind, "__post_init__")
    if closed and len(names) >= WIDE and kind.__bases__ == (object,):
        body["__new__"] = _first_new(names, defaults, checked=checked)
    else:
        body["__init__"] = _first_init(names, defaults, closed=closed, checked=checked)
    return type(kind)(kind.__name__, kind.__bases__, body)


def _getter(names: tuple[str, ...]) -> Callable[[Any], Any]:
    """All fields of an instance at once, as something that can be compared and hashed; no method of the instance."""
    return attrgetter(*names) if names else staticmethod(_nothing)


def _nothing(_: Any) -> tuple[()]:
    return ()


def _first_init(names: tuple[str, ...], defaults: Mapping[str, Any], *, closed: bool, checked: bool) -> Any:
    """`__init__` of the first instances of a class; it makes the one that follows it."""
    left = FEW

    def first(self: Any, /, *args: Any, **kwargs: Any) -> None:
        nonlocal left
        left -= 1
        if left >= 0 and _fill(self, names, defaults, args, kwargs):
            if checked:
                self.__post_init__()
            return
        kind: Any = next(kind for kind in type(self).__mro__ if kind.__dict__.get("__init__") is first)
        kind.__init__ = _init(kind, names, defaults, closed=closed)
        kind.__init__(self, *args, **kwargs)

    return first


def _first_new(names: tuple[str, ...], defaults: Mapping[str, Any], *, checked: bool) -> Any:
    """The same for `__new__`."""
    left = FEW

    def first(kind: Any, /, *args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        made = object.__new__(kind)
        if left >= 0 and _fill(made, names, defaults, args, kwargs):
            if checked:
                made.__post_init__()
            return made
        kind.__new__ = _new(kind, names, defaults)
        return kind.__new__(kind, *args, **kwargs)

    return first


def _fill(
    made: Any, names: tuple[str, ...], defaults: Mapping[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bool:
    """Set the fields of an instance; False where the arguments do not fit, which what is compiled then tells."""
    values = dict(zip(names, args))  # noqa: B905 - counted below
    values.update(kwargs)
    if len(values) < len(args) + len(kwargs):
        return False
    for name in names:
        if name in values:
            value = values.pop(name)
        elif name in defaults:
            value = defaults[name]
            if type(value) is Field:
                value = value.factory() if value.factory else value.default
        else:
            return False
        _set(made, name, value)
    return not values


def _init(kind: type, names: tuple[str, ...], defaults: Mapping[str, Any], *, closed: bool) -> Any:
    """`__init__` with the fields as parameters. In a closed class slots are set past the `__setattr__` that refuses."""
    parameters, values, space = _parameters(names, defaults)
    if closed:
        space.update((f"_set_{name}", kind.__dict__[name].__set__) for name in names)
        lines = [f" _set_{name}(self, {value})" for name, value in zip(names, values, strict=True)]
    else:
        lines = [f" self.{name} = {value}" for name, value in zip(names, values, strict=True)]
    if hasattr(kind, "__post_init__"):
        lines.append(" self.__post_init__()")
    return _compiled(kind, f"def __init__(self, {', '.join(parameters)}):", lines or [" pass"], space)


def _new(kind: type, names: tuple[str, ...], defaults: Mapping[str, Any]) -> Any:
    """`__new__` with the fields as parameters, for closed classes of many fields: half as expensive as `__init__`.

    An open class of the same slots is filled, and becomes the closed one.
    """
    parameters, values, space = _parameters(names, defaults)
    space.update(_create=object.__new__, _open=type(kind.__name__, (), {"__slots__": names}))
    lines = [
        " self = _create(_open)",
        *(f" self.{name} = {value}" for name, value in zip(names, values, strict=True)),
        " self.__class__ = _kind",
        *([" self.__post_init__()"] if hasattr(kind, "__post_init__") else []),
        " return self",
    ]
    return _compiled(kind, f"def __new__(_kind, {', '.join(parameters)}):", lines, space)


def _parameters(names: tuple[str, ...], defaults: Mapping[str, Any]) -> tuple[list[str], list[str], dict[str, Any]]:
    """Fields as parameters, what each is set to, and what these texts refer to."""
    space: dict[str, Any] = {"_MISSING": _MISSING}
    parameters, values = [], []
    for name in names:
        if name not in defaults:
            parameters.append(name)
            values.append(name)
            continue
        given = defaults[name]
        factory = given.factory if isinstance(given, Field) else None
        space[f"_default_{name}"] = _MISSING if factory else given.default if isinstance(given, Field) else given
        space[f"_make_{name}"] = factory
        parameters.append(f"{name}=_default_{name}")
        values.append(f"_make_{name}() if {name} is _MISSING else {name}" if factory else name)
    return parameters, values, space


def _compiled(kind: type, head: str, lines: list[str], space: dict[str, Any]) -> Any:
    exec("\n".join([head, *lines]), space)  # noqa: S102 - names of fields
    name = head[4 : head.index("(")]
    made = space[name]
    made.__qualname__ = f"{kind.__qualname__}.{name}"
    made.__module__ = kind.__module__
    return made


# -- what all such classes share ---------------------------------------------------------------------------------------


def _equal(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self._state(self) == self._state(other)


def _hash(self: Any) -> int:
    return hash(self._state(self))


def _repr(self: Any) -> str:
    fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
    return f"{type(self).__qualname__}({fields})"


def _reduce(self: Any) -> tuple[Any, ...]:
    return type(self), tuple(getattr(self, name) for name in self.__match_args__)


def _refuse(self: Any, name: str, *_: Any) -> None:
    raise AttributeError(f"{type(self).__qualname__} is a value: its {name!r} cannot be changed")


class _Fields:
    """Fields as `dataclasses` knows them, made when somebody asks."""

    __slots__ = ("_defaults", "_made", "_names")

    def __init__(self, names: tuple[str, ...], defaults: Mapping[str, Any]) -> None:
        self._names = names
        self._defaults = defaults
        self._made: Any = None

    def __get__(self, _: Any, kind: type) -> Any:
        if self._made is None:
            body: dict[str, Any] = {"__annotations__": dict.fromkeys(self._names, typing.Any)}
            for name, given in self._defaults.items():
                body[name] = given
                if isinstance(given, Field):
                    factory: Any = {"default_factory": given.factory} if given.factory else {"default": given.default}
                    body[name] = dataclasses.field(metadata=given.metadata, **factory)
            shadow: Any = dataclasses.dataclass(type(kind.__name__, (), body))
            self._made = shadow.__dataclass_fields__
        return self._made
