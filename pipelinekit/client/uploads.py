"""Sending a pipeline with its code and inputs to a server: what it has already stays here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pipelinekit.client.connection import Connection, quoted
from pipelinekit.domain.environments import Environment, LockedEnvironment
from pipelinekit.domain.uploads import MOST_DIGESTS, PART_BYTES, SMALL_BYTES, Upload
from pipelinekit.errors import IntegrityError
from pipelinekit.wire.environments import environment_from_json, environment_to_json, lock_from_json
from pipelinekit.wire.uploads import pack

LockEnvironment = Callable[[Environment | str], LockedEnvironment]
Pack = Callable[[Any, Mapping[str, Any], LockEnvironment], AbstractContextManager[Upload]]
_HEAD_BYTES = 80  # of a blob in a pack, at most, beside its own
Progress = Callable[[int, int, str], None]  # of bytes, how many have gone of how many, and the file that goes


def _unseen(_done: int, _total: int, _name: str) -> None:
    """Nobody looks."""


class Uploads:
    """Sends to a server."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def lock(self, environment: Environment | str) -> LockedEnvironment:
        """An environment and what it is resolved to at the server, where its steps are going to run."""
        if isinstance(environment, str):
            body: dict[str, Any] = {"name": environment}
        else:
            body = {"environment": environment_to_json(environment)}
        found = self._connection.ask("POST", "/environments/lock", body, again=True).document
        document = found["environment"]
        known = environment_from_json(document, document["version"])
        return LockedEnvironment(known, lock_from_json(found["lock"]))

    def send(self, upload: Upload, progress: Progress = _unseen) -> str:
        """Send what the server has not, and go on where a sending broke off; the digest of the upload's document."""
        self.send_files(upload.places, progress)
        return upload.document

    def send_files(self, places: Mapping[str, Path], progress: Progress = _unseen) -> None:
        """Send files, by their digests, as far as the server has not their bytes."""
        sizes, parts = {}, {}
        for digests in _lots(places, MOST_DIGESTS):
            found = self._connection.ask("POST", "/blobs/missing", {"digests": digests}, again=True).document
            sizes.update({digest: places[digest].stat().st_size for digest in found["missing"]})
            parts.update(found["parts"])
        done, total = 0, sum(sizes.values())
        small = {digest: places[digest] for digest, size in sizes.items() if size <= SMALL_BYTES}
        for blobs in _packs(small):
            progress(done, total, "")
            self._connection.ask("POST", "/blobs", pack(blobs), again=True)
            done += sum(len(data) for _, data in blobs)
        for digest, size in sizes.items():
            if digest not in small:
                place = places[digest]
                for sent in self._parts(digest, place, size, parts.get(digest, 0)):
                    progress(done + sent, total, place.name)
                done += size
        progress(total, total, "")

    def _parts(self, digest: str, place: Path, size: int, begin: int) -> Iterator[int]:
        """Send a file in parts, from a byte on; how many bytes have gone after each."""
        with place.open("rb") as stream:
            stream.seek(begin)
            while begin < size:
                data = stream.read(PART_BYTES)
                if not data:
                    raise IntegrityError(f"{place} became shorter while it was sent", hint="send it again")
                headers = {"Content-Range": f"bytes {begin}-{begin + len(data) - 1}/{size}"}
                self._connection.ask("PUT", f"/blobs/{quoted(digest)}", data, headers=headers, again=True)
                begin += len(data)
                yield begin


def _lots(items: Iterable[str], most: int) -> Iterator[list[str]]:
    found = list(items)
    for first in range(0, len(found), most):
        yield found[first : first + most]


def _packs(places: Mapping[str, Path]) -> Iterator[list[tuple[str, bytes]]]:
    """Small blobs, as many together as one request carries."""
    taken: list[tuple[str, bytes]] = []
    size = 0
    for digest, place in places.items():
        data = place.read_bytes()
        length = len(data) + _HEAD_BYTES
        if taken and size + length > PART_BYTES:
            yield taken
            taken, size = [], 0
        taken.append((digest, data))
        size += length
    if taken:
        yield taken
