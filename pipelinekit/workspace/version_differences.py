"""Two published pipelines side by side: steps, parameters, options, and the files of their snapshots line by line."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.published_pipelines import PublishedPipeline
from pipelinekit.domain.snapshots import parse_manifest
from pipelinekit.domain.version_differences import FileDifference, ValueDifference, VersionDifference
from pipelinekit.engine.graph_differences import ADDED, CHANGED, REMOVED, step_differences
from pipelinekit.ports import Blobs
from pipelinekit.wire.publishing import parameters_document
from pipelinekit.wire.runs import options_to_json

LARGEST_TEXT = 1 << 20  # bytes of a file that is compared line by line


def version_difference(
    before: tuple[PublishedPipeline, Graph], after: tuple[PublishedPipeline, Graph], blobs: Blobs
) -> VersionDifference:
    """What differs between two published pipelines, each with its graph. Raises IntegrityError for lost files."""
    return VersionDifference(
        tuple(step_differences(before[1], after[1])),
        tuple(_values(before, after)),
        tuple(_files(before[1].snapshot, after[1].snapshot, blobs)),
    )


def _values(
    before: tuple[PublishedPipeline, Graph], after: tuple[PublishedPipeline, Graph]
) -> Iterator[ValueDifference]:
    def parameters(side: tuple[PublishedPipeline, Graph]) -> dict[str, Any]:
        found = parameters_document(side[1].parameters, side[0].values)
        return {item["name"]: {key: value for key, value in item.items() if key != "name"} for item in found}

    for kind, old, new in (
        ("parameter", parameters(before), parameters(after)),
        ("option", options_to_json(before[0].options), options_to_json(after[0].options)),
    ):
        for name in dict.fromkeys([*old, *new]):
            if old.get(name) != new.get(name):
                yield ValueDifference(kind, name, old.get(name), new.get(name))


def _files(before: str, after: str, blobs: Blobs) -> Iterator[FileDifference]:
    if before == after:
        return
    old, new = ({entry.path: entry for entry in _entries(snapshot, blobs)} for snapshot in (before, after))
    for path in sorted({*old, *new}):
        left, right = old.get(path), new.get(path)
        if left == right:
            continue
        what = ADDED if left is None else REMOVED if right is None else CHANGED
        texts = [_text(entry.digest, entry.size, blobs) if entry else [] for entry in (left, right)]
        lines: list[str] = []
        if None not in texts:
            lines = list(difflib.unified_diff(texts[0] or [], texts[1] or [], path, path, lineterm=""))
        yield FileDifference(path, what, tuple(lines))


def _entries(snapshot: str, blobs: Blobs) -> Any:
    return parse_manifest(blobs.read(snapshot)).entries if snapshot else ()


def _text(digest: str, size: int, blobs: Blobs) -> list[str] | None:
    """The lines of a file; None where it is no text, or too long to be looked through."""
    if size > LARGEST_TEXT:
        return None
    try:
        return blobs.read(digest).decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return None
