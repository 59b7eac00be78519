"""Layers: how far along the direction each vertex stands, so that every link goes forward and few are long.

Knows vertices as numbers; sizes and coordinates come later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import networkx


def layers_of(
    count: int,
    links: Iterable[tuple[int, int]],
    first: frozenset[int] = frozenset(),
    last: frozenset[int] = frozenset(),
) -> list[int]:
    """The layer of each vertex, counted from 0. Vertices of `first` and `last` have the outermost layers to themselves.

    Raises ValueError when the links go in a circle.
    """
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for source, target in links:
        before[target].append(source)
        after[source].append(target)
    order = _topological(count, after)
    found = [0] * count
    least = 1 if first else 0
    for vertex in order:
        lowest = 0 if vertex in first else least
        found[vertex] = max([lowest, *(found[item] + 1 for item in before[vertex])])
    if last:
        end = max(found[vertex] + (vertex not in last) for vertex in range(count))
        for vertex in last:
            found[vertex] = end
    _pull(order, before, after, found, first | last)
    return found


def _topological(count: int, after: Sequence[Sequence[int]]) -> list[int]:
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from((source, target) for source, targets in enumerate(after) for target in targets)
    try:
        return list(networkx.lexicographical_topological_sort(graph))
    except networkx.NetworkXUnfeasible:
        raise ValueError("the links go in a circle") from None


def _pull(
    order: Sequence[int],
    before: Sequence[Sequence[int]],
    after: Sequence[Sequence[int]],
    found: list[int],
    pinned: frozenset[int],
) -> None:
    """Move vertices towards what uses them where that makes links shorter: constants, side inputs, late joins."""
    light: list[bool] = [False] * len(order)  # nothing but this vertex hangs on what comes before it
    for vertex in order:
        light[vertex] = all(light[item] and len(after[item]) == 1 for item in before[vertex]) and vertex not in pinned
    for vertex in reversed(order):
        if vertex in pinned or not after[vertex]:
            continue
        if light[vertex] or len(after[vertex]) > len(before[vertex]):
            found[vertex] = min(found[item] for item in after[vertex]) - 1
