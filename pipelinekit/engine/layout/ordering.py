"""Order within layers: vertices side by side so that few lines cross, with places kept for lines that pass a layer.

Knows the sizes of vertices only to tell where on a side a line ends.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence

from pipelinekit.classes import field, mutable

CAREFUL = 400  # up to so many vertices, neighbours are also swapped one by one


@mutable
class Web:
    """Vertices in layers, with the lines between neighbouring layers.

    Vertices from `real` on are passing points of lines that are longer than one layer. `upper[v]` holds (u, a, b) for a
    line from u in the layer before: it leaves u at `a` from u's middle, and enters v at `b` from v's; `lower` likewise.
    `passing` finds the passing point of a signal (an origin of lines) in a layer.
    """

    real: int
    sizes: list[float]
    layer: list[int]
    layers: list[list[int]]
    upper: list[list[tuple[int, float, float]]]
    lower: list[list[tuple[int, float, float]]]
    passing: dict[tuple[int, int], int] = field(default_factory=dict)


def build_web(
    layer: Sequence[int], sizes: Sequence[float], signals: Sequence[tuple[int, float, Sequence[tuple[int, float]]]]
) -> Web:
    """The web of these signals: (source, where it leaves it, [(target, where it enters it)])."""
    count = len(layer)
    web = Web(
        count,
        list(sizes),
        list(layer),
        [[] for _ in range(max(layer, default=-1) + 1)],
        [[] for _ in range(count)],
        [[] for _ in range(count)],
    )
    for number, (source, leaves, targets) in enumerate(signals):
        previous, offset = source, leaves
        ends: dict[int, list[tuple[int, float]]] = {}
        for target, enters in targets:
            ends.setdefault(layer[target], []).append((target, enters))
        for depth in range(layer[source] + 1, max(ends, default=0) + 1):
            for target, enters in ends.get(depth, ()):
                _connect(web, previous, target, offset, enters)
            if depth < max(ends):
                point = _add_point(web, depth)
                web.passing[number, depth] = point
                _connect(web, previous, point, offset, 0.0)
                previous, offset = point, 0.0
    _first_order(web)
    return web


def _add_point(web: Web, depth: int) -> int:
    web.sizes.append(0.0)
    web.layer.append(depth)
    web.upper.append([])
    web.lower.append([])
    return len(web.sizes) - 1


def _connect(web: Web, source: int, target: int, leaves: float, enters: float) -> None:
    web.lower[source].append((target, leaves, enters))
    web.upper[target].append((source, leaves, enters))


def _first_order(web: Web) -> None:
    """Vertices in the order in which they are reached, branch by branch: what belongs together begins together."""
    seen = [False] * len(web.sizes)
    for start in range(len(web.sizes)):
        stack = [start] if not web.upper[start] else []
        while stack:
            vertex = stack.pop()
            if seen[vertex]:
                continue
            seen[vertex] = True
            web.layers[web.layer[vertex]].append(vertex)
            stack.extend(target for target, _, _ in reversed(web.lower[vertex]))


def order(web: Web) -> None:
    """Sort the layers of a web so that few lines cross: barycentre sweeps, the best result kept."""
    count = len(web.sizes)
    sweeps = 24 if count <= CAREFUL else 12 if count <= 4_000 else 5
    position = [0] * count
    for layer in web.layers:
        _number(layer, position)
    best, fewest, stale = [list(layer) for layer in web.layers], crossings(web, position), 0
    for sweep in range(sweeps):
        if fewest == 0 or stale >= 6:
            break
        _sweep(web, position, forward=sweep % 2 == 0)
        if count <= CAREFUL:
            _swap(web, position)
        found = crossings(web, position)
        stale += 1
        if found < fewest:
            best, fewest, stale = [list(layer) for layer in web.layers], found, 0
    web.layers[:] = best


def _number(layer: Sequence[int], position: list[int]) -> None:
    for place, vertex in enumerate(layer):
        position[vertex] = place


def _sweep(web: Web, position: list[int], *, forward: bool) -> None:
    neighbours = web.upper if forward else web.lower
    for layer in web.layers[1:] if forward else reversed(web.layers[:-1]):
        weights = {}
        for vertex in layer:
            found = neighbours[vertex]
            if not found:
                weights[vertex] = float(position[vertex])
                continue
            # where on its neighbour's side a line ends decides between lines of one neighbour
            total = 0.0
            for item, leaves, enters in found:
                size = web.sizes[item]
                total += position[item] + ((leaves if forward else enters) / size if size else 0.0)
            weights[vertex] = total / len(found)
        layer.sort(key=weights.__getitem__)
        _number(layer, position)


def crossings(web: Web, position: Sequence[int]) -> int:
    """How many pairs of lines cross."""
    total = 0
    for layer in web.layers[:-1]:
        ends: list[int] = []
        for vertex in layer:
            found = [position[target] for target, _, _ in web.lower[vertex]]
            total += sum(len(ends) - bisect_right(ends, place) for place in found)
            for place in found:
                insort(ends, place)
    return total


def _swap(web: Web, position: list[int]) -> None:
    """Exchange neighbours wherever that removes crossings."""
    for layer in web.layers:
        for place in range(len(layer) - 1):
            left, right = layer[place], layer[place + 1]
            now = gain = 0
            for side in (web.upper, web.lower):
                ours, theirs = ([position[item[0]] for item in side[vertex]] for vertex in (left, right))
                now += _inversions(ours, theirs)
                gain += _inversions(theirs, ours)
            if gain < now:
                layer[place], layer[place + 1] = right, left
                position[left], position[right] = place + 1, place


def _inversions(left: Iterable[int], right: Iterable[int]) -> int:
    ends = sorted(right)
    return sum(bisect_right(ends, place - 1) for place in left)
