"""Checks of a workspace: the rules of its records, every document and blob that these name, every file in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

from pipelinekit.classes import field, frozen, mutable
from pipelinekit.domain.digests import digest, digest_bytes
from pipelinekit.domain.texts import counted
from pipelinekit.domain.upkeep import Inventory, Removal, StoreFault
from pipelinekit.domain.values import SLACK_SECONDS
from pipelinekit.engine.checking import Order, mended_claims, order_of, record_faults, unowned_keys
from pipelinekit.engine.upkeep import shown_completions
from pipelinekit.errors import PipelinekitError
from pipelinekit.wire.graphs import parse_graph
from pipelinekit.wire.values import loads
from pipelinekit.workspace.references import References
from pipelinekit.workspace.upkeep import Stores

Progress = Callable[[int, int, int], None]  # blobs read, bytes read, blobs in all


@mutable
class _Findings:
    """What is wrong, as far as it can be mended."""

    faults: list[StoreFault] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    documents: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)


@frozen
class _Owners:
    """Who names each blob, in words, and the keys of the reusable results among them."""

    words: dict[str, list[str]]
    keys: dict[str, set[str]]
    snapshots: dict[str, set[str]]


class Checker:
    """Finds out whether everything in a workspace is as it has to be, and mends what can be mended."""

    def __init__(self, stores: Stores, grace: float) -> None:
        self._stores = stores
        self._grace = grace

    def check(self, *, quick: bool = False, repair: bool = False, progress: Progress | None = None) -> list[StoreFault]:
        """Every fault. With `quick` blobs are looked for, but not read; with `repair` faults are mended as they say."""
        stores = self._stores
        if repair:
            stores.recover()
        found = _Findings([StoreFault("I13", "records", words, _DATABASE_HINT) for words in stores.upkeep.damages()])
        with stores.batch():
            inventory = stores.upkeep.inventory()
            histories = stores.upkeep.histories()
        found.faults += record_faults(inventory, histories, self._orders(inventory))
        found.keys |= unowned_keys(inventory)
        references = References(stores.blobs, stores.documents)
        self._check_documents(inventory, references, found)
        self._check_blobs(inventory, references, found, None if quick else progress or _silent)
        self._check_files(found)
        if repair:
            self._repair(inventory, references, found)
        return found.faults

    def _orders(self, inventory: Inventory) -> dict[str, Order]:
        """The order of every graph that can be read; those that cannot are told as documents."""
        wanted = {run.graph for run in inventory.runs.values() if run.graph and not run.removed}
        found = {}
        for name, text in self._stores.documents.get(wanted).items():
            with suppress(PipelinekitError):
                found[name] = order_of(parse_graph(text, f"graph {name}"))
        return found

    # -- documents ---------------------------------------------------------------------------------------------------

    def _check_documents(self, inventory: Inventory, references: References, found: _Findings) -> None:
        """I5: every document is there and is what its digest says."""
        documents = self._stores.documents
        graphs = references.graphs(inventory)
        keys = {item.key for item in inventory.completions if item.reusable}
        for wanted, part in ((graphs, ""), (keys, "key")):
            texts = documents.get(wanted)
            self._note_documents(wanted, texts, part, found)
        bodies = {key: _body(text) for key, text in documents.get(keys).items()}
        definitions = {body["key"]["definition"] for body in bodies.values() if body.get("key")}
        self._note_documents(definitions, documents.get(definitions), "definition", found)
        for item in inventory.completions:
            named = bodies.get(item.key, {}).get("key", {}).get("definition")
            if item.reusable and (item.key in found.documents or named in found.documents or named is None):
                found.keys.add(item.key)

    def _note_documents(self, wanted: set[str], kept: Mapping[str, str], part: str, found: _Findings) -> None:
        kind = {"": "graph", "key": "key document", "definition": "definition"}[part]
        mend = "its steps are made again" if part else ""
        for name in sorted(wanted):
            if name not in kept:
                hint = "run the pipeline from its source: this writes it again"
                found.faults.append(StoreFault("I5", f"{kind} {name}", "it is not in the records", hint, mend))
                found.documents.add(name)
            elif _document_digest(kept[name], part) != name:
                hint = "run the pipeline from its source: this writes it again"
                words = "it is removed" + (f", and {mend}" if mend else "")
                found.faults.append(StoreFault("I5", f"{kind} {name}", "it is not what its digest says", hint, words))
                found.documents.add(name)

    # -- blobs -------------------------------------------------------------------------------------------------------

    def _check_blobs(
        self, inventory: Inventory, references: References, found: _Findings, progress: Progress | None
    ) -> None:
        """I2 and I9: every blob that is named is there, and every blob that is there is what its name says."""
        store = self._stores.blobs
        entries = {entry.digest: entry.size for entry in store.blobs()}
        if progress is not None:
            read = 0
            for number, blob in enumerate(sorted(entries), start=1):
                if store.verify(blob) == "damaged":
                    found.damaged.add(blob)
                read += entries[blob]
                progress(number, read, len(entries))
        owners = self._owners(inventory, references)
        missing = owners.words.keys() - entries.keys()
        if missing:  # what was removed or stored meanwhile is no fault
            fresh = self._owners(self._stores.upkeep.inventory(), references)
            missing = {blob for blob in missing & fresh.words.keys() if store.verify(blob) == "missing"}
        for blob in sorted(found.damaged):
            words = "its bytes are not what its name says"
            found.faults.append(_blob_fault("I9", blob, words, owners, "it is set aside"))
        for blob in sorted(missing):
            if blob in inventory.losses and not owners.keys.get(blob):
                words = f"it was lost, and with it {_listed(owners.words[blob])}"
                found.faults.append(StoreFault("I2", f"blob {blob}", words, note=True))
            else:
                found.faults.append(_blob_fault("I2", blob, "it is not in the store", owners, "the loss is noted"))
        found.lost = {blob for blob in missing | found.damaged if blob in owners.words}
        for blob in missing | found.damaged:
            found.keys |= owners.keys.get(blob, set())

    def _owners(self, inventory: Inventory, references: References) -> _Owners:
        """Who names each blob: runs, results, code, and datasets that came out of runs; others are fetched again."""
        found = _owners(inventory, references)
        for value in self._stores.datasets()[1] if self._stores.datasets else ():
            for blob in references.contents(value):
                found.words.setdefault(blob, []).append("a registered dataset")
        return found

    def _check_files(self, found: _Findings) -> None:
        """I9: nothing lies in the store that does not belong there, and nothing half-written is old."""
        before = self._stores.clock.now() - self._grace - SLACK_SECONDS
        for item in self._stores.blobs.leftovers():
            where = f"file {item.path} in the store"
            if item.kind == "foreign":
                found.faults.append(StoreFault("I9", where, "it is no blob", "move it away", "it is set aside"))
            elif item.kind == "half-written" and item.used_at < before:
                words = "whoever wrote it is gone"
                found.faults.append(StoreFault("I9", where, words, "'pipelinekit gc' removes it", "it is removed"))

    # -- repair ------------------------------------------------------------------------------------------------------

    def _repair(self, inventory: Inventory, references: References, found: _Findings) -> None:
        """Set damage aside and take back what stands on it; what is fine is not touched."""
        stores = self._stores
        owners = self._owners(inventory, references)
        for snapshot in {name for blob in found.damaged for name in owners.snapshots.get(blob, ())}:
            stores.folders.forget_source(snapshot)
        for blob in found.damaged:
            stores.blobs.discard(blob)
        with stores.batch():
            stores.reuse.revoke(sorted(found.keys), "it names a blob that is damaged or missing")
            stores.upkeep.end_claims(mended_claims(inventory))
            stores.upkeep.remove(Removal(), found.documents)
            stores.upkeep.lose(found.lost)
            present = {entry.digest for entry in stores.blobs.blobs()}
            stores.upkeep.regain(inventory.losses & present)
        before = stores.clock.now() - self._grace - SLACK_SECONDS
        for item in list(stores.blobs.leftovers()):
            if item.kind == "foreign":
                stores.blobs.set_aside(item)
            elif item.kind == "half-written":
                stores.blobs.remove_leftover(item, before)
        stores.folders.empty()


_DATABASE_HINT = "restore the records from a backup; blobs are not concerned"


def _silent(*_: int) -> None:
    """Nobody looks."""


def _body(text: str) -> dict[str, dict[str, str]]:
    try:
        body = loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _document_digest(text: str, part: str) -> str:
    """The digest of a kept document: of a graph its text, of others their keyed part."""
    if not part:
        return digest_bytes(text.encode("utf-8", "replace"))
    try:
        return digest(_body(text)[part])
    except (KeyError, TypeError):
        return ""


def _owners(inventory: Inventory, references: References) -> _Owners:
    """Who names what: runs that are not removed, what they show, results that may be reused, snapshots of graphs."""
    words: dict[str, list[str]] = {}
    keys: dict[str, set[str]] = {}
    snapshots: dict[str, set[str]] = {}
    for blob, owner in _named(inventory, references):
        words.setdefault(blob, []).append(owner)
    for item in inventory.completions:
        if item.reusable:
            for blob in references.blobs(item.outputs):
                keys.setdefault(blob, set()).add(item.key)
    for snapshot in references.snapshots(references.graphs(inventory)):
        for blob in (snapshot, *references.tree(snapshot)):
            words.setdefault(blob, []).append(f"the code of snapshot {snapshot}")
            snapshots.setdefault(blob, set()).add(snapshot)
    return _Owners(words, keys, snapshots)


def _named(inventory: Inventory, references: References) -> Iterator[tuple[str, str]]:
    kept = [run for run in inventory.runs.values() if not run.removed]
    shown = shown_completions(inventory, [run.id for run in kept])
    for item in inventory.completions:
        if item.reusable or (item.run, item.step, item.attempt) in shown:
            for blob in references.blobs(item.outputs):
                yield blob, f"an output of step {item.step!r} of run {item.run}"
    for run in kept:
        for blob in references.blobs(run.values):
            yield blob, f"a value of run {run.id}"


def _blob_fault(rule: str, blob: str, what: str, owners: _Owners, mend: str) -> StoreFault:
    named = owners.words.get(blob)
    words = f"{what}; it is {_listed(named)}" if named else f"{what}; nothing refers to it"
    steps = len(owners.keys.get(blob, ()))
    if steps:
        mend += f", and {counted(steps, 'result')} not reused any more: the next run makes it again"
    elif named:
        mend += "; running the pipeline from its source brings it back, if it is the same still"
    return StoreFault(rule, f"blob {blob}", words, "'pipelinekit fsck --repair'", mend)


def _listed(words: Iterable[str]) -> str:
    found = list(dict.fromkeys(words))
    return found[0] if len(found) == 1 else f"{found[0]} (and {len(found) - 1} more)"
