"""Secrets inside a step: `get_secret` gives the value of one that the step declares; texts that leave are masked.

Values live in this module's memory while the attempt runs, and nowhere else. A script or command finds each in a file
in memory that it inherits; the variable `PIPELINEKIT_SECRET_<NAME>` holds its path, and `get_secret` reads it there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelinekit.classes import frozen, replace
from pipelinekit.domain.metrics import END, LOG, SERIES, Entry
from pipelinekit.errors import UsageError
from pipelinekit.late import late
from pipelinekit.wire.values import dumps, loads

if TYPE_CHECKING:
    from pipelinekit.domain.attempts import AttemptEnded
    from pipelinekit.domain.runs import Failure
    from pipelinekit.domain.values import StoredValue
    from pipelinekit.engine import masking
    from pipelinekit.engine.masking import Masks
    from pipelinekit.formats import storing
else:
    masking = late("pipelinekit.engine.masking")
    storing = late("pipelinekit.formats.storing")

HandedOn = tuple[dict[str, str], dict[str, str], tuple[int, ...]]  # paths by name, variables, handles
STEP = "PIPELINEKIT_STEP"
PREFIX = "PIPELINEKIT_SECRET_"
PIECE = 1 << 20  # bytes of a file that are looked through at once


@frozen
class _Given:
    """What the attempt that runs in this process was given."""

    step: str
    values: Mapping[str, str]
    masks: Masks


_current: _Given | None = None


def get_secret(name: str) -> str:
    """The value of a secret that the running step declares: `@step(secrets=["NAME"])`.

    Raises UsageError for any other name, and outside of steps.
    """
    return get_secrets([name])[name]


def get_secrets(names: Iterable[str]) -> dict[str, str]:
    """The values of several secrets by name. Raises UsageError that tells all names that the step does not declare."""
    wanted = [names] if isinstance(names, str) else list(names)
    found = {name: value for name in wanted if (value := _value(name)) is not None}
    missing = [name for name in wanted if name not in found]
    if missing:
        raise _not_given(missing, list(found))
    return found


@contextmanager
def given_secrets(values: Mapping[str, str], step: str = "") -> Iterator[Masks]:
    """Inside, `get_secret` gives these values: for attempts, and for tests that call a step as a plain function."""
    global _current  # noqa: PLW0603 - a step asks from any of its threads
    before, _current = _current, _Given(step, dict(values), masking.Masks(values))
    try:
        yield _current.masks
    finally:
        _current = before


def mask(text: str) -> str:
    """A text with the values of the secrets that the running step was given replaced by `***`."""
    return _current.masks.mask(text) if _current is not None else text


def refuse_file(path: Path) -> None:
    """Raise UsageError for a file or folder to be kept with the run that holds the value of a secret as it is."""
    names = _declared() or [name.removeprefix(PREFIX) for name in os.environ if name.startswith(PREFIX)]
    values = {name: value.strip().encode() for name in names if (value := _value(name))}
    longest = max(map(len, values.values()), default=0)
    for file in (path, *path.rglob("*")) if longest else ():
        if not file.is_file():
            continue
        with file.open("rb") as stream:
            block = b""
            while read := stream.read(PIECE):
                block = block[-longest:] + read
                if name := next((name for name, value in values.items() if value in block), ""):
                    raise UsageError(
                        f"{mask(path.name)!r} holds the value of secret {name!r}, and files are kept unencrypted",
                        hint="keep a file without it",
                    )


def _value(name: str) -> str | None:
    if _current is not None:
        return _current.values.get(name)
    path = os.environ.get(variable_of(name))
    if path is None:
        return None
    with open(path, encoding="utf-8", newline="") as stream:
        return stream.read()


def _not_given(missing: list[str], found: list[str]) -> UsageError:
    step = _current.step if _current is not None else os.environ.get(STEP, "")
    names = ", ".join(map(repr, missing))
    if _current is None and not step:
        return UsageError(
            f"secret {names} was asked for outside of a step",
            hint="steps that declare secrets are given them; in a test use pipelinekit.harness.secrets.given_secrets",
        )
    there = f" (it was given {', '.join(map(repr, found))})" if found else ""
    declared = ", ".join(f'"{name}"' for name in dict.fromkeys([*_declared(), *missing]))
    return UsageError(
        f"step {step!r} asked for the secret {names}, which it does not declare{there}",
        hint=f"declare it: secrets=[{declared}]",
    )


def _declared() -> list[str]:
    return list(_current.values) if _current is not None else []


# -- scripts and commands ----------------------------------------------------------------------------------------------


def variable_of(name: str) -> str:
    """The variable that tells a script where a secret is."""
    return PREFIX + re.sub(r"[^A-Za-z0-9_]", "_", name)


@contextmanager
def handed_on() -> Iterator[HandedOn]:
    """The secrets of the running step for a process that it starts: paths by name and variables, and what to inherit.

    Each lies in memory behind a handle, of which every reader gets the beginning.
    """
    handles: dict[str, int] = {}
    try:
        for name, value in (_current.values if _current is not None else {}).items():
            handles[name] = os.memfd_create(f"secret-{name}")
            os.write(handles[name], value.encode())
        paths = {name: f"/dev/fd/{handle}" for name, handle in handles.items()}
        yield paths, {variable_of(name): path for name, path in paths.items()}, tuple(handles.values())
    finally:
        for handle in handles.values():
            os.close(handle)


# -- what leaves a step ------------------------------------------------------------------------------------------------


def masked_end(ended: AttemptEnded, masks: Masks) -> AttemptEnded:
    """The end of an attempt, told without values. A file whose name is masked is never found again: a sure miss."""
    observed = {masks.mask(name): digest for name, digest in ended.observed.items()}
    failure = _masked_failure(ended.failure, masks) if ended.failure is not None else None
    return replace(ended, failure=failure, observed=observed, hosts=tuple(map(masks.mask, ended.hosts)))


def _masked_failure(failure: Failure, masks: Masks) -> Failure:
    texts = {name: masks.mask(getattr(failure, name)) for name in ("message", "traceback", "hint")}
    return replace(failure, types=tuple(map(masks.mask, failure.types)), **texts)


class MaskedEntries:
    """What a step tells of its run, without values. Logs come in pieces, and a value may lie across two of them."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._logs: dict[tuple[str, str], masking.StreamMask] = {}

    def mask(self, entries: Sequence[Entry]) -> list[Entry]:
        """These entries, masked; the end of a log may be held back."""
        found = []
        for item in entries:
            if item.kind == LOG:
                stream = self._logs.setdefault((item.place, item.name), masking.StreamMask(self._masks))
                found += _log(item, stream.feed(item.body))
                continue
            if item.kind == END:
                found += self.rest(item.at, item.place)
            told = dumps([item.kind, item.name, self._body(item), item.place, item.at])
            found.append(Entry(*loads(self._masks.mask(told))))
        return found

    def _body(self, entry: Entry) -> Any:
        """What is told. Numbers among which a value stands are not told at all: they could not be read any more."""
        packed = entry.body.get("packed", "") if entry.kind == SERIES else ""
        if packed and self._masks.mask(packed) != packed:
            return {"values": [masking.MASK], "steps": None, "at": entry.at}
        return entry.body

    def rest(self, at: float, place: str | None = None) -> list[Entry]:
        """What was held back: of the log of this run, or of all."""
        ended = [key for key in self._logs if place in (None, key[0])]
        return [entry for key in ended for entry in _log(Entry(LOG, key[1], "", key[0], at), self._logs.pop(key).end())]


def _log(entry: Entry, text: str) -> list[Entry]:
    return [replace(entry, body=text)] if text else []


def refuse_told(outputs: Mapping[str, StoredValue], masks: Masks) -> None:
    """Raise OutputError for an output that lies in the records and tells the value of a secret."""
    for port, value in outputs.items():
        for text in masking.texts_in(value.data() if value.is_at_hand else None):
            if name := masks.told_by(text):
                raise storing.OutputError(
                    f"output {port!r} holds the value of secret {name!r}, and outputs are kept unencrypted",
                    hint="return what was made with the secret, not the secret itself",
                )
