"""Attempts in a driver's own process: the same execution, with live functions in place of the snapshot's.

The process is the caller's and serves every step, so environment variables and the search path are put back after each.
What is not loaded here, as the code of a graph that was compiled elsewhere, comes from its snapshot.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from pipelinekit.classes import replace
from pipelinekit.compute.sources import FOLDER, bring_snapshot
from pipelinekit.domain.attempts import OUTDATED, Attempt, AttemptEnded
from pipelinekit.domain.runs import Failure
from pipelinekit.harness.current import Send
from pipelinekit.harness.execute import Executor, Place, find_live_function
from pipelinekit.harness.live_modules import LiveModules
from pipelinekit.harness.scripts import run_command
from pipelinekit.harness.surroundings import variables
from pipelinekit.ports import Blobs


class OwnProcess:
    """Executes attempts here. Scripts and commands run as they do anywhere, in a copy of their source folder."""

    def __init__(self, home: Path, blobs: Blobs, scratch: Path, send: Send | None = None) -> None:
        self._home = home
        self._blobs = blobs
        self._scratch = scratch
        place = Place(blobs, scratch / "1", Path.cwd(), ignored=(home,))
        self._executor = Executor(place, find_live_function, send)
        self._before = variables()
        self._live = LiveModules(blobs, home / FOLDER)

    def execute(self, attempt: Attempt, given: Mapping[str, str] | None = None) -> AttemptEnded:
        """Execute one attempt, which is given these values of secrets.

        One with an environment is refused, or it would be kept as if it had run there.
        """
        if attempt.task.has_environment:
            return _refusal(attempt)
        if attempt.task.kind != "python":
            source = bring_snapshot(self._home, attempt.task.snapshot, self._blobs)
            place = Place(self._blobs, self._executor.place.scratch, source)
            return self._executor.execute(attempt, lambda item, _: run_command(item, place, relay=bool(given)), given)
        path = list(sys.path)
        if attempt.task.snapshot and not self._live.has(attempt.task.entry):
            sys.path.insert(0, str(bring_snapshot(self._home, attempt.task.snapshot, self._blobs)))
        ended = self._executor.execute(attempt, given=given)
        self._put_back()
        if sys.path != path:
            sys.path[:] = path
        return self._told_of(ended, attempt)

    def _told_of(self, ended: AttemptEnded, attempt: Attempt) -> AttemptEnded:
        """With the files whose modules here may be others than the key says: such a result is nobody else's."""
        outdated = () if ended.failure else self._live.outdated(attempt.task)
        if not outdated:
            return ended
        return replace(ended, observed={**ended.observed, **{f"file:{path}": OUTDATED for path in outdated}})

    def rest(self) -> None:
        """Let the process be as it was, until the next attempt."""
        self._executor.rest()

    def leave(self) -> None:
        """Let the process be as it was for good."""
        self._executor.leave()

    def _put_back(self) -> None:
        """Undo what a step did to the environment variables."""
        before, now = self._before, variables()
        if now == before:
            return
        for name in now.keys() - before.keys():
            del os.environ[os.fsdecode(name)]
        os.environ.update({os.fsdecode(name): os.fsdecode(value) for name, value in before.items()})


def _refusal(attempt: Attempt) -> AttemptEnded:
    words = f"environment {attempt.task.environment!r} is not used in-process, where steps run in pipelinekit's own"
    failure = Failure("environment", words, hint="run it with --compute local, where the environment is built")
    return AttemptEnded(attempt.id, time.time(), 0.0, failure=failure)
