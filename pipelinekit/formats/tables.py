"""Tables: Arrow files, read by memory map, as pyarrow, pandas or polars.

The content digest is taken over the table's values, column by column, whatever its chunking, its dictionaries or the
bytes that lie behind nulls; so equal tables are one content however they came about.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelinekit.domain.digests import Hasher, digest, encode
from pipelinekit.errors import UsageError
from pipelinekit.formats.registry import ValueFormat
from pipelinekit.late import late

if TYPE_CHECKING:
    import polars
    import pyarrow.compute as pc  # takes as long to load as the rest of pyarrow, and plain columns need none of it
    import pyarrow.dataset as arrow_dataset
else:
    pc = late("pyarrow.compute")
    arrow_dataset = late("pyarrow.dataset")
    polars = late("polars")

FLAVOUR = b"pipelinekit.flavour"


class TableFormat:
    """Tables of pyarrow, pandas and polars as Arrow IPC files."""

    def write(self, value: Any, path: Path) -> str:
        """Write a table; its content digest."""
        table = to_arrow(value)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        return table_digest(table)

    def read(self, path: Path, annotation: Any) -> Any:
        """The table as the annotated class; without one, as the class it was written from."""
        if is_scan(annotation):
            return arrow_dataset.dataset(str(path), format="ipc")
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        match _library(annotation) or _flavour(table):
            case "pandas":
                return table.to_pandas()
            case "polars":
                return polars.from_arrow(_without_flavour(table))
            case _:
                return _without_flavour(table)


def to_arrow(value: Any) -> pa.Table:
    """A table of any library that is known, as an Arrow table that remembers which it was."""
    library = _library(type(value))
    if library == "pandas":
        try:
            return pa.Table.from_pandas(value)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise UsageError(
                f"the DataFrame cannot be stored as a table: {error}",
                hint="give each column one type; mixed columns of Python objects have none",
            ) from error
    if library == "polars":
        table = value.to_arrow()
        return table.replace_schema_metadata({**(table.schema.metadata or {}), FLAVOUR: b"polars"})
    return value.to_table() if is_scan(type(value)) else value


def to_stream(table: pa.Table) -> bytes:
    """A table as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def from_stream(data: bytes) -> pa.Table:
    """The table in an Arrow IPC stream."""
    return pa.ipc.open_stream(data).read_all()


def is_scan(kind: Any) -> bool:
    """Whether a class is Arrow's dataset: a table that is read only when it is asked for."""
    return any(
        item.__module__ == "pyarrow._dataset" and item.__name__ == "Dataset" for item in getattr(kind, "__mro__", ())
    )


def _library(kind: Any) -> str:
    module = getattr(kind, "__module__", "") or ""
    library = module.partition(".")[0]
    return library if library in ("pandas", "polars", "pyarrow") else ""


def _flavour(table: pa.Table) -> str:
    metadata = table.schema.metadata or {}
    return "pandas" if b"pandas" in metadata else metadata.get(FLAVOUR, b"").decode()


def _without_flavour(table: pa.Table) -> pa.Table:
    metadata = table.schema.metadata
    if not metadata or FLAVOUR not in metadata:
        return table
    return table.replace_schema_metadata({key: item for key, item in metadata.items() if key != FLAVOUR} or None)


def table_digest(table: pa.Table) -> str:
    """Content digest of a table: names, types, kept metadata, and the values of every column."""
    columns = [[field.name, str(field.type), field.nullable] for field in table.schema]
    contents = [_column_digest(column) for column in table.columns]
    return digest(["table", table.num_rows, columns, contents, _kept_metadata(table.schema)])


def _kept_metadata(schema: pa.Schema) -> dict[str, Any]:
    """Schema metadata without what only says which release of a library wrote it."""
    kept: dict[str, Any] = {}
    for key, item in (schema.metadata or {}).items():
        if key == b"pandas":
            document = json.loads(item)
            kept["pandas"] = {
                name: document[name] for name in ("index_columns", "column_indexes", "columns") if name in document
            }
        else:
            kept[key.decode(errors="replace")] = item
    return kept


