"""Snapshots: the files of a source folder, told by content, and kept file by file in the store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelinekit.domain.digests import digest_bytes
from pipelinekit.domain.snapshots import SnapshotLimits, Tree, TreeEntry, is_safe_path, normal_path
from pipelinekit.errors import UsageError
from pipelinekit.formats.paths import is_executable
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING
from pipelinekit.workspace.files import FileDigests
from pipelinekit.workspace.ignores import CompilePatterns, IgnoreRules, read_rules

if TYPE_CHECKING:
    from pipelinekit.domain import secrets
    from pipelinekit.ports import Blobs, Cache
else:
    secrets = late("pipelinekit.domain.secrets")


class SourceTree:
    """The files of a source folder as they are now, and of packages outside it that its code reaches.

    A package outside (an editable install, a folder on the path) appears under its own import name.
    """

    def __init__(
        self, root: Path, cache: Cache, compile_patterns: CompilePatterns, limits: SnapshotLimits | None = None
    ) -> None:
        self.root = root
        self._limits = limits or SnapshotLimits()
        self._cache = cache
        self._compile_patterns = compile_patterns
        self._digests = FileDigests(cache)
        self.entries: dict[str, TreeEntry] = {}
        self.places: dict[str, str] = {}
        self._texts: dict[str, bytes] = {}
        self._tree: Tree | None = None  # in order, until something is added; so its digest
        self._digest = ""
        with _readable():
            self._take(root, "")

    def add(self, name: str, location: Path) -> None:
        """Add a package's folder, or a single module's file, from outside the source folder."""
        with _readable():
            if location.is_dir():
                self._take(location, f"{name}/")
            else:
                self._note({location.name: str(location)}, {str(location): location.stat()})

    def add_text(self, name: str, text: str) -> None:
        """Add a file that lies nowhere on disk."""
        data = text.encode()
        self._tree, self._digest = None, ""
        self._texts[name] = data
        self.entries[name] = TreeEntry(name, digest_bytes(data), len(data))

    def tree(self) -> Tree:
        """All files, as a tree."""
        if self._tree is None:
            self._tree = Tree.of(self.entries.values())
        return self._tree

    def digest(self) -> str:
        """The identity of the tree of all files."""
        if not self._digest:
            self._digest = self.tree().digest()
        return self._digest

    def read(self, path: str) -> bytes:
        """The bytes of one file, which must still be those that its digest says."""
        if path in self._texts:
            return self._texts[path]
        data = Path(self.places[path]).read_bytes()
        if digest_bytes(data) != self.entries[path].digest:
            raise _changed(self.places[path])
        return data

    def keep(self, blobs: Blobs) -> str:
        """Put the tree into the store; its digest. What is there already is not read.

        Every file is looked for, also where the manifest is there: some may have been removed, or set aside as damaged.
        """
        tree, digest = self.tree(), self.digest()
        wanted = {entry.digest: entry.path for entry in tree.entries}
        missing = blobs.missing([digest, *wanted])
        files = []
        for absent in missing - {digest}:
            if wanted[absent] in self._texts:
                blobs.put(self._texts[wanted[absent]])
            else:
                _refuse_keys(self.places[wanted[absent]])
                files.append(absent)
        stored = blobs.put_files([Path(self.places[wanted[absent]]) for absent in files])
        for absent, (found, _) in zip(files, stored, strict=True):
            if found != absent:
                raise _changed(self.places[wanted[absent]])
        if digest in missing:
            blobs.put(tree.manifest())
        return digest

    def _take(self, folder: Path, prefix: str) -> None:
        rules = read_rules(folder, self._cache, self._compile_patterns)
        places: dict[str, str] = {}
        states: dict[str, os.stat_result] = {}
        size = 0
        for relative, path, state in _walk(folder, rules):
            if not is_safe_path(relative):
                raise UsageError(f"a file may not be named {relative}, in {folder}", hint="rename it, or ignore it")
            if prefix + relative in places:
                raise UsageError(
                    f"two files have the same path {relative!r} in Unicode's NFC form, in {folder}",
                    hint="give one of them another name",
                )
            places[prefix + relative] = path
            states[path] = state
            size += state.st_size
            if len(places) > self._limits.files or size > self._limits.size:
                raise _too_large(folder, states, self._limits)
        self._note(places, states)

    def _note(self, places: dict[str, str], states: dict[str, os.stat_result]) -> None:
        digests = self._digests.digests_by_folder(states)
        self._tree, self._digest = None, ""
        for relative, path in places.items():
            state = states[path]
            self.entries[relative] = TreeEntry(relative, digests[path], state.st_size, is_executable(state))
            self.places[relative] = path


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{error.filename} cannot be read: {error.strerror}",
            hint="it belongs to the source folder: name it in .amlignore, or make it readable",
        ) from error


def _walk(root: Path, rules: IgnoreRules) -> Iterator[tuple[str, str, os.stat_result]]:
    """Files that are not ignored, with their relative paths. Links out of the folder and special files are refused."""
    resolved = os.path.realpath(root)
    stack = [(str(root), "")]
    while stack:
        folder, prefix = stack.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                relative = normal_path(f"{prefix}{entry.name}")
                is_folder = entry.is_dir(follow_symlinks=False)
                if rules.ignored(relative + "/" if is_folder else relative):
                    continue
                if entry.is_symlink() and not _check_link(resolved, entry):
                    continue
                if is_folder:
                    if not os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):  # a virtual environment
                        stack.append((entry.path, relative + "/"))
                elif entry.is_file():
                    yield relative, entry.path, entry.stat()


def _check_link(root: str, entry: os.DirEntry[str]) -> bool:
    """Whether a link is to a file inside the folder; broken ones are left out, others refused by name."""
    target = os.path.realpath(entry.path)
    if not os.path.exists(target):
        return False
    if os.path.commonpath([root, target]) != root:
        raise UsageError(
            f"{entry.path} is a link to {target}, outside the source folder",
            hint="copy what it points to, or name the link in .amlignore",
        )
    return os.path.isfile(target)


def _refuse_keys(path: str) -> None:
    """Refuse a file with the keys of secrets: beside the secrets that they open, they would protect nothing."""
    with _readable(), open(path, "rb") as stream:
        if stream.read(len(secrets.KEYS_MARK)) == secrets.KEYS_MARK.encode():
            raise UsageError(
                f"{path} holds the keys of secrets, and would be copied into the snapshot of the source folder",
                hint="move it out of the source folder",
            )


def _changed(path: str) -> UsageError:
    return UsageError(
        f"{path} changed while its snapshot was taken", hint="try again when nothing writes to the source folder"
    )


def _too_large(folder: Path, states: dict[str, os.stat_result], limits: SnapshotLimits) -> UsageError:
    sizes: dict[str, int] = {}
    for path, state in states.items():
        first = os.path.relpath(path, folder).partition("/")[0]
        sizes[first] = sizes.get(first, 0) + state.st_size
    largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
    listed = ", ".join(f"{name} ({sizes[name] / 2**20:.0f} MiB)" for name in largest)
    return UsageError(
        f"the source folder {folder} is larger than a snapshot may be ({limits}); the largest entries: {listed}",
        hint=f"name what is not code in {folder / '.amlignore'}, or keep the pipeline in a folder of its own; the "
        "settings snapshot_files and snapshot_size allow more",
    )
