"""Datasets: what files they are made of, how tables are read from these, and how a pipeline names them.

A *definition* says where files are taken from. A *version* is a definition as it was found at one time: every file
with its digest. A *reference* names a version in a pipeline, or files in a datastore that nobody registered. It is
written as a path that is none (`types.PathRef`), so that it goes wherever a file or folder may go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pipelinekit.classes import field, frozen, replace
from pipelinekit.domain.datastores import check_path, check_store_name
from pipelinekit.domain.digests import digest, is_digest
from pipelinekit.domain.names import check_name
from pipelinekit.domain.recipes import Operation, Transformations, parse_recipe, recipe_text
from pipelinekit.domain.types import DATASET, DATASTORE, PathRef
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import UsageError

FILE, TABULAR = "file", "tabular"
LATEST = 0
LONGEST_VERSION = 9  # digits
INPUT, OUTPUT = "input", "output"
TABLE_FORMATS = ("parquet", "csv", "json", "arrow")
SUFFIXES = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
_MARK, _BAR = "@", "|"


@frozen
class Source:
    """Where files are taken from: a path, folder or pattern in a datastore; without one, absolute on this machine."""

    store: str
    path: str

    @property
    def path_ref(self) -> PathRef:
        """How a pipeline names it."""
        return DataPath(self.store, self.path).path_ref


@frozen
class DatasetDefinition(Transformations):
    """What a dataset is made of, before it is registered; made by `Dataset.file` and `Dataset.tabular`.

    Paths on this machine may be relative until then.
    """

    kind: str
    sources: tuple[Source, ...]
    format: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    partitioning: str = ""
    recipe: tuple[Operation, ...] = ()

    def _with(self, operation: Operation) -> Self:
        if self.kind != TABULAR:
            raise UsageError(f"{operation[0]} is for tabular datasets", hint="define it with Dataset.tabular(...)")
        return replace(self, recipe=(*self.recipe, operation))

    def document(self) -> dict[str, Any]:
        """The definition as plain data."""
        return {
            "kind": self.kind,
            "sources": [[source.store, source.path] for source in self.sources],
            "format": self.format,
            "options": dict(self.options),
            "partitioning": self.partitioning,
            "recipe": [list(item) for item in self.recipe],
        }

    def digest(self) -> str:
        """The identity of the definition, whatever its files hold."""
        return digest(self.document())


def definition_of(document: Mapping[str, Any]) -> DatasetDefinition:
    """A definition from its document."""
    return DatasetDefinition(
        document["kind"],
        tuple(Source(store, path) for store, path in document["sources"]),
        document["format"],
        document["options"],
        document["partitioning"],
        tuple(tuple(item) for item in document["recipe"]),
    )


@frozen
class DatasetFile:
    """One file of a version: `path` is its place in the dataset, `source` its place in the store (or absolute here).

    `mark` is what the store said of its state when it was read.
    """

    path: str
    store: str
    source: str
    size: int
    digest: str
    mark: str = ""


@frozen
class ColumnProfile:
    """What was found in one column. `distinct` is an estimate where it is large; `low` and `high` are texts."""

    name: str
    type: str
    nulls: int = 0
    low: str = ""
    high: str = ""
    distinct: int = 0
    mean: float | None = None


@frozen
class Profile:
    """What was found in a table: its rows, and each of its columns."""

    rows: int
    columns: tuple[ColumnProfile, ...]


@frozen
class DatasetVersion:
    """One version of a registered dataset.

    `files` is left out of lists. `value` is given where the version came out of a run, and lies in the store alone.
    `content` is the digest of all files by their paths. `single` says that the definition names one file, no folder.
    """

    name: str
    version: int
    definition: DatasetDefinition
    content: str = ""
    files: tuple[DatasetFile, ...] = ()
    count: int = 0
    size: int = 0
    single: bool = False
    types: Mapping[str, str] = field(default_factory=dict)
    profile: Profile | None = None
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: float = 0.0
    run: str = ""
    step: str = ""
    value: StoredValue | None = None

    @property
    def label(self) -> str:
        """`name@version`."""
        return label_of(self.name, self.version)

    def reading(self, recipe: Sequence[Operation] = ()) -> dict[str, Any]:
        """How a table is read from the files, as plain data."""
        definition = self.definition
        return {
            "format": definition.format,
            "options": dict(definition.options),
            "partitioning": definition.partitioning,
            "types": dict(self.types),
            "recipe": [list(item) for item in (*definition.recipe, *recipe)],
        }


@frozen
class DatasetUse:
    """A run took a version in (`place` is a parameter) or gave it out (`place` is `step.output`)."""

    run: str
    name: str
    version: int
    direction: str
    place: str = ""


@frozen
class Drift:
    """Files of a version that are not what was registered, that are gone, and others that came, by where they lie."""

    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    new: tuple[str, ...] = ()


# -- naming one --------------------------------------------------------------------------------------------------------


@frozen
class Reference:
    """A version, or the newest when the run starts, with what is done to its table.

    Of files that nobody registered `name` is `datastore:NAME/PATH`, and there are no versions. `seen` is the digest of
    the folder of them that somebody saw there: then these are meant, and not what lies there when the run starts.
    """

    name: str
    version: int = LATEST
    recipe: tuple[Operation, ...] = ()
    seen: str = ""

    @property
    def source(self) -> Source | None:
        """Where the files lie, if nobody registered them."""
        if not self.name.startswith(DATASTORE):
            return None
        store, _, path = self.name.removeprefix(DATASTORE).partition("/")
        return Source(store, path)

    def text(self) -> str:
        """The reference as a text: `sales@3`, `sales@latest`, and what is done to it behind a bar."""
        recipe = _BAR + recipe_text(self.recipe) if self.recipe else ""
        return label_of(self.name, self.version) + (_MARK + self.seen if self.seen else "") + recipe


def label_of(name: str, version: int) -> str:
    """`sales@3`, or `sales@latest`; of files that nobody registered where they lie."""
    return name if name.startswith(DATASTORE) else f"{name}{_MARK}{version or 'latest'}"


def parse_reference(text: str) -> Reference:
    """The reference that a text stands for: `sales`, `sales@3`, `sales@latest`, `datastore:raw/2024`. UsageError.

    `datastore:raw/2024@xxh3:…` are files that somebody saw there.
    """
    label, _, recipe = text.partition(_BAR)
    operations = parse_recipe(recipe) if recipe else ()
    if label.startswith(DATASTORE):
        place, mark, seen = label.rpartition(_MARK)
        if not mark or not is_digest(seen):
            place, seen = label, ""
        store, _, path = place.removeprefix(DATASTORE).partition("/")
        found = DataPath(store, path, operations).reference
        return Reference(found.name, LATEST, operations, seen)
    name, mark, version = label.partition(_MARK)
    check_name("dataset", name)
    return Reference(name, parse_version(version, text) if mark else LATEST, operations)


def parse_version(version: str | int, text: str = "") -> int:
    """A version given as a number, as text or as `latest`. Raises UsageError."""
    words = str(version)
    if words in ("latest", "") or version == LATEST:
        return LATEST
    if not words.isascii() or not words.isdigit() or len(words) > LONGEST_VERSION or int(words) < 1:
        raise UsageError(
            f"{text or words!r} names no version of a dataset", hint="versions are 1, 2, 3 … or 'latest', as in sales@3"
        )
    return int(words)


@frozen
class FilesOf:
    """The files of a dataset as a list, to be mapped over: a new file then costs one new step."""

    reference: Reference

    @property
    def path_ref(self) -> PathRef:
        """How a pipeline names them."""
        return PathRef(self.reference.text(), False, "files")


class _Named(Transformations):
    """Something that a pipeline names."""

    __slots__ = ("reference",)
    reference: Reference

    @property
    def files(self) -> Any:
        """Its files as a list, to be mapped over: `step.map(Dataset("days").files)`."""
        return FilesOf(self.reference)

    @property
    def path_ref(self) -> PathRef:
        """How a pipeline names it."""
        return PathRef(self.reference.text(), False, "any")

    def __repr__(self) -> str:
        return f"<dataset {self.reference.text()}>"


class DataPath(_Named):
    """Files in a datastore that nobody registered: `DataPath("raw", "2024/*.csv")`; a file, a folder or a pattern.

    It may be given to a pipeline, or be a default of one, as a dataset may. What lies there when a run starts is taken.
    """

    __slots__ = ()

    def __init__(self, store: str, path: str = "", _recipe: tuple[Operation, ...] = ()) -> None:
        check_store_name(store)
        inside = path.strip("/")
        if inside and _BAR in check_path(inside):
            raise UsageError(f"path {path!r} has a {_BAR!r}", hint="register a dataset of these files, and use that")
        self.reference = Reference(f"{DATASTORE}{store}/{inside}", LATEST, _recipe)

    def _with(self, operation: Operation) -> Self:
        source = self.reference.source
        assert source is not None
        return type(self)(source.store, source.path, (*self.reference.recipe, operation))


class Dataset(_Named):
    """A registered dataset, named: `Dataset("sales", version=3)`. Without a version the newest when a run starts.

    It may be given to a pipeline, or be a default of one; the step's annotation says as what it arrives. `Dataset.file`
    and `Dataset.tabular` define new ones, for `workspace.datasets.register`.
    """

    __slots__ = ()

    def __init__(self, name: str, version: int | str = LATEST, _recipe: tuple[Operation, ...] = ()) -> None:
        self.reference = Reference(check_name("dataset", name), parse_version(version, name), _recipe)

    def _with(self, operation: Operation) -> Self:
        reference = self.reference
        return type(self)(reference.name, reference.version, (*reference.recipe, operation))

    @staticmethod
    def file(paths: Any) -> DatasetDefinition:
        """Files: a path, folder or pattern (`*`, `?`, `[…]`, `**`), `(datastore, path)`, or a list of these."""
        return DatasetDefinition(FILE, sources_of(paths))

    @staticmethod
    def tabular(
        paths: Any,
        format: str = "",  # noqa: A002 - what everybody calls it
        *,
        delimiter: str = ",",
        header: bool = True,
        columns: Sequence[str] = (),
        encoding: str = "utf8",
        null_values: Sequence[str] = (),
        types: Mapping[str, str] | None = None,
        partitioning: str = "",
    ) -> DatasetDefinition:
        """A table in files, named as in `file`: `format` is `parquet`, `csv`, `json` (lines) or `arrow`.

        Without `format` the suffix says it. `delimiter`, `header`, `columns` (names, where there is no header),
        `encoding` and `null_values` (texts that mean nothing, such as `NA`) are for CSV; `types` gives columns of CSV
        and JSON another type than the one that is guessed.
        `partitioning="hive"` reads columns from folders such as `year=2024`.
        """
        sources = sources_of(paths)
        chosen = format.lower() or _format_of(sources)
        chosen = {"jsonl": "json", "ndjson": "json", "feather": "arrow", "ipc": "arrow"}.get(chosen, chosen)
        if chosen not in TABLE_FORMATS:
            raise UsageError(f"there is no table format {format!r}", hint=f"there are: {', '.join(TABLE_FORMATS)}")
        if partitioning not in ("", "hive"):
            raise UsageError(f"partitioning {partitioning!r} is not known", hint="leave it out, or give 'hive'")
        options: dict[str, Any] = {}
        if chosen == "csv":
            tabs = format == "" and sources[0].path.lower().endswith(".tsv") and delimiter == ","
            options = {
                "delimiter": "\t" if tabs else delimiter,
                "header": header and not columns,
                "columns": list(columns),
                "encoding": encoding,
                "null_values": list(null_values),
            }
            if len(options["delimiter"]) != 1:
                raise UsageError(f"delimiter {delimiter!r} is not one character")
        elif delimiter != "," or not header or columns or null_values or encoding != "utf8":
            raise UsageError(f"delimiter, header, columns, encoding and null_values are for CSV, not for {chosen}")
        if types:
            if chosen not in ("csv", "json"):
                raise UsageError(f"types are for CSV and JSON; {chosen} files say theirs")
            options["types"] = dict(types)
        return DatasetDefinition(TABULAR, sources, chosen, options, partitioning)


def dataset(text: str) -> Any:
    """A registered dataset by text: `dataset("sales@3")`, `dataset("sales@latest")`, `dataset("sales")`.

    `dataset("datastore:raw/2024/*.csv")` are files that nobody registered. To type checkers it is whatever the step
    takes; it is a `Dataset`, or a `DataPath`.
    """
    found = parse_reference(text.removeprefix(DATASET))
    if found.source is not None:
        return DataPath(found.source.store, found.source.path, found.recipe)
    return Dataset(found.name, found.version, found.recipe)


def sources_of(paths: Any) -> tuple[Source, ...]:
    """Sources from what an author gives: texts, paths, pairs of datastore and path, or a list of these."""
    if isinstance(paths, tuple) and len(paths) == 2 and all(isinstance(item, str) for item in paths):
        return (Source(*paths),)
    if isinstance(paths, tuple) and len(paths) == 2 and isinstance(paths[0], str) and isinstance(paths[1], list):
        return tuple(Source(paths[0], str(item)) for item in paths[1])
    listed = paths if isinstance(paths, list | tuple) else [paths]
    if not listed:
        raise UsageError("a dataset needs at least one path")
    return tuple(
        item if isinstance(item, Source) else Source(*item) if isinstance(item, tuple) else Source("", str(item))
        for item in listed
    )


def _format_of(sources: Sequence[Source]) -> str:
    name = sources[0].path.lower()
    for packed in (".gz", ".bz2", ".zst", ".xz"):
        name = name.removesuffix(packed)
    for suffix, found in SUFFIXES.items():
        if name.endswith(suffix):
            return found
    raise UsageError(
        f"{sources[0].path!r} does not say which format its tables have",
        hint=f"give format= (--format) as one of {', '.join(TABLE_FORMATS)}",
    )
