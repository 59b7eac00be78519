"""Blobs in a local folder: written under a temporary name, synced, published without clobber, verified on read.

Whoever stores a blob, or asks whether it is there, uses it: its access time then becomes now, under a shared lock.
Removal looks at that time under the exclusive lock (`storage.sweeping`): no blob vanishes under somebody who has just
found it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from io import BytesIO
from pathlib import Path

from pipelinekit.domain.digests import CHUNK, PREFIX, digest_bytes, digest_stream, is_digest
from pipelinekit.domain.values import NOTED_SECONDS
from pipelinekit.errors import IntegrityError, StorageError
from pipelinekit.late import late
from pipelinekit.storage.database import device_of
from pipelinekit.typed import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pipelinekit.storage import disks, staging
else:
    disks = late("pipelinekit.storage.disks")
    staging = late("pipelinekit.storage.staging")

TRIES = 5  # to publish a blob whose name is taken by what is set aside
TOGETHER = 128  # files that are synced together, in a fraction of the time that one by one would take


class FolderBlobs:
    """Implements `ports.Blobs` on a folder.

    A blob lies at `ab/cdef…`, by the hex digits of its digest. Bytes that were verified are not read again while their
    file stays as it is (size, times and inode). Damaged files are set aside in `damaged/`. A disk that is away, or may
    only be read, is waited for: what cannot be found meanwhile is not missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._written_folder = str(folder)
        self._staging = folder / "staging"
        self._verified: dict[str, tuple[int, int, int, int]] = {}
        self._at_first = device_of(folder), device_of(folder.parent)

    @cached_property
    def _ground(self) -> disks.Ground:
        return disks.Ground(self.folder, *self._at_first)

    def put(self, source: BinaryIO | bytes) -> tuple[str, int]:
        """Store bytes."""
        if isinstance(source, bytes):
            digest = digest_bytes(source)
            if not self.missing([digest]) and self._holds(digest, BytesIO(source)):
                return digest, len(source)
            source = BytesIO(source)
        with self._storing() as staged:
            return staged.copy(source)

    def put_file(self, path: Path, *, move: bool = False) -> tuple[str, int]:
        """Store a file's bytes; a moved file is taken over as it is where it lies on the same file system."""
        return self.put_files([path], move=move)[0]

    def put_files(self, paths: Sequence[Path], *, move: bool = False) -> list[tuple[str, int]]:
        """Store the bytes of files."""
        stored: list[tuple[str, int]] = []
        for first in range(0, len(paths), TOGETHER):
            with self._storing() as staged:
                for path in paths[first : first + TOGETHER]:
                    takes = move and not path.is_symlink()  # a link that were taken over would point anywhere
                    stored.append(staged.take(path) if takes else staged.copy_file(path))
        return stored

    def receive(self, digest: str, source: BinaryIO) -> None:
        """Store a copy of bytes that must be those of a digest. Raises IntegrityError if they differ.

        They are not synced: what a power cut takes is found when it is read, and copied again.
        """
        with self._storing(lasting=False) as staged:
            found, _ = staged.copy(source)
            if found != digest:
                raise IntegrityError(f"what came for blob {digest} has digest {found}", digest=digest)

    def path(self, digest: str) -> Path:
        """The blob's own file, verified."""
        place = self._place(digest)
        try:
            state = _state(place)
            if self._verified.get(digest) != state:
                with place.open("rb") as stream:
                    found, _ = digest_stream(stream)
                if found != digest:
                    self.discard(digest)
                    raise IntegrityError(f"blob {digest} is damaged: its bytes have digest {found}", digest=digest)
                self._verified[digest] = state
        except FileNotFoundError:
            if self._ground.wait():
                return self.path(digest)
            raise IntegrityError(f"blob {digest} is not in the store at {self.folder}", digest=digest) from None
        except OSError as error:
            if error.errno != errno.EIO:
                raise StorageError(f"blob {digest} cannot be read from {self.folder}: {error.strerror}") from error
            self.discard(digest)
            raise IntegrityError(f"blob {digest} is damaged: the disk cannot read it", digest=digest) from error
        return place

    def read(self, digest: str) -> bytes:
        """The blob's bytes, verified."""
        return self.path(digest).read_bytes()

    def missing(self, digests: Iterable[str]) -> set[str]:
        """Which of these are not in the store; the others are used now."""
        try:
            with held(self.folder):
                found = {digest for digest in digests if not self._use(digest)}
        except OSError as error:
            raise StorageError(f"blobs cannot be looked for in {self.folder}: {error.strerror}") from error
        return self.missing(found) if found and self._ground.wait() else found

    def discard(self, digest: str) -> None:
        """Set a blob aside, where it is no longer found. Where nothing may be written it stays, and stays damaged."""
        aside = self.folder / "damaged"
        with suppress(OSError):
            aside.mkdir(exist_ok=True)
            os.replace(self._place(digest), aside / digest.removeprefix(PREFIX))

    def _place(self, digest: str) -> Path:
        return place_of(self.folder, digest)

    def _use(self, digest: str) -> bool:
        """Note that a blob is used now; whether it is there. To be called while the lock is held."""
        place = written_place(self._written_folder, digest)
        try:
            before = os.stat(place)
            if time.time() - used_at(before) > NOTED_SECONDS:
                with suppress(PermissionError):  # of another user's blob the grace period has to be enough
                    os.utime(place, ns=(time.time_ns(), before.st_mtime_ns))
                    if self._verified.get(digest) == _marks(before):
                        self._verified[digest] = _state(place)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def _holds(self, digest: str, source: BinaryIO) -> bool:
        """Whether the blob that is there has these bytes; one that has others is set aside."""
        place = self._place(digest)
        with suppress(OSError):
            state = _state(place)
            if self._verified.get(digest) == state:
                return True
            with place.open("rb") as stream:
                if _equal(stream, source):
                    self._verified[digest] = state
                    return True
        self.discard(digest)
        return False

    @contextmanager
    def _storing(self, *, lasting: bool = True) -> Iterator[staging.Staging]:
        """Store what is put into the staging within the block: all of it when the block ends well, else nothing.

        What is to be `lasting` is synced before it is visible. What the file system refuses is said in words.
        """
        try:
            self._ground.wait(writing=True)
            with staging.Staging(self._staging) as staged:
                yield staged
                if lasting:
                    staged.sync()
                new = self._publish(staged.digests, lasting=lasting)
            self._verified.update((digest, _state(self._place(digest))) for digest in new)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            hint = "free space on the disk and try again; nothing was half-written" if full else ""
            raise StorageError(f"a blob could not be written to {self.folder}: {error.strerror}", hint=hint) from error

    def _publish(self, staged: Mapping[Path, str], *, lasting: bool) -> list[str]:
        """Make whole files visible under their digests, each in one step, where equal bytes are not; the new ones."""
        folders = {self._place(digest).parent for digest in staged.values()}
        made = [folder for folder in folders if not folder.is_dir()]
        for folder in made:
            folder.mkdir(parents=True, exist_ok=True)
        if lasting:
            staging.sync_names(made)
        with held(self.folder):
            new = [digest for file, digest in staged.items() if self._link(file, digest)]
        if lasting:
            staging.sync_names(self._place(digest) for digest in new)
        return new

    def _link(self, file: Path, digest: str) -> bool:
        """Give a staged file the name of its digest; whether it is new. To be called while the lock is held."""
        place = self._place(digest)
        for _ in range(TRIES):
            try:
                os.link(file, place)
            except FileExistsError:
                with file.open("rb") as stream:
                    if self._holds(digest, stream):
                        self._use(digest)
                        return False
            else:
                return True
        raise StorageError(
            f"blob {digest} at {place} is damaged, and cannot be set aside",
            hint="see whether its folder may be written to",
        )


