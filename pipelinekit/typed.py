"""Names of `typing` for annotations: type checkers are given its own, and a running program names that stand for them.

To import `typing` costs a twentieth of a run in which nothing is new, and nothing there asks what is annotated. What
looks at an author's annotations needs the real ones: it imports `typing` itself, late. `pipelinekit/__init__.py` has no
import of ours, not even this.
"""

from __future__ import annotations

import types

TYPE_CHECKING = False  # type checkers take this name for true

__all__ = [
    "TYPE_CHECKING",
    "Any",
    "BinaryIO",
    "Generic",
    "NoReturn",
    "ParamSpec",
    "Protocol",
    "TypeVar",
    "dataclass_transform",
    "overload",
]

if TYPE_CHECKING:
    from typing import Any, BinaryIO, Generic, NoReturn, ParamSpec, Protocol, TypeVar, dataclass_transform, overload

if not TYPE_CHECKING:
    Any = BinaryIO = NoReturn = Protocol = object

    class Generic:
        """A base that takes arguments and does not look at them; so do the classes that derive from it."""

        __class_getitem__ = classmethod(types.GenericAlias)

    def TypeVar(name, *_, **__):  # noqa: N802 - named as that of `typing`
        """Stands for a type variable."""
        return name

    ParamSpec = TypeVar

    def dataclass_transform(**_):
        """Tells type checkers about a decorator; does nothing."""
        return overload

    def overload(function):
        """Tells type checkers about a function; does nothing."""
        return function
