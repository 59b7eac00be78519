"""Files and folders given to a pipeline: told by content without being read twice, and kept in the store."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

from pipelinekit.domain.names import WORKSPACE_FOLDER
from pipelinekit.domain.snapshots import Tree, TreeEntry
from pipelinekit.domain.types import PathRef, PortType, element_of, path_kind
from pipelinekit.domain.values import StoredValue, file_digest, file_suffix, folder_digest
from pipelinekit.errors import Fault, ParameterError, PipelinekitError
from pipelinekit.formats.paths import is_executable, walk_files
from pipelinekit.ports import Blobs, Cache
from pipelinekit.workspace.files import FileDigests


def place_paths(value: Any, kind: PortType, root: Path) -> Any:
    """The value with paths, and texts where `kind` takes paths, as references; what `root` holds says which kind."""
    if isinstance(value, list | tuple):
        return [place_paths(item, element_of(kind, "list"), root) for item in value]
    if isinstance(value, dict):
        return {key: place_paths(item, element_of(kind, "dict"), root) for key, item in value.items()}
    wanted = path_kind(kind)
    if isinstance(value, PathRef):
        return PathRef(value.path, value.folder or (wanted == "path" and (root / value.path).is_dir()))
    if isinstance(value, PurePath) or (wanted and isinstance(value, str)):
        return PathRef(str(value), wanted == "folder" or (wanted != "file" and (root / value).is_dir()))
    return value


class InputPaths:
    """Turns paths into stored values. With `keep=False` nothing is written to the store: enough to plan."""

    def __init__(self, blobs: Blobs, cache: Cache, *, keep: bool) -> None:
        self._blobs = blobs
        self._digests = FileDigests(cache)
        self._keep = keep

    def resolve(self, refs: Iterable[PathRef], root: Path) -> dict[PathRef, StoredValue]:
        """The value of each path; relative ones are relative to `root`. Raises ParameterError naming all that fail."""
        found: dict[PathRef, StoredValue] = {}
        faults: list[Fault] = []
        for ref in dict.fromkeys(refs):
            try:
                found[ref] = self.value(ref, root)
            except (OSError, PipelinekitError) as error:
                words = getattr(error, "message", None) or f"{getattr(error, 'strerror', None) or error}"
                faults.append(Fault(f"{'folder' if ref.folder else 'file'} {ref.path!r}: {words}"))
        if faults:
            raise ParameterError("inputs of the pipeline cannot be read", faults=faults)
        return found

    def value(self, ref: PathRef, root: Path) -> StoredValue:
        """The value of one path."""
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
        for digest in self._blobs.missing(places):
            stored, _ = self._blobs.put_file(places[digest])
            if stored != digest:
                raise PipelinekitError("it changed while it was read", hint="try again when nothing writes to it")