class _Streams:
    """The byte streams of one column: each the same bytes however the column is cut into chunks."""

    def __init__(self) -> None:
        self._hashers: dict[str, Hasher] = {}

    def feed(self, role: str, data: Any) -> None:
        self._hashers.setdefault(role, Hasher()).update(memoryview(data).cast("B"))

    def digest(self) -> str:
        return digest({role: hasher.digest() for role, hasher in self._hashers.items()})


def _column_digest(column: pa.ChunkedArray) -> str:
    streams = _Streams()
    nulls = column.null_count > 0
    for chunk in column.chunks:
        if len(chunk):
            _feed(chunk, "", streams, nulls)
    return streams.digest()


def _feed(array: pa.Array, role: str, streams: _Streams, nulls: bool) -> None:
    kind = array.type
    if nulls:
        streams.feed(f"{role}.valid", _bytes_of(array.is_valid()))
    if pa.types.is_null(kind):
        return  # nothing but its length, which is told by the rows around it
    if pa.types.is_dictionary(kind):
        _feed(array.dictionary_decode(), f"{role}.value", streams, False)
    elif isinstance(array, pa.ExtensionArray):
        _feed(array.storage, f"{role}.storage", streams, False)
    elif pa.types.is_struct(kind):
        for position, field in enumerate(array.flatten()):
            _feed(field, f"{role}.{position}", streams, True)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        _feed_list(array, role, streams)
    elif pa.types.is_fixed_size_list(kind):
        _feed(array.flatten(), f"{role}.item", streams, True)
    elif _is_text(kind):
        _feed_text(array, role, streams)
    elif pa.types.is_boolean(kind):
        streams.feed(role, _bytes_of(pc.fill_null(array, False) if array.null_count else array))
    elif pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_fixed_size_binary(kind):
        _feed_fixed(array, role, streams)
    else:
        for item in array.to_pylist():  # maps, unions and what may come: rare, and slower
            streams.feed(role, encode(repr(item)))


def _is_text(kind: pa.DataType) -> bool:
    checks = ("is_string", "is_large_string", "is_binary", "is_large_binary", "is_string_view", "is_binary_view")
    return any(getattr(pa.types, check)(kind) for check in checks if hasattr(pa.types, check))


def _bytes_of(flags: pa.Array) -> memoryview:
    """One byte for each boolean: bits of a chunk that does not begin on a byte could not be joined."""
    return _values(pc.cast(flags, pa.uint8()), 1)


def _feed_fixed(array: pa.Array, role: str, streams: _Streams) -> None:
    width = array.type.bit_width // 8
    if array.null_count:
        array = _without_nulls(array, width)
    streams.feed(role, _values(array, width))


def _without_nulls(array: pa.Array, width: int) -> pa.Array:
    """Zeros in place of nulls: what lies behind a null is whatever was there before."""
    number = {1: pa.int8(), 2: pa.int16(), 4: pa.int32(), 8: pa.int64()}.get(width)
    if number is not None:
        return pc.fill_null(array.view(number), pa.scalar(0, number))
    raw = pa.binary(width)
    return pc.fill_null(array.view(raw), pa.scalar(bytes(width), raw))


def _values(array: pa.Array, width: int) -> memoryview:
    buffer = array.buffers()[1]
    return memoryview(buffer)[array.offset * width : (array.offset + len(array)) * width]


def _feed_text(array: pa.Array, role: str, streams: _Streams) -> None:
    binary = pc.cast(array, pa.large_binary())
    if binary.null_count:
        binary = pc.fill_null(binary, b"")
    streams.feed(f"{role}.length", _values(pc.cast(pc.binary_length(binary), pa.int64()), 8))
    offsets = memoryview(binary.buffers()[1]).cast("q")
    data = binary.buffers()[2]
    start, end = offsets[binary.offset], offsets[binary.offset + len(binary)]
    if data is not None and end > start:
        streams.feed(role, memoryview(data)[start:end])


def _feed_list(array: pa.Array, role: str, streams: _Streams) -> None:
    lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
    streams.feed(f"{role}.length", _values(lengths, 8))
    _feed(array.flatten(), f"{role}.item", streams, True)


FORMATS: dict[str, ValueFormat] = {"arrow": TableFormat()}
