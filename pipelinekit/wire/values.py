"""Plain data and stored values as JSON.

JSON lacks bytes, dates, non-finite floats and keys other than strings; these are written as objects with one key that
begins with `$`. Keys are sorted, so that equal data has one text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from pipelinekit.domain.types import PathRef, date_kind
from pipelinekit.domain.values import PLAIN, StoredValue
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import binascii
    import datetime
else:
    binascii = late("binascii")
    datetime = late("datetime")

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder().decode


def dumps(document: Any) -> str:
    """Canonical JSON text: sorted keys, no spaces, ASCII."""
    return _encode(document)


def loads(text: str | bytes) -> Any:
    """Read JSON that was written here. Raises ValueError."""
    return _decode(text if isinstance(text, str) else text.decode("utf-8"))


def loads_strictly(text: str | bytes) -> Any:
    """Read JSON that anybody may have written: a key twice in one object is an error. Raises ValueError."""
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return result


def plain_to_json(value: Any) -> Any:
    """Plain data (and paths) as JSON data."""
    kind = type(value)
    if value is None or kind in (str, int, bool):
        return value
    if kind is float:
        return value if value - value == 0.0 else {"$float": repr(value)}  # which of what is not finite is no number
    if kind in (list, tuple):
        return [plain_to_json(item) for item in value]
    if kind is dict:
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {key: plain_to_json(item) for key, item in value.items()}
        pairs = [[plain_to_json(key), plain_to_json(item)] for key, item in value.items()]
        return {"$map": sorted(pairs, key=lambda pair: dumps(pair[0]))}
    if kind is bytes:
        return {"$bytes": binascii.b2a_base64(value, newline=False).decode("ascii")}
    if date := date_kind(kind):
        return {f"${date}": value.isoformat()}
    if kind is PathRef:
        if value.dataset:
            return {"$dataset": [value.path, value.dataset]}
        return {"$folder" if value.folder else "$file": value.path}
    raise TypeError(f"{kind.__module__}.{kind.__qualname__} is not plain data")


def plain_from_json(value: Any) -> Any:
    """Plain data (and paths) from JSON data. Raises ValueError for an unknown `$` object."""
    if isinstance(value, list):
        return [plain_from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1 or not next(iter(value)).startswith("$"):
        return {key: plain_from_json(item) for key, item in value.items()}
    tag, body = next(iter(value.items()))
    match tag:
        case "$float":
            return float(body)
        case "$bytes":
            return binascii.a2b_base64(body)
        case "$datetime":
            return datetime.datetime.fromisoformat(body)
        case "$date":
            return datetime.date.fromisoformat(body)
        case "$map":
            return {plain_from_json(key): plain_from_json(item) for key, item in body}
        case "$file" | "$folder":
            return PathRef(body, tag == "$folder")
        case "$dataset":
            return PathRef(body[0], False, body[1])
        case _:
            raise ValueError(f"unknown kind of value {tag!r}")


def value_to_json(value: StoredValue) -> dict[str, Any]:
    """A stored value as JSON data; what has its default is left out."""
    if value.is_inline:
        return {"digest": value.digest, "inline": plain_to_json(value.inline)}
    document: dict[str, Any] = {"digest": value.digest, "format": value.format, "size": value.size}
    if value.blob:
        document["blob"] = value.blob
    if value.suffix:
        document["suffix"] = value.suffix
    if value.items or value.format in ("list", "dict"):
        document["items"] = [value_to_json(item) for item in value.items]
    if value.keys:
        document["keys"] = list(value.keys)
    return document


def value_from_json(document: Mapping[str, Any]) -> StoredValue:
    """A stored value from JSON data."""
    if "inline" in document:
        inline = document["inline"]
        return StoredValue(
            document["digest"], inline=plain_from_json(inline) if type(inline) in (list, dict) else inline
        )
    return StoredValue(
        document["digest"],
        document.get("format", PLAIN),
        document.get("size", 0),
        document.get("blob", ""),
        None,
        document.get("suffix", ""),
        tuple(value_from_json(item) for item in document.get("items", ())),
        tuple(document.get("keys", ())),
    )


def values_to_json(values: Mapping[str, StoredValue]) -> dict[str, Any]:
    """Stored values by name as JSON data."""
    return {name: value_to_json(value) for name, value in values.items()}


def values_from_json(document: Mapping[str, Any]) -> dict[str, StoredValue]:
    """Stored values by name from JSON data."""
    return {name: value_from_json(value) for name, value in document.items()}


class WrittenValues(Mapping[str, StoredValue]):
    """Stored values by name, as the text that they were written as: read when somebody looks at one.

    What a run gives may be a list of many thousand values, and most who ask for a run do not look at it.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._values: dict[str, StoredValue] | None = None

    def _read(self) -> dict[str, StoredValue]:
        if self._values is None:
            self._values = values_from_json(loads(self.text))
        return self._values

    def __getitem__(self, name: str) -> StoredValue:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return repr(self._read())


def values_text(values: Mapping[str, StoredValue]) -> str:
    """Stored values by name as canonical text."""
    return values.text if isinstance(values, WrittenValues) else dumps(values_to_json(values))
