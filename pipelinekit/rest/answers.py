"""Answers that are bytes: what stands in them is somebody's data, which no browser is to show or to run."""

from __future__ import annotations

import tempfile
import urllib.parse
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from fastapi.responses import Response, StreamingResponse

from pipelinekit.domain.snapshots import parse_manifest
from pipelinekit.domain.values import StoredValue
from pipelinekit.ports import Blobs
from pipelinekit.wire.values import dumps, plain_to_json

MEDIA_TYPE = "application/octet-stream"
PIECE_BYTES = 1 << 20
SPOOLED_BYTES = 16 << 20  # of an archive that is kept in memory
DESCRIBED: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
}
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal folders give equal archives


def safe_headers(name: str, size: int | None = None) -> dict[str, str]:
    """What keeps a browser from doing more with an answer than to save it under this name."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in name)
    whole = urllib.parse.quote(name, safe="")
    return {
        "content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}",
        "content-security-policy": "sandbox; default-src 'none'",
        **({} if size is None else {"content-length": str(size)}),
    }


def file_answer(path: Path, name: str) -> Response:
    """The bytes of a local file. It is opened now: that it is removed meanwhile does no harm."""
    stream = path.open("rb")
    size = path.stat().st_size
    return StreamingResponse(_pieces(stream), media_type=MEDIA_TYPE, headers=safe_headers(name, size))


def stream_answer(stream: BinaryIO, name: str) -> Response:
    """What a stream gives, to its end; it is closed then."""
    return StreamingResponse(_pieces(stream), media_type=MEDIA_TYPE, headers=safe_headers(name))


def bytes_answer(data: bytes, name: str) -> Response:
    """Bytes that are at hand."""
    return Response(data, media_type=MEDIA_TYPE, headers=safe_headers(name, len(data)))


def value_answer(value: StoredValue, name: str, blobs: Blobs) -> Response:
    """A stored value: a file as it is, a folder as an archive, plain data as JSON, and others as they are stored."""
    if value.format == "folder":
        return folder_answer(value.blob, f"{name}.zip", blobs)
    if value.blob:
        return file_answer(blobs.path(value.blob), name if name.endswith(value.suffix) else name + value.suffix)
    if value.is_at_hand:
        return bytes_answer(dumps(plain_to_json(value.data())).encode(), f"{name}.json")
    return bytes_answer(dumps([item.digest for item in value.items]).encode(), f"{name}.json")


def folder_answer(digest: str, name: str, blobs: Blobs) -> Response:
    """A folder of the store as a zip file."""
    spooled = tempfile.SpooledTemporaryFile(SPOOLED_BYTES)  # noqa: SIM115 - closed when it was sent
    with zipfile.ZipFile(spooled, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in parse_manifest(blobs.read(digest)).entries:
            item = zipfile.ZipInfo(entry.path, _EPOCH)
            item.external_attr = (0o100755 if entry.executable else 0o100644) << 16
            item.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(item, blobs.read(entry.digest))
    size = spooled.tell()
    spooled.seek(0)
    return StreamingResponse(_pieces(spooled), media_type=MEDIA_TYPE, headers=safe_headers(name, size))


def _pieces(stream: Any) -> Iterator[bytes]:
    with stream:
        while piece := stream.read(PIECE_BYTES):
            yield piece
