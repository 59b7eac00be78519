"""Datastores that a server has, and the files in them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar, cast

from pipelinekit.client.connection import LONG_SECONDS, Connection, quoted
from pipelinekit.domain.datastores import Datastore, StoreFile
from pipelinekit.errors import UsageError
from pipelinekit.ports import Blobs
from pipelinekit.wire.datastores import datastore_from_document

DatastoreT = TypeVar("DatastoreT")
SPOOLED_BYTES = 16 << 20


class RemoteStore:
    """Implements `ports.datasets.Store`."""

    def __init__(self, connection: Connection, name: str, blobs: Blobs) -> None:
        self._connection = connection
        self._blobs = blobs
        self._path = f"/datastores/{quoted(name)}"

    def check(self) -> None:
        """The server has looked when it was registered."""

    def files(self, path: str) -> Iterable[StoreFile]:
        """The file at a path, or every file below a folder (the root where it is empty)."""
        found = self._connection.get(f"{self._path}/files", pattern=path)["files"]
        return [StoreFile(item["path"], item["size"]) for item in found]

    def read(self, path: str) -> BinaryIO:
        """The bytes of a file, to be closed. Raises NotFoundError."""
        spooled = tempfile.SpooledTemporaryFile(SPOOLED_BYTES)  # noqa: SIM115 - its caller closes it
        self._connection.fetch(
            f"{self._path}/content/{'/'.join(map(quoted, path.split('/')))}", cast("BinaryIO", spooled)
        )
        spooled.seek(0)
        return cast("BinaryIO", spooled)

    def write(self, path: str, source: Path) -> None:
        """Put a local file there, in place of what is: it is sent to the server's store, and from there."""
        digest, _ = self._blobs.put_file(source)
        self._connection.ask("PUT", self._content(path), {"blob": digest}, again=True, seconds=LONG_SECONDS)

    def local(self, path: str) -> None:
        """It lies nowhere on this machine."""

    def _content(self, path: str) -> str:
        return f"{self._path}/content/{'/'.join(map(quoted, path.split('/')))}"


class RemoteDatastores(Generic[DatastoreT]):
    """The datastores of a workspace. `make` gives the handle on one."""

    def __init__(self, connection: Connection, make: Callable[[Datastore], DatastoreT]) -> None:
        self._connection = connection
        self._make = make

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
    ) -> DatastoreT:
        """Register a place under a name: a URL, or the whole path of a folder that the server has."""
        if "://" not in str(url) and not str(url).startswith("/"):
            raise UsageError(
                f"{str(url)!r} is no place of a server's", hint="give a URL, or the whole path of a folder that it has"
            )
        body = {
            "name": name,
            "url": str(url),
            "options": dict(options or {}),
            "secrets": dict(secrets or {}),
            "allow_private": allow_private,
            "overwrite": overwrite,
            "skip_validation": skip_validation,
            "default": default,
        }
        return self._handle(self._connection.ask("POST", "/datastores", body).document)

    def get(self, name: str = "") -> DatastoreT:
        """The datastore of that name, or the default one. Raises NotFoundError."""
        return self._handle(self._connection.get(f"/datastores/{quoted(name)}")) if name else self.default

    @property
    def default(self) -> DatastoreT:
        """The one that is used where none is named. Raises NotFoundError."""
        return self._handle(self._connection.get("/default-datastore"))

    def list(self) -> list[DatastoreT]:
        """All of them, by name."""
        return [self._handle(item) for item in self._connection.get("/datastores")["datastores"]]

    def unregister(self, name: str) -> None:
        """Forget a datastore; what lies there is not touched."""
        self._connection.ask("DELETE", f"/datastores/{quoted(name)}")

    def set_default(self, name: str) -> None:
        """Use it where none is named."""
        self._connection.ask("POST", f"/datastores/{quoted(name)}/set-default", again=True)

    def _handle(self, document: Mapping[str, Any]) -> DatastoreT:
        return self._make(datastore_from_document(document))
