"""Which workspaces keep blobs in one place of an object store: clean-up knows the records of its own workspace only."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pipelinekit.errors import StorageError
from pipelinekit.storage.objects import ObjectStore

OWNERS = "workspaces"
MARK = "object-store"  # in the workspace folder: the store's address, and the name that the workspace has there


class Owners:
    """The workspaces of a store, as the one at `home` sees them."""

    def __init__(self, store: ObjectStore, home: Path) -> None:
        self._store = store
        self._home = home
        self._name = ""

    def register(self) -> None:
        """Tell the store, once, that this workspace keeps blobs there."""
        if self._name:
            return
        mark = self._home / MARK
        with suppress(FileNotFoundError, ValueError):
            url, name = mark.read_text(encoding="utf-8").split()
            if url == self._store.address.url:
                self._name = name
                return
        name = os.urandom(8).hex()
        self._store.put_bytes(f"{OWNERS}/{name}", f"{socket.gethostname()}:{self._home}".encode())
        staged = mark.with_name(f"{MARK}.{name}")
        staged.write_text(f"{self._store.address.url} {name}\n", encoding="utf-8")
        os.replace(staged, mark)
        self._name = name

    def check_alone(self) -> None:
        """Raise StorageError if other workspaces keep blobs in the same place."""
        self.register()
        others = [name for name, _ in self._store.walk(OWNERS) if name != f"{OWNERS}/{self._name}"]
        if others:
            raise StorageError(
                f"blobs may not be removed from {self._store}: {self._told(others)} keeps blobs there, too",
                hint="give each workspace a prefix of its own; if that workspace is gone for good, remove the object "
                f"{others[0]}",
            )

    def _told(self, names: Sequence[str]) -> str:
        place = (self._store.get(names[0]) or b"").decode("utf-8", "replace")
        return f"the workspace {place}" + (f" (and {len(names) - 1} more)" if len(names) > 1 else "")
