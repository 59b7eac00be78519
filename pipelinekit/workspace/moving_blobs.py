"""Moving a workspace's blobs from one store to another: copied, read again where they are then, and only then used."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipelinekit.classes import frozen
from pipelinekit.domain.runs import RunStatus
from pipelinekit.domain.texts import counted
from pipelinekit.errors import IntegrityError, StorageError, UsageError
from pipelinekit.ports import Blobs
from pipelinekit.ports.upkeep import BlobUpkeep
from pipelinekit.workspace.runs import RunCollection

AT_ONCE = 256  # blobs that are copied, then read again, before progress is told
READERS = 8
PASSES = 5  # so often what was stored meanwhile is looked for, before it is taken for granted that runs go on

Progress = Callable[[int, int], None]  # blobs copied, blobs in all


@frozen
class BlobStore:
    """A store as moving sees it.

    `add` stores files by their digests, several at a time where it can; `bring` fetches blobs that do not lie here.
    """

    blobs: Blobs
    upkeep: BlobUpkeep
    add: Callable[[Mapping[str, Path]], None]
    bring: Callable[[Collection[str]], object]


@frozen
class Moved:
    """What was moved. `damaged` blobs were not whole in the old store, and stay there."""

    copied: int
    size: int
    there: int
    damaged: tuple[str, ...] = ()


def check_still(runs: RunCollection, what: str = "move") -> None:
    """Refuse to move or delete what is stored while a run may store something. Raises UsageError."""
    for status in RunStatus:
        if not status.final and (found := runs.list(status=status, limit=1)):
            raise UsageError(
                f"run {found[0].id} is {status}, and needs what is stored as it lies now",
                hint=f"wait for it, or cancel it, then {what}",
            )


def move_blobs(old: BlobStore, new: BlobStore, switch: Callable[[], None], progress: Progress | None = None) -> Moved:
    """Copy every blob, make sure of each, then call `switch`; before that nothing but the old store counts.

    It may be interrupted and begun again: what is there already is not copied twice. Raises StorageError.
    """
    damaged: set[str] = set()
    copied: dict[str, int] = {}
    there: set[str] | None = None
    for _ in range(PASSES):
        sizes = {entry.digest: entry.size for entry in old.upkeep.blobs() if entry.digest not in damaged}
        missing = sorted(new.blobs.missing(sizes))
        there = sizes.keys() - set(missing) if there is None else there
        if not missing:
            break
        for start in range(0, len(missing), AT_ONCE):
            some = missing[start : start + AT_ONCE]
            damaged |= _copy(old, new, some)
            copied.update({digest: sizes[digest] for digest in some if digest not in damaged})
            if progress is not None:
                progress(start + len(some), len(missing))
    else:
        raise StorageError("blobs are stored in the old place all the time", hint="let no run go on, then move again")
    _make_sure(new, there or ())
    switch()
    return Moved(len(copied), sum(copied.values()), len(there or ()), tuple(sorted(damaged)))


def _copy(old: BlobStore, new: BlobStore, digests: list[str]) -> set[str]:
    """Copy blobs and read them again; which were damaged before."""
    places: dict[str, Path] = {}
    damaged = set()
    old.bring(digests)
    for digest in digests:
        try:
            places[digest] = old.blobs.path(digest)
        except IntegrityError:
            damaged.add(digest)
    new.add(places)
    _make_sure(new, places.keys())
    return damaged


def _make_sure(new: BlobStore, digests: Collection[str]) -> None:
    with ThreadPoolExecutor(READERS) as readers:
        found = dict(zip(digests, readers.map(new.upkeep.verify, digests), strict=True))
    wrong = sorted(digest for digest, why in found.items() if why)
    if wrong:
        for digest in wrong:
            new.upkeep.discard(digest)
        raise StorageError(
            f"{counted(len(wrong), 'blob')} did not arrive as it was, the first is {wrong[0]}: it is {found[wrong[0]]}",
            hint="move again; the old store is still the one that is used",
        )
