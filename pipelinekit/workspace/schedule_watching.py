"""Data that schedules wait for, looked at where it lies: files of datastores, and versions of datasets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipelinekit.domain.data_changes import DataChange, Listing
from pipelinekit.domain.datasets import Source, label_of
from pipelinekit.domain.types import DATASET, DATASTORE
from pipelinekit.ports.datasets import DatasetRecords
from pipelinekit.workspace.dataset_files import DatasetFiles


class DataWatcher:
    """Implements `ports.Watcher`. Files are read anew where they may have changed."""

    def __init__(self, files: Callable[[], DatasetFiles], datasets: DatasetRecords) -> None:
        self._files = files
        self._datasets = datasets

    def look(self, trigger: DataChange) -> Listing:
        """The digest of each file, or the number of the newest version."""
        if trigger.dataset:
            found = self._datasets.get(trigger.dataset)
            return Listing({found.name: str(found.version)})
        files = self._files().present(Source(trigger.datastore, trigger.path))
        return Listing({item.path: item.digest for item in files})

    def value(self, trigger: DataChange, listing: Listing, path: str = "") -> Any:
        """A reference to the version that was seen, or to where the files lie."""
        if trigger.dataset:
            ((name, version),) = listing.files.items()
            return DATASET + label_of(name, int(version))
        return f"{DATASTORE}{trigger.datastore}/{path or trigger.path}"
