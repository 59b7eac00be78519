"""The part of a workspace's services that creates, moves, cleans and deletes what belongs to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from pipelinekit import config, wiring
from pipelinekit.errors import ConflictError, StorageError, UsageError
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any
from pipelinekit.wiring import RECORDS_FILE

if TYPE_CHECKING:
    import shutil

    from pipelinekit.domain import addresses, run_queries
    from pipelinekit.domain.values import StoredValue
    from pipelinekit.storage import backups, leftovers, moving, sweeping
    from pipelinekit.storage import upkeep as upkeep_records
    from pipelinekit.workspace import moving_blobs, upkeep
else:
    shutil = late("shutil")
    addresses = late("pipelinekit.domain.addresses")
    run_queries = late("pipelinekit.domain.run_queries")
    backups = late("pipelinekit.storage.backups")
    leftovers = late("pipelinekit.storage.leftovers")
    moving = late("pipelinekit.storage.moving")
    sweeping = late("pipelinekit.storage.sweeping")
    upkeep_records = late("pipelinekit.storage.upkeep")
    moving_blobs = late("pipelinekit.workspace.moving_blobs")
    upkeep = late("pipelinekit.workspace.upkeep")


class UpkeepServices(wiring.NounServices):
    """Services for the workspace as a whole."""

    if TYPE_CHECKING:

        def registered(self) -> tuple[set[str], Sequence[StoredValue]]: ...  # noqa: D102 - see `scheduling`
        def stop_clusters(self) -> None: ...  # noqa: D102

    def move_records(self, to: str) -> moving.Moved:
        """Move all records to a PostgreSQL database, or with `file` back into the workspace folder."""
        origin = self.settings.origins.get("records", "")
        if origin.startswith("environment"):
            raise UsageError(
                f"{origin} says where the records are, and would go on to do so", hint="set it in config.toml instead"
            )
        value = "" if to == addresses.FILE else str(addresses.postgres_address(to))
        old, new = (self._place(address) for address in (self.settings.records, value))
        if str(old) == str(new):
            raise UsageError(f"the records are at {new} already")
        self.check_unserved("move")
        self.recover()
        self.stop_clusters()
        self.database.close()
        return moving.move(old, new, lambda: config.write_settings(self.folder, {"records": value}))

    def back_up(self, to: Path) -> int:
        """Copy the records to a new file, as they are at one moment; its size in bytes."""
        self.experiments.list()  # makes the file where there is none yet
        return backups.back_up(self._records_file("copied"), to)

    def restore(self, copy: Path) -> Path:
        """Put the records back as they are in a copy; where they are kept as they were until now."""
        place = self._records_file("put back")
        with suppress(StorageError):  # records that are damaged tell nothing, and are what copies are for
            self.check_unserved("restore")
            self.recover()
            moving_blobs.check_still(self.runs, "restore")
            self.database.close()
        return backups.restore(place, copy)

    def _records_file(self, what: str) -> Path:
        if self.settings.records:
            raise UsageError(
                f"records in PostgreSQL are not {what} by pipelinekit",
                hint="use pg_dump and pg_restore, with its schema",
            )
        return self.home / RECORDS_FILE

    def _place(self, address: str) -> moving.Place:
        if address:
            return moving.PostgresPlace(addresses.postgres_address(address))
        return moving.FilePlace(self.home / RECORDS_FILE)

    @cached_property
    def upkeep(self) -> upkeep.Stores:
        """What clean-up and checks work on."""
        records, home = self.records, self.home
        return upkeep.Stores(
            self.noted("upkeep", upkeep_records.SQLUpkeep(self.database, self.clock)),
            self.recover,
            records.reuse,
            records.documents,
            records.batch,
            self.objects.upkeep if self.objects else sweeping.FolderSweeper(home / "blobs"),
            leftovers.HomeSweeper(home),
            self.clock,
            self.registered,
            self.environments.places,
        )

    def settings_document(self) -> dict[str, Any]:
        """All settings with their values, where these come from, and what they are for."""
        return config.settings_document(self.folder, self.settings)

    def store_to_move(self) -> moving_blobs.BlobStore:
        """The store, as what moves blobs sees it."""
        upkeep = self.upkeep.blobs
        if self.objects is not None:
            objects = self.objects.blobs
            return moving_blobs.BlobStore(objects, upkeep, objects.take_files, objects.bring)

        def add(places: Mapping[str, Path]) -> None:
            self.blobs.put_files(list(places.values()))

        return moving_blobs.BlobStore(self.blobs, upkeep, add, len)

    def create(self, *, exist_ok: bool = False) -> None:
        """Make the folder and the tables. Raises ConflictError where there is a workspace, unless `exist_ok`."""
        if (self.folder / RECORDS_FILE).exists() and not exist_ok:
            raise ConflictError(f"there is a workspace at {self.folder.parent} already", hint="choose another folder")
        self.runs.find(run_queries.RunQuery(limit=1))

    def delete(self) -> list[str]:
        """Delete the folder, once no run is open; what lies elsewhere is left, and told."""
        self.check_unserved("delete")
        self.recover()
        moving_blobs.check_still(self.runs, "delete")
        self.stop_clusters()
        self.database.close()
        self.cache.close()
        shutil.rmtree(self.folder)
        return [place for place in (self.settings.records, self.settings.blobs) if place]
