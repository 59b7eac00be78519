"""Coordinates within layers, after Brandes and Köpf: long lines straight, boxes in the middle of what they belong to.

Four layouts, each pushed into one corner, are made and the middle of the four taken. Vertices are aligned in blocks: a
vertex with the median of its neighbours, where their lines then run straight. Order and distances hold by construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pipelinekit.engine.layout.ordering import Web
from pipelinekit.engine.layout.shapes import Spacing

Neighbours = list[list[tuple[int, float]]]
Layers = Sequence[Sequence[int]]


def place(web: Web, spacing: Spacing) -> list[float]:
    """The coordinate of each vertex's middle."""
    position = [0] * len(web.sizes)
    for layer in web.layers:
        for index, vertex in enumerate(layer):
            position[vertex] = index
    refused = _refused(web, position)
    results = []
    for backward in (False, True):
        neighbours = _neighbours(web, position, backward=backward)
        for mirrored in (False, True):
            layers = [layer[::-1] if mirrored else layer for layer in web.layers]
            sign = -1.0 if mirrored else 1.0
            root, shift = _align(layers[::-1] if backward else layers, neighbours, position, refused, sign)
            found = _compact(layers, root, shift, web, spacing)
            results.append([value * sign for value in found])
    return _middle(results)


def _neighbours(web: Web, position: Sequence[int], *, backward: bool) -> Neighbours:
    """Neighbours in the layer that is placed before, in order, with how far each vertex stands off when lines align."""
    if backward:
        found = [[(item, enters - leaves) for item, leaves, enters in _lower(web, v)] for v in range(len(web.sizes))]
    else:
        found = [[(item, leaves - enters) for item, leaves, enters in items] for items in web.upper]
    for items in found:
        items.sort(key=lambda item: position[item[0]])
    return found


def _lower(web: Web, vertex: int) -> list[tuple[int, float, float]]:
    """Neighbours in the next layer; of a passing point only the next one, so that lines that split stay straight."""
    items = web.lower[vertex]
    onward = [item for item in items if item[0] >= web.real] if vertex >= web.real else []
    return onward or items


def _refused(web: Web, position: Sequence[int]) -> set[tuple[int, int]]:
    """Lines that must not be straightened, because a passing line would have to bend for it."""
    refused: set[tuple[int, int]] = set()
    for layer in web.layers[1:]:
        bounds = [
            (place, position[web.upper[vertex][0][0]]) for place, vertex in enumerate(layer) if _passes(web, vertex)
        ]
        index = 0
        for place, vertex in enumerate(layer):
            while index < len(bounds) and bounds[index][0] < place:
                index += 1
            left = bounds[index - 1][1] if index else -1
            right = bounds[index][1] if index < len(bounds) else len(position)
            if _passes(web, vertex):
                continue
            for item, _, _ in web.upper[vertex]:
                splits = item >= web.real and any(target >= web.real for target, _, _ in web.lower[item])
                if splits or not left <= position[item] <= right:
                    refused.add((item, vertex))
    return refused


def _passes(web: Web, vertex: int) -> bool:
    """Whether a line passes here that passed the layer before as well."""
    return vertex >= web.real and web.upper[vertex][0][0] >= web.real


def _align(
    layers: Layers, neighbours: Neighbours, position: Sequence[int], refused: set[tuple[int, int]], sign: float
) -> tuple[list[int], list[float]]:
    """Blocks: the root of each vertex, and how far the vertex stands off from its root."""
    root = list(range(len(position)))
    shift = [0.0] * len(position)
    for layer in layers[1:]:
        reached = -1.0 if sign > 0 else float(len(position))
        for vertex in layer:
            items = neighbours[vertex]
            if not items:
                continue
            middles = [(len(items) - 1) // 2, len(items) // 2]
            for middle in dict.fromkeys(middles if sign > 0 else middles[::-1]):
                item, off = items[middle]
                if (item, vertex) in refused or (vertex, item) in refused or (position[item] - reached) * sign <= 0:
                    continue
                root[vertex] = root[item]
                shift[vertex] = shift[item] + off * sign
                reached = position[item]
                break
    return root, shift


def _compact(layers: Layers, root: Sequence[int], shift: Sequence[float], web: Web, spacing: Spacing) -> list[float]:
    """Push all blocks together, as far as distances allow; then each towards what holds it on the other side."""
    count = len(root)
    after: list[dict[int, float]] = [{} for _ in range(count)]
    waiting = [0] * count
    for layer in layers:
        for left, right in pairwise(layer):
            apart = distance(left, right, web, spacing) + shift[left] - shift[right]
            known = after[root[left]]
            if root[right] not in known:
                waiting[root[right]] += 1
                known[root[right]] = apart
            elif apart > known[root[right]]:
                known[root[right]] = apart
    ready = [vertex for vertex in range(count) if root[vertex] == vertex and not waiting[vertex]]
    start = [0.0] * count
    for block in ready:  # grows while it is read
        for other, apart in after[block].items():
            start[other] = max(start[other], start[block] + apart)
            waiting[other] -= 1
            if not waiting[other]:
                ready.append(other)
    for block in reversed(ready):
        if after[block]:
            start[block] = max(start[block], min(start[other] - apart for other, apart in after[block].items()))
    return [start[root[vertex]] + shift[vertex] for vertex in range(count)]


def distance(left: int, right: int, web: Web, spacing: Spacing) -> float:
    """How far apart the middles of two neighbours in a layer have to be."""
    passing = (left >= web.real) + (right >= web.real)
    gap = (spacing.boxes, spacing.beside, spacing.lines)[passing]
    return (web.sizes[left] + web.sizes[right]) / 2 + gap


def _middle(results: Sequence[list[float]]) -> list[float]:
    """Align the four results on the narrowest one, and take the mean of the two in the middle for each vertex."""
    if not results[0]:
        return []
    narrowest = min(results, key=lambda values: max(values) - min(values))
    low, high = min(narrowest), max(narrowest)
    aligned = []
    for index, values in enumerate(results):
        off = high - max(values) if index % 2 else low - min(values)
        aligned.append([value + off for value in values])
    return [sum(sorted(four)[1:3]) / 2 for four in zip(*aligned, strict=True)]
