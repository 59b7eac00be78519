"""What the elements of a mapped step gave, as one value: a folder with a file (or a folder) of each, or one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipelinekit.classes import replace
from pipelinekit.domain.snapshots import Tree, TreeEntry
from pipelinekit.domain.values import StoredValue, folder_digest, tabular
from pipelinekit.ports import Blobs
from pipelinekit.workspace.dataset_inputs import ARROW, tree_of_value

FEWEST_DIGITS = 5  # of the numbers that elements are named by, so that their order is that of their names


def joined(values: Sequence[StoredValue], blobs: Blobs) -> StoredValue | None:
    """Files, folders or tables of elements in their order; None where they are none of these, or not all the same."""
    kinds = {value.format for value in values}
    if len(kinds) != 1 or not kinds <= {"file", "folder", "arrow"}:
        return None
    tree = Tree.of(_entries(values, blobs))
    manifest = tree.digest()
    if blobs.missing([manifest]):
        blobs.put(tree.manifest())
    folder = StoredValue(folder_digest(manifest), "folder", tree.size, manifest)
    return tabular(folder, {**ARROW, "recipe": []}) if kinds == {"arrow"} else folder


def _entries(values: Sequence[StoredValue], blobs: Blobs) -> Iterator[TreeEntry]:
    digits = max(FEWEST_DIGITS, len(str(len(values) - 1)))
    for position, value in enumerate(values):
        number = f"{position:0{digits}}"
        for entry in tree_of_value(value, blobs).entries:
            if value.format == "folder":
                yield replace(entry, path=f"{number}/{entry.path}")
            else:
                yield replace(entry, path=number + (".arrow" if value.format == "arrow" else value.suffix))
