"""What is done to a table before it is read: operations by name, as plain data, in their order."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import Any, Self, TypeVar

from pipelinekit.domain.values import why_not_plain
from pipelinekit.errors import UsageError

OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "in", "not in")
Operation = tuple[Any, ...]  # a name and its arguments, all plain data


class Transformations:
    """What can be done to a table before it is read; each gives a new thing of the same kind, and reads nothing."""

    __slots__ = ()

    def _with(self, operation: Operation) -> Self:
        raise NotImplementedError

    def take(self, count: int) -> Self:
        """The first so many rows."""
        return self._with(("take", _count("take", count)))

    def skip(self, count: int) -> Self:
        """Without the first so many rows."""
        return self._with(("skip", _count("skip", count)))

    def sample(self, share: float, seed: int = 0) -> Self:
        """About this share of the rows, by chance; the same seed takes the same ones."""
        return self._with(("sample", _share(share), 0.0, int(seed)))

    def random_split(self, share: float, seed: int = 0) -> tuple[Self, Self]:
        """About this share of the rows, by chance, and all the others."""
        return (
            self._with(("sample", _share(share), 0.0, int(seed))),
            self._with(("sample", 1.0, _share(share), int(seed))),
        )

    def filter(self, *conditions: tuple[Any, ...]) -> Self:
        """Rows that meet all conditions, each as (column, operator, value): `("year", ">=", 2024)`.

        Dates and times are compared with those of Python.
        """
        checked = []
        for condition in conditions:
            if len(condition) != 3 or not isinstance(condition[0], str) or condition[1] not in OPERATORS:
                raise UsageError(
                    f"condition {condition!r} is not allowed",
                    hint=f"write (column, operator, value), with one of {' '.join(OPERATORS)}",
                )
            column, operator, value = condition
            if why := why_not_plain(value):
                raise UsageError(f"condition {condition!r} is not allowed: {why}", hint="compare with plain data")
            checked.append([column, operator, value])
        return self._with(("filter", checked))

    def keep_columns(self, *columns: str) -> Self:
        """These columns only, in this order."""
        return self._with(("keep_columns", list(columns)))

    def drop_columns(self, *columns: str) -> Self:
        """All columns but these."""
        return self._with(("drop_columns", list(columns)))


def _count(name: str, count: int) -> int:
    if type(count) is not int or count < 0:
        raise UsageError(f"{name}({count!r}) is not allowed", hint="give a number of rows, 0 or more")
    return count


def _share(share: float) -> float:
    if not 0 <= share <= 1:
        raise UsageError(f"a share of {share!r} is not allowed", hint="give a number from 0 to 1")
    return float(share)


def recipe_text(recipe: Sequence[Operation]) -> str:
    """Operations as JSON."""
    return json.dumps([list(item) for item in recipe], default=_tagged)


def parse_recipe(text: str) -> tuple[Operation, ...]:
    """Operations from JSON."""
    return tuple(tuple(item) for item in json.loads(text, object_hook=_untagged))


def _tagged(value: Any) -> Any:
    """What JSON has no form for among plain data, told by a tag."""
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    return {"$datetime" if isinstance(value, datetime.datetime) else "$date": value.isoformat()}


def _untagged(document: dict[str, Any]) -> Any:
    match document:
        case {"$bytes": text}:
            return bytes.fromhex(text)
        case {"$datetime": text}:
            return datetime.datetime.fromisoformat(text)
        case {"$date": text}:
            return datetime.date.fromisoformat(text)
    return document


T = TypeVar("T", bound=Transformations)


def with_recipe(table: T, recipe: Sequence[Sequence[Any]]) -> T:
    """A table with operations that anybody may have written down. Raises UsageError for one that is none."""
    for operation in recipe:
        match list(operation):
            case ["take", count]:
                table = table.take(count)
            case ["skip", count]:
                table = table.skip(count)
            case ["sample", int() | float() as share, 0 | 0.0, int() as seed]:
                table = table.sample(share, seed)
            case ["sample", 1 | 1.0, int() | float() as share, int() as seed]:
                table = table.random_split(share, seed)[1]
            case ["filter", list() as conditions] if all(isinstance(item, list | tuple) for item in conditions):
                table = table.filter(*map(tuple, conditions))
            case ["keep_columns", list() as names] if all(isinstance(name, str) for name in names):
                table = table.keep_columns(*names)
            case ["drop_columns", list() as names] if all(isinstance(name, str) for name in names):
                table = table.drop_columns(*names)
            case _:
                raise UsageError(
                    f"{str(operation)[:200]} is nothing that is done to a table", hint="as ['take', 10] in a definition"
                )
    return table
