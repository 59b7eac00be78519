"""Tables in files of others: Parquet, CSV, JSON lines and Arrow, read lazily through Arrow's datasets.

How a table is read is plain data (`reading`): format, options, types, and a recipe of transformations. Filters and
choices of columns are left to the scan; what goes by the position of rows is done on the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.dataset as ds
import pyarrow.json as pa_json
import pyarrow.parquet as pq

from pipelinekit.errors import UsageError
from pipelinekit.formats.tables import is_scan
from pipelinekit.late import late

if TYPE_CHECKING:
    import polars
else:
    polars = late("polars")

ROWS_AT_ONCE = 128 * 1024
_MIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


class Scan:
    """A table that is not read yet: an Arrow dataset with what is to be done to it, or a table where it had to be read.

    `read` is None for as long as nothing had to be.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self._filter: Any = None
        self._columns: list[str] | None = None
        self._read: pa.Table | None = None

    def apply(self, operation: Sequence[Any]) -> None:
        """Do one transformation."""
        name, *arguments = operation
        match name:
            case "filter":
                self._narrow(arguments[0])
            case "keep_columns":
                self._choose(list(arguments[0]), arguments[0])
            case "drop_columns":
                self._choose([column for column in self.names if column not in arguments[0]], arguments[0])
            case "take":
                self._read = self._head(arguments[0])
            case "skip":
                self._read = self.table().slice(arguments[0])
            case "sample":
                self._read = _sampled(self.table(), *arguments)
            case _:
                raise UsageError(f"there is no transformation {name!r}")

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return self._columns if self._columns is not None else list(self._whole.schema.names)

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        schema = self._whole.schema
        return pa.schema([schema.field(name) for name in self.names], schema.metadata)

    @property
    def _whole(self) -> Any:
        return self._source if self._read is None else self._read

    def table(self) -> pa.Table:
        """All of it in memory."""
        if self._read is not None:
            return self._read
        return self._source.to_table(filter=self._filter, columns=self._columns)

    def lazy(self) -> Any:
        """As an Arrow dataset, which reads when it is asked; columns that only a filter needs stay in it."""
        if self._read is not None:
            return ds.dataset(self._read)
        found = self._source if self._filter is None else self._source.filter(self._filter)
        if self._columns is None:
            return found
        if self._filter is not None:
            return ds.dataset(self.table())
        return found.replace_schema(self.schema)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All of it, piece by piece."""
        if self._read is not None:
            yield from self._read.to_batches(max_chunksize=ROWS_AT_ONCE)
            return
        scanner = self._source.scanner(filter=self._filter, columns=self._columns, batch_size=ROWS_AT_ONCE)
        yield from scanner.to_batches()

    def head(self, count: int) -> pa.Table:
        """The first rows, without reading the others where that is possible."""
        return self._head(count)

    def _head(self, count: int) -> pa.Table:
        if self._read is not None:
            return self._read.slice(0, count)
        return self._source.head(count, filter=self._filter, columns=self._columns)

    def _narrow(self, conditions: Sequence[Sequence[Any]]) -> None:
        self._check_columns([condition[0] for condition in conditions])
        if not conditions:
            return
        found = pq.filters_to_expression([tuple(condition) for condition in conditions])
        if self._read is not None:
            self._read = self._read.filter(found)
        else:
            self._filter = found if self._filter is None else self._filter & found

    def _choose(self, columns: list[str], given: Sequence[str]) -> None:
        self._check_columns(given)
        if self._read is not None:
            self._read = self._read.select(columns)
        else:
            self._columns = columns

    def _check_columns(self, columns: Sequence[str]) -> None:
        missing = [column for column in columns if column not in self.names]
        if missing:
            raise UsageError(
                f"the table has no column {missing[0]!r}", hint=f"its columns: {', '.join(self.names) or 'none'}"
            )


def scan(folder: Path, files: Sequence[str], reading: Mapping[str, Any]) -> Scan:
    """A table in files below a folder. Raises UsageError when they cannot be read as what they are said to be."""
    places = [str(folder / name) for name in files]
    hive = reading["partitioning"] == "hive"
    try:
        with_form = ds.dataset(
            places,
            format=_format(reading),
            partitioning="hive" if hive else None,
            partition_base_dir=str(folder) if hive else None,
        )
        found = Scan(with_form)
        for operation in reading["recipe"]:
            found.apply(operation)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(error, reading, folder) from None
    return found


def load(folder: Path, files: Sequence[str], reading: Mapping[str, Any], wanted: Any) -> Any:
    """The table as the annotated class: pyarrow's, pandas', polars', or an Arrow dataset, which reads lazily."""
    found = scan(folder, files, reading)
    try:
        if is_scan(wanted):
            return found.lazy()
        table = found.table()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(error, reading, folder) from None
    match (getattr(wanted, "__module__", "") or "").partition(".")[0]:
        case "pandas":
            return table.to_pandas()
        case "polars":
            return polars.from_arrow(table)
        case _:
            return table


