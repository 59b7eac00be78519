"""Declared environments: resolved to exact requirements, built once into a virtual environment for each lock.

Both is done by uv. A build is made under a temporary name and appears whole; whoever needs the same one waits for it.
Before it is used, every file of it is held against what was there when it was built; not again within half a minute.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from pipelinekit.compute.containers import pinned_image
from pipelinekit.compute.interpreters import find_python, interpreter_of
from pipelinekit.compute.uv_program import call_uv
from pipelinekit.domain.environments import IMAGE, Environment, Lock, is_locked, python_identity, unsafe_line
from pipelinekit.errors import ComputeError

FOLDER = "environments"
CONTENTS = "pipelinekit-contents.json"  # inside of a built environment: every file with its size and time
SOUND_SECONDS = 30.0  # for which a process takes an environment for sound that it has looked at
HARNESS_NEEDS = ("xxhash",)  # what the step's process imports besides the standard library and ourselves


class Environments:
    """Implements `ports.EnvironmentBuilder` below the workspace folder `home`."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER
        self._sound: dict[str, float] = {}  # places that this process has looked at, and when

    def resolve(self, environment: Environment) -> Lock:
        """Exact requirements with hashes for an environment, or an image by digest."""
        if environment.image or environment.dockerfile:
            return Lock("", (), IMAGE + pinned_image(environment))
        python, identity, base = sys.executable, python_identity(), ""
        if environment.python:
            python, identity = find_python(environment.python, environment.name)
            base = identity
        return Lock(identity, _requirements(environment, python), base)

    def build(self, lock: Lock, name: str = "") -> str:
        """The interpreter of the environment with this lock; built if it is not there, or damaged."""
        folder = self._folder / lock.place
        interpreter = folder / "bin" / "python"
        if self._is_known(lock.place):
            return str(interpreter)
        bad = [line for line in lock.requirements if unsafe_line(line)]
        if bad:
            raise ComputeError(
                f"the lock of environment {name!r} has a line that is no requirement: {bad[0]!r}",
                hint="the graph or the records were changed by hand; compile the pipeline again",
            )
        with self._alone(lock.place):  # clean-up takes it away only under the same lock
            if not self._is_known(lock.place):  # another thread has looked meanwhile
                if not _is_sound(folder):
                    self._build(folder, lock, name)
                os.utime(folder)
                self._sound[lock.place] = time.monotonic()
        return str(interpreter)

    def _is_known(self, place: str) -> bool:
        looked = self._sound.get(place)
        known = looked is not None and time.monotonic() - looked < SOUND_SECONDS
        return known and (self._folder / place / "bin" / "python").exists()

    def built(self, lock: Lock) -> str:
        """How the environment of a lock stands."""
        folder = self._folder / lock.place
        if not folder.is_dir():
            return ""
        return "built" if _is_sound(folder) else "damaged"

    def _build(self, folder: Path, lock: Lock, name: str) -> None:
        """Build beside the final place and move there: a relocatable environment may be moved."""
        python = interpreter_of(lock.python, name)
        staged = Path(tempfile.mkdtemp(dir=self._folder, prefix=".building-"))
        made = staged / "env"
        try:
            call_uv(
                ["venv", "--quiet", "--no-project", "--relocatable", "--python", python, str(made)],
                "",
                f"environment {name!r} cannot be made",
            )
            if lock.requirements:
                _install(made, lock.requirements, ["--require-hashes"], f"environment {name!r} cannot be built")
            _bring_what_the_harness_needs(made, lock, name)
            _note_contents(made)
            if folder.exists():  # damaged: whoever has files of it open keeps them
                os.rename(folder, staged / "damaged")
            os.rename(made, folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    @contextlib.contextmanager
    def _alone(self, place: str) -> Iterator[None]:
        """One builder at a time for each environment, in all processes of this machine."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f".{place}.lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def _requirements(environment: Environment, python: str) -> tuple[str, ...]:
    """Every package that is needed, exact and with hashes. What is locked already stays as it is."""
    wanted = sorted(set(environment.packages))
    if not wanted or is_locked(wanted):
        return tuple(wanted)
    options = ["--quiet", "--no-header", "--no-annotate", "--generate-hashes", "--no-emit-index-url"]
    text = call_uv(
        ["pip", "compile", "-", "--python", python, *options],
        "\n".join(wanted),
        f"the packages of environment {environment.name!r} cannot be resolved",
    )
    joined = text.replace("\\\n", " ")
    return tuple(" ".join(line.split()) for line in joined.splitlines() if line.strip())


def _install(made: Path, requirements: tuple[str, ...], options: list[str], failure: str) -> None:
    """Install packages. Files are copied: a link would let a step damage uv's cache, and all that is made from it."""
    file = made.with_name("requirements.txt")
    file.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    python = ["--python", str(made / "bin" / "python"), "-r", str(file)]
    call_uv(["pip", "install", "--quiet", "--compile-bytecode", "--link-mode", "copy", *options, *python], "", failure)


def _bring_what_the_harness_needs(made: Path, lock: Lock, name: str) -> None:
    """Put beside the packages of an environment what the harness imports, unless they are among them.

    Where the interpreter is of the same kind as this one, our own copy is taken, so that nothing has to be fetched.
    """
    present = {line.partition("==")[0].partition(" ")[0].partition("[")[0].lower() for line in lock.requirements}
    missing = [need for need in HARNESS_NEEDS if need not in present]
    target = next(made.glob("lib/python*/site-packages"))
    same = target.parent.name == f"python{sys.version_info.major}.{sys.version_info.minor}"
    if same and lock.python.startswith(f"{sys.implementation.name}-"):
        for need in missing:
            _copy_distribution(need, target)
    elif missing:
        exact = tuple(f"{need}=={importlib.metadata.version(need)}" for need in missing)
        _install(made, exact, [], f"what steps need to run cannot be put into environment {name!r}")


def _copy_distribution(name: str, target: Path) -> None:
    distribution = importlib.metadata.distribution(name)
    for file in distribution.files or ():
        if ".." not in file.parts and "__pycache__" not in file.parts:
            place = target / file
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(distribution.locate_file(file)), place)


def _note_contents(made: Path) -> None:
    """Write down every file, so that damage is found. Times are kept when the environment is moved."""
    (made / CONTENTS).write_text(json.dumps(_contents(made)), encoding="utf-8")


def _is_sound(folder: Path) -> bool:
    """Whether an environment is there with every file as it was built, and nothing else among them."""
    try:
        noted = json.loads((folder / CONTENTS).read_text(encoding="utf-8"))
        return bool(noted == _contents(folder)) and (folder / "bin" / "python").exists()
    except (OSError, ValueError):
        return False


def _contents(folder: Path) -> dict[str, list[int]]:
    """Size and time of every file of an environment; bytecode comes and goes."""
    found: dict[str, list[int]] = {}
    stack = [(str(folder), "")]
    while stack:
        place, prefix = stack.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != "__pycache__":
                        stack.append((entry.path, f"{prefix}{entry.name}/"))
                elif prefix or entry.name != CONTENTS:
                    state = entry.stat(follow_symlinks=entry.is_file())  # also of the interpreter that a link leads to
                    found[prefix + entry.name] = [state.st_size, state.st_mtime_ns]
    return found
