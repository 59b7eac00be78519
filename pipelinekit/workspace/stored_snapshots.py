"""Snapshots that runs keep: what is in them, and copies of them as a folder or a zip file."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelinekit.domain.digests import is_digest
from pipelinekit.domain.runs import RunRecord
from pipelinekit.domain.snapshots import Tree, TreeEntry, parse_manifest
from pipelinekit.errors import NotFoundError, UsageError
from pipelinekit.formats.paths import place_folder
from pipelinekit.ports import Blobs, Documents, RunRecords
from pipelinekit.wire.values import loads
from pipelinekit.workspace.previews import Preview

EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip file can name: content decides, not when it was written


class Snapshot:
    """The files of a source folder as a run kept them."""

    def __init__(self, digest: str, blobs: Blobs) -> None:
        self.digest = digest
        self._blobs = blobs
        self._tree: Tree | None = None

    @property
    def tree(self) -> Tree:
        """Its files. Raises IntegrityError where they are not in the store any more."""
        if self._tree is None:
            self._tree = parse_manifest(self._blobs.read(self.digest))
        return self._tree

    @property
    def files(self) -> tuple[TreeEntry, ...]:
        """Its files by path, with digests and sizes."""
        return self.tree.entries

    def read(self, path: str) -> bytes:
        """The bytes of one file. Raises NotFoundError."""
        for entry in self.files:
            if entry.path == path:
                return self._blobs.read(entry.digest)
        raise NotFoundError(
            f"snapshot {self.digest} has no file {path!r}", hint="'pipelinekit snapshots show' lists them"
        )

    def download(self, target: str | Path) -> Path:
        """Copy it to a zip file, if the name ends so, or into a folder, which must be empty. It appears whole."""
        path = Path(target)
        if path.is_dir() and path.suffix != ".zip" and not any(path.iterdir()):
            path.rmdir()
        if os.path.lexists(path):
            raise UsageError(f"{path} is there already", hint="name a place that is free, or an empty folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(dir=path.parent, prefix=".snapshot-"))
        try:
            made = staged / "snapshot"
            if path.suffix == ".zip":
                self._write_zip(made)
            else:
                place_folder(self.digest, made, self._blobs, share=False)
            os.rename(made, path)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return path

    def document(self) -> dict[str, Any]:
        """The snapshot as JSON data."""
        files = [
            {"path": item.path, "digest": item.digest, "size": item.size, "executable": item.executable}
            for item in self.files
        ]
        return {"digest": self.digest, "size": self.tree.size, "files": files}

    def _write_zip(self, path: Path) -> None:
        """Equal snapshots give equal bytes."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry in self.files:
                item = zipfile.ZipInfo(entry.path, EPOCH)
                item.external_attr = (0o100755 if entry.executable else 0o100644) << 16
                item.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(item, self._blobs.read(entry.digest))

    def __repr__(self) -> str:
        return f"Snapshot({self.digest!r})"


class SnapshotCollection:
    """The snapshots of a workspace. `look` previews a source folder."""

    def __init__(self, runs: RunRecords, documents: Documents, blobs: Blobs, look: Callable[[Path], Preview]) -> None:
        self._runs = runs
        self._documents = documents
        self._blobs = blobs
        self._look = look

    def get(self, name: str = "latest", step: str = "") -> Snapshot:
        """The snapshot of a run (the newest by default), of one of its steps, or that of a digest. NotFoundError."""
        if is_digest(name):
            if self._blobs.missing([name]):
                raise NotFoundError(f"there is no snapshot {name}", hint="'pipelinekit runs list' shows runs; name one")
            return Snapshot(name, self._blobs)
        run = self._runs.get(name)
        if not run.graph:
            return self._own(run, step)
        texts = self._documents.get([run.graph])
        if run.graph not in texts:
            raise NotFoundError(f"run {run.id} was removed by clean-up, and its snapshot with it")
        graph = loads(texts[run.graph])
        digest = graph["snapshot"]
        if step:
            found = {item["name"]: item["snapshot"] for item in graph["steps"]}
            if step not in found:
                raise NotFoundError(f"run {run.id} has no step {step!r}", hint=f"its steps: {', '.join(sorted(found))}")
            digest = found[step]
        if not digest:
            raise NotFoundError(
                f"{f'step {step!r} of ' if step else ''}run {run.id} has no source folder, and no snapshot"
            )
        return Snapshot(digest, self._blobs)

    def _own(self, run: RunRecord, step: str) -> Snapshot:
        """The snapshot of a run without a graph: an interactive one, if it has one."""
        digest = run.details.get("snapshot", "")
        if step or not digest:
            raise NotFoundError(
                f"run {run.id} has no {'steps' if step else 'snapshot'}",
                hint="start_run(source_directory=...) keeps one with an interactive run",
            )
        return Snapshot(digest, self._blobs)

    def preview(self, folder: str | Path = ".") -> Preview:
        """What a snapshot of a folder would hold, and what not, and why."""
        return self._look(Path(folder))
