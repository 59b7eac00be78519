"""What a server has stored, as the port that outputs and files are loaded from: fetched once, and verified."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, NoReturn

from pipelinekit.client.connection import Connection, quoted
from pipelinekit.client.run_records import refuse
from pipelinekit.client.uploads import Uploads
from pipelinekit.domain.digests import digest_stream
from pipelinekit.errors import IntegrityError, NotFoundError


class RemoteBlobs:
    """Implements `ports.Blobs`, with copies in a folder that goes with this object."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._uploads = Uploads(connection)
        self._folder: Path | None = None

    def put(self, source: BinaryIO | bytes) -> tuple[str, int]:
        """Store bytes; their digest and size."""
        staged = self._home / f"new-{uuid.uuid4().hex}"
        with staged.open("wb") as target:
            if isinstance(source, bytes):
                target.write(source)
            else:
                shutil.copyfileobj(source, target)
        try:
            return self.put_file(staged)
        finally:
            staged.unlink()

    def put_file(self, path: Path, *, move: bool = False) -> tuple[str, int]:
        """Store a file's bytes; with `move` the file goes."""
        return self.put_files([path], move=move)[0]

    def put_files(self, paths: Sequence[Path], *, move: bool = False) -> list[tuple[str, int]]:
        """The same for many files; their digests and sizes in this order."""
        told = [_digest_of(path) for path in paths]
        self._uploads.send_files({digest: path for (digest, _), path in zip(told, paths, strict=True)})
        for path in paths if move else ():
            path.unlink()
        return told

    def path(self, digest: str) -> Path:
        """A local file with the blob's bytes, verified, not to be written to. Raises NotFoundError, IntegrityError."""
        place = self._home / digest.rpartition(":")[2]
        if not place.exists():
            staged = place.with_name(f"{place.name}.part")
            with staged.open("wb") as target:
                self._connection.fetch(f"/blobs/{quoted(digest)}", target)
            found, _ = _digest_of(staged)
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


def _digest_of(path: Path) -> tuple[str, int]:
    with path.open("rb") as stream:
        return digest_stream(stream)
