"""Blobs in an object store, with copies in a local folder for whoever needs files.

A blob lies at `ab/cdef…` below the store's prefix, as in a local folder. It is stored when the object store has it, and
told that it has all of its bytes. What is read is a local copy: it is verified while it comes, and published in one
step. A second put of a blob is refused by the store where that knows conditional puts; elsewhere it writes the same
bytes again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from pipelinekit.domain.digests import PREFIX, digest_bytes, is_digest
from pipelinekit.errors import IntegrityError, NotFoundError, StorageError
from pipelinekit.storage.blob_cache import BlobCache
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.storage.object_owners import Owners
from pipelinekit.storage.object_uses import Uses
from pipelinekit.storage.objects import ObjectState, ObjectStore

LOOKED_FOR_FIRST = 4 * 2**20  # bytes from which on it is worth a request to know whether a blob is there
FEW = 128  # blobs that are looked for one by one, without a thought for lists
PAGE = 1000  # objects that a store lists in one answer
PAGES_IN_A_ROW = 16  # answers that are worth waiting for one after another


class ObjectBlobs:
    """Implements `ports.Blobs` and `ports.Transfer` on an object store; `local` holds the copies."""

    def __init__(
        self,
        store: ObjectStore,
        local: FolderBlobs,
        budget: int = 0,
        *,
        clock: Callable[[], float] = time.time,
        uses: Uses | None = None,
        owners: Owners | None = None,
    ) -> None:
        self.store = store
        self.local = local
        self.uses = uses or Uses(store, clock)
        self._owners = owners
        self._cache = BlobCache(local, budget, clock)

    # -- ports.Blobs -------------------------------------------------------------------------------------------------

    def put(self, source: BinaryIO | bytes) -> tuple[str, int]:
        """Store bytes."""
        if isinstance(source, bytes) and self._cache.use(digest := digest_bytes(source)):
            self.take([digest])
            return digest, len(source)
        return self._kept([self.local.put(source)])[0]

    def put_file(self, path: Path, *, move: bool = False) -> tuple[str, int]:
        """Store a file's bytes; a moved file becomes the local copy."""
        return self.put_files([path], move=move)[0]

    def put_files(self, paths: Sequence[Path], *, move: bool = False) -> list[tuple[str, int]]:
        """Store the bytes of files; moved files become the local copies."""
        return self._kept(self.local.put_files(paths, move=move))

    def path(self, digest: str) -> Path:
        """A local copy, verified; it is fetched when there is none."""
        for why in self.bring([digest]).values():
            raise IntegrityError(why, digest=digest)
        return self.local.path(digest)

    def read(self, digest: str) -> bytes:
        """The blob's bytes, verified."""
        return self.path(digest).read_bytes()

    def missing(self, digests: Iterable[str]) -> set[str]:
        """Which of these are not in the object store; the others are used now. Local copies do not count."""
        wanted = set(digests)
        if not wanted:
            return wanted
        known = {digest for digest in wanted if is_digest(digest)}
        if known:
            self.uses.announce(known)
        return wanted - states(self.store, known).keys()

    def discard(self, digest: str) -> None:
        """Set a blob aside in the object store, and remove the local copy."""
        self.local.discard(digest)
        self.store.set_aside(name_of(digest))

    # -- ports.Transfer ----------------------------------------------------------------------------------------------

    def take(self, digests: Collection[str]) -> None:
        """Upload local copies; when this returns, the object store has them."""
        self.take_files({digest: self.local.path(digest) for digest in digests})
        self._cache.trim()

    def take_files(self, places: Mapping[str, Path]) -> None:
        """Upload files by their digests, without making copies of them."""
        if self._owners is not None:
            self._owners.register()
        self.uses.announce(places.keys())
        sizes = {digest: path.stat().st_size for digest, path in places.items()}
        told = self.store.each(lambda item: self._send(*item, sizes[item[0]]), places.items())
        unsure = [digest for digest, is_there in zip(places, told, strict=True) if not is_there]
        found = states(self.store, unsure)  # all together: fewer requests than one for each
        self.store.each(
            lambda digest: self.store.put(name_of(digest), places[digest], sizes[digest]),
            [digest for digest in unsure if digest not in found or found[digest].size != sizes[digest]],
        )
        self.uses.used(places)

    def bring(self, digests: Iterable[str]) -> Mapping[str, str]:
        """Fetch what is not here; of those that cannot be had, why. Raises StorageError."""
        self._cache.stand()
        wanted = list(dict.fromkeys(digests))
        absent = [digest for digest in wanted if not self._cache.use(digest)]
        if not absent:
            return {}
        told = dict(zip(absent, self.store.each(self._download, absent), strict=True))
        failed = {digest: why for digest, why in told.items() if why}
        self._cache.trim()
        # what was found first may have been used long ago by now, and have gone in another process's clean-up
        gone = self.local.missing(digest for digest in wanted if digest not in failed)
        return {**failed, **self.bring(gone)} if gone else failed

    # -- one blob ----------------------------------------------------------------------------------------------------

    def _kept(self, stored: list[tuple[str, int]]) -> list[tuple[str, int]]:
        self._cache.grown(sum(size for _, size in stored))
        self.take({digest for digest, _ in stored})
        return stored

    def _send(self, digest: str, path: Path, size: int) -> bool:
        """Upload a file, unless it is there; whether the store has told that it is. Else it is to be looked for."""
        name = name_of(digest)
        if size < LOOKED_FOR_FIRST:
            return self.store.send_small(name, path)
        state = self.store.stat(name)
        if state is not None and state.size == size:
            return True
        self.store.send(name, path)
        return False

    def _download(self, digest: str) -> str:
        """Fetch a blob, a second time if it did not come whole; why it cannot be had."""
        for again in (False, True):
            reader = self.store.reader(name_of(digest))
            try:
                self.local.receive(digest, reader)  # type: ignore[arg-type]  # reads as a file does, and no more
            except NotFoundError:
                return f"blob {digest} is not in the store {self.store}"
            except IntegrityError:
                if again:
                    self.store.set_aside(name_of(digest))
                    return f"blob {digest} is damaged in the store {self.store}; it was set aside"
            else:
                self._cache.grown(self.local.path(digest).stat().st_size)
                return ""
            finally:
                reader.close()
        raise StorageError(f"blob {digest} could not be fetched")  # pragma: no cover - the loop has returned


def name_of(digest: str) -> str:
    """The name of a blob's object. Raises IntegrityError for what is no digest."""
    if not is_digest(digest):
        raise IntegrityError(f"{digest!r} is not a digest")
    name = digest.removeprefix(PREFIX)
    return f"{name[:2]}/{name[2:]}"


def states(store: ObjectStore, digests: Collection[str]) -> dict[str, ObjectState]:
    """Which blobs are in a store, in as few requests as it takes: one by one, by folders, or all together."""
    names = {name_of(digest): digest for digest in digests}
    if len(names) > FEW:
        folders: dict[str, list[str]] = {}
        for name in names:
            folders.setdefault(name[:2], []).append(name)
        probed = dict(store.walk(next(iter(folders))))
        if 256 * len(probed) <= PAGES_IN_A_ROW * PAGE:
            return {names[name]: state for name, state in store.walk() if name in names}
        if len(folders) * (1 + len(probed) // PAGE) < len(names):
            listed = store.each(lambda folder: list(store.walk(folder)), folders)
            return {names[name]: state for found in listed for name, state in found if name in names}
    found = zip(names.values(), store.each(store.stat, names), strict=True)
    return {digest: state for digest, state in found if state is not None}
