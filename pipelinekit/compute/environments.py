"""Declared environments: resolved once to exact requirements, built once into a virtual environment for each lock.

Both is done by uv. A build is made under a temporary name and appears whole; whoever needs the same one waits for it.
"""

from __future__ import annotations

import fcntl
import importlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipelinekit.domain.digests import PREFIX, digest
from pipelinekit.domain.environments import Environment, python_identity
from pipelinekit.errors import ComputeError
from pipelinekit.late import late
from pipelinekit.ports import Cache

if TYPE_CHECKING:
    import uv
else:
    uv = late("uv")

SPACE = "locks"
HARNESS_NEEDS = ("xxhash",)  # what the step's process imports besides the standard library and ourselves


class Environments:
    """Locks and builds environments below the workspace folder `home`."""

    def __init__(self, home: Path, cache: Cache) -> None:
        self._folder = home / "environments"
        self._cache = cache

    def lock(self, environment: Environment) -> tuple[str, ...]:
        """Exact requirements, with hashes, for the packages of an environment. Raises ComputeError in uv's words."""
        wanted = sorted(environment.packages)
        key = digest(["lock", python_identity(), wanted])
        kept = self._cache.get(SPACE, [key]).get(key)
        if kept is None:
            arguments = ["pip", "compile", "-", "--python", sys.executable, "--quiet"]
            arguments += ["--no-header", "--no-annotate", "--generate-hashes"]
            kept = _uv(
                arguments, "\n".join(wanted), f"the packages of environment {environment.name!r} cannot be resolved"
            )
            self._cache.put(SPACE, {key: kept})
        joined = kept.replace("\\\n", " ")
        return tuple(" ".join(line.split()) for line in joined.splitlines() if line.strip())

    def python(self, lock: Sequence[str]) -> str:
        """The interpreter of the environment with these exact requirements; built if it is not there yet."""
        name = digest(["environment", python_identity(), list(lock)]).removeprefix(PREFIX)
        folder = self._folder / name
        interpreter = folder / "bin" / "python"
        if not interpreter.exists():
            with self._building(name):
                if not interpreter.exists():
                    self._build(folder, lock)
        return str(interpreter)

    def _build(self, folder: Path, lock: Sequence[str]) -> None:
        """Build beside the final place and move there: a relocatable environment may be moved."""
        staged = Path(tempfile.mkdtemp(dir=self._folder, prefix=".building-"))
        try:
            _uv(
                ["venv", "--quiet", "--relocatable", "--python", sys.executable, str(staged / "env")],
                "",
                "no environment",
            )
            own = [f"{name}=={importlib.metadata.version(name)}" for name in HARNESS_NEEDS]
            for requirements, hashes in ((lock, ["--require-hashes"]), (own, [])):
                file = staged / "requirements.txt"
                file.write_text("\n".join(requirements) + "\n", encoding="utf-8")
                target = ["--python", str(staged / "env" / "bin" / "python"), "-r", str(file)]
                _uv(
                    ["pip", "install", "--quiet", "--compile-bytecode", *hashes, *target],
                    "",
                    "an environment cannot be built",
                )
            os.rename(staged / "env", folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    @contextmanager
    def _building(self, name: str) -> Iterator[None]:
        """One builder at a time for each environment, in all processes of this machine."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f".{name}.lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def _uv(arguments: Sequence[str], text: str, failure: str) -> str:
    """What uv writes. Raises ComputeError with its own words when it fails."""
    try:
        program: str = uv.find_uv_bin()
    except (ImportError, FileNotFoundError):
        program = shutil.which("uv") or ""
    if not program:
        raise ComputeError(
            "environments are resolved and built by uv, which is not installed",
            hint="install the extra: pip install 'pipelinekit[environments]'",
        )
    ended = subprocess.run([program, *arguments], input=text, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise ComputeError(f"{failure}:\n{ended.stderr.strip()}", hint="mend the requirements of the environment")
    return ended.stdout
