"""Datasets in a workspace: register, look, read, follow."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from pipelinekit.classes import replace
from pipelinekit.domain.datasets import (
    LATEST,
    TABULAR,
    Dataset,
    DatasetDefinition,
    DatasetUse,
    DatasetVersion,
    Drift,
    FilesOf,
    Profile,
    Reference,
    parse_reference,
    parse_version,
)
from pipelinekit.domain.names import check_name
from pipelinekit.domain.recipes import Operation, Transformations
from pipelinekit.domain.snapshots import Tree, parse_manifest
from pipelinekit.domain.types import PathRef
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import ConflictError, UsageError
from pipelinekit.formats import loading
from pipelinekit.formats.paths import place_file, place_folder
from pipelinekit.late import late
from pipelinekit.ports import Blobs, Clock
from pipelinekit.ports.datasets import DatasetRecords
from pipelinekit.wire.values import dumps, loads, value_from_json, value_to_json
from pipelinekit.workspace.dataset_files import DatasetChangedError, DatasetFiles, tree_of
from pipelinekit.workspace.dataset_inputs import DatasetInputs

if TYPE_CHECKING:
    import dask.dataframe as dask_dataframe
    import pyarrow as pa
    import pyarrow.dataset as arrow_dataset
    import pyarrow.parquet as parquet

    from pipelinekit.domain import run_queries
    from pipelinekit.formats import profiles, tables, tabular
    from pipelinekit.workspace.datastores import Progress
else:
    dask_dataframe = late("dask.dataframe")
    pa = late("pyarrow")
    arrow_dataset = late("pyarrow.dataset")
    parquet = late("pyarrow.parquet")
    tables = late("pipelinekit.formats.tables")
    profiles = late("pipelinekit.formats.profiles")
    run_queries = late("pipelinekit.domain.run_queries")
    tabular = late("pipelinekit.formats.tabular")

PARTS = 4  # of a table that dask cannot read file by file


class Owner(Protocol):
    """What handles of versions are read through: the datasets of a workspace, or those of a server."""

    @property
    def blobs(self) -> Blobs:
        """What is stored."""

    def value(self, dataset: RegisteredDataset, form: str) -> StoredValue:
        """The value of a version, whose bytes are all in the store then."""

    def head(self, dataset: RegisteredDataset, count: int) -> Any:
        """The first rows of its table."""

    def profiled(self, record: DatasetVersion) -> DatasetVersion:
        """A version with its profile."""


class RegisteredDataset(Transformations):
    """A version of a dataset, with what is done to its table. Given to a pipeline, it stays this version."""

    def __init__(self, version: DatasetVersion, owner: Owner, recipe: tuple[Operation, ...] = ()) -> None:
        self.record = version
        self._owner = owner
        self._recipe = recipe

    def _with(self, operation: Operation) -> Self:
        if self.record.definition.kind != TABULAR:
            raise UsageError(f"{self.record.label} is no table: {operation[0]} is for tabular datasets")
        return type(self)(self.record, self._owner, (*self._recipe, operation))

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def version(self) -> int:
        """The number of the version."""
        return self.record.version

    @property
    def kind(self) -> str:
        """`file` or `tabular`."""
        return self.record.definition.kind

    @property
    def profile(self) -> Profile | None:
        """What was found in the table when it was looked through, transformations of this handle aside."""
        return self._owner.profiled(self.record).profile

    @property
    def reference(self) -> Reference:
        """How it is named."""
        return Reference(self.record.name, self.record.version, self._recipe)

    @property
    def path_ref(self) -> PathRef:
        """How a pipeline names it."""
        return PathRef(self.reference.text(), False, "any")

    @property
    def files(self) -> Any:
        """Its files as a list, to be mapped over."""
        return FilesOf(self.reference)

    # -- reading -----------------------------------------------------------------------------------------------------

    def to_arrow(self) -> Any:
        """The table as a `pyarrow.Table`."""
        return self._scanned(lambda scan: scan.table())

    def to_pandas(self) -> Any:
        """The table as a `pandas.DataFrame`."""
        return self.to_arrow().to_pandas()

    def head(self, count: int = 10) -> Any:
        """The first rows as a `pyarrow.Table`, without reading the others where that is possible."""
        return self._owner.head(self, count)

    def to_dask(self) -> Any:
        """The table as a `dask.dataframe.DataFrame`, read file by file when it is computed."""
        if any(item[0] in ("take", "skip", "sample") for item in (*self.record.definition.recipe, *self._recipe)):
            return dask_dataframe.from_pandas(self.to_pandas(), npartitions=PARTS)
        values = self._owner.value(self, "tables")
        meta = self.head(0).to_pandas()
        reader = _PartReader(self._owner.blobs)
        return dask_dataframe.from_map(reader, [dumps(value_to_json(item)) for item in values.items], meta=meta)

    @property
    def tree(self) -> Tree:
        """Its files by their paths, whose bytes are all in the store then."""
        return parse_manifest(self._owner.blobs.read(self._owner.value(self, "folder").blob))

    def download(self, target: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Copy its files into a folder; their paths there. A file that is there already is an error, or overwritten."""
        root, tree = Path(target), self.tree
        there = [entry.path for entry in tree.entries if os.path.lexists(root / entry.path)]
        if there and not overwrite:
            raise ConflictError(
                f"{root / there[0]} is there already", hint="choose another folder, or overwrite=True (--overwrite)"
            )
        for entry in tree.entries:
            place = root / entry.path
            place.unlink(missing_ok=True)
            place_file(entry.digest, place, self._owner.blobs, executable=entry.executable, share=False)
        return [root / entry.path for entry in tree.entries]

    def _scanned(self, action: Callable[[Any], Any]) -> Any:
        value = self._owner.value(self, "table")
        if value.format == "arrow":
            return action(
                tabular.Scan(loading.load_value(value, arrow_dataset.Dataset, self._owner.blobs, Path("unused")))
            )
        reading = value.items[1].data()
        with tempfile.TemporaryDirectory(prefix="pipelinekit-") as folder:
            tree = place_folder(value.items[0].blob, Path(folder, "files"), self._owner.blobs)
            scan = tabular.scan(Path(folder, "files"), [entry.path for entry in tree.entries], reading)
            return _told(lambda: action(scan), reading, Path(folder, "files"))

    def __repr__(self) -> str:
        return f"<dataset {self.reference.text()}>"


