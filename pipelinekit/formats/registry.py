"""Which format stores which class.

Formats of pipelinekit's own are imported when first used; authors may add theirs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from pipelinekit.classes import frozen
from pipelinekit.errors import UsageError
from pipelinekit.typed import Any, Protocol


class ValueFormat(Protocol):
    """Writes values of some classes to a file and reads them back."""

    def write(self, value: Any, path: Path) -> str:
        """Write the value to a new file; its content digest, or an empty string when equal content has equal bytes."""

    def read(self, path: Path, annotation: Any) -> Any:
        """The value in a file, as the class that the reader's annotation asks for. The file must not be changed."""


@frozen
class Format:
    """Says in an annotation how an object is stored: `Annotated[LinearRegression, Format("joblib")]`.

    Names are those of built-in formats (`joblib`, `skops`, `pickle`) and of registered ones. A pickle runs code when it
    is read, so it is only ever an author's explicit choice.
    """

    name: str


@frozen
class CustomFormat:
    """A format of an author's own; see `register_format`."""

    name: str
    kind: type
    writer: Callable[[Any, Path], object]
    reader: Callable[[Path], Any]
    digest: Callable[[Any], str] | None = None

    def write(self, value: Any, path: Path) -> str:
        """Write by the author's function."""
        self.writer(value, path)
        if not path.is_file():
            raise UsageError(f"format {self.name!r} wrote no file for a {type(value).__name__}")
        return self.digest(value) if self.digest else ""

    def read(self, path: Path, annotation: Any) -> Any:  # noqa: ARG002 - the port's
        """Read by the author's function."""
        return self.reader(path)


_MODULES = {
    "arrow": "pipelinekit.formats.tables",
    "numpy": "pipelinekit.formats.arrays",
    "pickle": "pipelinekit.formats.models",
    "joblib": "pipelinekit.formats.models",
    "skops": "pipelinekit.formats.models",
}
_TABLES = {("pyarrow", "Table"), ("pyarrow", "Dataset"), ("pandas", "DataFrame"), ("polars", "DataFrame")}
_custom: dict[str, CustomFormat] = {}


def register_format(
    kind: type,
    name: str,
    *,
    write: Callable[[Any, Path], object],
    read: Callable[[Path], Any],
    digest: Callable[[Any], str] | None = None,
) -> None:
    """Store values of class `kind` by functions of your own.

    `write(value, path)` writes one file, `read(path)` reads it back. Equal values must be written as equal bytes, or
    `digest(value)` must return a text that is equal for equal values; otherwise steps rerun for nothing. Call it at the
    top level of a module that the step imports, with functions defined there: their code belongs to the step's
    identity.
    """
    if name in _MODULES or name in ("json", "bytes", "file", "folder", "list", "dict", "tabular"):
        raise UsageError(f"format name {name!r} is taken", hint="choose another name")
    _custom[name] = CustomFormat(name, kind, write, read, digest)


def find_format(name: str) -> ValueFormat:
    """The format of that name. Raises UsageError when there is none, or when the library it needs is not installed."""
    if name in _custom:
        return _custom[name]
    if name not in _MODULES:
        known = ", ".join(sorted([*_MODULES, *_custom]))
        raise UsageError(
            f"there is no format {name!r}", hint=f"there are: {known}; register others with register_format"
        )
    try:
        module = importlib.import_module(_MODULES[name])
    except ImportError as error:
        raise UsageError(f"format {name!r} needs a library that is not installed: {error}") from error
    found: ValueFormat = module.FORMATS[name]
    return found


def is_known(name: str) -> bool:
    """Whether there is a format of that name, installed or not."""
    return name in _custom or name in _MODULES


def custom_format_of(kind: type) -> CustomFormat | None:
    """The author's format for a class or one it derives from."""
    for ancestor in kind.__mro__:
        for custom in _custom.values():
            if custom.kind is ancestor:
                return custom
    return None


def custom_format(name: str) -> CustomFormat | None:
    """The author's format of that name."""
    return _custom.get(name)


def data_kind(kind: type) -> str:
    """`table` or `array` for the classes that tables and arrays come as; empty for others. Imports nothing."""
    for ancestor in kind.__mro__:
        library = ancestor.__module__.partition(".")[0]
        if (library, ancestor.__name__) in _TABLES:
            return "table"
        if (library, ancestor.__name__) == ("numpy", "ndarray"):
            return "array"
    return ""
