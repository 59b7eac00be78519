"""An object store as settings name it, opened: its blobs, their upkeep, and the folder of the local copies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipelinekit.classes import frozen
from pipelinekit.domain.steps import parse_size
from pipelinekit.domain.stores import StoreAddress, check_address
from pipelinekit.errors import UsageError
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.storage.object_blobs import ObjectBlobs
from pipelinekit.storage.object_owners import Owners
from pipelinekit.storage.object_sweeping import ObjectSweeper
from pipelinekit.storage.objects import ObjectStore

if TYPE_CHECKING:
    from typing import Protocol

    class Named(Protocol):
        """Settings that name a store."""

        @property
        def blobs(self) -> str:
            """Its URL."""

        @property
        def blobs_endpoint(self) -> str:
            """Where it is served."""

        @property
        def blobs_region(self) -> str:
            """Its region."""

        @property
        def blobs_cache(self) -> str:
            """Room for copies."""


COPIES = "blob-copies"  # beside `blobs`, which a workspace without an object store has


@frozen
class OpenStore:
    """An object store."""

    blobs: ObjectBlobs
    upkeep: ObjectSweeper


def open_store(home: Path, settings: Named, *, guest: bool = False) -> OpenStore:
    """The store that settings name, with its copies in the workspace folder. Raises UsageError.

    A `guest` is a worker elsewhere: no workspace of its own.
    """
    address = check_address(StoreAddress(settings.blobs, settings.blobs_endpoint, settings.blobs_region))
    store = ObjectStore(address)
    return store_at(store, home / COPIES, _room(settings.blobs_cache), None if guest else Owners(store, home))


def store_at(store: ObjectStore, copies: Path, budget: int = 0, owners: Owners | None = None) -> OpenStore:
    """A store with its copies in a folder."""
    copies.mkdir(parents=True, exist_ok=True)
    blobs = ObjectBlobs(store, FolderBlobs(copies), budget, owners=owners)
    return OpenStore(blobs, ObjectSweeper(store, uses=blobs.uses, owners=owners))


def _room(text: str) -> int:
    try:
        return parse_size(text) if text else 0
    except UsageError:
        raise UsageError(f"setting 'blobs_cache' is no size: {text!r}", hint="write '20GB', or nothing") from None
