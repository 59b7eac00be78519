"""What the records name in the store: blobs of values and of snapshots, and the documents that name these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipelinekit.domain.environments import Lock
from pipelinekit.domain.snapshots import parse_manifest
from pipelinekit.domain.upkeep import Inventory
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import IntegrityError
from pipelinekit.ports import Documents
from pipelinekit.ports.upkeep import BlobUpkeep
from pipelinekit.wire.values import loads


class References:
    """Follows names into folders and documents. What was followed once is remembered: content does not change."""

    def __init__(self, store: BlobUpkeep, documents: Documents) -> None:
        self._store = store
        self._documents = documents
        self._trees: dict[str, tuple[str, ...]] = {}
        self._snapshots: dict[str, tuple[str, ...]] = {}
        self._definitions: dict[str, str] = {}
        self._places: dict[str, set[str]] = {}

    def contents(self, value: StoredValue) -> Iterator[str]:
        """Every blob that a value needs, those inside its folders included."""
        if value.blob:
            yield value.blob
            if value.format == "folder":
                yield from self.tree(value.blob)
        for item in value.items:
            yield from self.contents(item)

    def tree(self, manifest: str) -> tuple[str, ...]:
        """The blobs of the files of a tree; none where its manifest cannot be read."""
        if manifest not in self._trees:
            try:
                tree = parse_manifest(self._store.read(manifest))
                self._trees[manifest] = tuple(entry.digest for entry in tree.entries)
            except IntegrityError:
                self._trees[manifest] = ()
        return self._trees[manifest]

    def blobs(self, values: Iterable[StoredValue]) -> set[str]:
        """Every blob of these values."""
        return {blob for value in values for blob in self.contents(value)}

    def graphs(self, inventory: Inventory) -> set[str]:
        """Digests of the graphs of runs that are not removed, and of those that were compiled, published or drafted."""
        of_runs = {run.graph for run in inventory.runs.values() if run.graph and not run.removed}
        return of_runs | inventory.compiled.keys() | {graph for graph, _ in inventory.published}

    def snapshots(self, digests: Iterable[str]) -> set[str]:
        """Snapshots that graphs and definitions name, by the digests of those documents."""
        wanted = set(digests)
        for digest, text in self._documents.get(wanted - self._snapshots.keys()).items():
            body = loads(text)
            found = [body.get("snapshot", ""), *(step["snapshot"] for step in body.get("steps", ()))]
            self._snapshots[digest] = tuple({snapshot for snapshot in found if snapshot})
        return {snapshot for digest in wanted for snapshot in self._snapshots.get(digest, ())}

    def environments(self, graphs: Iterable[str]) -> set[str]:
        """The folders of built environments that the steps of these graphs run in."""
        wanted = set(graphs)
        for digest, text in self._documents.get(wanted - self._places.keys()).items():
            found = [step["software"] for step in loads(text).get("steps", ())]
            locks = [Lock(item["python"], tuple(item["lock"]), item.get("base", "")) for item in found]
            self._places[digest] = {lock.place for lock in locks if lock.is_own}
        return {place for digest in wanted for place in self._places.get(digest, ())}

    def sources(self, digests: Iterable[str]) -> set[str]:
        """Every blob of the snapshots that graphs and definitions name."""
        found = set()
        for snapshot in self.snapshots(digests):
            found.add(snapshot)
            found.update(self.tree(snapshot))
        return found

    def documents(self, inventory: Inventory) -> set[str]:
        """Every document that the records name: graphs, key documents, definitions."""
        keys = {step.key for step in inventory.steps if step.key} | {item.key for item in inventory.completions}
        return self.graphs(inventory) | keys | self.definitions(inventory, keys)

    def definitions(self, inventory: Inventory, keys: Iterable[str]) -> set[str]:
        """The definitions that these key documents name."""
        for item in inventory.completions:
            self._definitions[item.key] = item.definition
        wanted = set(keys)
        for key, text in self._documents.get(wanted - self._definitions.keys()).items():
            self._definitions[key] = loads(text)["key"]["definition"]
        return {self._definitions[key] for key in wanted if key in self._definitions} - {""}