def unreadable(error: Exception, reading: Mapping[str, Any], folder: Path) -> UsageError:
    """What Arrow says of files that it cannot read, or of a filter that does not fit them."""
    if "no kernel matching input types" in str(error):
        types = str(error).partition("input types ")[2].strip()
        return UsageError(
            f"a filter compares a column with a value of another type: {types}",
            hint="compare dates with datetime.date(...), numbers with numbers; 'pipelinekit datasets show' tells types",
        )
    hint = f"see whether its files are {reading['format']}"
    if reading["format"] in ("csv", "json"):
        hint += ", and give types={column: type} (--type COLUMN=TYPE) where a type is guessed wrongly"
    words = str(error).replace(f"{folder}/", "").strip().splitlines()
    return UsageError(f"the table cannot be read: {words[0] if words else type(error).__name__}", hint=hint)


def column_types(schema: pa.Schema, given: Mapping[str, str]) -> dict[str, str]:
    """Types of columns as texts that can be read again: those that were found, and those that were given.

    Columns whose type has no such text, or that are empty, are found anew each time.
    """
    found = {field.name: str(field.type) for field in schema if _alias(str(field.type)) == field.type}
    return {**{name: kind for name, kind in found.items() if kind != "null"}, **given}


def check_types(types: Mapping[str, str]) -> None:
    """Raise UsageError for types that there are not."""
    for column, kind in types.items():
        if _alias(kind) is None:
            raise UsageError(
                f"column {column!r}: there is no type {kind!r}",
                hint="use Arrow's names, such as int64, double, string, bool, date32 or timestamp[s]",
            )


def _alias(kind: str) -> pa.DataType | None:
    try:
        return pa.type_for_alias(kind)
    except ValueError:
        return None


def _format(reading: Mapping[str, Any]) -> Any:
    options = reading["options"]
    types = {**reading["types"], **options.get("types", {})}
    kinds = {name: kind for name, text in types.items() if (kind := _alias(text)) is not None}
    match reading["format"]:
        case "csv":
            return ds.CsvFileFormat(
                parse_options=pa_csv.ParseOptions(delimiter=options["delimiter"], newlines_in_values=True),
                read_options=pa_csv.ReadOptions(
                    column_names=list(options["columns"]) or None,
                    autogenerate_column_names=not options["header"] and not options["columns"],
                    encoding=options["encoding"],
                ),
                convert_options=_conversion(kinds, options["null_values"]),
            )
        case "json":
            fields = pa.schema(list(kinds.items())) if kinds else None
            return ds.JsonFileFormat(
                parse_options=pa_json.ParseOptions(explicit_schema=fields, newlines_in_values=False)
            )
        case "arrow":
            return "ipc"
        case name:
            return name


def _conversion(kinds: Mapping[str, pa.DataType], null_values: Sequence[str]) -> Any:
    if not null_values:
        return pa_csv.ConvertOptions(column_types=kinds)
    nulls = ["", *null_values]
    return pa_csv.ConvertOptions(column_types=kinds, null_values=nulls, strings_can_be_null=True)


# -- chance ------------------------------------------------------------------------------------------------------------


def mixed(numbers: pa.Array, seed: int = 0) -> pa.Array:
    """Unsigned numbers of 64 bits, each put in another's place as if by chance (splitmix64)."""
    found = pc.add(numbers, _number(seed * _MIX[2] + _MIX[0]))
    found = pc.multiply(_folded(found, 30), _number(_MIX[1]))
    found = pc.multiply(_folded(found, 27), _number(_MIX[2]))
    return _folded(found, 31)


def _folded(numbers: pa.Array, bits: int) -> pa.Array:
    return pc.bit_wise_xor(numbers, pc.shift_right(numbers, _number(bits)))


def _number(value: int) -> pa.Scalar:
    return pa.scalar(value & 0xFFFFFFFFFFFFFFFF, pa.uint64())


def _sampled(table: pa.Table, upto: float, since: float, seed: int) -> pa.Table:
    """Rows whose number falls, by chance, between two shares of all."""
    rows = pa.array(range(table.num_rows), pa.uint64())
    chance = pc.divide(mixed(rows, seed).cast(pa.float64(), safe=False), float(1 << 64))
    chosen = pc.greater_equal(chance, since)
    return table.filter(chosen if upto >= 1.0 else pc.and_(chosen, pc.less(chance, upto)))
