"""The environment variables of a step's process."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from pipelinekit.domain.digests import PREFIX, digest

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "POLARS_MAX_THREADS",
)


def variables_of(python: str, threads: int, home: Path, scratch: Path) -> dict[str, str]:
    """This process's own, with what would make results differ fixed.

    Numerical libraries get as many threads as the step asked for cores: they would take all of them otherwise, as
    if no other step ran beside. Where a step asks for one core, a variable that is set already stays.
    """
    threaded = dict.fromkeys(THREAD_VARIABLES, str(threads))
    environment = {**threaded, **os.environ} if threads == 1 else {**os.environ, **threaded}
    if python != sys.executable:  # commands of the environment are found, and no other one is meant
        folder = Path(python).parent
        environment["VIRTUAL_ENV"] = str(folder.parent)
        environment["PATH"] = f"{folder}{os.pathsep}{environment.get('PATH', os.defpath)}"
        environment.pop("PYTHONHOME", None)
    environment["PYTHONHASHSEED"] = "0"
    environment["PYTHONPATH"] = str(own_package(home))
    environment["PIPELINEKIT_STEP_PROCESS"] = "1"
    environment["TMPDIR"] = str(scratch)
    environment.pop("PYTHONSAFEPATH", None)
    return environment


def own_package(home: Path) -> Path:
    """A folder with pipelinekit in it and nothing else: what a step's process may import of ours."""
    package = Path(__file__).resolve().parents[1]
    folder = home / "cache" / "own" / digest(str(package)).removeprefix(PREFIX)[:16]
    link = folder / package.name
    if not link.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            link.symlink_to(package, target_is_directory=True)
    return folder
