"""Schedules that are due when data changes: what is watched, what was seen, and when a change has settled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipelinekit.classes import field, frozen
from pipelinekit.domain.digests import digest
from pipelinekit.typed import Any

SHORTEST_POLL = 1.0  # seconds


@frozen
class DataChange:
    """Files below a path of a datastore, sub-folders included, or the newest version of a dataset.

    It is looked at every `poll` seconds. A change counts once nothing has changed further for `settle` seconds. One run
    is started for each settled change; with `each_file` one for each file that is new or other than before. The run
    gets what was seen in the parameter `parameter`, if one is named.
    """

    datastore: str = ""
    path: str = ""
    dataset: str = ""
    parameter: str = ""
    poll: float = 300.0
    settle: float = 60.0
    each_file: bool = False

    @property
    def follows_elapsed_time(self) -> bool:
        """It has nothing to do with clocks."""
        return True

    @property
    def is_plain(self) -> bool:
        """It has no first instant."""
        return False

    def __str__(self) -> str:
        return f"dataset {self.dataset!r}" if self.dataset else f"{self.datastore}/{self.path}"


@frozen
class Listing:
    """What there is at one moment: by path what tells the content of a file, such as its digest or its tag."""

    files: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """Equal for equal files, in whatever order they were listed."""
        return digest(sorted([path, state] for path, state in self.files.items()))


@frozen
class Cursor:
    """How far a schedule has come with its data.

    `number` counts the changes that were accepted, and `accepted` is the fingerprint of the last. `seen` is what was
    there at the last look, since `seen_at`. `files` are those of the accepted listing, where each counts by itself.
    """

    number: int = 0
    accepted: str = ""
    seen: str = ""
    seen_at: float = 0.0
    looked_at: float = 0.0
    files: Mapping[str, str] = field(default_factory=dict)


def data_change_faults(trigger: DataChange) -> Iterator[tuple[str, str]]:
    """What is wrong with what is to be watched, and what to do about it."""
    if bool(trigger.datastore) == bool(trigger.dataset):
        yield "a schedule watches one thing", "name either a datastore, with a path, or a dataset"
    if trigger.path and not trigger.datastore:
        yield f"path {trigger.path!r} is in no datastore", "name the datastore"
    if ".." in trigger.path.split("/"):
        yield f"path {trigger.path!r} leads out of its datastore", "leave '..' out"
    if not SHORTEST_POLL <= trigger.poll < float("inf"):
        yield f"poll {trigger.poll!r} is no time between two looks", f"give seconds from {SHORTEST_POLL:g}"
    if not 0 <= trigger.settle < float("inf"):
        yield f"settle {trigger.settle!r} is no time", "give seconds from 0"
    if trigger.each_file and trigger.dataset:
        yield "each_file is not for datasets", "a dataset changes as a whole"
    if trigger.each_file and not trigger.parameter:
        yield "each_file needs a parameter", "name the one that gets the file"


def parameters_of(trigger: DataChange, value: Any) -> dict[str, Any]:
    """What a run is given of a change."""
    return {trigger.parameter: value} if trigger.parameter else {}
