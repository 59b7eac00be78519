"""What the steps ask of the columns of a table, and the error that says which are not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import pyarrow as pa

from pipelinekit import PipelinekitError


class TableError(PipelinekitError):
    """A table that a step cannot work with: columns are missing, of a wrong type, or hold wrong values."""

    code = "table"


def require_columns(table: pa.Table, names: Iterable[str]) -> None:
    """Raise TableError when the table lacks one of these columns, naming all that it lacks."""
    missing = [name for name in names if name not in table.column_names]
    if not missing:
        return
    near = difflib.get_close_matches(missing[0], table.column_names, n=1)
    listed = ", ".join(table.column_names) or "none"
    raise TableError(
        f"the table has no column {', '.join(map(repr, missing))}",
        hint=f"did you mean {near[0]!r}?" if near else f"its columns: {listed}",
    )


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds texts, directly or through a dictionary of them."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type holds integers, floats or decimals."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
