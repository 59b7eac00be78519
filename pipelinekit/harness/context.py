"""`get_context()`: what a step's code can ask of its run, and tell of it.

Outside of any run the same calls do nothing, and say so once.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from pipelinekit.domain.attempts import Attempt
from pipelinekit.domain.metrics import (
    CHILD,
    END,
    FILE,
    IMAGE,
    MATRIX,
    PARENT,
    PROPERTY,
    ROWS,
    TAG,
    check_columns,
    check_confusion_matrix,
    check_metric_name,
    check_scalar,
    check_text,
)
from pipelinekit.domain.names import run_id
from pipelinekit.domain.runs import RunStatus
from pipelinekit.domain.types import ANY
from pipelinekit.errors import NotFoundError, UsageError
from pipelinekit.formats.paths import File, Folder
from pipelinekit.formats.storing import store_value
from pipelinekit.harness.current import CURRENT
from pipelinekit.harness.telling import Teller
from pipelinekit.wire.metrics import numbers_to_json
from pipelinekit.wire.values import value_to_json

MOST_CHILDREN = 100  # made at once


class Telling:
    """What can be told of a run, whatever kind it is: a step run, the run that it belongs to, a child run."""

    def __init__(self, place: str = "") -> None:
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
        if figure is not None:
            path = _scratch() / f"image-{len(os.listdir(_scratch()))}.png"
            figure.savefig(path)
        assert path is not None
        self._add(IMAGE, name, self._stored(path))

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
        self._add(FILE, check_metric_name(name), self._stored(path))

    def _points(self, name: str, values: list[Any], steps: list[int] | None) -> None:
        if values and (teller := _teller()):
            teller.points(name, values, steps, self._place)

    def _add(self, kind: str, name: str, body: Any) -> None:
        if teller := _teller():
            teller.add(kind, name, body, self._place)

    def _stored(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        """A file or folder, put into the store, as JSON data. Raises NotFoundError."""
        if not os.path.exists(path):
            raise NotFoundError(f"there is no file {os.fspath(path)!r} to keep with the run")
        if CURRENT.blobs is None:
            return {}
        value = Folder(Path(path)) if os.path.isdir(path) else File(Path(path))
        copied = CURRENT.scratch / "kept"  # what lies below this would be taken over, not copied
        return value_to_json(store_value(value, ANY, CURRENT.blobs, copied))


class ChildRun(Telling):
    """A run that a step's code made below its own; use it in a `with` statement, or call `complete` or `fail`."""

    def __init__(self, identity: str, name: str) -> None:
        super().__init__(identity)
        self.id = identity
        self.name = name
        self._open = True

    def child_run(self, name: str = "", tags: Mapping[str, str] | None = None) -> ChildRun:
        """A run below this one."""
        return _child(name, tags or {}, self.id)

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


class RunContext(Telling):
    """The step run that this code is part of. Outside of a run `id` is empty, and everything told is dropped.

    `parameters` are the plain values that the step was given by name: exactly those that its key takes care of.
    """

    def __init__(self, attempt: Attempt | None) -> None:
        super().__init__()
        self.id = attempt.run if attempt else ""
        self.step = attempt.step if attempt else ""
        self.attempt = attempt.number if attempt else 0
        values = attempt.inputs if attempt else {}
        self.parameters = {name: value.inline for name, value in values.items() if value.is_inline}

    @property
    def parent(self) -> Telling:
        """The run that this step belongs to. What is told to it is told again when the step is reused."""
        return Telling(PARENT)

    def child_run(self, name: str = "", tags: Mapping[str, str] | None = None) -> ChildRun:
        """A run below this one, with metrics, tags and children of its own."""
        return _child(name, tags or {}, "")

    def create_children(self, count: int) -> list[ChildRun]:
        """Several runs below this one, at most a hundred."""
        if not 0 < count <= MOST_CHILDREN:
            raise UsageError(
                f"{count} children cannot be made at once", hint=f"give a number from 1 to {MOST_CHILDREN}"
            )
        return [self.child_run() for _ in range(count)]

    def flush(self) -> None:
        """Send on what was told so far; otherwise that takes up to half a second, or until more is told."""
        if teller := _teller():
            teller.flush()


def get_context() -> RunContext:
    """The step run that this code is part of; outside of any run, one that drops what it is told, and says so once."""
    if CURRENT.attempt is None:
        _say_once("pipelinekit: this code is not part of a run; what it logs is not kept")
    return RunContext(CURRENT.attempt)


def _child(name: str, tags: Mapping[str, str], parent: str) -> ChildRun:
    identity = run_id(int(time.time() * 1000), int.from_bytes(os.urandom(4)) >> 7)
    child = ChildRun(identity, name)
    if teller := _teller():
        teller.add(CHILD, name, {"parent": parent}, identity)
    for key, value in tags.items():
        child.tag(key, value)
    return child


def _teller() -> Teller | None:
    """Where this attempt's entries go; None outside of any run, and in processes that a step has forked."""
    attempt, send = CURRENT.attempt, CURRENT.send
    if attempt is None or send is None:
        return None
    if CURRENT.teller is None:
        identity = attempt.id
        CURRENT.teller = Teller(attempt, lambda entries: send(identity, entries))
    if not CURRENT.teller.is_here:
        _say_once("pipelinekit: a process that a step has forked cannot log; what it logs is not kept")
        return None
    return CURRENT.teller


def _scratch() -> Path:
    return CURRENT.scratch if CURRENT.attempt else Path(tempfile.mkdtemp(prefix="pipelinekit-"))


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


_said: set[str] = set()


def _say_once(words: str) -> None:
    if words not in _said:
        _said.add(words)
        sys.stderr.write(words + "\n")
