"""Attempts in a driver's own process: the same execution, with live functions in place of the snapshot's."""

from __future__ import annotations

from collections.abc import Callable
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
            return execute(
                attempt,
                Place(blobs, scratch, Path.cwd(), ignored=(home,)),
                partial(run_python, find=find_live_function),
            )
        return execute(attempt, Place(blobs, scratch, bring_snapshot(home, attempt.snapshot, blobs)), run_command)

    return run
