"""The program uv: called with the words of its user's settings, and quoted where it fails."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipelinekit.errors import ComputeError
from pipelinekit.late import late

if TYPE_CHECKING:
    import uv
else:
    uv = late("uv")

_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_ACTIVE = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH")  # environments that are not meant here
LONGEST_WORDS = 6000

# what uv says, and what to do about it
_HINTS = (
    ("hash mismatch", "the index serves other bytes than were locked; resolve it again: 'environments lock --upgrade'"),
    ("hash-checking is required", "a locked file must name every package that is needed, each exact and with hashes"),
    ("failed to fetch", "the package index cannot be reached; see the network, and uv's settings of the index"),
    ("error sending request", "the package index cannot be reached; see the network, and uv's settings of the index"),
    ("network connectivity is disabled", "uv works offline here; let it reach the index, or fill its cache before"),
    ("failed to build", "a package has to be compiled and was not; take a version that has a wheel for this machine"),
    ("no space left", "free space on the disk and try again"),
)


def call_uv(arguments: Sequence[str], text: str, failure: str, hint: str = "") -> str:
    """What uv writes. Raises ComputeError that begins with `failure`, in uv's own words without credentials."""
    ended = try_uv(arguments, text)
    if ended.returncode != 0:
        words = _CREDENTIALS.sub("***@", ended.stderr.strip())[-LONGEST_WORDS:]
        lower = words.lower()
        known = next((advice for sign, advice in _HINTS if sign in lower), "")
        raise ComputeError(f"{failure}:\n{words}", hint=hint or known or "mend the requirements of the environment")
    return ended.stdout


def try_uv(arguments: Sequence[str], text: str = "") -> subprocess.CompletedProcess[str]:
    """How a call of uv ended. Raises ComputeError where there is no uv."""
    try:
        program: str = uv.find_uv_bin()
    except (ImportError, FileNotFoundError):
        program = shutil.which("uv") or ""
    if not program:
        raise ComputeError(
            "environments are resolved and built by uv, which is not installed",
            hint="install the extra: pip install 'pipelinekit[environments]'",
        )
    variables = {name: value for name, value in os.environ.items() if name not in _ACTIVE}
    return subprocess.run(
        [program, "--color", "never", *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env=variables,
    )
