"""How the command line says things: errors, times, reasons, tables, JSON."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pipelinekit.domain.runs import Reason
from pipelinekit.domain.texts import printable, ranges_text
from pipelinekit.errors import FaultyError, PipelinekitError, UsageError

T = TypeVar("T")
LONGEST_REASON = 120  # characters


def print_json(document: Any) -> None:
    """One document on standard output."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # what the outlet put in its place would be no JSON
        text = json.dumps(document, indent=2)
    sys.stdout.write(text + "\n")


def print_error(error: PipelinekitError, *, as_json: bool) -> None:
    """An error for people on standard error, and for machines also on standard output."""
    sys.stderr.write(f"error: {error}\n")
    if as_json:
        document: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint}
        if isinstance(error, FaultyError):
            document["faults"] = [
                {"message": fault.message, "file": fault.file, "line": fault.line, "hint": fault.hint}
                for fault in error.faults
            ]
        print_json({"error": document})


def time_text(at: float | None) -> str:
    """A time as the local clock shows it."""
    return "-" if at is None else datetime.datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")


def reasons_text(reasons: Sequence[Reason], limit: int = 2) -> str:
    """The first few reasons in one line, each cut where it is long; 'explain' tells them whole."""
    messages = [reason.message for reason in reasons[:limit]]
    shown = "; ".join(text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…" for text in messages)
    return shown + (f"; and {len(reasons) - limit} more" if len(reasons) > limit else "")


def element_groups(items: Sequence[T], name: Callable[[T], str], same: Callable[[T], object]) -> list[tuple[str, T]]:
    """Elements of a mapped step for which `same` gives equal values as one, `clean[0-11]`; others as they are."""
    groups: dict[Any, tuple[T, list[int]]] = {}
    for position, item in enumerate(items):
        base, bracket, element = name(item).rpartition("[")
        is_element = bool(bracket) and element[:-1].isdigit()
        key = (base, same(item)) if is_element else position
        groups.setdefault(key, (item, []))[1].extend([int(element[:-1])] if is_element else [])
    return [
        (
            f"{name(first).rpartition('[')[0]}[{ranges_text(sorted(numbers))}]" if len(numbers) > 1 else name(first),
            first,
        )
        for first, numbers in groups.values()
    ]


def table(rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> str:
    """Columns aligned with spaces; the last one is left ragged."""
    listed = [[printable(cell) for cell in row] for row in ([header, *rows] if header else rows)]
    if not listed:
        return ""
    widths = [max(len(row[column]) for row in listed) for column in range(len(listed[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in listed]
    return "\n".join(lines)


def write_file(path: Path, text: str) -> None:
    """Write a text to a file that the user named. Raises UsageError where it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be written: {error.strerror or error}") from None
