"""One attempt of a script or command step: inputs and outputs are paths, any language."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO

from pipelinekit.domain.attempts import Attempt
from pipelinekit.domain.environments import Lock
from pipelinekit.domain.steps import Port
from pipelinekit.domain.values import StoredValue
from pipelinekit.formats.loading import load_plain, load_value
from pipelinekit.formats.paths import File, Folder
from pipelinekit.formats.registry import find_format
from pipelinekit.formats.storing import OutputError, store_value
from pipelinekit.harness.current import CURRENT
from pipelinekit.harness.execute import Place
from pipelinekit.harness.script_telling import listening
from pipelinekit.late import late
from pipelinekit.wire.frames import READ_SIZE
from pipelinekit.wire.values import dumps, plain_to_json

if TYPE_CHECKING:
    from pipelinekit.compute import containers
    from pipelinekit.harness import secrets
else:
    containers = late("pipelinekit.compute.containers")
    secrets = late("pipelinekit.harness.secrets")

_SUFFIXES = {"arrow": ".arrow", "numpy": ".npy", "bytes": ".bin"}


class CommandFailedError(Exception):
    """The script or command ended with an exit code other than 0, or by a signal."""


def run_command(attempt: Attempt, place: Place, *, relay: bool = False) -> Mapping[str, StoredValue]:
    """Run the command line in a copy of its source folder; store what it left at its output paths.

    With `relay` what it writes goes through `sys.stdout` and `sys.stderr` of this process.
    """
    folder = place.scratch / "source"
    if place.source.is_dir():
        shutil.copytree(place.source, folder, copy_function=shutil.copy)
    folder.mkdir(exist_ok=True)
    texts = {name: _input_text(name, value, place) for name, value in attempt.inputs.items()}
    paths = {port.name: _output_path(port, place) for port in attempt.task.outputs}
    given = _variables(texts, paths)
    with _secrets(attempt) as (places, variables, handles):
        texts.update((f"secrets.{name}", path) for name, path in places.items())
        command = _command(attempt, texts, paths)
        if image := Lock("", (), attempt.task.base).image:
            seen = [*given, *attempt.task.variables, *(attempt.rank.variables if attempt.rank is not None else ())]
            engine = containers.container_engine(attempt.task.environment)
            is_reached = attempt.rank is not None
            command = containers.container_command(
                engine, image, place.scratch, folder, seen, command, is_reached=is_reached
            )
        with listening(attempt.id, place.blobs, place.scratch / "told", CURRENT.send) as (pipe, told):
            environment = {**os.environ, **given, **variables, **told}
            _carry_out(command, folder, environment, (*handles, pipe), relay=relay)
    if attempt.is_helper:
        return {}
    return {port.name: _store_output(port, paths[port.name], place) for port in attempt.task.outputs}


def _secrets(attempt: Attempt) -> AbstractContextManager[secrets.HandedOn]:
    """The secrets of an attempt for the process of its command line."""
    if not attempt.task.secrets:
        return nullcontext(({}, {}, ()))
    if Lock("", (), attempt.task.base).image:
        raise CommandFailedError("a container cannot be given secrets: what lies in memory here is not seen in there")
    return secrets.handed_on()


def _carry_out(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    handles: Sequence[int] = (),
    *,
    relay: bool = False,
) -> None:
    """Run a command line to its end. Raises CommandFailedError."""
    outlet = subprocess.PIPE if relay else None
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=outlet,
            stderr=outlet,
            pass_fds=handles,
        )
    except FileNotFoundError as error:
        raise CommandFailedError(f"the command {command[0]!r} was not found") from error
    except PermissionError as error:
        raise CommandFailedError(f"the command {command[0]!r} may not be executed") from error
    with process:
        try:
            code = _relayed(process) if relay else process.wait()
        except BaseException:
            process.kill()
            raise
    if code < 0:
        raise CommandFailedError(f"the command was ended by signal {signal.Signals(-code).name}")
    if code > 0:
        raise CommandFailedError(f"the command ended with exit code {code}")


def _relayed(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process, and write what it writes to this process's own outlets, where it is masked."""
    pairs = ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
    threads = [threading.Thread(target=_copy, args=pair, daemon=True) for pair in pairs if pair[0]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return process.wait()


def _copy(source: IO[bytes], target: TextIO) -> None:
    with io.TextIOWrapper(source, encoding="utf-8", errors="replace", newline="") as lines:
        while text := lines.readline(READ_SIZE):
            target.write(text)


def _input_text(name: str, value: StoredValue, place: Place) -> str:
    """What the command line gets for an input: small plain data as text, anything else as a path."""
    if value.is_inline:
        data = load_plain(value, place.blobs)
        return data if isinstance(data, str) else dumps(plain_to_json(data))
    target = place.scratch / "inputs" / name
    if value.format == "file":
        return str(load_value(value, File, place.blobs, target))
    if value.format == "folder":
        return str(load_value(value, Folder, place.blobs, target))
    if value.format == "tabular":
        if not value.items[1].data()["recipe"]:
            return str(load_value(value, Folder, place.blobs, target))
        written = target.with_name(name + _SUFFIXES["arrow"])
        find_format("arrow").write(load_value(value, None, place.blobs, target), written)
        return str(written)
    target.parent.mkdir(parents=True, exist_ok=True)
    source = place.blobs.path(value.blob)
    linked = target.with_name(name + _SUFFIXES.get(value.format, ".json" if value.format == "json" else ""))
    shutil.copyfile(source, linked)
    return str(linked)


def _output_path(port: Port, place: Place) -> Path:
    path = place.scratch / "outputs" / port.name
    (path if port.type.kind == "folder" else path.parent).mkdir(parents=True, exist_ok=True)
    return path


def _store_output(port: Port, path: Path, place: Place) -> StoredValue:
    if not path.exists():
        raise OutputError(
            f"output {port.name!r} was not written", hint="write it to the path that the step receives for it"
        )
    return store_value(path, port.type, place.blobs, place.scratch)


def _command(attempt: Attempt, texts: Mapping[str, str], paths: Mapping[str, Path]) -> Sequence[str]:
    words = [_word(item, texts, paths) for item in attempt.task.arguments]
    if attempt.task.kind == "script":
        python = "python3" if Lock("", (), attempt.task.base).image else sys.executable
        return [python, "-u", attempt.task.entry, *words]
    return words


def _word(item: Any, texts: Mapping[str, str], paths: Mapping[str, Path]) -> str:
    """One word of the command line; a list of texts and references is joined without spaces."""
    if isinstance(item, list):
        return "".join(_word(part, texts, paths) for part in item)
    if isinstance(item, dict):
        ((kind, name),) = item.items()
        return str(paths[name]) if kind == "output" else texts.get(f"secrets.{name}" if kind == "secret" else name, "")
    return str(item)


def _variables(texts: Mapping[str, str], paths: Mapping[str, Path]) -> dict[str, str]:
    """Inputs and outputs as environment variables, under our names and under the reference system's."""
    found: dict[str, str] = {}
    for name, text in texts.items():
        found[f"PIPELINEKIT_INPUT_{name}"] = text
        found[f"AZUREML_DATAREFERENCE_{name}"] = text
        found[f"AML_PARAMETER_{re.sub(r'[^A-Za-z0-9_]', '_', name)}"] = text
    for name, path in paths.items():
        found[f"PIPELINEKIT_OUTPUT_{name}"] = str(path)
        found[f"AZUREML_DATAREFERENCE_{name}"] = str(path)
    return found
