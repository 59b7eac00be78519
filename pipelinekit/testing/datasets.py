"""Datasets in memory: the twin of what `storage.datasets` keeps in a database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipelinekit.classes import replace
from pipelinekit.domain.datasets import DatasetUse, DatasetVersion
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import ConflictError, NotFoundError
from pipelinekit.testing.records import MemoryState


class MemoryDatasets:
    """Twin of `storage.datasets.SQLDatasets`."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state
        self._versions: dict[tuple[str, int], DatasetVersion] = {}
        self._counts: dict[str, int] = {}
        self._uses: list[DatasetUse] = []

    def add(self, version: DatasetVersion, *, grow: bool = False) -> DatasetVersion:
        """Record a new version."""
        for known in self._versions.values():
            same = known.definition == version.definition and known.content == version.content
            if same and not version.run:
                raise ConflictError("registered already", name=known.name, version=known.version)
        mine = [number for name, number in self._versions if name == version.name]
        if mine and not grow:
            raise ConflictError("the name is taken", name=version.name, version=max(mine))
        number = self._counts[version.name] = self._counts.get(version.name, 0) + 1
        self._versions[version.name, number] = made = replace(version, version=number)
        return made

    def get(self, name: str, version: int = 0) -> DatasetVersion:
        """A version with its files."""
        number = version or max((found for known, found in self._versions if known == name), default=0)
        if (name, number) not in self._versions:
            raise NotFoundError(f"there is no dataset {name!r} of version {version or 'latest'}")
        return self._versions[name, number]

    def list(self, name: str = "") -> Sequence[DatasetVersion]:
        """All versions, newest first."""
        found = sorted(self._versions.values(), key=lambda item: (item.name, -item.version))
        return [replace(item, files=()) for item in found if name in ("", item.name)]

    def update(self, version: DatasetVersion) -> None:
        """Write what may change."""
        known = self.get(version.name, version.version)
        self._versions[version.name, version.version] = replace(
            known,
            description=version.description,
            tags=version.tags,
            types=version.types,
            profile=version.profile,
        )

    def remove(self, name: str, version: int = 0) -> int:
        """Forget versions."""
        gone = [key for key in self._versions if key[0] == name and version in (0, key[1])]
        if not gone:
            raise NotFoundError(f"there is no dataset {name!r}")
        for key in gone:
            del self._versions[key]
        return len(gone)

    def use(self, uses: Iterable[DatasetUse]) -> None:
        """Note uses."""
        self._uses.extend(item for item in uses if item not in self._uses)

    def uses(self, *, run: str = "", name: str = "", version: int = 0) -> Sequence[DatasetUse]:
        """Uses by runs that are there."""
        there = self._state.runs.keys() - self._state.removed
        found = [
            item
            for item in self._uses
            if item.run in there and run in ("", item.run) and name in ("", item.name) and version in (0, item.version)
        ]
        found.sort(key=lambda item: (item.direction, item.place, item.name, item.version))
        return sorted(found, key=lambda item: item.run, reverse=True)

    def values(self) -> tuple[set[str], Sequence[StoredValue]]:
        """What all versions are made of."""
        versions = self._versions.values()
        return {file.digest for item in versions for file in item.files}, [
            item.value for item in versions if item.value is not None
        ]
