"""Validating tables: declared columns, types, nulls, ranges, allowed values, uniqueness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelinekit import step
from pipelinekit_steps.columns import TableError, is_number, is_text

KNOWN_RULES = ("type", "nulls", "minimum", "maximum", "values", "unique")
_FAMILIES: dict[str, Callable[[pa.DataType], bool]] = {
    "integer": pa.types.is_integer,
    "number": is_number,
    "text": is_text,
    "boolean": pa.types.is_boolean,
    "date": pa.types.is_date,
    "timestamp": pa.types.is_timestamp,
}
SHOWN = 3  # so many wrong values are shown of each kind


class InvalidTableError(TableError):
    """A table that breaks rules; `violations` lists all of them, each in words."""

    code = "invalid_table"

    @property
    def violations(self) -> list[str]:
        """Every rule that is broken, in words."""
        return list(self.fields["violations"])


@step
def validate_table(
    table: pa.Table,
    columns: dict[str, dict[str, Any]],
    unique: list[str] | None = None,
    minimum_rows: int = 1,
    allow_others: bool = True,
) -> pa.Table:
    """Check a table against rules; the same table when it keeps all of them.

    `columns` names the columns that must be there, each with its rules, all of them optional:

    - `type`: `integer`, `number`, `text`, `boolean`, `date`, `timestamp`, or an Arrow type by its own name (`int32`);
    - `nulls`: the largest share of nulls, from 0 to 1; without it there may be none. NaN counts as null;
    - `minimum`, `maximum`: the smallest and the largest value;
    - `values`: the values that are allowed;
    - `unique`: true when no value may occur twice.

    `unique` names columns that together tell rows apart. `minimum_rows` is the number of rows there must be at least.
    With `allow_others=False` there may be no columns besides the declared ones.

    Raises InvalidTableError, which lists all violations at once, and TableError for a rule that there is not.
    """
    found = find_violations(table, columns, unique, minimum_rows, allow_others)
    if found:
        count = "1 rule" if len(found) == 1 else f"{len(found)} rules"
        lines = "".join(f"\n  - {violation}" for violation in found)
        raise InvalidTableError(f"the table breaks {count}:{lines}", violations=found)
    return table


def find_violations(
    table: pa.Table,
    columns: dict[str, dict[str, Any]],
    unique: list[str] | None = None,
    minimum_rows: int = 1,
    allow_others: bool = True,
) -> list[str]:
    """Every rule that a table breaks, in words; see `validate_table`, which raises for them."""
    for name, rules in columns.items():
        for rule in rules:
            if rule not in KNOWN_RULES:
                raise TableError(
                    f"column {name!r} has a rule {rule!r}, which there is not", hint=f"rules: {', '.join(KNOWN_RULES)}"
                )
    found = []
    if table.num_rows < minimum_rows:
        found.append(f"there are {table.num_rows} rows, at least {minimum_rows} must be")
    for name, rules in columns.items():
        if name in table.column_names:
            found.extend(f"column {name!r}: {words}" for words in _column_violations(table[name], rules))
        else:
            found.append(f"column {name!r} is missing")
    others = [name for name in table.column_names if name not in columns]
    if others and not allow_others:
        found.append(f"columns that are not declared: {', '.join(map(repr, others))}")
    found.extend(_repeats(table, unique or []))
    return found


def _column_violations(column: pa.ChunkedArray, rules: dict[str, Any]) -> Iterator[str]:
    kind = column.type
    wanted = rules.get("type", "")
    if wanted and not (_FAMILIES[wanted](kind) if wanted in _FAMILIES else str(kind) == wanted):
        yield f"its type is {kind}, not {wanted}"
        return  # the other rules speak of values of the right type
    yield from _nulls(column, rules.get("nulls", 0))
    if "minimum" in rules:
        yield from _outside(column, "below", rules["minimum"])
    if "maximum" in rules:
        yield from _outside(column, "above", rules["maximum"])
    if "values" in rules:
        yield from _unexpected(column, rules["values"])
    if rules.get("unique") and (repeated := len(column) - column.null_count - len(pc.unique(column.drop_null()))):
        yield f"{_values(repeated)} repeated, each may occur once"


def _nulls(column: pa.ChunkedArray, limit: float) -> Iterator[str]:
    missing = pc.is_null(column, nan_is_null=True)
    count = pc.sum(missing).as_py() or 0
    if count > limit * len(column):
        allowed = f"at most {limit:.4g} of them may be" if limit else "none may be"
        yield f"{count} of {len(column)} values are null, {allowed}{_first(missing)}"


def _outside(column: pa.ChunkedArray, side: str, limit: Any) -> Iterator[str]:
    try:
        wrong = (pc.less if side == "below" else pc.greater)(column, limit)
    except pa.ArrowException:
        yield f"values of type {column.type} cannot be compared with {limit!r}"
        return
    if count := pc.sum(wrong).as_py():
        worst = (pc.min if side == "below" else pc.max)(column.filter(wrong)).as_py()
        word = "the smallest" if side == "below" else "the largest"
        yield f"{_values(count)} {side} {limit}, {word} is {worst}{_first(wrong)}"


def _unexpected(column: pa.ChunkedArray, allowed: list[Any]) -> Iterator[str]:
    plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    try:
        options = pa.array(allowed, type=plain.type)
    except (pa.ArrowException, TypeError):
        yield f"values of type {column.type} cannot be compared with {allowed!r}"
        return
    wrong = pc.and_(pc.invert(pc.is_in(plain, value_set=options)), pc.is_valid(plain))
    if count := pc.sum(wrong).as_py():
        different = sorted(pc.unique(plain.filter(wrong)).to_pylist())
        more = f" and {len(different) - SHOWN} more" if len(different) > SHOWN else ""
        shown = ", ".join(map(repr, different[:SHOWN]))
        yield f"{_values(count)} not among those allowed: {shown}{more}{_first(wrong)}"


def _repeats(table: pa.Table, unique: list[str]) -> Iterator[str]:
    missing = [name for name in unique if name not in table.column_names]
    if missing:
        yield f"columns {', '.join(map(repr, missing))} should tell rows apart and are missing"
        return
    if not unique:
        return
    groups = table.group_by(unique, use_threads=False).aggregate([([], "count_all")])
    repeated = groups.filter(pc.greater(groups["count_all"], 1))
    if repeated.num_rows:
        count = pc.sum(repeated["count_all"]).as_py() - repeated.num_rows
        example = ", ".join(f"{name}={repeated[name][0].as_py()!r}" for name in unique)
        rows = "1 row repeats" if count == 1 else f"{count} rows repeat"
        yield f"{rows} the {', '.join(unique)} of another row (for example {example})"


def _values(count: int) -> str:
    return "1 value is" if count == 1 else f"{count} values are"


def _first(wrong: pa.ChunkedArray) -> str:
    """Where the first wrong value is; rows count from 0."""
    return f" (first in row {pc.index(wrong, True).as_py()})"
