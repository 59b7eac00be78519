"""Datasets as inputs of runs: from a reference to stored values, as what a step asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pipelinekit.classes import replace
from pipelinekit.domain.datasets import (
    FILE,
    INPUT,
    LATEST,
    Dataset,
    DatasetDefinition,
    DatasetFile,
    DatasetUse,
    DatasetVersion,
    Reference,
    label_of,
    parse_reference,
)
from pipelinekit.domain.datastores import fixed_part
from pipelinekit.domain.snapshots import Tree, TreeEntry, parse_manifest
from pipelinekit.domain.types import PathRef
from pipelinekit.domain.values import StoredValue, file_digest, file_suffix, folder_digest, list_of, tabular
from pipelinekit.errors import FaultyError, UsageError
from pipelinekit.ports import Blobs
from pipelinekit.ports.datasets import DatasetRecords
from pipelinekit.workspace.dataset_files import DatasetFiles, tree_of

if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object

ARROW: dict[str, Any] = {
    "format": "arrow",
    "options": {},
    "partitioning": "",
    "types": {},
}  # how a step's own table is read


class Notes(Protocol):
    """Where is said what is worth knowing."""

    def __call__(self, words: str) -> object:
        """Say it."""


class DatasetInputs:
    """Gives the values of references of one run: what `latest` means is looked up once, and so are files."""

    def __init__(self, records: DatasetRecords, files: Callable[[], DatasetFiles], blobs: Blobs, note: Notes) -> None:
        self._records = records
        self._files = files
        self._blobs = blobs
        self._note = note
        self._versions: dict[tuple[str, int], DatasetVersion] = {}
        self._ensured: set[tuple[str, int]] = set()

    def value(self, ref: PathRef, *, keep: bool) -> StoredValue:
        """The value of a reference, as what it is asked for; with `keep` all its bytes are in the store then."""
        reference = parse_reference(ref.path)
        version = self._unregistered(reference, ref.dataset) if reference.source else self._version(reference)
        return self.value_of(version, reference, ref.dataset, keep=keep)

    def _unregistered(self, reference: Reference, form: str) -> DatasetVersion:
        """What lies in a datastore now, as a version of its own that nobody registers."""
        source = reference.source
        assert source is not None
        place = (f"{reference.name} {reference.seen} {form}", LATEST)
        if place not in self._versions and reference.seen:
            self._versions[place] = self._seen(reference, form)
        if place not in self._versions:
            try:
                listing = self._files().listing([source])
            except FaultyError as error:
                raise UsageError(error.faults[0].message, hint=error.faults[0].hint) from None
            definition = Dataset.file([source])
            if form in ("table", "tables"):
                definition = _table_in(listing.files[0].path)
            tree = tree_of(listing.files)
            self._versions[place] = DatasetVersion(
                reference.name,
                LATEST,
                replace(definition, sources=(source,)),
                tree.digest(),
                tuple(listing.files),
                len(listing.files),
                tree.size,
                listing.single,
            )
        return self._versions[place]

    def _seen(self, reference: Reference, form: str) -> DatasetVersion:
        """What somebody saw in a datastore, as it is kept in the store."""
        if self._blobs.missing([reference.seen]):
            raise UsageError(
                f"what was seen at {reference.name} ({reference.seen}) is not in the workspace's store any more",
                hint=f"name what lies there now: {reference.name}",
            )
        version = seen_version(reference, parse_manifest(self._blobs.read(reference.seen)))
        if form not in ("table", "tables"):
            return version
        if not version.files:
            raise UsageError(f"there was no file at {reference.name}, and a table is asked for")
        return replace(
            version, definition=replace(_table_in(version.files[0].path), sources=version.definition.sources)
        )

    def _version(self, reference: Reference) -> DatasetVersion:
        place = (reference.name, reference.version)
        if place not in self._versions:
            found = self._records.get(*place)
            self._versions[place] = self._versions.setdefault((found.name, found.version), found)
        return self._versions[place]

    def value_of(self, version: DatasetVersion, reference: Reference, form: str, *, keep: bool) -> StoredValue:
        """A version as a table, a file, a folder, a list of its files, or as what it is."""
        place = (version.name, version.version)
        if version.files and place not in self._ensured:
            if words := self._files().ensure(version, keep=keep):
                self._note(words)
            self._ensured.add(place)
        maker = _Maker(self._blobs, version, reference, keep=keep)
        if form in ("file", "folder", "files", "path"):
            maker.check_files()
        match form:
            case "table":
                return maker.table()
            case "file":
                return maker.file()
            case "folder":
                return maker.folder()
            case "files":
                return list_of(maker.files())
            case "tables":
                return list_of(maker.tables())
            case "path":
                return maker.file() if version.single else maker.folder()
            case _:
                return maker.whole()

    def pinned(self, named: Sequence[tuple[str, PathRef]]) -> tuple[tuple[str, PathRef], ...]:
        """References by the place that named them, each with the version that it was found to mean."""
        found = []
        for place, ref in named:
            reference = parse_reference(ref.path)
            if reference.source is not None:
                found.append((place, PathRef(reference.name, False, "any")))
                continue
            version = self._version(reference)
            found.append((place, PathRef(version.label, False, "any")))
        return tuple(dict.fromkeys(found))

    def note(self, run: str, pinned: Sequence[tuple[str, PathRef]]) -> None:
        """Record which versions a run takes in, in the transaction that records the run."""
        uses = []
        for place, ref in pinned:
            reference = parse_reference(ref.path)
            uses.append(DatasetUse(run, reference.name, reference.version, INPUT, place))
        self._records.use(uses)

    def uses(self, run: str) -> Sequence[DatasetUse]:
        """Which versions a run took in, and which it gave out."""
        return self._records.uses(run=run)

    def taken(self, run: str) -> tuple[tuple[str, PathRef], ...]:
        """What a run took in, as another run of the same values notes it."""
        uses = [use for use in self.uses(run) if use.direction == INPUT]
        return tuple((use.place, PathRef(label_of(use.name, use.version), False, "any")) for use in uses)


def seen_version(reference: Reference, tree: Tree) -> DatasetVersion:
    """Files that were seen in a datastore, at paths below the folder that the reference means, as a version."""
    source = reference.source
    assert source is not None
    parent, _, name = source.path.rpartition("/")
    single = [entry.path for entry in tree.entries] == [name]
    base = parent if single else fixed_part(source.path)
    files = tuple(
        DatasetFile(entry.path, source.store, f"{base}/{entry.path}" if base else entry.path, entry.size, entry.digest)
        for entry in tree.entries
    )
    definition = replace(Dataset.file([source]), sources=(source,))
    return DatasetVersion(reference.name, LATEST, definition, tree.digest(), files, len(files), tree.size, single)


def _table_in(path: str) -> DatasetDefinition:
    try:
        return Dataset.tabular(path)
    except UsageError as error:
        hint = "register it as a dataset: 'pipelinekit datasets register NAME PATH --store DATASTORE --format FORMAT'"
        raise UsageError(error.message, hint=hint) from None


class _Maker:
    """Makes values of one version."""

    def __init__(self, blobs: Blobs, version: DatasetVersion, reference: Reference, *, keep: bool) -> None:
        self._blobs = blobs
        self._version = version
        self._recipe = [list(item) for item in reference.recipe]
        self._keep = keep
        if self._recipe and not self._is_table:
            raise UsageError(f"{version.label} is no table, and cannot be transformed")

    def check_files(self) -> None:
        """Refuse to give files where a table is meant that is not what its files hold."""
        if self._is_table and self._reading()["recipe"]:
            raise UsageError(
                f"{self._version.label} is transformed, and its files are asked for", hint="take it as a table"
            )

    @property
    def _is_table(self) -> bool:
        return self._version.definition.kind != FILE

    def whole(self) -> StoredValue:
        """What it is."""
        if self._is_table:
            return self.table()
        if self._version.value is not None:
            return self._version.value
        return self.file() if self._version.single else self.folder()

    def table(self) -> StoredValue:
        """A table; one that a step made is the very value that the step gave."""
        version = self._version
        if not self._is_table:
            raise UsageError(
                f"{version.label} is a file dataset, and a table is asked for",
                hint="take it as File, Folder or Path, or register it with Dataset.tabular(...)",
            )
        if version.value is not None and version.value.format in ("arrow", "tabular") and not self._recipe:
            return version.value
        return tabular(self._folder(self._tree()), self._reading())

    def file(self) -> StoredValue:
        """A file, where there is only one."""
        entries = self._tree().entries
        if len(entries) != 1:
            raise UsageError(
                f"{self._version.label} has {len(entries)} files, and one file is asked for",
                hint="take it as Folder, or as list[File]",
            )
        return _file(entries[0])

    def folder(self) -> StoredValue:
        """A folder of all files."""
        return self._folder(self._tree())

    def files(self) -> list[StoredValue]:
        """Each file, in the order of their paths."""
        return [_file(entry) for entry in self._tree().entries]

    def tables(self) -> list[StoredValue]:
        """Each file as a table of its own."""
        if not self._is_table:
            raise UsageError(
                f"{self._version.label} is a file dataset, and tables are asked for",
                hint="map over its files with a step that takes File, or register it with Dataset.tabular(...)",
            )
        if any(item[0] in ("take", "skip", "sample") for item in self._reading()["recipe"]):
            raise UsageError(f"{self._version.label} cannot be taken file by file: its rows are chosen over all files")
        if self._version.value is not None and self._version.value.format == "list" and not self._recipe:
            return list(self._version.value.items)
        return [tabular(self._folder(Tree((entry,))), self._reading()) for entry in self._tree().entries]

    def _reading(self) -> dict[str, Any]:
        if self._version.value is not None:
            value = self._version.value
            known = value.items[1].data() if value.format == "tabular" else {**ARROW, "recipe": []}
            return {**known, "recipe": [*known["recipe"], *self._recipe]}
        return self._version.reading([tuple(item) for item in self._recipe])

    def _folder(self, tree: Tree) -> StoredValue:
        manifest = tree.digest()
        if self._keep and self._blobs.missing([manifest]):
            self._blobs.put(tree.manifest())
        return StoredValue(folder_digest(manifest), "folder", tree.size, manifest)

    def _tree(self) -> Tree:
        value = self._version.value
        return tree_of(self._version.files) if value is None else tree_of_value(value, self._blobs)


def tree_of_value(value: StoredValue, blobs: Blobs) -> Tree:
    """The files of a value that a step gave: of a folder its own, else one that is named after what it holds.

    Those of a mapped step are numbered, so that they come in the order of its elements.
    """
    return Tree.of(_entries(value, blobs, ""))


def _entries(value: StoredValue, blobs: Blobs, stem: str) -> Iterator[TreeEntry]:
    match value.format:
        case "list":
            for number, item in enumerate(value.items):
                yield from _entries(item, blobs, f"{number:05}")
        case "tabular":
            yield from _entries(value.items[0], blobs, stem)
        case "folder":
            for entry in parse_manifest(blobs.read(value.blob)).entries:
                yield replace(entry, path=f"{stem}/{entry.path}") if stem else entry
        case "arrow":
            yield TreeEntry(f"{stem or 'table'}.arrow", value.blob, value.size)
        case _:
            yield TreeEntry(f"{stem or 'file'}{value.suffix}", value.blob, value.size)


def _file(entry: TreeEntry) -> StoredValue:
    suffix = file_suffix(entry.path.rpartition("/")[2])
    return StoredValue(file_digest(entry.digest, suffix), "file", entry.size, entry.digest, suffix=suffix)
