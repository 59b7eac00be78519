"""Groups: which of them can be framed, and how far the groups of two boxes agree.

A group can be framed when no line leaves it and comes back. Knows paths and links only.
"""

from __future__ import annotations

from collections.abc import Sequence

import networkx

from pipelinekit.engine.layout.shapes import Path


def drawable_groups(groups: Sequence[Path], links: Sequence[tuple[int, int]]) -> list[Path]:
    """The groups of boxes, without those that cannot be framed: lines leave them and come back."""
    found = list(groups)
    while True:
        knots: set[Path] = set()
        for path, pairs in _level_links(found, links).items():
            graph = networkx.DiGraph()
            graph.add_edges_from(pairs)  # a constructor given the pairs would import pandas to look at them
            for knot in networkx.strongly_connected_components(graph):
                if len(knot) > 1:
                    knots.update((*path, name) for kind, name in knot if kind == "group")
        if not knots:
            return found
        deepest = max(map(len, knots))
        dissolved = {path for path in knots if len(path) == deepest}
        found = [_without(path, dissolved) for path in found]


def _without(path: Path, dissolved: set[Path]) -> Path:
    """The path with the groups after a dissolved one moved up; names stay unique as they keep its name."""
    for depth in range(1, len(path) + 1):
        if path[:depth] in dissolved:
            return path[: depth - 1] + (
                (f"{path[depth - 1]}/{path[depth]}", *path[depth + 1 :]) if depth < len(path) else ()
            )
    return path


def _level_links(groups: Sequence[Path], links: Sequence[tuple[int, int]]) -> dict[Path, set[tuple[object, object]]]:
    found: dict[Path, set[tuple[object, object]]] = {}
    for source, target in links:
        left, right = groups[source], groups[target]
        shared = shared_groups(left, right)
        ends = tuple(
            ("group", path[shared]) if len(path) > shared else ("box", item)
            for path, item in ((left, source), (right, target))
        )
        if ends[0] != ends[1]:
            found.setdefault(left[:shared], set()).add((ends[0], ends[1]))
    return found


def shared_groups(left: Path, right: Path) -> int:
    """How many groups two paths share."""
    count = 0
    for first, second in zip(left, right, strict=False):
        if first != second:
            break
        count += 1
    return count
