"""Canonical forms: what an author declares not to matter in an output is taken out before it is stored.

The order of rows or items, and digits of floats beyond a number of decimals. What is stored is the canonical value
itself, so that equal content is equal bytes, and what follows reads what its key says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelinekit.domain.digests import encode
from pipelinekit.domain.steps import Canonical
from pipelinekit.formats.registry import data_kind
from pipelinekit.formats.storing import OutputError
from pipelinekit.formats.tables import to_arrow


def canonical_value(value: Any, form: Canonical) -> Any:
    """The value in its canonical form. Raises OutputError where the form is not known for it."""
    match data_kind(type(value)):
        case "table":
            return _table(value, form)
        case "array":
            return _array(value, form)
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, list | tuple | dict | int | float | str | None):
        return _plain(value, form)
    raise OutputError(
        f"there is no canonical form of {type(value).__module__}.{type(value).__qualname__}",
        hint="Canonical(...) is for tables, arrays, and lists, dicts and numbers",
    )


def _table(value: Any, form: Canonical) -> Any:
    table = to_arrow(value)
    if form.decimals is not None:
        for position, column in enumerate(table.schema):
            if pa.types.is_floating(column.type):
                # adding zero makes -0.0 and 0.0 one
                rounded = pc.add(pc.round(table.column(position), ndigits=form.decimals), 0.0)
                table = table.set_column(position, column, rounded.cast(column.type))
    if form.order:
        nested = [column.name for column in table.schema if pa.types.is_nested(column.type)]
        if nested:
            raise OutputError(
                f"rows cannot be put in order: column {nested[0]!r} holds {table.schema.field(nested[0]).type}",
                hint="leave order out of Canonical(...), and sort the rows in the step",
            )
        keys = [(name, "ascending") for name in table.schema.names]
        table = table.take(pc.sort_indices(table, sort_keys=keys)) if keys else table
    return table


def _array(value: Any, form: Canonical) -> Any:
    if form.decimals is not None and value.dtype.kind in "fc":
        value = np.round(value, form.decimals) + 0.0
    if form.order and value.ndim == 1:
        return np.sort(value)
    if form.order and value.ndim > 1:
        rows = value.reshape(len(value), -1)
        return value[np.lexsort(rows.T[::-1])]
    return value


def _plain(value: Any, form: Canonical) -> Any:
    """Floats rounded wherever they are; items in order only at the top, where the output is a list."""
    rounded = _rounded(value, form.decimals) if form.decimals is not None else value
    if form.order and isinstance(rounded, list | tuple):
        try:
            return sorted(rounded, key=encode)
        except TypeError as error:
            raise OutputError(f"items cannot be put in order: {error}") from error
    return rounded


def _rounded(value: Any, decimals: int) -> Any:
    if isinstance(value, float):
        return round(value, decimals) + 0.0
    if isinstance(value, list | tuple):
        return [_rounded(item, decimals) for item in value]
    if isinstance(value, dict):
        return {key: _rounded(item, decimals) for key, item in value.items()}
    return value
