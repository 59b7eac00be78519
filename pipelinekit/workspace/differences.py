"""Where two stored values begin to differ, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelinekit.domain.snapshots import parse_manifest
from pipelinekit.domain.types import shorten
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import PipelinekitError
from pipelinekit.formats.loading import load_value
from pipelinekit.ports import Blobs

CHUNK = 1 << 20


def first_difference(before: StoredValue, after: StoredValue, old: Blobs, new: Blobs, place: Path) -> str:
    """Where `after` (in the store `new`) begins to differ from `before` (in `old`). `place` is a folder to work in."""
    if before.format != after.format:
        return f"it was stored as {before.format}, and now as {after.format}"
    try:
        if before.format == "folder":
            return _folders(before, after, old, new)
        if before.format == "file":
            return _files(old.path(before.blob), new.path(after.blob))
        left = load_value(before, Any, old, place / "before", share=False)
        right = load_value(after, Any, new, place / "after", share=False)
    except PipelinekitError as error:
        return f"where cannot be told: {error.message}"
    return _values(left, right, "") or "it differs in what is not shown, such as types or metadata"


def _values(left: Any, right: Any, path: str) -> str:
    """Where plain data, tables or arrays begin to differ."""
    where = f"at {path}: " if path else ""
    if type(left) is not type(right):
        return f"{where}{type(left).__name__} {shorten(left)} is now {type(right).__name__} {shorten(right)}"
    if hasattr(left, "column_names"):
        return _tables(left, right)
    if hasattr(left, "shape"):
        return _arrays(left, right)
    if isinstance(left, dict):
        if left.keys() != right.keys():
            return f"{where}its keys were {shorten(list(left))} and are now {shorten(list(right))}"
        pairs = [(left[key], right[key], f"{path}[{key!r}]") for key in left]
    elif isinstance(left, list | tuple):
        if len(left) != len(right):
            return f"{where}it had {len(left)} items and now has {len(right)}"
        pairs = [(a, b, f"{path}[{position}]") for position, (a, b) in enumerate(zip(left, right, strict=True))]
    else:
        return "" if repr(left) == repr(right) else f"{where}{shorten(left)} is now {shorten(right)}"
    return next((words for a, b, below in pairs if (words := _values(a, b, below))), "")


def _tables(left: Any, right: Any) -> str:
    if left.schema != right.schema:
        names = shorten(left.column_names), shorten(right.column_names)
        return f"its columns were {names[0]} and are now {names[1]}" if names[0] != names[1] else "its types changed"
    if left.num_rows != right.num_rows:
        return f"it had {left.num_rows} rows and now has {right.num_rows}"
    for name in left.column_names:
        before, after = left[name].to_pylist(), right[name].to_pylist()
        for row, (a, b) in enumerate(zip(before, after, strict=True)):
            if repr(a) != repr(b):
                return f"at column {name!r}, row {row}: {shorten(a)} is now {shorten(b)}"
    return ""


def _arrays(left: Any, right: Any) -> str:
    if left.shape != right.shape or left.dtype != right.dtype:
        return f"it was of shape {left.shape} and type {left.dtype}, and is now of {right.shape} and {right.dtype}"
    flat, other = left.ravel(), right.ravel()
    differs = (flat != other) & ~((flat != flat) & (other != other))
    if not differs.any():
        return ""
    place = int(differs.argmax())
    return (
        f"at element {place} of {flat.size}: {flat[place]} is now {other[place]}; {int(differs.sum())} elements differ"
    )


def _files(left: Path, right: Path) -> str:
    position = 0
    with left.open("rb") as before, right.open("rb") as after:
        while True:
            a, b = before.read(CHUNK), after.read(CHUNK)
            if a != b:
                offset = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
                return f"at byte {position + offset} of {left.stat().st_size} (now {right.stat().st_size})"
            if not a:
                return "its name ends differently"
            position += len(a)


def _folders(before: StoredValue, after: StoredValue, old: Blobs, new: Blobs) -> str:
    left = {entry.path: entry for entry in parse_manifest(old.read(before.blob)).entries}
    right = {entry.path: entry for entry in parse_manifest(new.read(after.blob)).entries}
    for path in sorted(left.keys() | right.keys()):
        if path not in right:
            return f"file {path} is gone"
        if path not in left:
            return f"file {path} is new"
        if left[path].digest != right[path].digest:
            return f"in file {path} {_files(old.path(left[path].digest), new.path(right[path].digest))}"
        if left[path] != right[path]:
            return f"file {path} may be executed, and could not before, or the other way round"
    return ""
