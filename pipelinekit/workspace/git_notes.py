"""Notes of runs on how their source differed from their commit: git is asked once for each source and commit."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from pipelinekit.domain.runs import RunRecord
from pipelinekit.errors import PipelinekitError
from pipelinekit.ports import Blobs, Cache
from pipelinekit.ports.environments import ChangeRecords
from pipelinekit.workspace.git_changes import changes_of_snapshot

SPACE = "git-1"
Beside = Callable[[], AbstractContextManager[tuple[ChangeRecords, Blobs, Cache]]]


class GitNotes:
    """Keeps and finds such notes. `beside` opens what another thread works on."""

    def __init__(self, changes: ChangeRecords, cache: Cache, beside: Beside) -> None:
        self._changes = changes
        self._cache = cache
        self._beside = beside

    def note(self, run: RunRecord, snapshot: str) -> None:
        """Keep the note of a run. What is not known is asked beside the run; the process ends not before that."""
        root = run.details.get("root")
        if "git" not in run.details or not snapshot or not root or not os.path.isdir(root):
            return
        known = self._known(run, snapshot)
        if known is not None:
            self._changes.keep(run.id, known)
        else:
            threading.Thread(target=self._ask, args=(run, Path(root), snapshot)).start()

    def find(self, run: RunRecord, snapshot: Callable[[], str]) -> Mapping[str, Any] | None:
        """The note of a run; of one that only reused, what is known of its source and commit."""
        found = self._changes.get(run.id)
        if found is None and "git" in run.details:
            with suppress(PipelinekitError):
                return self._known(run, snapshot())
        return found

    def _known(self, run: RunRecord, snapshot: str) -> Mapping[str, Any] | None:
        key = _key(run, snapshot)
        kept = self._cache.get(SPACE, [key]).get(key)
        return dict(json.loads(kept)) if kept is not None else None

    def _ask(self, run: RunRecord, root: Path, snapshot: str) -> None:
        with suppress(PipelinekitError, OSError), self._beside() as (changes, blobs, cache):  # no run fails for it
            has_commit = "commit" in run.details["git"]
            found = changes_of_snapshot(root, blobs.read(snapshot), has_commit=has_commit)
            if found is not None:
                changes.keep(run.id, found)
                cache.put(SPACE, {_key(run, snapshot): json.dumps(found)})


def _key(run: RunRecord, snapshot: str) -> str:
    """What decides how a source folder differs from its commit."""
    return f"{snapshot} {run.details['git'].get('commit', '')} {run.details.get('root', '')}"
