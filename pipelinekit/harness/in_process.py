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
from pipelinekit.ports import Blobs


def executor(home: Path, blobs: Blobs) -> Callable[[Attempt, Path], AttemptEnded]:
    """A function that executes an attempt in a scratch folder. Scripts and commands run as they do anywhere."""

    def run(attempt: Attempt, scratch: Path) -> AttemptEnded:
        if attempt.kind == "python":
            place = Place(blobs, scratch, Path.cwd(), ignored=(home,))
            with _put_back():
                return execute(attempt, place, partial(run_python, find=find_live_function))
        return execute(attempt, Place(blobs, scratch, bring_snapshot(home, attempt.snapshot, blobs)), run_command)

    return run


@contextlib.contextmanager
def _put_back() -> Iterator[None]:
    variables, path = dict(os.environ), list(sys.path)
    try:
        yield
    finally:
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        os.environ.update({name: value for name, value in variables.items() if os.environ.get(name) != value})
        sys.path[:] = path
