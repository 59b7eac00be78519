"""Uploads: what a pipeline consists of, on its way to a server that shares no disk with its author."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipelinekit.classes import frozen
from pipelinekit.errors import Fault

PART_BYTES = 2 << 20  # that one request carries
SMALL_BYTES = 256 << 10  # blobs up to here travel together
MOST_DIGESTS = 10_000  # that are asked for at once


@frozen
class Upload:
    """A pipeline that is to be sent: the digest of its document, and where each blob lies that it needs."""

    document: str
    places: Mapping[str, Path]
    warnings: tuple[Fault, ...] = ()
