"""Datastores in a workspace: register, look, upload, download."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pipelinekit.classes import frozen
from pipelinekit.domain.datasets import Source
from pipelinekit.domain.datastores import (
    WEB,
    Datastore,
    StoreFile,
    check_options,
    check_path,
    check_store_name,
    check_url,
    fixed_part,
    is_pattern,
    matcher,
)
from pipelinekit.errors import NotFoundError, StorageError, UnreachableError, UsageError
from pipelinekit.formats.paths import walk_files
from pipelinekit.late import late
from pipelinekit.ports import Clock
from pipelinekit.ports.datasets import DatastoreRecords, Store

if TYPE_CHECKING:
    import shutil
    import tempfile
else:
    shutil = late("shutil")
    tempfile = late("tempfile")

OpenStore = Callable[[Datastore], Store]
Progress = Callable[[int, int, str], None]  # files done, files in all, the file just done


@frozen
class Transfer:
    """What was carried, and what was there already and kept."""

    done: tuple[str, ...]
    kept: tuple[str, ...]


def silent(*_: object) -> None:
    """No progress is shown."""


def matching(store: Store, pattern: str) -> list[StoreFile]:
    """The files that a path, a folder or a pattern means, in the order of their paths."""
    if not pattern:
        return list(store.files(""))
    check_path(pattern)
    if not is_pattern(pattern):
        return list(store.files(pattern))
    wanted = matcher(pattern)
    return [item for item in store.files(fixed_part(pattern)) if wanted.fullmatch(item.path)]


class DatastoreHandle:
    """A registered datastore."""

    def __init__(self, record: Datastore, open_store: OpenStore) -> None:
        self.record = record
        self._open = open_store

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def url(self) -> str:
        """Where it is."""
        return self.record.url

    @property
    def kind(self) -> str:
        """`local`, `s3`, `azure`, `gcs`, `http` or `sftp`."""
        return self.record.kind

    def path(self, path: str) -> Source:
        """A path, folder or pattern in it, as `Dataset.file` and `Dataset.tabular` take it."""
        return Source(self.name, check_path(path.strip("/")) if path.strip("/") else "")

    def files(self, pattern: str = "") -> list[StoreFile]:
        """The files in it: all, those below a folder, or those that match a pattern."""
        return matching(self._open(self.record), pattern.strip("/"))

    def open(self, path: str) -> BinaryIO:
        """The bytes of a file in it. Raises NotFoundError."""
        return self._open(self.record).read(check_path(path.strip("/")))

    def put(self, path: str, source: Path) -> None:
        """Put a local file there, in place of what is. Raises UsageError for a datastore that can only be read."""
        if not self.record.writable:
            raise _read_only(self.name)
        self._open(self.record).write(check_path(path.strip("/")), source)

    def upload(
        self, source: str | Path, target: str = "", *, overwrite: bool = False, progress: Progress = silent
    ) -> Transfer:
        """Put a local file or folder below `target`. A file that is there already stays, unless `overwrite` is set."""
        if not self.record.writable:
            raise _read_only(self.name)
        root, target = Path(source), target.strip("/")
        if root.is_dir():
            found = [(relative, path) for relative, path, _ in walk_files(root)]
        elif root.is_file():
            found = [(root.name, root)]
        else:
            raise NotFoundError(f"there is no file or folder {str(source)!r}")
        placed = sorted((check_path(f"{target}/{name}" if target else name), path) for name, path in found)
        store = self._open(self.record)
        there = set() if overwrite else {item.path for item in store.files(target)}
        done, kept = [], []
        for number, (name, path) in enumerate(placed, start=1):
            if name in there:
                kept.append(name)
            else:
                store.write(name, path)
                done.append(name)
            progress(number, len(placed), name)
        return Transfer(tuple(done), tuple(kept))

    def download(
        self, pattern: str = "", target: str | Path = ".", *, overwrite: bool = False, progress: Progress = silent
    ) -> Transfer:
        """Copy files into a local folder, under the paths that they have here; `overwrite` as for `upload`."""
        store = self._open(self.record)
        found = matching(store, pattern.strip("/"))
        if not found:
            raise NotFoundError(f"datastore {self.name!r} has no file that {pattern or 'anything'!r} means")
        done, kept = [], []
        for number, item in enumerate(found, start=1):
            if place_stream(store, item.path, Path(target) / check_path(item.path), overwrite=overwrite):
                done.append(item.path)
            else:
                kept.append(item.path)
            progress(number, len(found), item.path)
        return Transfer(tuple(done), tuple(kept))

    def copy_to(
        self,
        other: DatastoreHandle,
        pattern: str = "",
        target: str = "",
        *,
        overwrite: bool = False,
        progress: Progress = silent,
    ) -> Transfer:
        """Copy files into another datastore: those that a path, folder or pattern means, below `target`.

        Paths there begin behind the folder that is named here; `overwrite` is as for `upload`.
        """
        if not other.record.writable:
            raise _read_only(other.name)
        source, sink = self._open(self.record), other._open(other.record)
        found = matching(source, pattern.strip("/"))
        if not found:
            raise NotFoundError(f"datastore {self.name!r} has no file that {pattern or 'anything'!r} means")
        base = _folder_of(pattern.strip("/"), found)
        inside = f"{target.strip('/')}/" if target.strip("/") else ""
        there = set() if overwrite else {item.path for item in sink.files(target.strip("/"))}
        done, kept = [], []
        with tempfile.TemporaryDirectory(prefix="pipelinekit-") as scratch:
            for number, item in enumerate(found, start=1):
                name = check_path(inside + item.path[len(base) :])
                if name in there:
                    kept.append(name)
                else:
                    place = source.local(item.path)
                    if place is None:
                        place = Path(scratch, "file")
                        place_stream(source, item.path, place, overwrite=True)
                    sink.write(name, place)
                    done.append(name)
                progress(number, len(found), name)
        return Transfer(tuple(done), tuple(kept))

    def __repr__(self) -> str:
        return f"<datastore {self.name!r} at {self.url}>"


def _read_only(name: str) -> UsageError:
    return UsageError(f"datastore {name!r} is a web server, which can only be read")


def _folder_of(pattern: str, found: list[StoreFile]) -> str:
    """What the paths of files begin with that a path, folder or pattern means; it ends with a slash, or is empty."""
    folder = pattern.rpartition("/")[0] if [item.path for item in found] == [pattern] else fixed_part(pattern)
    return f"{folder}/" if folder else ""


def place_stream(store: Store, path: str, place: Path, *, overwrite: bool) -> bool:
    """Copy a file of a store to a local path, whole or not at all; False where one is there that stays."""
    if os.path.lexists(place) and not overwrite:
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    staged = place.with_name(f".{place.name}.{os.urandom(6).hex()}")
    try:
        with store.read(path) as reader, staged.open("xb") as writer:
            shutil.copyfileobj(reader, writer, 1 << 20)
        os.replace(staged, place)
    finally:
        staged.unlink(missing_ok=True)
    return True


class DatastoreCollection:
    """The datastores of a workspace."""

    def __init__(self, records: DatastoreRecords, open_store: OpenStore, clock: Clock) -> None:
        self._records = records
        self._open = open_store
        self._clock = clock

    def register(
        self,
        name: str,
        url: str | Path,
        *,
        options: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        allow_private: bool = False,
        overwrite: bool = False,
        skip_validation: bool = False,
        default: bool = False,
    ) -> DatastoreHandle:
        """Register a place under a name: a folder, or a URL of S3, Azure, Google Cloud Storage, HTTP(S) or SFTP.

        `secrets` names, by option, the secrets of the workspace that hold its credentials. The place is looked at with
        them, unless `skip_validation` is set. A name that is there is an error, unless `overwrite` is set.
        """
        check_store_name(name)
        text = str(url)
        address = check_url(text if "://" in text else f"file://{os.path.abspath(os.path.expanduser(text))}")
        record = Datastore(
            name, address, dict(options or {}), dict(secrets or {}), allow_private, default, self._clock.now()
        )
        check_options(record.kind, record.options, record.secrets)
        if allow_private and record.kind != WEB:
            raise UsageError("allow_private is for web servers", hint="leave it out: other stores are not restricted")
        if not skip_validation:
            try:
                self._open(record).check()
            except StorageError as error:
                raise UnreachableError(error.message, hint=error.hint) from None
        self._records.put(record, overwrite=overwrite)
        return self.get(name)

    def get(self, name: str = "") -> DatastoreHandle:
        """The datastore of that name, or the default one. Raises NotFoundError."""
        return DatastoreHandle(self._records.get(name) if name else self.default.record, self._open)

    @property
    def default(self) -> DatastoreHandle:
        """The one that is used where none is named. Raises NotFoundError."""
        for record in self._records.list():
            if record.is_default:
                return DatastoreHandle(record, self._open)
        raise NotFoundError(
            "no datastore is the default", hint="choose one with 'pipelinekit datastores set-default NAME'"
        )

    def list(self) -> list[DatastoreHandle]:
        """All of them, by name."""
        return [DatastoreHandle(record, self._open) for record in self._records.list()]

    def unregister(self, name: str) -> None:
        """Forget a datastore; what lies there is not touched."""
        self._records.remove(name)

    def set_default(self, name: str) -> None:
        """Use it where none is named."""
        self._records.set_default(name)

    def open(self, name: str) -> tuple[Datastore, Store]:
        """A datastore and its files."""
        record = self._records.get(name)
        return record, self._open(record)
