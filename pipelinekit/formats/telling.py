"""What code tells of its run (metrics, tags, files, child runs): checked, gathered, and sent on in batches.

Sent on is what has become a thousand points, or half a second old when more is told; the rest when the attempt ends.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from pipelinekit.classes import entity, field
from pipelinekit.domain.metrics import (
    CHILD,
    END,
    FILE,
    IMAGE,
    MATRIX,
    PROPERTY,
    ROWS,
    SERIES,
    TAG,
    Entry,
    Scalar,
    check_columns,
    check_confusion_matrix,
    check_metric_name,
    check_scalar,
    check_text,
)
from pipelinekit.domain.names import check_file_name, run_id
from pipelinekit.domain.runs import RunStatus
from pipelinekit.domain.types import ANY
from pipelinekit.errors import NotFoundError, UsageError
from pipelinekit.formats.paths import File, Folder
from pipelinekit.formats.storing import store_value
from pipelinekit.ports import Blobs
from pipelinekit.wire.metrics import numbers_to_json
from pipelinekit.wire.values import value_to_json

BATCH_POINTS = 1000
BATCH_SECONDS = 0.5
LARGEST_BATCH = 10_000  # points in one message, so that none is large

MOST_CHILDREN = 100  # made at once

Tell = Callable[[Sequence[Entry]], None]
Keep = Callable[[Path], dict[str, Any]]


@entity
class _Points:
    """Points of one series that were not sent on yet."""

    values: list[Scalar] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    at: list[float] = field(default_factory=list)


class Teller:
    """Gathers what the code of one run tells; may be used from several threads.

    `tell` sends entries on, `keep` puts a file or folder into the store and gives it as JSON data.
    """

    def __init__(self, tell: Tell, keep: Keep) -> None:
        self.keep = keep
        self._tell = tell
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._series: dict[tuple[str, str], _Points] = {}
        self._stepped: dict[tuple[str, str], bool] = {}
        self._count = 0
        self._sent_at = 0.0

    @property
    def is_here(self) -> bool:
        """Whether this is the process that the attempt runs in; a child that the step forked has no way to tell."""
        return os.getpid() == self._pid

    def add(self, kind: str, name: str, body: Any, place: str) -> None:
        """Tell one thing."""
        with self._lock:
            self._keep_order()
            self._entries.append(Entry(kind, name, body, place, time.time()))
            self._count += 1
            self._send_if_due()

    def points(self, name: str, values: Sequence[Scalar], steps: Sequence[int] | None, place: str) -> None:
        """Add points to a series. Raises UsageError when some were told with steps and some without."""
        key = place, name
        with self._lock:
            if self._stepped.setdefault(key, steps is not None) is not (steps is not None):
                raise UsageError(
                    f"metric {name!r} was logged both with a step and without one",
                    hint="give every value of a metric its step, or none",
                )
            for begin in range(0, len(values), LARGEST_BATCH):
                part = slice(begin, begin + LARGEST_BATCH)
                waiting = self._series.setdefault(key, _Points())
                waiting.values += values[part]
                waiting.steps += steps[part] if steps is not None else ()
                waiting.at += [time.time()] * len(values[part])
                self._count += len(values[part])
                self._send_if_due()

    def flush(self) -> None:
        """Send on what has been told."""
        with self._lock:
            self._send()

    def _send_if_due(self) -> None:
        if self._count >= BATCH_POINTS or time.monotonic() - self._sent_at > BATCH_SECONDS:
            self._send()

    def _send(self) -> None:
        self._keep_order()
        entries, self._entries, self._count = self._entries, [], 0
        self._sent_at = time.monotonic()
        if entries and self.is_here:
            self._tell(entries)

    def _keep_order(self) -> None:
        """Put waiting points before what comes now."""
        for (place, name), waiting in self._series.items():
            body = {
                "values": numbers_to_json(waiting.values),
                "steps": waiting.steps or None,
                "at": waiting.at[0]
                if waiting.at[0] == waiting.at[-1]
                else waiting.at,  # a list told at once has one time
            }
            self._entries.append(Entry(SERIES, name, body, place, waiting.at[-1]))
        self._series.clear()


class Telling:
    """What can be told of a run, whatever kind it is: a step run, the run that it belongs to, a child run.

    `teller` gives what gathers it; where it gives None, what is told is dropped.
    """

    def __init__(self, teller: Callable[[], Teller | None], place: str = "") -> None:
        self._teller = teller
        self._place = place

    def log(self, name: str, value: Any, step: int | None = None) -> None:
        """Log one value of a metric; logged again it becomes a series. `step` is the position on its axis.

        Raises UsageError for a value that is no number, bool or text, and when only some values have steps.
        """
        self._points(check_metric_name(name), [check_scalar(name, value)], None if step is None else [int(step)])

    def log_list(self, name: str, values: Iterable[Any], steps: Iterable[int] | None = None) -> None:
        """Log many values of a metric at once, in their order; the fast way for long series."""
        plain = _plain_list(check_metric_name(name), values)
        places = None if steps is None else [int(step) for step in steps]
        if places is not None and len(places) != len(plain):
            raise UsageError(f"metric {name!r} was given {len(plain)} values, but {len(places)} steps")
        self._points(name, plain, places)

    def log_row(self, name: str, **columns: Any) -> None:
        """Append a row of named values to a table."""
        self.log_table(name, {column: [check_scalar(f"{name}.{column}", value)] for column, value in columns.items()})

    def log_table(self, name: str, columns: Mapping[str, Sequence[Any]]) -> None:
        """Append rows to a table, given as columns of equal length."""
        checked = check_columns(check_metric_name(name), columns)
        body = {"columns": [[column, numbers_to_json(values)] for column, values in checked.items()]}
        self._add(ROWS, name, body)

    def log_image(self, name: str, path: str | os.PathLike[str] | None = None, figure: Any = None) -> None:
        """Keep a picture: a file, or a figure of matplotlib (anything with `savefig`)."""
        if (path is None) is (figure is None):
            raise UsageError(f"image {name!r} was given {'neither' if path is None else 'both'} a path and a figure")
        check_metric_name(name)
        if path is not None:
            self._add(IMAGE, name, self._stored(path))
            return
        with tempfile.TemporaryDirectory(prefix="pipelinekit-") as folder:
            figure.savefig(f"{folder}/image.png")
            self._add(IMAGE, name, self._stored(f"{folder}/image.png"))

    def log_confusion_matrix(self, name: str, value: Mapping[str, Any]) -> None:
        """Log a confusion matrix: `{"class_labels": [...], "matrix": [[...], ...]}`, rows are the true classes."""
        self._add(MATRIX, check_metric_name(name), check_confusion_matrix(name, value))

    def tag(self, key: str, value: Any = "") -> None:
        """Set a tag; a tag may be set again."""
        key, value = check_text("tag", key, value)
        self._add(TAG, key, value)

    def set_property(self, key: str, value: Any) -> None:
        """Set a property, which stays as it is for ever: the first value counts."""
        key, value = check_text("property", key, value)
        self._add(PROPERTY, key, value)

    def upload(self, name: str, path: str | os.PathLike[str]) -> None:
        """Keep a file or folder with the run under this name."""
        self._add(FILE, check_file_name(name), self._stored(path))

    def _points(self, name: str, values: list[Any], steps: list[int] | None) -> None:
        if values and (teller := self._teller()):
            teller.points(name, values, steps, self._place)

    def _add(self, kind: str, name: str, body: Any) -> None:
        if teller := self._teller():
            teller.add(kind, name, body, self._place)

    def _stored(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        """A file or folder, put into the store, as JSON data. Raises NotFoundError."""
        if not os.path.exists(path):
            raise NotFoundError(f"there is no file {os.fspath(path)!r} to keep with the run")
        teller = self._teller()
        return teller.keep(Path(path)) if teller else {}


class ChildRun(Telling):
    """A run that a step's code made below its own; use it in a `with` statement, or call `complete` or `fail`."""

    def __init__(self, teller: Callable[[], Teller | None], identity: str, name: str) -> None:
        super().__init__(teller, identity)
        self.id = identity
        self.name = name
        self._open = True

    def child_run(self, name: str = "", tags: Mapping[str, str] | None = None) -> ChildRun:
        """A run below this one."""
        return make_child(self._teller, name, tags or {}, self.id)

    def complete(self) -> None:
        """The run has done what it should."""
        self._end(RunStatus.COMPLETED, "")

    def fail(self, why: str = "") -> None:
        """The run did not do what it should."""
        self._end(RunStatus.FAILED, why)

    def _end(self, status: RunStatus, why: str) -> None:
        if self._open:
            self._open = False
            self._add(END, str(status), why)

    def __enter__(self) -> ChildRun:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self.complete()
        else:
            self.fail(f"{kind.__name__}: {error}")


