"""Whether everything that stored values name is in the store: before it is handed out, nothing may be missing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from pipelinekit.domain.snapshots import parse_manifest
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import IntegrityError
from pipelinekit.typed import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pipelinekit.ports import Blobs

Owner = TypeVar("Owner")


def incomplete(values: Mapping[Owner, Collection[StoredValue]], blobs: Blobs) -> set[Owner]:
    """Whose values name a blob that is not in the store; folders name one for every file."""
    wanted: dict[str, list[Owner]] = {}
    stored: dict[Owner, list[StoredValue]] = {}
    for owner, owned in values.items():
        for value in owned:
            if value.blob or value.items:  # most are small, and lie inline
                stored.setdefault(owner, []).append(value)
                for blob in value.blobs():
                    wanted.setdefault(blob, []).append(owner)
    found = {owner for blob in blobs.missing(wanted) for owner in wanted[blob]}
    found.update(owner for owner, owned in stored.items() if owner not in found and _folder_incomplete(owned, blobs))
    return found


def _folder_incomplete(values: Iterable[StoredValue], blobs: Blobs) -> bool:
    for value in values:
        if value.items and _folder_incomplete(value.items, blobs):
            return True
        if value.format == "folder":
            try:
                tree = parse_manifest(blobs.read(value.blob))
            except IntegrityError:
                return True
            if blobs.missing(entry.digest for entry in tree.entries):
                return True
    return False
