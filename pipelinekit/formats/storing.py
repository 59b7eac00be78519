"""From a value that a step returned to a stored value."""

from __future__ import annotations

import enum
import itertools
import os
from collections.abc import Mapping
from pathlib import Path

from pipelinekit.domain.digests import digest
from pipelinekit.domain.types import PATHS, PortType, coerce, date_kind, describe, problem
from pipelinekit.domain.values import PLAIN, StoredValue, dict_of, list_of, plain, why_not_plain
from pipelinekit.errors import UsageError
from pipelinekit.formats.paths import store_file, store_folder
from pipelinekit.formats.registry import custom_format_of, data_kind, find_format
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any
from pipelinekit.wire.values import dumps, plain_to_json

if TYPE_CHECKING:
    import datetime

    from pipelinekit.ports import Blobs
else:
    datetime = late("datetime")

INLINE_LIMIT = 4096  # characters of JSON up to which plain data lies inline, with no blob
_FORMAT_OF_KIND = {"table": "arrow", "array": "numpy"}
_SCALARS = {"int": int, "float": float, "bool": bool, "none": type(None)}  # small, and plain as they are
_counter = itertools.count()


class OutputError(UsageError):
    """A step returned something that cannot be stored, or that is not what it declared."""

    code = "output"


def store_value(value: Any, kind: PortType, blobs: Blobs, scratch: Path) -> StoredValue:
    """Put a value into the store as its declared type asks. Files below `scratch` are taken over, others copied."""
    if _SCALARS.get(kind.kind) is type(value):
        return plain(value)
    if kind.kind == "object" and kind.format:
        return _store_by_format(kind.format, value, blobs, scratch)
    if isinstance(value, os.PathLike) or (isinstance(value, str) and kind.kind in PATHS):
        return _store_path(Path(value), kind, blobs, scratch)
    if found := data_kind(type(value)):
        _check_kind(kind, found, value)
        return _store_by_format(_FORMAT_OF_KIND[found], value, blobs, scratch)
    if custom := custom_format_of(type(value)):
        return _store_by_format(custom.name, value, blobs, scratch)
    data = coerce(kind, normal(value, kind))
    if why := why_not_plain(data):
        if _is_collection(data) and kind.kind in ("list", "dict", "any", "union"):
            return _store_items(data, kind, blobs, scratch)
        raise OutputError(f"{why}, which cannot be stored", hint=_advice(value))
    if why := problem(kind, data):
        raise OutputError(f"the step returned something else than it declared: {why}")
    return store_plain(data, blobs)


def store_plain(data: Any, blobs: Blobs) -> StoredValue:
    """Plain data: inline when it is small, otherwise as a blob."""
    if isinstance(data, bytes) and len(data) > INLINE_LIMIT:
        blob, size = blobs.put(data)
        return StoredValue(digest(data), "bytes", size, blob)
    text = dumps(plain_to_json(data))
    if len(text) <= INLINE_LIMIT:
        return plain(data)
    blob, size = blobs.put(text.encode("ascii"))
    return StoredValue(digest(data), PLAIN, size, blob)


def normal(value: Any, kind: PortType) -> Any:
    """Near-plain data as plain data: NumPy scalars, tuples, enum members, subclasses of int, str and the like.

    What cannot be made plain is left as it is.
    """
    if value is None or type(value) in (bool, int, float, str, bytes) or date_kind(type(value)):
        return value
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, list | tuple):
        item_kind = kind.items[0] if kind.kind == "list" else PortType("any")
        return [normal(item, item_kind) for item in value]
    if isinstance(value, Mapping):
        item_kind = kind.items[0] if kind.kind == "dict" else PortType("any")
        return {_normal_key(key): normal(item, item_kind) for key, item in value.items()}
    if type(value).__module__ == "numpy" and hasattr(value, "item") and not data_kind(type(value)):
        return value.item()
    if isinstance(value, datetime.datetime):
        return datetime.datetime.fromisoformat(value.isoformat())
    for base in (int, float, str, bytes):
        if isinstance(value, base):
            return base(value)  # type: ignore[arg-type]
    return value


def _normal_key(key: Any) -> Any:
    return key if isinstance(key, tuple | frozenset) else normal(key, PortType("any"))


def _check_kind(kind: PortType, found: str, value: Any) -> None:
    options = kind.items if kind.kind == "union" else (kind,)
    if not any(option.kind in (found, "any") for option in options):
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        raise OutputError(f"the step declared {describe(kind)}, but returned a {name}")


def _store_by_format(name: str, value: Any, blobs: Blobs, scratch: Path) -> StoredValue:
    staged = scratch / f".value-{next(_counter)}"
    try:
        content = find_format(name).write(value, staged)
        blob, size = blobs.put_file(staged, move=True)
    finally:
        staged.unlink(missing_ok=True)
    return StoredValue(content or digest([name, blob]), name, size, blob)


def _store_path(path: Path, kind: PortType, blobs: Blobs, scratch: Path) -> StoredValue:
    whole = path if path.is_absolute() else Path.cwd() / path
    move = whole.is_relative_to(scratch)
    if whole.is_dir() and kind.kind in ("folder", "path", "any"):
        return store_folder(whole, blobs, move=move)
    if whole.is_file() and kind.kind in ("file", "path", "any"):
        return store_file(whole, blobs, move=move)
    found = "a folder" if whole.is_dir() else "a file" if whole.is_file() else "nothing"
    raise OutputError(f"the step declared {describe(kind)} and returned the path {str(path)!r}, where there is {found}")


def _is_collection(data: Any) -> bool:
    return isinstance(data, list) or (isinstance(data, dict) and all(isinstance(key, str) for key in data))


def _store_items(data: list[Any] | dict[Any, Any], kind: PortType, blobs: Blobs, scratch: Path) -> StoredValue:
    """A list or dict of things that are not all plain: each is stored on its own."""
    item_kind = kind.items[0] if kind.kind in ("list", "dict") else PortType("any")
    if isinstance(data, list):
        return list_of([store_value(item, item_kind, blobs, scratch) for item in data])
    return dict_of({key: store_value(item, item_kind, blobs, scratch) for key, item in data.items()})


def _advice(value: Any) -> str:
    if isinstance(value, set | frozenset):
        return "return a sorted list: sets have no order of their own"
    return (
        "return plain data, a table, an array or a path; or annotate the output, "
        f"as in Annotated[{type(value).__name__}, Format('joblib')]; or register a format for it"
    )