def make_child(teller: Callable[[], Teller | None], name: str, tags: Mapping[str, str], parent: str) -> ChildRun:
    """A new run below `parent`, a child run; below the run itself where that is empty."""
    identity = run_id(int(time.time() * 1000), int.from_bytes(os.urandom(4)) >> 7)
    child = ChildRun(teller, identity, name)
    if found := teller():
        found.add(CHILD, name, {"parent": parent}, identity)
    for key, value in tags.items():
        child.tag(key, value)
    return child


def _plain_list(name: str, values: Iterable[Any]) -> list[Any]:
    """Values as plain ones; a NumPy array or tensor gives its own list at once."""
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__iter__"):
        raise UsageError(
            f"metric {name!r} was given a {type(values).__name__}, not a list", hint="use log for one value"
        )
    if getattr(values, "ndim", 1) != 1:
        raise UsageError(f"metric {name!r} was given an array of several dimensions", hint="log one row at a time")
    plain = values.tolist() if hasattr(values, "tolist") else list(values)
    if all(type(value) in (float, int) for value in plain):
        return plain
    return [check_scalar(name, value) for value in plain]


def keep_in(blobs: Blobs, path: Path) -> dict[str, Any]:
    """Put a file or folder into the store, and leave it where it is."""
    value = Folder(path) if path.is_dir() else File(path)
    nowhere = path / ".." / ".none"  # what lies below this would be taken over, not copied
    return value_to_json(store_value(value, ANY, blobs, nowhere))
