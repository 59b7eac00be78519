"""Files and folders given to a pipeline: told by content without being read twice, and kept in the store."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath

from pipelinekit.domain.names import WORKSPACE_FOLDER
from pipelinekit.domain.snapshots import Tree, TreeEntry
from pipelinekit.domain.types import DATASET, DATASTORE, PathRef, PortType, dataset_form, element_of, path_kind
from pipelinekit.domain.values import StoredValue, file_digest, file_suffix, folder_digest
from pipelinekit.errors import Fault, ParameterError, PipelinekitError, UsageError
from pipelinekit.formats.paths import is_executable, walk_files
from pipelinekit.typed import TYPE_CHECKING, Any, Protocol
from pipelinekit.workspace.files import FileDigests

if TYPE_CHECKING:
    from pipelinekit.ports import Blobs, Cache


class DatasetValue(Protocol):
    """Gives the value of a reference to a dataset; with `keep` its files are put into the store."""

    def __call__(self, ref: PathRef, *, keep: bool) -> StoredValue:
        """The value."""


def place_paths(value: Any, kind: PortType, root: Path) -> Any:
    """The value with paths, and texts where `kind` takes paths, as references; what `root` holds says which kind."""
    if isinstance(value, list | tuple):
        return [place_paths(item, element_of(kind, "list"), root) for item in value]
    if isinstance(value, dict):
        return {key: place_paths(item, element_of(kind, "dict"), root) for key, item in value.items()}
    wanted = path_kind(kind)
    if (found := getattr(type(value), "path_ref", None)) is not None:  # a dataset, or its files
        value = found.__get__(value)
    if isinstance(value, PathRef):
        if value.dataset:
            return place_dataset(value, kind)
        return PathRef(value.path, value.folder or (wanted == "path" and (root / value.path).is_dir()))
    if isinstance(value, str) and value.startswith((DATASET, DATASTORE)) and dataset_form(kind) not in ("", "any"):
        return place_dataset(PathRef(value.removeprefix(DATASET), False, "any"), kind)
    if isinstance(value, PurePath) or (wanted and isinstance(value, str)):
        return PathRef(str(value), wanted == "folder" or (wanted != "file" and (root / value).is_dir()))
    return value


def place_dataset(ref: PathRef, kind: PortType) -> PathRef:
    """The reference to a dataset, as what the type asks for it; what does not fit is told when types are checked."""
    form = dataset_form(kind)
    if ref.dataset == "files":
        return PathRef(ref.path, False, form if form == "tables" else "files")
    return PathRef(ref.path, False, form or "any")


class InputPaths:
    """Turns paths into stored values. With `keep=False` nothing is written to the store: enough to plan.

    `dataset` gives the values of references to datasets.
    """

    def __init__(self, blobs: Blobs, cache: Cache, *, keep: bool, dataset: DatasetValue | None = None) -> None:
        self._blobs = blobs
        self._digests = FileDigests(cache)
        self._keep = keep
        self._dataset = dataset

    def resolve(self, refs: Iterable[PathRef], root: Path) -> dict[PathRef, StoredValue]:
        """The value of each path; relative ones are relative to `root`. Raises ParameterError naming all that fail."""
        found: dict[PathRef, StoredValue] = {}
        faults: list[Fault] = []
        for ref in dict.fromkeys(refs):
            try:
                found[ref] = self.value(ref, root)
            except (OSError, PipelinekitError) as error:
                words = getattr(error, "message", None) or f"{getattr(error, 'strerror', None) or error}"
                faults.append(Fault(f"{_words(ref)}: {words}", hint=getattr(error, "hint", "")))
        if faults:
            raise ParameterError("inputs of the pipeline cannot be read", faults=list(dict.fromkeys(faults)))
        return found

    def value(self, ref: PathRef, root: Path) -> StoredValue:
        """The value of one path."""
        if ref.dataset:
            if self._dataset is None:
                raise UsageError("there are no datasets here", hint="give a file or folder")
            return self._dataset(ref, keep=self._keep)
        path = root / ref.path
        return self._folder(path) if ref.folder else self._file(path)

    def _file(self, path: Path) -> StoredValue:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder, not a file")
        state = path.stat()
        blob = self._digests.digests({path: state})[path]
        suffix = file_suffix(path.name)
        self._store({blob: path})
        return StoredValue(file_digest(blob, suffix), "file", state.st_size, blob, suffix=suffix)

    def _folder(self, root: Path) -> StoredValue:
        if not root.is_dir():
            raise NotADirectoryError(0, "there is no such folder")
        files = list(walk_files(root, leave_out=WORKSPACE_FOLDER))
        digests = self._digests.digests({path: state for _, path, state in files})
        tree = Tree.of(
            TreeEntry(relative, digests[path], state.st_size, is_executable(state)) for relative, path, state in files
        )
        self._store({digests[path]: path for _, path, _ in files})
        manifest = tree.digest()
        if self._keep and self._blobs.missing([manifest]):
            self._blobs.put(tree.manifest())
        return StoredValue(folder_digest(manifest), "folder", tree.size, manifest)

    def _store(self, places: dict[str, Path]) -> None:
        if not self._keep:
            return
        missing = list(self._blobs.missing(places))
        stored = self._blobs.put_files([places[digest] for digest in missing])
        if [digest for digest, _ in stored] != missing:
            raise PipelinekitError("it changed while it was read", hint="try again when nothing writes to it")


def _words(ref: PathRef) -> str:
    name = ref.path.partition("|")[0] if ref.dataset else ref.path
    if name.startswith(DATASTORE) and ref.dataset:
        return repr(name)
    return f"{'dataset' if ref.dataset else 'folder' if ref.folder else 'file'} {name!r}"
