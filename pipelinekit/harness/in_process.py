"""Attempts in a driver's own process: the same execution, with live functions in place of the snapshot's.

The process is the caller's and serves every step, so environment variables and the search path are put back after each.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from pipelinekit.compute.sources import bring_snapshot
from pipelinekit.domain.attempts import Attempt, AttemptEnded
from pipelinekit.harness.execute import Place, execute, find_live_function, run_python
from pipelinekit.harness.scripts import run_command
from pipelinekit.harness.surroundings import variables
from pipelinekit.ports import Blobs


def executor(home: Path, blobs: Blobs) -> Callable[[Attempt, Path], AttemptEnded]:
    """A function that executes an attempt in a scratch folder. Scripts and commands run as they do anywhere."""
    here, ignored = Path.cwd(), (home,)

    def run(attempt: Attempt, scratch: Path) -> AttemptEnded:
        if attempt.task.kind == "python":
            place = Place(blobs, scratch, here, ignored=ignored)
            with _put_back():
                return execute(attempt, place, partial(run_python, find=find_live_function))
        return execute(attempt, Place(blobs, scratch, bring_snapshot(home, attempt.task.snapshot, blobs)), run_command)

    return run


@contextlib.contextmanager
def _put_back() -> Iterator[None]:
    before, path = variables(), list(sys.path)
    try:
        yield
    finally:
        if (after := variables()) != before:
            for name in after.keys() - before.keys():
                del os.environ[os.fsdecode(name)]
            os.environ.update({os.fsdecode(name): os.fsdecode(before[name]) for name in before})
        sys.path[:] = path
