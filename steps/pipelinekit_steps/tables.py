"""Reading and writing tables: CSV and Parquet."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from pipelinekit import File, step
from pipelinekit_steps.columns import TableError, require_columns


@step
def read_csv(
    source: Path,
    types: dict[str, str] | None = None,
    columns: list[str] | None = None,
    null_values: list[str] | None = None,
    delimiter: str = ",",
) -> pa.Table:
    """Read a CSV file with a header line, or a folder of such files.

    The files of a folder are read in the order of their names and must have the same columns; the table has their
    rows one after another. `types` gives columns their Arrow type by name (`int32`, `float64`, `string`, `date32`,
    `timestamp[s]`, `timestamp[s, tz=UTC]`); types of other columns are found from the values, which for small files
    may differ from file to file. `columns` picks columns, in that order. `null_values` are the texts that stand for
    null, besides the empty one.

    Raises TableError when a column is missing, a value does not fit its type, or the files of a folder do not fit
    together.
    """
    options = pa.csv.ConvertOptions(
        column_types={name: named_type(kind) for name, kind in (types or {}).items()},
        include_columns=columns,
        null_values=["", *(null_values or [])],
        strings_can_be_null=True,
    )
    parse = pa.csv.ParseOptions(delimiter=delimiter)
    return _join([_read_csv(path, options, parse) for path in _files(source, ".csv")], [*(types or {})])


@step
def read_parquet(source: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file, or a folder of such files in the order of their names, which must have the same columns.

    `columns` picks columns, in that order. Raises TableError when a column is missing, a file is no Parquet file, or
    the files of a folder do not fit together.
    """
    tables = []
    for path in _files(source, ".parquet"):
        try:
            table = pa.parquet.read_table(path, partitioning=None)
        except pa.ArrowException as error:
            raise TableError(f"{path.name} cannot be read as Parquet: {error}") from error
        if columns is not None:
            require_columns(table, columns)
            table = table.select(columns)
        tables.append(table)
    return _join(tables, [])


@step
def write_csv(table: pa.Table, name: str = "table.csv") -> File:
    """Write a table as a CSV file with a header line; nulls become empty fields.

    The file is written into the current folder, which for a step that runs is its own. Equal tables give equal bytes.
    Raises TableError when a column holds lists or structures, which CSV cannot say.
    """
    try:
        pa.csv.write_csv(table, name)
    except pa.ArrowException as error:
        raise TableError(f"the table cannot be written as CSV: {error}", hint="write it as Parquet") from error
    return File(name)


@step
def write_parquet(table: pa.Table, name: str = "table.parquet", compression: str = "zstd") -> File:
    """Write a table as a Parquet file, whose `compression` is `zstd`, `snappy`, `gzip`, `lz4` or `none`.

    The file is written into the current folder, which for a step that runs is its own. Equal tables give equal bytes,
    however they are cut into chunks.
    """
    pa.parquet.write_table(table.combine_chunks(), name, compression=compression)
    return File(name)


def named_type(name: str) -> pa.DataType:
    """The Arrow type of that name. Raises TableError for a name that Arrow does not know."""
    zoned = re.fullmatch(r"timestamp\[(s|ms|us|ns), tz=([^\]]+)\]", name)
    if zoned:  # Arrow writes these names, and does not read them
        return pa.timestamp(zoned[1], tz=zoned[2])
    try:
        return pa.type_for_alias(name)
    except ValueError:
        hint = "names are Arrow's: bool, int32, int64, float64, string, date32, timestamp[s], ..."
        raise TableError(f"there is no column type {name!r}", hint=hint) from None


def _files(source: Path, suffix: str) -> list[Path]:
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.rglob(f"*{suffix}") if path.is_file())
    if not found:
        raise TableError(f"the folder {source.name!r} holds no {suffix} file")
    return found


def _read_csv(path: Path, options: pa.csv.ConvertOptions, parse: pa.csv.ParseOptions) -> pa.Table:
    try:
        return pa.csv.read_csv(path, convert_options=options, parse_options=parse)
    except (pa.ArrowException, KeyError) as error:
        words = error.args[0] if isinstance(error, KeyError) else error  # a KeyError would be shown in quotes
        raise TableError(f"{path.name} cannot be read as CSV: {words}") from error


def _join(tables: list[pa.Table], wanted: list[str]) -> pa.Table:
    try:
        table = pa.concat_tables(tables)
    except pa.ArrowInvalid as error:
        hint = "give the columns their types, so that they do not depend on the values of one file"
        raise TableError(f"the files do not have the same columns: {error}", hint=hint) from error
    require_columns(table, wanted)
    return table
