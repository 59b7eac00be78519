"""Types of ports and parameters: a small closed algebra that documents can carry and both ends can check.

An author writes Python annotations; `authoring.annotations` turns them into these. A type says what may be connected to
what, how a value is checked and how text from a command line becomes a value. It does not say which library loads a
table: that is the reader's annotation.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

from pipelinekit.classes import frozen
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime
else:
    datetime = late("datetime")

SCALARS = frozenset({"none", "bool", "int", "float", "str", "bytes", "date", "datetime", "enum", "literal"})
STORED_AS = {"table": "arrow", "array": "numpy", "bytes": "bytes", "file": "file", "folder": "folder"}
PATHS = frozenset({"file", "folder", "path"})
DATASET = "dataset:"  # what a text begins with that names a registered dataset
DATASTORE = "datastore:"  # or files in a datastore that nobody registered
LARGEST = 10**308  # an int that may be given for a float


@frozen
class PathRef:
    """A file or folder on this machine, given as a value; `path` is relative to the source folder, or absolute.

    Of a dataset `path` is the reference (`sales@3`, or `datastore:raw/2024`), and `dataset` says as what it is asked
    for: `table`, `file`, `folder`, `path` (a file or folder), `files` or `tables` (a list of either) or `any` (what it
    is).
    """

    path: str
    folder: bool = False
    dataset: str = ""


@frozen
class PortType:
    """One type.

    `kind` is one of the scalars, `any`, `list`, `dict`, `union`, `table`, `array`, `file`, `folder`, `path`, `object`.

    `items` holds the element type of a list or dict, or the members of a union; `values` the values of a literal or the
    member names of an enum; `name` the class of an enum or object as `module:Class`; `ancestors` the classes an object
    derives from; `format` how an object is stored.
    """

    kind: str
    items: tuple[PortType, ...] = ()
    values: tuple[Any, ...] = ()
    name: str = ""
    ancestors: tuple[str, ...] = ()
    format: str = ""

    def __str__(self) -> str:
        return describe(self)


ANY = PortType("any")
NONE = PortType("none")


def describe(kind: PortType) -> str:
    """The type as a person would write it."""
    match kind.kind:
        case "list":
            return f"list[{describe(kind.items[0])}]"
        case "dict":
            return f"dict[str, {describe(kind.items[0])}]"
        case "union":
            return " | ".join(describe(item) for item in kind.items)
        case "literal":
            return f"Literal[{', '.join(repr(value) for value in kind.values)}]"
        case "enum" | "object":
            return kind.name.rpartition(":")[2] or kind.kind
        case "none":
            return "None"
        case "path":
            return "file or folder"
        case _:
            return kind.kind


def accepts(target: PortType, source: PortType) -> bool:
    """Whether every value of `source` may be given where `target` is asked for.

    `any` fits both ways: what an author left untyped is checked when the step runs. An int fits a float. Tables fit
    tables whatever the library.
    """
    if target.kind == "any" or source.kind == "any" or target == source:
        return True
    if source.kind == "union":
        return all(accepts(target, item) for item in source.items)
    if target.kind == "union":
        return any(accepts(item, source) for item in target.items)
    if source.kind == "literal":
        return all(problem(target, value) == "" for value in source.values)
    if target.kind in ("list", "dict"):
        return source.kind == target.kind and accepts(target.items[0], source.items[0])
    if target.kind == "float":
        return source.kind == "int"
    if target.kind == "str":
        return source.kind == "enum"
    if target.kind == "path":
        return source.kind in PATHS
    if target.kind == "object":
        return source.kind == "object" and target.name in (source.name, *source.ancestors)
    return target.kind == source.kind and target.kind not in ("literal", "enum")


def problem(kind: PortType, value: Any) -> str:
    """Why `value`, plain data that may hold paths, is not of this type; empty when it is.

    Enum values are given by member name. Tables, arrays and objects are not plain data and never fit.
    """
    if isinstance(value, PathRef):
        if value.dataset:
            form, lists = dataset_form(kind), ("files", "tables")
            fits = form == "any" or (form != "" and (form in lists or value.dataset not in lists))
            words = "files" if value.path.startswith(DATASTORE) else "the dataset"
            return "" if fits else f"expected {describe(kind)}, got {words} {value.path!r}"
        return "" if takes_path(kind, value.folder) else f"expected {describe(kind)}, got the path {value.path!r}"
    match kind.kind:
        case "any":
            return ""
        case "union":
            if any(problem(item, value) == "" for item in kind.items):
                return ""
        case "list" if isinstance(value, list | tuple):
            return next(
                (f"item {i}: {why}" for i, item in enumerate(value) if (why := problem(kind.items[0], item))), ""
            )
        case "dict" if isinstance(value, dict):
            if any(not isinstance(key, str) for key in value):
                return "every key must be a str"
            return next(
                (f"key {key!r}: {why}" for key, item in value.items() if (why := problem(kind.items[0], item))), ""
            )
        case "literal":
            if any(type(value) is type(option) and value == option for option in kind.values):
                return ""
        case "enum":
            if value in kind.values:
                return ""
            return f"expected one of {', '.join(map(str, kind.values))}, got {shorten(value)}"
        case "date" | "datetime":
            if date_kind(type(value)) == kind.kind:
                return ""
        case "float":
            if type(value) is float or (type(value) is int and abs(value) < LARGEST):
                return ""
        case _:
            if kind.kind in _PYTHON_TYPES and type(value) is _PYTHON_TYPES[kind.kind]:
                return ""
    return f"expected {describe(kind)}, got {type(value).__name__} {shorten(value)}"


def date_kind(kind: type) -> str:
    """`date` or `datetime` for the types of these names; else empty. Hardly a run needs the module to tell."""
    return kind.__name__ if kind.__module__ == "datetime" and kind.__name__ in ("date", "datetime") else ""


_PYTHON_TYPES: dict[str, type] = {
    "none": type(None),
    "bool": bool,
    "int": int,
    "str": str,
    "bytes": bytes,
}


def takes_path(kind: PortType, folder: bool) -> bool:
    """Whether a file (or folder) may be given where `kind` is asked for."""
    if kind.kind == "union":
        return any(takes_path(item, folder) for item in kind.items)
    return kind.kind in ("any", "path", "folder" if folder else "file")


def path_kind(kind: PortType) -> str:
    """`file`, `folder`, or `path` for either, where the type asks for one, also optionally; otherwise empty."""
    members = kind.items if kind.kind == "union" else (kind,)
    found = {item.kind for item in members} & PATHS
    return "path" if len(found) > 1 else next(iter(found), "")


def dataset_form(kind: PortType) -> str:
    """As what a dataset is given where the type is asked for; empty where none can be."""
    members = kind.items if kind.kind == "union" else (kind,)
    found = list(dict.fromkeys(form for item in members if (form := _form(item))))
    return found[0] if len(found) == 1 else "any" if found else ""


def _form(kind: PortType) -> str:
    if kind.kind == "list":
        item = kind.items[0].kind if kind.items else "any"
        return "tables" if item == "table" else "files" if item in ("file", "path", "any") else ""
    return kind.kind if kind.kind in ("table", "any", *PATHS) else ""


def element_of(kind: PortType, collection: str) -> PortType:
    """The type of the elements where `kind` takes a `list` (or `dict`); any where it does not say."""
    members = kind.items if kind.kind == "union" else (kind,)
    return next((item.items[0] for item in members if item.kind == collection and item.items), ANY)


def map_paths(value: Any, change: Callable[[PathRef], Any]) -> Any:
    """The value with each path in it replaced."""
    if isinstance(value, PathRef):
        return change(value)
    if isinstance(value, list | tuple):
        return [map_paths(item, change) for item in value]
    if isinstance(value, dict):
        return {key: map_paths(item, change) for key, item in value.items()}
    return value


def paths_in(value: Any) -> list[PathRef]:
    """Every path in a value."""
    found: list[PathRef] = []
    map_paths(value, found.append)
    return found


def shorten(value: Any, limit: int = 60) -> str:
    """A short `repr` for messages."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def parse_text(kind: PortType, text: str) -> Any:
    """The value that `text`, typed by a person, stands for. Raises ValueError with the reason.

    Strings are taken as they are; lists and dicts are JSON; `null` is None where None is allowed; dates are ISO 8601.
    """
    if text.startswith((DATASET, DATASTORE)) and (form := dataset_form(kind)):
        return PathRef(text.removeprefix(DATASET), False, form)
    value = _parse(kind, text)
    if why := problem(kind, value):
        raise ValueError(why)
    return value