@contextmanager
def held(folder: Path, *, exclusive: bool = False) -> Iterator[None]:
    """Hold the lock of a store, a file beside it: shared with others that store and look, or alone to remove."""
    handle = _open_lock(folder, needed=exclusive)
    try:
        if handle is not None:
            fcntl.flock(handle, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _open_lock(folder: Path, *, needed: bool) -> int | None:
    try:
        beside = os.path.realpath(folder) if os.path.islink(folder) else folder  # whoever shares it shares the lock
        return os.open(f"{beside}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        if needed:
            raise
        return None  # where nobody can make the lock, nobody removes anything


def place_of(folder: Path, digest: str) -> Path:
    """Where the blob of a digest lies in a store's folder. Raises IntegrityError for what is no digest."""
    return Path(written_place(folder, digest))


def written_place(folder: Path | str, digest: str) -> str:
    """The same as a text: for many blobs, paths cost more than what is done with them."""
    if not is_digest(digest):
        raise IntegrityError(f"{digest!r} is not a digest")
    name = digest.removeprefix(PREFIX)
    return f"{folder}/{name[:2]}/{name[2:]}"


def used_at(state: os.stat_result) -> float:
    """When a blob's file was last stored, looked for or read, in seconds since 1970."""
    return max(state.st_atime, state.st_mtime)


def _state(path: str | Path) -> tuple[int, int, int, int]:
    return _marks(os.stat(path))


def _marks(state: os.stat_result) -> tuple[int, int, int, int]:
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino


def _equal(one: BinaryIO, other: BinaryIO) -> bool:
    while block := one.read(CHUNK):
        if other.read(CHUNK) != block:
            return False
    return not other.read(1)