def _told(action: Callable[[], Any], reading: Mapping[str, Any], folder: Path) -> Any:
    try:
        return action()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise tabular.unreadable(error, reading, folder) from None


class _PartReader:
    """Reads one file of a dataset for dask; it is given as JSON, which dask can tell from others."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def __call__(self, text: str) -> Any:
        with tempfile.TemporaryDirectory(prefix="pipelinekit-") as folder:
            table = loading.load_value(value_from_json(loads(text)), None, self._blobs, Path(folder, "files"))
            return table.to_pandas()

    def __dask_tokenize__(self) -> str:
        return "pipelinekit.datasets"


class DatasetCollection:
    """The datasets of a workspace. `batch` groups what is written inside it into one transaction."""

    def __init__(
        self,
        records: DatasetRecords,
        files: DatasetFiles,
        inputs: Callable[[], DatasetInputs],
        blobs: Blobs,
        clock: Clock,
    ) -> None:
        self._records = records
        self._files = files
        self._inputs = inputs
        self.blobs = blobs
        self._clock = clock

    def register(
        self,
        name: str,
        definition: DatasetDefinition,
        *,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        create_new_version: bool = False,
        exist_ok: bool = False,
        profile: bool = True,
        progress: Progress | None = None,
    ) -> RegisteredDataset:
        """Register what a definition means now, as a version of a name.

        Every file is told by content; a table is looked through once, unless `profile` is off. A name that is there is
        a conflict, unless a new version is to be created. So is a definition that is registered already with the same
        content; with `exist_ok` that version is given then, if it is one of this name.
        """
        check_name("dataset", name)
        if not isinstance(definition, DatasetDefinition):
            raise UsageError(
                f"a dataset cannot be made of a {type(definition).__name__}",
                hint="define it with Dataset.file(...) or Dataset.tabular(...)",
            )
        if not create_new_version and not exist_ok and self._records.list(name):
            newest = self._records.get(name)
            raise _taken(newest)
        definition = replace(definition, sources=tuple(map(self._files.placed, definition.sources)))
        listing = self._files.listing(definition.sources, progress)
        tree = tree_of(listing.files)
        version = DatasetVersion(
            name,
            0,
            definition,
            tree.digest(),
            tuple(listing.files),
            len(listing.files),
            tree.size,
            listing.single,
            description=description,
            tags=run_queries.check_pairs("tags", tags),
            created_at=self._clock.now(),
        )
        if definition.kind == TABULAR:
            version = self._surveyed(version, profile=profile)
        try:
            return RegisteredDataset(self._records.add(version, grow=create_new_version), self)
        except ConflictError as error:
            if exist_ok and error.fields.get("name") == name and self._is_same(version, error.fields["version"]):
                return self.get(name, error.fields["version"])
            raise

    def register_table(
        self,
        name: str,
        table: Any,
        *,
        store: str = "",
        folder: str = "",
        description: str = "",
        tags: Mapping[str, str] | None = None,
        create_new_version: bool = False,
        exist_ok: bool = False,
    ) -> RegisteredDataset:
        """Write a table (pyarrow, pandas, polars or dask) as Parquet to a datastore, and register it.

        It goes to the default datastore unless `store` names one, into `folder`, or one that is named as the dataset.
        """
        check_name("dataset", name)
        found = tables.to_arrow(table.compute() if hasattr(table, "dask") else table)
        target = f"{(folder or name).strip('/')}/{tables.table_digest(found).rpartition(':')[2]}.parquet"
        with tempfile.TemporaryDirectory(prefix="pipelinekit-") as scratch:
            written = Path(scratch, "table.parquet")
            parquet.write_table(found, written)
            place = self._files.put(store, target, written)
        return self.register(
            name,
            Dataset.tabular(place),
            description=description,
            tags=tags,
            create_new_version=create_new_version,
            exist_ok=exist_ok,
        )

    def _is_same(self, version: DatasetVersion, number: int) -> bool:
        known = self._records.get(version.name, number)
        return known.content == version.content and known.definition.digest() == version.definition.digest()

    def get(self, name: str, version: int | str = LATEST) -> RegisteredDataset:
        """A version of a dataset, the newest by default; `name` may be `sales@3`. Raises NotFoundError."""
        reference = parse_reference(name)
        number = parse_version(version, name) or reference.version
        return RegisteredDataset(self._records.get(reference.name, number), self, reference.recipe)

    def list(self, name: str = "") -> list[RegisteredDataset]:
        """The newest version of every dataset, or all versions of one, newest first."""
        found = self._records.list(name)
        if name:
            return [RegisteredDataset(self._records.get(item.name, item.version), self) for item in found]
        newest: dict[str, DatasetVersion] = {}
        for item in found:
            newest.setdefault(item.name, item)
        return [RegisteredDataset(self._records.get(item.name, item.version), self) for item in newest.values()]

    def update(
        self,
        name: str,
        version: int | str = LATEST,
        *,
        description: str | None = None,
        add_tags: Mapping[str, str] | None = None,
        remove_tags: tuple[str, ...] = (),
    ) -> RegisteredDataset:
        """Change what is said of a version. To add a tag that is there is an error, and to remove one that is not."""
        record = self.get(name, version).record
        tags = dict(record.tags)
        for tag in remove_tags:
            if tag not in tags:
                raise UsageError(f"{record.label} has no tag {tag!r}")
            del tags[tag]
        for tag, value in (add_tags or {}).items():
            if tag in tags:
                raise ConflictError(f"{record.label} has a tag {tag!r} already", hint="remove it first")
            tags[tag] = value
        changed = replace(record, tags=tags, description=record.description if description is None else description)
        self._records.update(changed)
        return RegisteredDataset(changed, self)

    def unregister(self, name: str, version: int | str = LATEST) -> int:
        """Forget a version, or all of a name; how many. What the files hold is not touched."""
        reference = parse_reference(name)
        return self._records.remove(reference.name, parse_version(version, name) or reference.version)

    def check(self, name: str, version: int | str = LATEST) -> Drift:
        """What lies where a version was found and is not what it holds. Of a version that a run gave there is nothing.

        The version itself stays what it is.
        """
        return self._files.drift(self.get(name, version).record)

    def lineage(self, name: str = "", version: int | str = LATEST, *, run: str = "") -> Sequence[DatasetUse]:
        """Which runs took a dataset in or gave it out; with `run` which datasets that run did.

        `datastore:raw/2024` is what runs took in as files that nobody registered.
        """
        reference = parse_reference(name) if name else Reference("")
        number = parse_version(version, name) or reference.version
        if name and reference.source is None:
            self._records.get(reference.name, number)
        return self._records.uses(run=run, name=reference.name, version=number)

    # -- values ------------------------------------------------------------------------------------------------------

    def value(self, dataset: RegisteredDataset, form: str) -> StoredValue:
        """The value of a version, whose bytes are all in the store then."""
        return self._inputs().value_of(dataset.record, dataset.reference, form, keep=True)

    def head(self, dataset: RegisteredDataset, count: int) -> Any:
        """The first rows of a table."""
        return dataset._scanned(lambda scan: scan.head(count))  # noqa: SLF001 - its own

    def profiled(self, record: DatasetVersion) -> DatasetVersion:
        """A version with its profile, which is made where it is not there yet: of tables that came out of runs."""
        if record.profile is not None or record.definition.kind != TABULAR:
            return record
        handle = RegisteredDataset(record, self)
        found = replace(record, profile=handle._scanned(lambda scan: profiles.profile(scan.schema, scan.batches())))  # noqa: SLF001 - its own
        self._records.update(found)
        return found

    def _surveyed(self, version: DatasetVersion, *, profile: bool) -> DatasetVersion:
        """A version with the types of its columns, and what is found when it is looked through."""
        given = version.definition.options.get("types", {})
        tabular.check_types(given)
        reading = version.reading()
        with self._laid_out(version) as folder:
            names = [item.path for item in version.files]
            plain = tabular.scan(folder, names, {**reading, "recipe": []})
            unknown = [name for name in given if name not in plain.names]
            if unknown:
                raise UsageError(
                    f"the table has no column {unknown[0]!r}", hint=f"its columns: {', '.join(plain.names)}"
                )
            guessed = version.definition.format in ("csv", "json")
            types = tabular.column_types(plain.schema, given) if guessed else {}
            found = replace(version, types=types)
            scan = tabular.scan(folder, names, found.reading())
            if profile:
                made = _told(lambda: profiles.profile(scan.schema, scan.batches()), reading, folder)
                found = replace(found, profile=made)
            if again := self._files.changed(version):
                raise DatasetChangedError(
                    f"{again} changed while it was read", hint="try again when nothing writes to it"
                )
        return found

    @contextmanager
    def _laid_out(self, version: DatasetVersion) -> Iterator[Path]:
        """The files of a version below one folder: links to where they lie, or to the store."""
        with tempfile.TemporaryDirectory(prefix="pipelinekit-") as root:
            for item in version.files:
                place = Path(root, item.path)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(self._files.place(item))
            yield Path(root)


def _taken(newest: DatasetVersion) -> ConflictError:
    return ConflictError(
        f"there is a dataset {newest.name!r} already; its newest version is {newest.version}",
        hint="choose another name, or make a new version with create_new_version=True (--create-new-version)",
        name=newest.name,
        version=newest.version,
    )
