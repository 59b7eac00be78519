"""Where tests keep their files: in memory where there is room enough, since nobody pulls the plug of a test.

Half of the time of a test of records is waiting for a disk otherwise. `TMPDIR` says another place.
"""

import os
import shutil
from pathlib import Path

MEMORY = "/dev/shm"
NEEDED = 6 << 30  # bytes
_NAME = "pipelinekit-tests-"


def fast_folder(otherwise=None):
    """A folder in memory; else the one given."""
    if os.path.isdir(MEMORY) and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= NEEDED:
        return MEMORY
    return otherwise


def own_folder():
    """A folder in memory for this process and those that it starts, if one can be had; those of dead ones are removed.

    That of a run in which tests failed stays until the next run.
    """
    if (place := fast_folder()) is None:
        return None
    for left in Path(place).glob(f"{_NAME}*"):
        if not Path("/proc", left.name.removeprefix(_NAME)).exists():
            shutil.rmtree(left, ignore_errors=True)
    made = Path(place, f"{_NAME}{os.getpid()}")
    made.mkdir(mode=0o755, exist_ok=True)
    return made
