"""Clean-up of a workspace: what goes is decided from the records under their lock; files follow, unless they are used.

A blob is removed only if no record names it, and it was last used before the grace period and before the oldest open
run was submitted. What a run has stored or found, and has not recorded yet, is younger than that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from contextlib import AbstractContextManager

from pipelinekit.classes import frozen
from pipelinekit.domain.upkeep import Collection, Freed, Inventory, Leftover, Removal, RetentionPolicy, RunEntry
from pipelinekit.domain.values import SLACK_SECONDS, StoredValue
from pipelinekit.engine.upkeep import after, decide, needed_values, oldest_open, removable_runs, shown_values
from pipelinekit.ports import Clock, Documents, ReuseRecords
from pipelinekit.ports.upkeep import BlobUpkeep, FolderUpkeep, UpkeepRecords
from pipelinekit.workspace.references import References


@frozen
class Stores:
    """What upkeep works on. `batch` groups what is done inside it into one transaction.

    `recover` sees to runs that nobody drives.
    `datasets` gives the digests of files and the values that registered datasets hold: they stay.
    `places` names the folders of built environments that stay.
    """

    upkeep: UpkeepRecords
    recover: Callable[[], object]
    reuse: ReuseRecords
    documents: Documents
    batch: Callable[[], AbstractContextManager[None]]
    blobs: BlobUpkeep
    folders: FolderUpkeep
    clock: Clock
    datasets: Callable[[], tuple[set[str], Sequence[StoredValue]]] | None = None
    places: Callable[[], Set[str]] = frozenset


@frozen
class _Decided:
    """What was found and decided while the records stood still."""

    removal: Removal
    documents: dict[str, int]
    logs: int
    marked: set[str]
    oldest: RunEntry | None


class Collector:
    """Cleans a workspace up."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._references = References(stores.blobs, stores.documents)

    def collect(self, policy: RetentionPolicy, *, dry: bool = False) -> Collection:
        """Remove what the policy lets go, and what nothing refers to; with `dry` only say what that would be."""
        stores = self._stores
        stores.recover()
        now = stores.clock.now()
        sizes = {entry.digest: entry.size for entry in stores.blobs.blobs()}
        self._references.blobs(needed_values(stores.upkeep.inventory()))  # manifests are read before the lock is taken
        with stores.batch():
            decided = self._decide(policy, now, sizes, dry=dry)
        oldest = decided.oldest
        before = (min(now - policy.grace, oldest.created_at) if oldest else now - policy.grace) - SLACK_SECONDS
        freed = _of_records(decided)
        blobs, kept, young = self._sweep_blobs(decided.marked, before, dry=dry)
        freed += [blobs, *self._sweep_files(before, dry=dry), *self._sweep_folders(before, dry=dry)]
        over = kept.size + young.size - policy.max_size if policy.max_size is not None else 0
        waits = oldest.id if oldest and oldest.created_at < now - policy.grace else ""
        return Collection(tuple(freed), kept, young, decided.removal.removed, max(over, 0), waits)

    def _decide(self, policy: RetentionPolicy, now: float, sizes: dict[str, int], *, dry: bool) -> _Decided:
        upkeep, references = self._stores.upkeep, self._references
        inventory = upkeep.inventory()
        referred = self._referred(inventory, policy, now) if policy.max_size is not None else set()
        removal = decide(inventory, policy, now, sizes, references.contents, referred)
        rest = after(inventory, removal)
        needed = references.documents(rest)
        unneeded = {digest: size for digest, size in upkeep.documents().items() if digest not in needed}
        gone = {run.id for run in rest.runs.values() if run.removed} | set(removal.erased)
        logs = sum(size for place, size in upkeep.logs().items() if place[0] in gone and place not in removal.stays)
        marked = references.blobs(needed_values(rest)) | references.sources(needed)
        marked |= self._registered()
        if not dry:
            upkeep.remove(removal, unneeded)
        return _Decided(removal, unneeded, logs, marked, oldest_open(rest))

    def _registered(self) -> set[str]:
        """Blobs of registered datasets."""
        if self._stores.datasets is None:
            return set()
        digests, values = self._stores.datasets()
        return digests | self._references.blobs(values)

    def _referred(self, inventory: Inventory, policy: RetentionPolicy, now: float) -> set[str]:
        """Blobs that no budget can take: of what kept runs show, and of the code of every run."""
        removed = removable_runs(inventory, policy, now)
        graphs = {run.graph for run in inventory.runs.values() if not run.removed and run.id not in removed}
        values = shown_values(inventory, removed)
        graphs |= inventory.compiled.keys() | {graph for graph, _ in inventory.published}
        sources = self._references.sources(graphs)
        return self._references.blobs(values) | sources | self._registered()

    def _sweep_blobs(self, marked: set[str], before: float, *, dry: bool) -> tuple[Freed, Freed, Freed]:
        store = self._stores.blobs
        entries = {entry.digest: entry for entry in store.blobs()}
        garbage = [entry.digest for entry in entries.values() if entry.digest not in marked]
        if dry:
            going = {digest for digest in garbage if entries[digest].used_at < before}
        else:
            going = set(store.remove((digest for digest in garbage if entries[digest].used_at < before), before))

        def counted(kind: str, digests: Iterable[str]) -> Freed:
            found = [entries[digest].size for digest in digests]
            return Freed(kind, len(found), sum(found))

        young = [digest for digest in garbage if digest not in going]
        kept = [digest for digest in entries if digest in marked]
        return counted("blobs", going), counted("needed", kept), counted("young", young)

    def _sweep_files(self, before: float, *, dry: bool) -> list[Freed]:
        store = self._stores.blobs
        found = [item for item in store.leftovers() if item.kind != "foreign" and item.used_at < before]
        if not dry:
            found = [item for item in found if store.remove_leftover(item, before)]
        return [
            _counted("half-written files", found, "half-written"),
            _counted("damaged files", found, "set aside"),
        ]

    def _sweep_folders(self, before: float, *, dry: bool) -> list[Freed]:
        """Source folders and environments go while the records stand still: no run of them can begin meanwhile."""
        stores = self._stores
        with stores.batch():
            open_runs = [run for run in stores.upkeep.inventory().runs.values() if not run.status.final]
            used = self._references.snapshots(run.graph for run in open_runs)
            places = stores.places() | self._references.environments(run.graph for run in open_runs)
            found = list(stores.folders.leftovers(used, before, places))
            if not dry:
                for item in found:
                    stores.folders.take_away(item)
        if not dry:
            stores.folders.empty()
        return [
            _counted("source folders", found, "source folder"),
            _counted("scratch folders", found, "scratch folder"),
            _counted("built environments", found, "built environment"),
        ]


def _of_records(decided: _Decided) -> list[Freed]:
    removal = decided.removal
    lost = [item.seconds for item in removal.revoked]
    return [
        Freed("runs", len(removal.removed)),
        Freed("reusable results", len(lost), seconds=sum(lost)),
        Freed("documents", len(decided.documents), sum(decided.documents.values())),
        Freed("logs", int(decided.logs > 0), decided.logs),
    ]


def _counted(name: str, leftovers: Iterable[Leftover], kind: str) -> Freed:
    sizes = [item.size for item in leftovers if item.kind == kind]
    return Freed(name, len(sizes), sum(sizes))
