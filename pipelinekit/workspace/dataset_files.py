"""The files of datasets: found where a definition says, told by content, and brought into the store once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pipelinekit.classes import field, frozen, mutable
from pipelinekit.domain.datasets import DatasetFile, DatasetVersion, Drift, Source
from pipelinekit.domain.datastores import LOCAL, check_url, fixed_part, is_pattern
from pipelinekit.domain.snapshots import Tree, TreeEntry, normal_path
from pipelinekit.domain.texts import counted
from pipelinekit.errors import (
    Fault,
    FaultyError,
    IntegrityError,
    NotFoundError,
    PipelinekitError,
    UsageError,
)
from pipelinekit.late import late
from pipelinekit.ports import Blobs, Cache
from pipelinekit.ports.datasets import Store
from pipelinekit.workspace.files import FileDigests

if TYPE_CHECKING:
    from concurrent import futures

    from pipelinekit.domain.datastores import Datastore
    from pipelinekit.workspace import datastores as finding
    from pipelinekit.workspace.datastores import DatastoreCollection, Progress
else:
    futures = late("concurrent.futures")
    finding = late("pipelinekit.workspace.datastores")

SPACE = "datastores"
STRONG = ("ETag", "etag", "md5Hash", "content_md5", "Content-MD5", "generation", "VersionId")
SHOWN = 5  # files that a message names
FETCHERS = 8  # files that are fetched at a time
ALONE = (LOCAL, "sftp")  # kinds of stores that are read one file after the other

Answer = TypeVar("Answer")

OpenFolder = Callable[[Path], Store]


class DatasetChangedError(IntegrityError):
    """The files of a version are not what they were when it was registered."""

    code = "dataset_changed"


@mutable
class Listing:
    """What a definition means now. `single` says that it names one file."""

    files: list[DatasetFile] = field(default_factory=list)
    single: bool = False


@frozen
class _Found:
    """A file that was found: `path` is what is recorded of its place, `inside` its path in the store that gives it.

    `base` is the folder that its source means; `place` tells the store from others in what is remembered.
    """

    store_name: str
    base: str
    path: str
    inside: str
    store: Store
    mark: str
    place: str
    named: bool
    parallel: bool


class DatasetFiles:
    """Finds and fetches files. `datastores` are those of the workspace, `open_folder` opens a local folder."""

    def __init__(
        self, datastores: Callable[[], DatastoreCollection], open_folder: OpenFolder, blobs: Blobs, cache: Cache
    ) -> None:
        self._datastores = datastores
        self._open_folder = open_folder
        self._blobs = blobs
        self._cache = cache
        self._digests = FileDigests(cache)

    # -- finding -----------------------------------------------------------------------------------------------------

    def placed(self, source: Source) -> Source:
        """A source as it is recorded: a path on this machine absolute, a URL in the datastore that it belongs to."""
        if source.store:
            return source
        if "://" not in source.path:
            return Source("", os.path.abspath(os.path.expanduser(source.path)))
        protocol, _, rest = source.path.partition("://")
        host, _, path = rest.partition("/")
        base = check_url(f"{protocol}://{host}/" if protocol.lower() == "file" else f"{protocol}://{host}")
        if base.startswith("file://"):
            return Source("", f"/{path}")
        url = f"{base}/{path}"
        stores = [item.record for item in self._datastores().list()]
        found = max(
            (item for item in stores if url.startswith(f"{item.url}/")), key=lambda item: len(item.url), default=None
        )
        if found is None:
            raise UsageError(
                f"{url} is in no datastore", hint=f"register one first: 'pipelinekit datastores register NAME {base}'"
            )
        return Source(found.name, url[len(found.url) + 1 :])

    def listing(self, sources: Sequence[Source], progress: Progress | None = None) -> Listing:
        """Every file of these sources with its digest. Raises UsageError that names each source without files.

        Files of this machine are read unless they are as they were; others are fetched, unless their store says so.
        """
        found: list[_Found] = []
        faults: list[Fault] = []
        for source in sources:
            try:
                mine = self._find(source)
            except PipelinekitError as error:
                faults.append(Fault(error.message, hint=error.hint))
                continue
            if not mine:
                faults.append(Fault(f"there is no file that {_words(source)} means"))
            found.extend(mine)
        if faults:
            raise FaultyError("the dataset's files cannot be found", faults=faults)
        names = _relative_names(found)
        digests = self._digest(found, progress)
        files = {
            name: DatasetFile(name, item.store_name, item.path, size, digest, item.mark)
            for name, item, (digest, size) in zip(names, found, digests, strict=True)
        }
        return Listing([files[name] for name in sorted(files)], len(files) == 1 and found[0].named)

    def present(self, source: Source) -> list[DatasetFile]:
        """Every file of a source by its path in the store, with its digest; none where nothing lies there."""
        found = self._find(source)
        return [
            DatasetFile(item.inside, item.store_name, item.path, size, digest, item.mark)
            for item, (digest, size) in zip(found, self._digest(found, None), strict=True)
        ]

    def _find(self, source: Source) -> list[_Found]:
        root, parallel = "", False
        if source.store:
            record, store = self._datastores().open(source.store)
            pattern, place, parallel = source.path.strip("/"), record.place, record.kind not in ALONE
        else:
            folder, pattern = _local_root(source.path)
            store, place, root = self._open_folder(folder), "", f"{folder}/"
        is_here = root and (not pattern or os.path.lexists(root + pattern))
        files = list(store.files(pattern)) if is_here else finding.matching(store, pattern)
        named = [item.path for item in files] == [pattern]
        base = pattern.rpartition("/")[0] if named else fixed_part(pattern)
        whole = root + base if base else root.rstrip("/")
        return [
            _Found(source.store, whole, root + item.path, item.path, store, item.mark, place, named, parallel)
            for item in files
        ]

    def _digest(self, found: Sequence[_Found], progress: Progress | None) -> list[tuple[str, int]]:
        local = {item.path: path for item in found if (path := item.store.local(item.inside)) is not None}
        states = {path: path.stat() for path in local.values()}
        kept = self._digests.digests(states)
        answers = {path: (kept[place], states[place].st_size) for path, place in local.items()}
        elsewhere = [item for item in found if item.path not in local]
        known = {id(item): self._remembered(item) for item in elsewhere}
        reads = [partial(self._read, item) for item in elsewhere if known[id(item)] is None]
        fetched = side_by_side(reads, FETCHERS if all(item.parallel for item in elsewhere) else 1)
        listed = []
        for number, item in enumerate(found, start=1):
            answer = answers.get(item.path) or known.get(id(item))
            if answer is None:
                answer = next(fetched)
                self._remember(item, *answer)
            listed.append(answer)
            if progress is not None:
                progress(number, len(found), item.inside)
        return listed

    def _remembered(self, item: _Found) -> tuple[str, int] | None:
        """The digest of a file whose store says that it is as it was when it was fetched."""
        if not _is_strong(item.mark):
            return None
        key = f"{item.place} {item.inside}"
        mark, _, rest = self._cache.get(SPACE, [key]).get(key, "").partition("\n")
        digest, _, size = rest.partition(" ")
        return (digest, int(size)) if mark == item.mark and size else None

    def _read(self, item: _Found) -> tuple[str, int]:
        with item.store.read(item.inside) as stream:
            return self._blobs.put(stream)

    def _remember(self, item: _Found, digest: str, size: int) -> None:
        if _is_strong(item.mark):
            self._cache.put(SPACE, {f"{item.place} {item.inside}": f"{item.mark}\n{digest} {size}"})

    # -- fetching ----------------------------------------------------------------------------------------------------

    def ensure(self, version: DatasetVersion, *, keep: bool) -> str:
        """Have every file of a version in the store; what there is to say of it, which is mostly nothing.

        Files of this machine are looked at each time. Where they have changed, those that the store has kept are used,
        and that is said; where it has not, DatasetChangedError names them. With `keep=False` nothing is stored.
        """
        by_digest = {item.digest: item for item in version.files}
        missing = self._blobs.missing(by_digest)
        changed = self._changed_here(version.files)
        lost = [item for item in changed if item.digest in missing]
        if not lost and keep:
            wanted = sorted((by_digest[digest] for digest in missing), key=lambda item: item.path)
            stores = self._stores_of(wanted, version)
            parallel = all(kind not in ALONE for kind, _ in stores.values())
            brings = [partial(self._bring, item, stores[item.store][1] if item.store else None) for item in wanted]
            brought = side_by_side(brings, FETCHERS if parallel else 1)
            lost += [item for item, whole in zip(wanted, brought, strict=True) if not whole]
        if lost:
            raise DatasetChangedError(
                f"{_files(lost, version)} changed or vanished since {version.label} was registered, and are not in "
                "the workspace's store",
                hint=f"register what is there now: 'pipelinekit datasets register {version.name} ... "
                "--create-new-version'; or put the files back",
            )
        if not changed:
            return ""
        return (
            f"{_files(changed, version)} changed or vanished since {version.label} was registered; what is used is the "
            "content that was registered, which the workspace has kept. Register a new version to use what is there now"
        )

    def put(self, store: str, target: str, path: Path) -> Source:
        """Put a local file into a datastore (the default one where none is named), unless it is there; its place."""
        handle = self._datastores().get(store)
        if not handle.record.writable:
            raise UsageError(f"datastore {handle.name!r} can only be read", hint="name another one with store=")
        opened = self._datastores().open(handle.name)[1]
        if not list(opened.files(target)):
            opened.write(target, path)
        return handle.path(target)

    def drift(self, version: DatasetVersion) -> Drift:
        """What lies there now and is not what the version holds. Of other stores what changed is fetched."""
        if version.value is not None:
            return Drift()
        found = [item for source in version.definition.sources for item in self._find(source)]
        digests = {
            (item.store_name, item.path): digest
            for item, (digest, _) in zip(found, self._digest(found, None), strict=True)
        }
        known = {(item.store, item.source): item for item in version.files}
        return Drift(
            tuple(item.path for place, item in known.items() if digests.get(place, item.digest) != item.digest),
            tuple(item.path for place, item in known.items() if place not in digests),
            tuple(path for store, path in digests if (store, path) not in known),
        )

    def changed(self, version: DatasetVersion) -> str:
        """Those files of this machine that are not what they were, in words; empty where there are none."""
        found = self._changed_here(version.files)
        return _files(found, version) if found else ""

    def place(self, item: DatasetFile) -> Path:
        """Where the bytes of a file lie on this machine: where it is, or in the store, which may have to fetch it."""
        if not item.store:
            return Path(item.source)
        _, store = self._datastores().open(item.store)
        local = store.local(item.source)
        if local is not None:
            return local
        if self._blobs.missing([item.digest]):
            with store.read(item.source) as stream:
                self._blobs.put(stream)
        return self._blobs.path(item.digest)

    def _changed_here(self, files: Sequence[DatasetFile]) -> list[DatasetFile]:
        """Files of this machine that are not what they were."""
        places: dict[Path, DatasetFile] = {}
        states: dict[Path, os.stat_result] = {}
        changed = []
        stores = self._local_stores(files)
        for item in files:
            if not item.store:
                path = Path(item.source)
            elif item.store in stores:
                store, root = stores[item.store]
                path = store.local(item.source) or root / item.source
            else:
                continue
            try:
                states[path] = path.stat()
                places[path] = item
            except OSError:
                changed.append(item)
        same = {path for path, item in places.items() if states[path].st_size == item.size}
        changed += [places[path] for path in places if path not in same]
        digests = self._digests.digests({path: states[path] for path in same})
        changed += [places[path] for path in same if digests[path] != places[path].digest]
        return sorted(changed, key=lambda item: item.path)

    def _local_stores(self, files: Iterable[DatasetFile]) -> dict[str, tuple[Store, Path]]:
        """The stores of these files that are folders of this machine. Opens none that is elsewhere."""
        found = {}
        for name in {item.store for item in files if item.store}:
            record = self._record(name)
            if record is not None and record.kind == LOCAL:
                found[name] = self._datastores().open(name)[1], Path(record.url.removeprefix("file://"))
        return found

    def _record(self, name: str) -> Datastore | None:
        try:
            return self._datastores().get(name).record
        except NotFoundError:
            return None  # unregistered meanwhile: told where a file of it is needed

    def _stores_of(self, files: Iterable[DatasetFile], version: DatasetVersion) -> dict[str, tuple[str, Store]]:
        """The stores that these files lie in, each with its kind."""
        found: dict[str, tuple[str, Store]] = {}
        for name in {item.store for item in files if item.store}:
            try:
                record, store = self._datastores().open(name)
            except NotFoundError as error:
                if self._record(name) is not None:
                    raise
                raise NotFoundError(
                    f"{version.label} needs datastore {name!r}, which is not registered any more", hint=error.hint
                ) from None
            found[name] = record.kind, store
        return found

    def _bring(self, item: DatasetFile, store: Store | None) -> bool:
        """Put a file into the store; False when it is not what it was."""
        try:
            local = Path(item.source) if store is None else store.local(item.source)
            if local is not None:
                return self._blobs.put_file(local)[0] == item.digest
            assert store is not None
            with store.read(item.source) as stream:
                return self._blobs.put(stream)[0] == item.digest
        except (FileNotFoundError, NotFoundError):
            return False


def side_by_side(actions: Sequence[Callable[[], Answer]], workers: int) -> Iterator[Answer]:
    """What these actions give, in their order; several are done at a time."""
    if workers == 1 or len(actions) < 2:
        yield from (action() for action in actions)
        return
    with futures.ThreadPoolExecutor(workers) as pool:
        started = [pool.submit(action) for action in actions]
        try:
            for item in started:
                yield item.result()
        finally:
            for item in started:  # after a failure, what has not begun need not
                item.cancel()


def tree_of(files: Iterable[DatasetFile]) -> Tree:
    """Files by their paths in the dataset."""
    return Tree.of(TreeEntry(item.path, item.digest, item.size) for item in files)


def _files(files: Sequence[DatasetFile], version: DatasetVersion) -> str:
    names = ", ".join(item.path for item in files[:SHOWN])
    more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
    return f"{len(files)} of {counted(len(version.files), 'file')} ({names}{more})"


def _is_strong(mark: str) -> bool:
    """Whether a mark tells content, and not only a time."""
    return any(part.partition("=")[0] in STRONG for part in mark.split(" "))


def _local_root(path: str) -> tuple[Path, str]:
    """The folder that a local path, folder or pattern is looked for in, and the rest of it."""
    place = Path(path)
    if not is_pattern(path) or place.exists():  # a file may have a wildcard's sign in its name
        return (place, "") if place.is_dir() else (place.parent, place.name)
    root = Path(fixed_part(path) or "/")
    return root, os.path.relpath(path, root)


def _relative_names(found: Sequence[_Found]) -> list[str]:
    """Paths in the dataset: below the folder that all files of a store share, and told apart by stores.

    Raises UsageError for two files of one path.
    """
    bases: dict[str, str] = {}
    for item in found:
        known = bases.get(item.store_name)
        bases[item.store_name] = item.base if known is None else _common(known, item.base)
    names = []
    places: dict[str, tuple[str, str]] = {}
    for item in found:
        name = item.path[len(bases[item.store_name]) :].strip("/")
        name = normal_path(f"{item.store_name or 'local'}/{name}" if len(bases) > 1 else name)
        if places.setdefault(name, (item.store_name, item.path)) != (item.store_name, item.path):
            raise UsageError(f"two files of the dataset have the path {name!r}", hint="give it fewer sources")
        names.append(name)
    return names


def _common(one: str, other: str) -> str:
    shared = []
    for left, right in zip(one.split("/"), other.split("/"), strict=False):
        if left != right:
            break
        shared.append(left)
    return "/".join(shared)


def _words(source: Source) -> str:
    return f"{source.path!r} in datastore {source.store!r}" if source.store else f"{source.path!r}"
