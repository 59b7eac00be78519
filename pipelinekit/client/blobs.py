"""What a server has stored, as the port that outputs and files are loaded from: fetched once, and verified."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from pipelinekit.client.connection import Connection, quoted
from pipelinekit.client.run_records import refuse
from pipelinekit.domain.digests import digest_stream
from pipelinekit.errors import IntegrityError, NotFoundError


class RemoteBlobs:
    """Implements `ports.Blobs` for reading, with copies in a folder that goes with this object."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._folder: Path | None = None

    def put(self, *_: Any) -> NoReturn:
        """Values are stored where the workspace is."""
        refuse("to store something")

    def put_file(self, path: Path, **_: Any) -> NoReturn:
        """Files are stored where the workspace is."""
        refuse(f"to store {path}")

    def put_files(self, *_: Any, **__: Any) -> NoReturn:
        """Files are stored where the workspace is."""
        refuse("to store files")

    def path(self, digest: str) -> Path:
        """A local file with the blob's bytes, verified, not to be written to. Raises NotFoundError, IntegrityError."""
        place = self._home / digest.rpartition(":")[2]
        if not place.exists():
            staged = place.with_name(f"{place.name}.part")
            with staged.open("wb") as target:
                self._connection.fetch(f"/blobs/{quoted(digest)}", target)
            with staged.open("rb") as stream:
                found, _ = digest_stream(stream)
            if found != digest:
                staged.unlink()
                raise IntegrityError(f"what the server sent as {digest} is {found}", hint="try again")
            os.replace(staged, place)
        return place

    def read(self, digest: str) -> bytes:
        """The blob's bytes, verified."""
        return self.path(digest).read_bytes()

    def missing(self, digests: Iterable[str]) -> set[str]:
        """Which of these are not in the store. The others are fetched."""
        return {digest for digest in digests if not self._is_there(digest)}

    def discard(self, digest: str) -> NoReturn:
        """Blobs are removed where the workspace is."""
        refuse(f"to remove {digest}")

    def _is_there(self, digest: str) -> bool:
        try:
            self.path(digest)
        except NotFoundError:
            return False
        return True

    @property
    def _home(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="pipelinekit-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder
