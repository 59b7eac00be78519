"""A pipeline on its way to a server that shares no disk with its author: its document, and packs of small blobs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipelinekit.classes import frozen
from pipelinekit.domain.digests import is_digest
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.types import PathRef
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import UsageError
from pipelinekit.wire.graphs import graph_text, parse_graph
from pipelinekit.wire.runs import paths_from_json, paths_to_json
from pipelinekit.wire.values import dumps, loads_strictly, values_from_json, values_to_json

SCHEMA = "pipelinekit upload 1"
_LONGEST_HEAD = 80  # bytes of a line that says what follows


@frozen
class UploadedGraph:
    """A graph, the values that it was given, and what is known of where it comes from."""

    graph: Graph
    values: Mapping[str, StoredValue]
    paths: Mapping[PathRef, StoredValue]
    details: Mapping[str, Any]


def upload_text(upload: UploadedGraph) -> str:
    """The document of an upload."""
    return dumps(
        {
            "schema": SCHEMA,
            "graph": graph_text(upload.graph),
            "values": values_to_json(upload.values),
            "paths": paths_to_json(upload.paths),
            "details": dict(upload.details),
        }
    )


def parse_upload(data: bytes) -> UploadedGraph:
    """What the document of an upload says. Raises UsageError for anything else."""
    try:
        document = loads_strictly(data)
        if document["schema"] != SCHEMA:
            raise UsageError(
                f"an upload of schema {document['schema']!r} cannot be read here", hint="send it with the same release"
            )
        graph = parse_graph(str(document["graph"]), "the upload")
        details = {str(name): value for name, value in document["details"].items()}
        return UploadedGraph(
            graph, values_from_json(document["values"]), paths_from_json(document["paths"]), json.loads(dumps(details))
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise UsageError(f"this is no upload: {error!r}", hint="'pipelinekit publish FILE' sends one") from None


def pack(blobs: Iterable[tuple[str, bytes]]) -> bytes:
    """Blobs in one text of bytes: for each a line with digest and size, and its bytes."""
    return b"".join(part for digest, data in blobs for part in (f"{digest} {len(data)}\n".encode(), data))


def unpack(data: bytes) -> Iterator[tuple[str, memoryview]]:
    """The blobs of a pack, by the digests that they are said to have. Raises UsageError."""
    place, whole = 0, memoryview(data)
    while place < len(data):
        end = data.find(b"\n", place, place + _LONGEST_HEAD)
        digest, _, size = data[place:end].decode("ascii", "replace").partition(" ")
        begin = end + 1
        if end < 0 or not is_digest(digest) or not size.isdigit() or begin + int(size) > len(data):
            raise UsageError(
                f"the pack cannot be read from byte {place} on",
                hint="each blob is a line 'DIGEST SIZE', and so many bytes",
            )
        place = begin + int(size)
        yield digest, whole[begin:place]
