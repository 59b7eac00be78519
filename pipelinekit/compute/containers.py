"""Container images: pinned by digest, and the command line that runs a step's command in one.

Docker or podman does it, whichever is there. The harness stays outside; what a container sees is the step's scratch
folder, at the same path.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipelinekit.domain.environments import Environment
from pipelinekit.errors import ComputeError

ENGINES = ("docker", "podman")
_PINNED = re.compile(r"(?:\S+@)?sha256:[0-9a-f]{64}\Z")


def pinned_image(environment: Environment) -> str:
    """The image of an environment, by digest. An image that is pinned already needs no engine to be told.

    Raises ComputeError in the engine's words, or where there is none.
    """
    name = environment.name
    if environment.dockerfile:
        engine = container_engine(name)
        built = _call(
            [engine, "build", "--quiet", "-"],
            environment.dockerfile,
            f"the image of environment {name!r} cannot be built",
        )
        return _digest_in(built, name)
    if _PINNED.match(environment.image):
        return environment.image
    engine = container_engine(name)
    _call([engine, "pull", "--quiet", environment.image], "", f"the image of environment {name!r} cannot be fetched")
    asked = [engine, "image", "inspect", "--format", "{{index .RepoDigests 0}}", environment.image]
    return _digest_in(_call(asked, "", f"the image of environment {name!r} has no digest"), name)


def container_engine(name: str) -> str:
    """The first engine that works here. Raises ComputeError, which says of each why it does not."""
    problems = []
    for engine in ENGINES:
        if shutil.which(engine) is None:
            problems.append(f"{engine} is not installed")
            continue
        asked = subprocess.run([engine, "info"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            return engine
        words = (asked.stderr.strip() or asked.stdout.strip()).splitlines()
        problems.append(f"{engine} does not work ({words[-1].strip() if words else f'exit code {asked.returncode}'})")
    raise ComputeError(
        f"environment {name!r} is a container image, and no container engine works here: {'; '.join(problems)}",
        hint="start docker or install podman on this machine, or give the environment packages instead of an image",
    )


def container_command(
    engine: str,
    image: str,
    scratch: Path,
    folder: Path,
    variables: Iterable[str],
    words: Sequence[str],
    *,
    is_reached: bool = False,
) -> list[str]:
    """The command line that runs these words in an image, as this user, in a folder of the step's scratch folder.

    Variables are named only: their values go through the engine's own environment, where no list of processes shows
    them. Inputs may not be written to. The engine passes TERM on to the container; one whose client is killed
    may outlive it. One that others must reach (`is_reached`), at the address of this machine, has its network.
    """
    command = [engine, "run", "--rm", "--init", "--pull", "never" if image.startswith("sha256:") else "missing"]
    command += ["--userns", "keep-id"] if engine == "podman" else ["--user", f"{os.getuid()}:{os.getgid()}"]
    command += ["--network", "host"] if is_reached else []
    command += ["--volume", f"{scratch}:{scratch}"]
    inputs = scratch / "inputs"
    if inputs.is_dir():
        command += ["--volume", f"{inputs}:{inputs}:ro"]
    for name in sorted(set(variables)):
        command += ["--env", name]
    return [*command, "--workdir", str(folder), "--entrypoint", words[0], image, *words[1:]]


def _call(command: Sequence[str], text: str, failure: str) -> str:
    ended = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise ComputeError(
            f"{failure}:\n{ended.stderr.strip()[-4000:]}", hint="mend the image's name or the Dockerfile, and try again"
        )
    return ended.stdout.strip()


def _digest_in(text: str, name: str) -> str:
    lines = text.split()
    if not lines or not _PINNED.match(lines[-1]):
        raise ComputeError(
            f"the image of environment {name!r} has no digest: {text!r}",
            hint="push it to a registry, or name an image that came from one",
        )
    return lines[-1]