def read_json(kind: PortType, value: Any) -> Any:
    """The value that JSON data stands for. Raises ValueError with the reason.

    Texts stand for dates, bytes and data where the type asks for these; nothing else is made of a text.
    """
    read = _from_json(kind, value)
    if why := problem(kind, read):
        raise ValueError(why)
    return read


def _from_json(kind: PortType, value: Any) -> Any:
    if kind.kind == "list" and isinstance(value, list):
        return [_from_json(kind.items[0], item) for item in value]
    if kind.kind == "dict" and isinstance(value, dict):
        return {key: _from_json(kind.items[0], item) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    if value.startswith((DATASET, DATASTORE)) and (form := dataset_form(kind)):
        return PathRef(value.removeprefix(DATASET), False, form)
    if kind.kind in ("date", "datetime", "bytes", *PATHS):
        return _parse(kind, value)
    if kind.kind == "union" and problem(kind, value):
        for item in kind.items:
            with suppress(ValueError):
                return read_json(item, value)
    return value


def _iso(parse: Callable[[str], Any], text: str, wanted: str) -> Any:
    try:
        return parse(text)
    except ValueError:
        raise ValueError(f"expected {wanted}, got {text!r}") from None


def _parse(kind: PortType, text: str) -> Any:
    match kind.kind:
        case "str" | "enum":
            return text
        case "file" | "folder" | "path":
            return PathRef(text, kind.kind == "folder")
        case "int" | "float":
            return _parse_number(kind, text)
        case "bool":
            return _parse_bool(text)
        case "none":
            return None if text in ("null", "None", "none") else text
        case "bytes":
            return text.encode()
        case "date":
            return _iso(datetime.date.fromisoformat, text, "a date such as 2024-02-29")
        case "datetime":
            return _iso(datetime.datetime.fromisoformat, text, "a time such as 2024-02-29T12:00:00")
        case "literal":
            return next((option for option in kind.values if str(option) == text), text)
        case "union":
            return _parse_union(kind, text)
        case _:
            return _parse_json(kind, text)


def _parse_number(kind: PortType, text: str) -> int | float:
    try:
        return int(text, 10) if kind.kind == "int" else float(text)
    except ValueError:
        raise ValueError(f"expected {kind.kind}, got {text!r}") from None


def _parse_bool(text: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise ValueError(f"expected true or false, got {text!r}")
    return words[text.lower()]


def _parse_union(kind: PortType, text: str) -> Any:
    # None first, and text last, so that `null` and `3` do not become strings where something stricter fits
    order = sorted(kind.items, key=lambda item: (item.kind != "none", item.kind in ("str", *PATHS)))
    for item in order:
        try:
            return parse_text(item, text)
        except ValueError:
            continue
    raise ValueError(f"expected {describe(kind)}, got {text!r}")


def _parse_json(kind: PortType, text: str) -> Any:
    try:
        return _revive(kind, json.loads(text))
    except json.JSONDecodeError as error:
        if kind.kind == "any":
            return text
        raise ValueError(f"expected {describe(kind)} as JSON, got {text!r} ({error.msg})") from None


def _revive(kind: PortType, value: Any) -> Any:
    """Read the strings of JSON as the dates and bytes that the type asks for inside lists and dicts."""
    if kind.kind == "list" and isinstance(value, list):
        return [_revive(kind.items[0], item) for item in value]
    if kind.kind == "dict" and isinstance(value, dict):
        return {key: _revive(kind.items[0], item) for key, item in value.items()}
    if kind.kind in ("date", "datetime", "bytes", *PATHS) and isinstance(value, str):
        return _parse(kind, value)
    return value


def coerce(kind: PortType, value: Any) -> Any:
    """The same value in the type's own form: an int given for a float becomes one, so that 1 and 1.0 are equal."""
    if kind.kind == "float" and type(value) is int:
        return float(value)
    if kind.kind == "list" and isinstance(value, list | tuple):
        return [coerce(kind.items[0], item) for item in value]
    if kind.kind == "dict" and isinstance(value, dict):
        return {key: coerce(kind.items[0], item) for key, item in value.items()}
    if kind.kind == "union":
        fitting = next((item for item in kind.items if problem(item, value) == "" and item.kind != "float"), None)
        fitting = fitting or next((item for item in kind.items if problem(item, value) == ""), None)
        return coerce(fitting, value) if fitting else value
    return value
