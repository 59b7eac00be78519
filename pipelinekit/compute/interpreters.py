"""Python interpreters for environments: found by uv, or fetched by it, and told by their exact version."""

from __future__ import annotations

import json
import subprocess
import sys

from pipelinekit.compute.uv_program import call_uv, try_uv
from pipelinekit.domain.environments import python_identity
from pipelinekit.errors import ComputeError

_ASK = "import sys; print(sys.implementation.name, *sys.version_info[:3], sep='.')"


def find_python(version: str, name: str) -> tuple[str, str]:
    """The interpreter of a version (`3.12`, `3.12.4`) and its identity. It is fetched by uv where none is installed.

    Raises ComputeError, which names the environment.
    """
    own = python_identity().partition("-")[2]
    if sys.implementation.name == "cpython" and f"{own}.".startswith(f"{version}."):
        return sys.executable, python_identity()
    found = try_uv(["python", "find", "--no-project", version])
    if found.returncode != 0:
        words = f"environment {name!r} wants Python {version}, which is not installed here and could not be fetched"
        hint = f"install Python {version}, or choose a version that is here: {', '.join(installed_versions())}"
        call_uv(["python", "install", "--no-progress", version], "", words, hint)
        found = try_uv(["python", "find", "--no-project", version])
    path = found.stdout.strip()
    asked = subprocess.run([path, "-I", "-c", _ASK], capture_output=True, text=True, check=False) if path else None
    if asked is None or asked.returncode != 0:
        raise ComputeError(
            f"environment {name!r} wants Python {version}, and the one at {path or 'no place'} does not work",
            hint=f"choose a version that is here: {', '.join(installed_versions())}",
        )
    implementation, _, numbers = asked.stdout.strip().partition(".")
    return path, f"{implementation}-{numbers}"


def interpreter_of(identity: str, name: str) -> str:
    """The interpreter with exactly this identity, which a lock names."""
    if identity == python_identity():
        return sys.executable
    path, found = find_python(identity.partition("-")[2], name)
    if found != identity:
        raise ComputeError(
            f"environment {name!r} was locked for {identity}, and only {found} was found here",
            hint="install that version, or lock the environment again: 'environments lock --upgrade'",
        )
    return path


def installed_versions() -> list[str]:
    """Versions of Python that uv finds here and steps can run on."""
    listed = try_uv(["python", "list", "--only-installed", "--output-format", "json"])
    try:
        versions = {str(item["version"]) for item in json.loads(listed.stdout)}
    except (ValueError, KeyError, TypeError):
        versions = set()
    return sorted(versions | {python_identity().partition("-")[2]})
