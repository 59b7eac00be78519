"""Files and folders as values: into the store file by file, and out of it again without copying."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PosixPath

from pipelinekit.domain.snapshots import Tree, TreeEntry, normal_path, parse_manifest
from pipelinekit.domain.values import StoredValue, file_digest, file_suffix, folder_digest
from pipelinekit.errors import IntegrityError, UsageError
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    import shutil

    from pipelinekit.ports import Blobs
else:
    shutil = late("shutil")


class File(PosixPath):
    """A path to a file, as the type of an input, an output or a pipeline parameter."""

    __slots__ = ()


class Folder(PosixPath):
    """A path to a folder, as the type of an input, an output or a pipeline parameter."""

    __slots__ = ()


def walk_files(root: Path, leave_out: str = "") -> Iterator[tuple[str, Path, os.stat_result]]:
    """Every file below a folder with its relative path. Links are followed only to files inside; others are refused.

    Folders of the name `leave_out` are passed over.
    """
    stack = [(root, "")]
    while stack:
        folder, prefix = stack.pop()
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda item: item.name):
                relative = f"{prefix}{entry.name}"
                path = Path(entry.path)
                if entry.name == leave_out:
                    continue
                if entry.is_symlink():
                    _refuse_outside(root, path)
                if entry.is_dir():
                    if entry.is_symlink():
                        raise UsageError(
                            f"{path} is a link to a folder and cannot be stored", hint="copy what it points to"
                        )
                    stack.append((path, relative + "/"))
                elif entry.is_file():
                    yield normal_path(relative), path, entry.stat()
                else:
                    raise UsageError(f"{path} is neither a file nor a folder and cannot be stored")


def _refuse_outside(root: Path, link: Path) -> None:
    target = link.resolve()
    if not target.is_relative_to(root.resolve()):
        raise UsageError(f"{link} is a link to {target}, outside {root}", hint="copy what it points to")


def is_executable(state: os.stat_result) -> bool:
    """Whether the owner may execute a file."""
    return bool(state.st_mode & stat.S_IXUSR)


def store_file(path: Path, blobs: Blobs, *, move: bool) -> StoredValue:
    """Put a file into the store."""
    blob, size = blobs.put_file(path, move=move)
    suffix = file_suffix(path.name)
    return StoredValue(file_digest(blob, suffix), "file", size, blob, suffix=suffix)


def store_folder(root: Path, blobs: Blobs, *, move: bool) -> StoredValue:
    """Put a folder into the store: one blob for each file, and its manifest."""
    # links first: what they point to may be taken over
    files = sorted(walk_files(root), key=lambda found: not found[1].is_symlink())
    stored = blobs.put_files([path for _, path, _ in files], move=move)
    return store_tree(
        Tree.of(
            TreeEntry(relative, blob, size, is_executable(state))
            for (relative, _, state), (blob, size) in zip(files, stored, strict=True)
        ),
        blobs,
    )


def store_tree(tree: Tree, blobs: Blobs) -> StoredValue:
    """The folder value of a tree whose files are in the store already."""
    manifest, _ = blobs.put(tree.manifest())
    return StoredValue(folder_digest(manifest), "folder", tree.size, manifest)


def value_of_blob(blob: str, suffix: str, blobs: Blobs, *, folder: bool) -> StoredValue:
    """The file or folder value of what is in the store already. Raises UsageError for blobs that are not there."""
    tree = parse_manifest(blobs.read(blob)) if folder and not blobs.missing([blob]) else None
    needed = [blob, *(entry.digest for entry in tree.entries)] if tree else [blob]
    if missing := blobs.missing(needed):
        raise UsageError(f"there is no blob {min(missing)}", hint="send it first")
    if tree is not None:
        return store_tree(tree, blobs)
    size = blobs.path(blob).stat().st_size
    return StoredValue(file_digest(blob, suffix), "file", size, blob, suffix=suffix)


def place_file(digest: str, target: Path, blobs: Blobs, *, executable: bool = False, share: bool = True) -> None:
    """Make a blob appear at a path: with `share` read-only, by a hard link where that is possible; else as a copy."""
    source = blobs.path(digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    if share and not executable:  # a link to an executable would share its mode with the blob
        try:
            os.link(source, target)
        except OSError:
            share = False
        else:
            return
    shutil.copyfile(source, target)
    os.chmod(target, 0o755 if executable else 0o644)


def place_folder(manifest: str, target: Path, blobs: Blobs, *, share: bool = True) -> Tree:
    """Make a stored folder appear at a path, file by file."""
    tree = parse_manifest(blobs.read(manifest))
    target.mkdir(parents=True, exist_ok=True)
    for entry in tree.entries:
        try:
            place_file(entry.digest, target / entry.path, blobs, executable=entry.executable, share=share)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            words = f"the stored folder {manifest} cannot be placed: another file is in the way of {entry.path!r}"
            raise IntegrityError(words) from error
    return tree
