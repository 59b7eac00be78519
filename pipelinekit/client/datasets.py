"""Datasets that a server has."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pipelinekit.client.connection import LONG_SECONDS, Connection, quoted
from pipelinekit.domain.datasets import (
    FILE,
    LATEST,
    Dataset,
    DatasetDefinition,
    DatasetUse,
    DatasetVersion,
    Drift,
    Reference,
    label_of,
    parse_reference,
    parse_version,
)
from pipelinekit.domain.names import check_name
from pipelinekit.domain.recipes import Operation
from pipelinekit.errors import UsageError
from pipelinekit.late import late
from pipelinekit.ports import Blobs
from pipelinekit.wire.datasets import use_from_document, version_from_document
from pipelinekit.wire.values import plain_to_json, value_from_json

if TYPE_CHECKING:
    import pyarrow.parquet as parquet

    from pipelinekit.domain.values import StoredValue
    from pipelinekit.formats import tables
else:
    parquet = late("pyarrow.parquet")
    tables = late("pipelinekit.formats.tables")


class Named(Protocol):
    """A handle on a version, with what is done to its table."""

    @property
    def reference(self) -> Reference:
        """How it is named."""


DatasetT = TypeVar("DatasetT", bound=Named)
Make = Callable[[DatasetVersion, "RemoteDatasets[DatasetT]", tuple[Operation, ...]], DatasetT]

Put = Callable[[str, str, Path], tuple[str, str]]


class RemoteDatasets(Generic[DatasetT]):
    """The datasets of a workspace. `make` gives the handle on a version; it is read through the stored `blobs`.

    `put` puts a file into a datastore, or the default one, and gives both their names.
    """

    def __init__(self, connection: Connection, blobs: Blobs, make: Make[DatasetT], put: Put) -> None:
        self._connection = connection
        self.blobs = blobs
        self._make = make
        self._put = put

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
        progress: object = None,  # noqa: ARG002 - the server shows none
    ) -> DatasetT:
        """Register files in datastores, or a table in such, as a version of a name.

        Raises UsageError for files of this machine: the server has others.
        """
        for source in definition.sources:
            if not source.store:
                raise UsageError(
                    f"{source.path!r} is a path of this machine, which the server cannot read",
                    hint="upload it to a datastore, and name that (--store, or (datastore, path))",
                )
        body = {
            "name": name,
            "description": description,
            "tags": dict(tags or {}),
            "create_new_version": create_new_version,
            "exist_ok": exist_ok,
            "profile": profile,
            **_definition_to_json(definition),
        }
        made = self._connection.ask("POST", "/datasets", body, seconds=LONG_SECONDS).document
        return self._handle(made)

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
    ) -> DatasetT:
        """Write a table (pyarrow, pandas, polars or dask) as Parquet to a datastore, and register it.

        It goes to the default datastore unless `store` names one, into `folder`, or one that is named as the dataset.
        """
        check_name("dataset", name)
        found = tables.to_arrow(table.compute() if hasattr(table, "dask") else table)
        target = f"{(folder or name).strip('/')}/{tables.table_digest(found).rpartition(':')[2]}.parquet"
        with tempfile.TemporaryDirectory(prefix="pipelinekit-") as scratch:
            written = Path(scratch, "table.parquet")
            parquet.write_table(found, written)
            place = self._put(store, target, written)
        return self.register(
            name,
            Dataset.tabular(place),
            description=description,
            tags=tags,
            create_new_version=create_new_version,
            exist_ok=exist_ok,
        )

    def get(self, name: str, version: int | str = LATEST) -> DatasetT:
        """A version of a dataset, the newest by default; `name` may be `sales@3`. Raises NotFoundError."""
        reference = parse_reference(name)
        found = self._connection.get(_path(reference, parse_version(version, name)))
        return self._make(version_from_document(found), self, reference.recipe)

    def list(self, name: str = "") -> list[DatasetT]:
        """The newest version of every dataset, or all versions of one, newest first; without their files."""
        return [self._handle(item) for item in self._connection.get("/datasets", name=name)["datasets"]]

    def update(
        self,
        name: str,
        version: int | str = LATEST,
        *,
        description: str | None = None,
        add_tags: Mapping[str, str] | None = None,
        remove_tags: tuple[str, ...] = (),
    ) -> DatasetT:
        """Change what is said of a version. To add a tag that is there is an error, and to remove one that is not."""
        path = _path(parse_reference(name), parse_version(version, name))
        body: dict[str, Any] = {"add_tags": dict(add_tags or {}), "remove_tags": list(remove_tags)}
        if description is not None:
            body["description"] = description
        return self._handle(self._connection.ask("PATCH", path, body).document)

    def unregister(self, name: str, version: int | str = LATEST) -> int:
        """Forget a version, or all of a name; how many. What the files hold is not touched."""
        path = _path(parse_reference(name), parse_version(version, name))
        return int(self._connection.ask("DELETE", path).document["unregistered"])

    def check(self, name: str, version: int | str = LATEST) -> Drift:
        """What lies where a version was found and is not what it holds."""
        path = _path(parse_reference(name), parse_version(version, name))
        found = self._connection.ask("GET", f"{path}/check", again=True, seconds=LONG_SECONDS).document
        return Drift(*(tuple(found[kind]) for kind in ("changed", "gone", "new")))

    def lineage(self, name: str = "", version: int | str = LATEST, *, run: str = "") -> Sequence[DatasetUse]:
        """Which runs took a dataset in or gave it out; with `run` which datasets that run did."""
        label = name
        if name and (number := parse_version(version, name)):
            label = label_of(parse_reference(name).name, number)
        return [use_from_document(use) for use in self._connection.get("/dataset-uses", name=label, run=run)["uses"]]

    # -- what handles are read through -------------------------------------------------------------------------------

    def value(self, dataset: DatasetT, form: str) -> StoredValue:
        """The value of a version, whose bytes are all in the server's store then."""
        reference = dataset.reference
        words = {"form": form, "recipe": _recipe(reference.recipe)}
        return value_from_json(
            self._connection.ask(
                "GET", f"{_path(reference)}/value", query=words, again=True, seconds=LONG_SECONDS
            ).document
        )

    def head(self, dataset: DatasetT, count: int) -> Any:
        """The first rows of a table."""
        reference, found = dataset.reference, io.BytesIO()
        self._connection.fetch(f"{_path(reference)}/head", found, rows=count, recipe=_recipe(reference.recipe))
        return tables.from_stream(found.getvalue())

    def profiled(self, record: DatasetVersion) -> DatasetVersion:
        """A version with its profile, which is made where it is not there yet."""
        path = _path(Reference(record.name, record.version))
        return version_from_document(self._connection.get(f"{path}/preview", rows=0))

    def _handle(self, document: Mapping[str, Any]) -> DatasetT:
        return self._make(version_from_document(document), self, ())


def _path(reference: Reference, version: int = LATEST) -> str:
    number = version or reference.version
    return f"/datasets/{quoted(label_of(reference.name, number) if number else reference.name)}"


def _recipe(recipe: tuple[Operation, ...]) -> str:
    return json.dumps(plain_to_json([list(item) for item in recipe]))


def _definition_to_json(definition: DatasetDefinition) -> dict[str, Any]:
    """A definition as the server takes it."""
    sources = [{"store": source.store, "path": source.path} for source in definition.sources]
    if definition.kind == FILE:
        return {"sources": sources, "kind": definition.kind}
    return {
        "sources": sources,
        "kind": definition.kind,
        "format": definition.format,
        "partitioning": definition.partitioning,
        "recipe": plain_to_json([list(item) for item in definition.recipe]),
        **definition.options,
    }
