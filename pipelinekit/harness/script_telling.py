"""What a script step's own process tells of its run: through an inherited pipe, to the step process that started it.

A script may end without a word: what it told is sent on when it ends, or as its batches fill.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipelinekit.classes import replace
from pipelinekit.domain.metrics import FILE, IMAGE, Entry
from pipelinekit.formats.telling import Teller, keep_in
from pipelinekit.harness.current import Send
from pipelinekit.harness.secrets import refuse_file
from pipelinekit.ports import Blobs
from pipelinekit.wire.frames import Receiver, send
from pipelinekit.wire.metrics import entries_from_json, entries_to_json

PIPE = "PIPELINEKIT_TELL"  # the pipe, in the script's process: its number, and what the system knows it by
FOLDER = "PIPELINEKIT_TELL_FOLDER"  # where the script leaves copies of files to be kept
INPUT = "PIPELINEKIT_INPUT_"
LEFT_SECONDS = 2.0  # to read what a script that has ended left in the pipe


# -- in the script's process -------------------------------------------------------------------------------------------


def is_script() -> bool:
    """Whether this is the process of a script step."""
    return PIPE in os.environ


def names() -> tuple[str, str, int]:
    """Run, step and number of the attempt."""
    get = os.environ.get
    return get("PIPELINEKIT_RUN", ""), get("PIPELINEKIT_STEP", ""), int(get("PIPELINEKIT_ATTEMPT", "0"))


def rank() -> tuple[int, int]:
    """Which of the processes of its step this is, and how many there are."""
    number, count = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    return (int(number), int(count)) if number.isdigit() and count.isdigit() else (0, 1)


def parameters() -> Mapping[str, str]:
    """What the script was given, as the texts of its command line."""
    return {name.removeprefix(INPUT): text for name, text in os.environ.items() if name.startswith(INPUT)}


@functools.cache
def teller() -> Teller | None:
    """What gathers for this script; None where this process is no script's."""
    handle, _, identity = os.environ.get(PIPE, "").partition(" ")
    if not handle or _identity(int(handle)) != identity:
        return None  # a process that the script has started inherits the variables, and not the pipe
    found = Teller(functools.partial(_tell, int(handle)), _copy)
    atexit.register(found.flush)
    return found


def _tell(handle: int, entries: Sequence[Entry]) -> None:
    with suppress(OSError):  # whoever read it has gone, and so will this process
        send(handle, entries_to_json(entries))


def _identity(handle: int) -> str:
    try:
        state = os.fstat(handle)
    except OSError:
        return ""
    return f"{state.st_dev} {state.st_ino}"


def _copy(path: Path) -> dict[str, Any]:
    """Leave a copy for the step process, which puts it into the store."""
    refuse_file(path)
    place = Path(tempfile.mkdtemp(dir=os.environ[FOLDER]), path.name)
    if path.is_dir():
        shutil.copytree(path, place)
    else:
        shutil.copy(path, place)
    return {"path": str(place)}


# -- in the step process -----------------------------------------------------------------------------------------------


@contextmanager
def listening(attempt: str, blobs: Blobs, folder: Path, pass_on: Send | None) -> Iterator[tuple[int, dict[str, str]]]:
    """Listen to a script while the block runs: the pipe that it must inherit, and its environment variables."""
    inlet, outlet = os.pipe()
    folder.mkdir(parents=True, exist_ok=True)
    listener = threading.Thread(target=_listen, args=(inlet, attempt, blobs, pass_on), daemon=True)
    listener.start()
    try:
        yield outlet, {PIPE: f"{outlet} {_identity(outlet)}", FOLDER: str(folder)}
    finally:
        os.close(outlet)
        listener.join(LEFT_SECONDS)  # a process that the script left running may hold the pipe open


def _listen(inlet: int, attempt: str, blobs: Blobs, pass_on: Send | None) -> None:
    receiver = Receiver(inlet)
    try:
        while (message := receiver.receive()) is not None:
            if pass_on is not None:
                pass_on(attempt, [_kept(entry, blobs) for entry in entries_from_json(message)])
    except (OSError, ValueError):
        return  # the script wrote something else into the pipe: nobody can tell what it meant
    finally:
        os.close(inlet)


def _kept(entry: Entry, blobs: Blobs) -> Entry:
    """An entry with its file in the store."""
    if entry.kind in (FILE, IMAGE):
        return replace(entry, body=keep_in(blobs, Path(entry.body["path"])))
    return entry
