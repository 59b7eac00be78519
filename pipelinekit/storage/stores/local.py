"""A folder of this machine as a store. No link and no path leads out of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from pipelinekit.domain.datastores import StoreFile, check_path
from pipelinekit.domain.names import WORKSPACE_FOLDER
from pipelinekit.errors import NotFoundError, StorageError, UsageError
from pipelinekit.formats.paths import walk_files


class LocalStore:
    """Implements `ports.Store` on a folder. `name` is how messages call it: `datastore 'raw'`."""

    def __init__(self, name: str, root: Path) -> None:
        self._name = name
        self._root = root

    def check(self) -> None:
        """The folder is there and may be listed."""
        try:
            with os.scandir(self._root):
                return
        except OSError as error:
            raise StorageError(
                f"{self._name} cannot be reached: {self._root}: {error.strerror}",
                hint="make the folder first, or register another one",
            ) from None

    def files(self, path: str) -> Iterable[StoreFile]:
        """The file at a path, or all below a folder; in the order of their paths."""
        place = self._place(path)
        if place.is_file():
            state = place.stat()
            return [StoreFile(path, state.st_size)]
        if not place.is_dir():
            return []
        prefix = f"{path}/" if path else ""
        try:
            found = [
                StoreFile(prefix + relative, state.st_size)
                for relative, _, state in walk_files(place, leave_out=WORKSPACE_FOLDER)
            ]
        except OSError as error:
            raise StorageError(f"{self._name}: {error.filename}: {error.strerror}") from None
        return sorted(found, key=lambda item: item.path)

    def read(self, path: str) -> BinaryIO:
        """The bytes of a file."""
        try:
            return self._place(check_path(path)).open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFoundError(f"there is no file {path!r} in {self._name}") from None
        except OSError as error:
            raise StorageError(f"{self._name}: {path}: {error.strerror}") from None

    def write(self, path: str, source: Path) -> None:
        """Put a file there: whole, or not at all."""
        place = self._place(check_path(path))
        staged = place.with_name(f".{place.name}.{os.urandom(6).hex()}")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            self._place(path)  # a folder on the way may be a link that was made meanwhile
            with source.open("rb") as reader, staged.open("xb") as writer:
                while block := reader.read(1 << 20):
                    writer.write(block)
                writer.flush()
                os.fsync(writer.fileno())
            os.replace(staged, place)
        except OSError as error:
            raise StorageError(
                f"{path!r} cannot be written to {self._name}: {error.strerror}",
                hint="see whether its folder may be written to, and whether there is space",
            ) from None
        finally:
            staged.unlink(missing_ok=True)

    def local(self, path: str) -> Path | None:
        """The file itself."""
        place = self._place(check_path(path))
        return place if place.is_file() else None

    def _place(self, path: str) -> Path:
        """Where a path lies. Raises UsageError for a link that leads out of the root."""
        if not path:
            return self._root
        place = self._root / check_path(path)
        if not place.resolve().is_relative_to(self._root.resolve()):
            raise UsageError(
                f"{path!r} in {self._name} is a link that leads out of it",
                hint="copy what it points to, or register the folder that it lies in",
            )
        return place
