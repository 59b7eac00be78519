"""Data that schedules wait for, looked at where it lies: files of datastores, and versions of datasets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pipelinekit.classes import replace
from pipelinekit.domain.data_changes import DataChange, Listing
from pipelinekit.domain.datasets import Source, label_of, parse_reference
from pipelinekit.domain.datastores import fixed_part
from pipelinekit.domain.schedules import Tick
from pipelinekit.domain.snapshots import Tree, TreeEntry, normal_path
from pipelinekit.domain.types import DATASET, DATASTORE
from pipelinekit.domain.values import StoredValue, folder_digest
from pipelinekit.ports import Blobs
from pipelinekit.ports.datasets import DatasetRecords
from pipelinekit.workspace.dataset_files import DatasetFiles
from pipelinekit.workspace.dataset_inputs import seen_version


class DataWatcher:
    """Implements `ports.Watcher`. Files of this machine are read anew where they may have changed."""

    def __init__(self, files: Callable[[], DatasetFiles], datasets: DatasetRecords, blobs: Blobs) -> None:
        self._files = files
        self._datasets = datasets
        self._blobs = blobs

    def look(self, trigger: DataChange) -> Listing:
        """The digest and the size of each file, or the number of the newest version."""
        if trigger.dataset:
            found = self._datasets.get(trigger.dataset)
            return Listing({found.name: str(found.version)})
        files = self._files().present(Source(trigger.datastore, trigger.path))
        return Listing({item.path: f"{item.digest} {item.size}" for item in files})

    def value(self, trigger: DataChange, listing: Listing, path: str = "") -> Any:
        """A reference to the version that was seen, or to the files: the store has kept them then.

        Raises DatasetChangedError where they have changed since.
        """
        if trigger.dataset:
            ((name, version),) = listing.files.items()
            return DATASET + label_of(name, int(version))
        place = path or trigger.path
        paths = [path] if path else list(listing.files)
        base = place.rpartition("/")[0] if paths == [place] else fixed_part(place)
        tree = Tree.of(_entry(item[len(base) :].strip("/"), listing.files[item]) for item in paths)
        reference = replace(parse_reference(f"{DATASTORE}{trigger.datastore}/{place}"), seen=tree.digest())
        self._files().ensure(seen_version(reference, tree), keep=True)
        if self._blobs.missing([reference.seen]):
            self._blobs.put(tree.manifest())
        return reference.text()


def seen_values(ticks: Iterable[Tick]) -> Iterator[StoredValue]:
    """The folders of files that were seen for runs which have not started: clean-up leaves them."""
    for tick in ticks:
        for value in tick.parameters.values():
            if isinstance(value, str) and value.startswith(DATASTORE) and (seen := parse_reference(value).seen):
                yield StoredValue(folder_digest(seen), "folder", 0, seen)


def _entry(path: str, state: str) -> TreeEntry:
    digest, _, size = state.partition(" ")
    return TreeEntry(normal_path(path), digest, int(size))
