"""Datasets in the database. Name, number and sameness are checked in the transaction that writes a version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipelinekit.classes import replace
from pipelinekit.domain.datasets import DatasetUse, DatasetVersion, definition_of, label_of
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import ConflictError, NotFoundError
from pipelinekit.late import late
from pipelinekit.storage.database import Database, Row
from pipelinekit.typed import TYPE_CHECKING
from pipelinekit.wire.datasets import files_from_json, files_to_json, profile_from_json, profile_to_json
from pipelinekit.wire.values import dumps, loads, plain_from_json, plain_to_json, value_from_json, value_to_json

if TYPE_CHECKING:
    from pipelinekit.storage import outbox
    from pipelinekit.wire import webhooks
else:
    outbox = late("pipelinekit.storage.outbox")
    webhooks = late("pipelinekit.wire.webhooks")


class SQLDatasets:
    """Implements `ports.DatasetRecords` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, version: DatasetVersion, *, grow: bool = False) -> DatasetVersion:
        """Record a new version."""
        database, identity = self._database, version.definition.digest()
        with database.transaction():
            database.lock()
            if not version.run and (alike := database.read("dataset_versions_alike", (identity, version.content))):
                raise same_dataset(_version(alike[0]))
            if not grow and (newest := database.read("newest_dataset_version", (version.name,))):
                raise taken_dataset(_version(newest[0]))
            number = database.write_returning("count_dataset_version", (version.name,))[0]["versions"]
            made = replace(version, version=number)
            database.write(
                "add_dataset_version",
                (
                    made.name,
                    number,
                    dumps(plain_to_json(made.definition.document())),
                    identity,
                    made.content,
                    dumps(files_to_json(made.files)),
                    made.count,
                    made.size,
                    int(made.single),
                    dumps(dict(made.types)),
                    _profile_text(made),
                    made.description,
                    dumps(dict(made.tags)),
                    made.created_at,
                    made.run,
                    made.step,
                    dumps(value_to_json(made.value)) if made.value is not None else None,
                ),
            )
            outbox.tell_if_heard(database, lambda: webhooks.registered_event(made, made.created_at))
        return made

    def get(self, name: str, version: int = 0) -> DatasetVersion:
        """A version with its files."""
        read = self._database.read
        rows = read("dataset_version", (name, version)) if version else read("newest_dataset_version", (name,))
        if not rows:
            raise no_dataset(name, version, self.list())
        return _version(rows[0])

    def list(self, name: str = "") -> Sequence[DatasetVersion]:
        """All versions, newest first."""
        return [_version(row) for row in self._database.read("list_dataset_versions", (name, name))]

    def update(self, version: DatasetVersion) -> None:
        """Write what may change."""
        row = (
            version.description,
            dumps(dict(version.tags)),
            dumps(dict(version.types)),
            _profile_text(version),
            version.name,
            version.version,
        )
        if self._database.write("update_dataset_version", row) == 0:
            raise no_dataset(version.name, version.version, self.list())

    def remove(self, name: str, version: int = 0) -> int:
        """Forget versions."""
        count = self._database.write("delete_dataset_versions", (name, version, version))
        if count == 0:
            raise no_dataset(name, version, self.list())
        return count

    def use(self, uses: Iterable[DatasetUse]) -> None:
        """Note uses."""
        self._database.write_many(
            "add_dataset_use", [(item.run, item.direction, item.place, item.name, item.version) for item in uses]
        )

    def uses(self, *, run: str = "", name: str = "", version: int = 0) -> Sequence[DatasetUse]:
        """Uses by runs that are there."""
        rows = self._database.read("dataset_uses", (run, run, name, name, version, version))
        return [DatasetUse(row["run"], row["name"], row["version"], row["direction"], row["place"]) for row in rows]

    def values(self) -> tuple[set[str], Sequence[StoredValue]]:
        """What all versions are made of."""
        rows = self._database.read("dataset_files")
        digests = {item.digest for row in rows for item in files_from_json(loads(row["files"]))}
        return digests, [value_from_json(loads(row["value"])) for row in rows if row["value"]]


def same_dataset(known: DatasetVersion) -> ConflictError:
    """What to say where the same is registered already."""
    return ConflictError(
        f"the same definition with the same content is registered already, as {known.label}",
        hint=f"use dataset({known.label!r})",
        name=known.name,
        version=known.version,
    )


def taken_dataset(newest: DatasetVersion) -> ConflictError:
    """What to say where a name is taken."""
    return ConflictError(
        f"there is a dataset {newest.name!r} already; its newest version is {newest.version}",
        hint="choose another name, or make version "
        f"{newest.version + 1} with create_new_version=True (--create-new-version)",
        name=newest.name,
        version=newest.version,
    )


def no_dataset(name: str, version: int, known: Sequence[DatasetVersion]) -> NotFoundError:
    """What to say where a version is not."""
    versions = sorted(item.version for item in known if item.name == name)
    if versions and version:
        listed = ", ".join(map(str, versions))
        return NotFoundError(f"there is no dataset {label_of(name, version)}", hint=f"it has versions {listed}")
    names = ", ".join(dict.fromkeys(item.name for item in known))
    hint = f"there are: {names}" if names else "register one with 'pipelinekit datasets register NAME PATH'"
    return NotFoundError(f"there is no dataset {name!r}", hint=hint)


def _profile_text(version: DatasetVersion) -> str | None:
    return dumps(plain_to_json(profile_to_json(version.profile))) if version.profile is not None else None


def _version(row: Row) -> DatasetVersion:
    return DatasetVersion(
        row["name"],
        row["version"],
        definition_of(plain_from_json(loads(row["definition"]))),
        row["content"],
        files_from_json(loads(row["files"])),
        row["file_count"],
        int(row["size"]),
        bool(row["single"]),
        loads(row["types"]),
        profile_from_json(plain_from_json(loads(row["profile"]))) if row["profile"] else None,
        row["description"],
        loads(row["tags"]),
        row["created_at"],
        row["run"],
        row["step"],
        value_from_json(loads(row["value"])) if row["value"] else None,
    )
