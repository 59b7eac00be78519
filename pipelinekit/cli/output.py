"""How the command line says things: errors, times, sizes, tables, JSON."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from pipelinekit.domain.runs import Reason
from pipelinekit.errors import FaultyError, PipelinekitError


def print_json(document: Any) -> None:
    """One document on standard output."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


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


def seconds_text(seconds: float) -> str:
    """A duration as people say it: `40 ms`, `1.2 s`, `3 min 5 s`, `2 h 4 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def size_text(size: float) -> str:
    """A number of bytes as people say it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return ""


def time_text(at: float | None) -> str:
    """A time as the local clock shows it."""
    return "-" if at is None else datetime.datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")


def reasons_text(reasons: Sequence[Reason], limit: int = 2) -> str:
    """The first few reasons in one line."""
    shown = "; ".join(reason.message for reason in reasons[:limit])
    return shown + (f"; and {len(reasons) - limit} more" if len(reasons) > limit else "")


def table(rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> str:
    """Columns aligned with spaces; the last one is left ragged."""
    listed = [list(header), *map(list, rows)] if header else [list(row) for row in rows]
    if not listed:
        return ""
    widths = [max(len(row[column]) for row in listed) for column in range(len(listed[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in listed]
    return "\n".join(lines)
