"""Datastores, a store and secrets in memory: the twins of what `storage` keeps elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pipelinekit.classes import replace
from pipelinekit.domain.datastores import Datastore, StoreFile, check_path
from pipelinekit.domain.digests import digest_bytes
from pipelinekit.errors import ConflictError, NotFoundError


class MemoryDatastores:
    """Twin of `storage.datastores.SQLDatastores`."""

    def __init__(self) -> None:
        self._stores: dict[str, Datastore] = {}

    def put(self, store: Datastore, *, overwrite: bool = False) -> None:
        """Keep a datastore."""
        folded = store.name.lower()
        known = self._stores.get(folded)
        if known is not None and not overwrite:
            raise ConflictError(f"there is a datastore {known.name!r} already")
        self._stores[folded] = replace(store, is_default=known.is_default if known else False)
        if store.is_default:
            self.set_default(store.name)

    def get(self, name: str) -> Datastore:
        """The datastore of that name."""
        if name.lower() not in self._stores:
            raise NotFoundError(f"there is no datastore {name!r}")
        return self._stores[name.lower()]

    def list(self) -> Sequence[Datastore]:
        """All of them."""
        return [store for _, store in sorted(self._stores.items())]

    def remove(self, name: str) -> None:
        """Forget a datastore."""
        self.get(name)
        del self._stores[name.lower()]

    def set_default(self, name: str) -> None:
        """Make it the default."""
        self.get(name)
        self._stores = {
            folded: replace(store, is_default=folded == name.lower()) for folded, store in self._stores.items()
        }


class MemoryStore:
    """Twin of `storage.stores`: files in a dict."""

    def __init__(self, contents: Mapping[str, bytes] | None = None) -> None:
        self.contents = dict(contents or {})

    def check(self) -> None:
        """It can be reached."""

    def files(self, path: str) -> Iterable[StoreFile]:
        """The file at a path, or all below a folder."""
        if path:
            check_path(path)
        return [
            StoreFile(name, len(data), digest_bytes(data))
            for name, data in sorted(self.contents.items())
            if not path or name == path or name.startswith(path + "/")
        ]

    def read(self, path: str) -> BinaryIO:
        """The bytes of a file."""
        if check_path(path) not in self.contents:
            raise NotFoundError(f"there is no file {path!r} in the datastore")
        return BytesIO(self.contents[path])

    def write(self, path: str, source: Path) -> None:
        """Put a local file there."""
        self.contents[check_path(path)] = source.read_bytes()

    def local(self, path: str) -> Path | None:  # noqa: ARG002 - the port's
        """Nothing lies on this machine."""
        return None


class MemorySecretValues:
    """Twin of whatever keeps secrets."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self.values = dict(values or {})

    def get(self, name: str) -> str:
        """The value of a secret."""
        if name not in self.values:
            raise NotFoundError(f"there is no secret {name!r}")
        return self.values[name]
