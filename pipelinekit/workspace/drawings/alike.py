"""Nodes that are alike: what a loop in a pipeline makes many of, told by where it stands in the graph.

Knows graphs only; whether they are drawn as one is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipelinekit.domain.graphs import Graph, predecessors


def alike(graph: Graph) -> list[list[int]]:
    """Nodes by kind: the same step, in scopes that differ by number only, fed by nodes of the same kinds.

    Members of one kind have equally long ways before them, so that links between kinds go forward only.
    """
    kinds: dict[object, int] = {}
    kind_of: list[int] = []
    members: list[list[int]] = []
    for position, node in enumerate(graph.nodes):
        definition = graph.step_of(node).definition
        fed = frozenset(kind_of[earlier] for earlier in predecessors(node))
        scope = tuple(map(unnumbered, node.name.split("/")[:-1]))
        kind = definition.kind, definition.entry, node.each, scope, bool(node.conditions), fed
        number = kinds.setdefault(kind, len(kinds))
        if number == len(members):
            members.append([])
        members[number].append(position)
        kind_of.append(number)
    return members


def unnumbered(name: str) -> str:
    """A name without the number that tells it from others: `clean` of `clean-3`."""
    return re.sub(r"-\d+$", "", name)


def common_name(graph: Graph, nodes: Sequence[int]) -> str:
    """What nodes that are alike are called: their common name, or its beginning, or their step's function."""
    names = {unnumbered(graph.nodes[position].name.rpartition("/")[2]) for position in nodes}
    if len(names) == 1:
        return names.pop()
    first, last = min(names), max(names)  # what these two share, all share
    same = next((index for index, letter in enumerate(first) if last[index : index + 1] != letter), len(first))
    begin = first[:same].rstrip("-_ .0123456789")
    if len(begin) >= 3:
        return f"{begin}…"
    definition = graph.step_of(graph.nodes[nodes[0]]).definition
    return re.split(r"[:/]", definition.entry)[-1]
