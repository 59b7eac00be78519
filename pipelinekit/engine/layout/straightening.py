"""The last touch on coordinates: lines that are nearly straight are made straight, where there is room.

Moves never change the order of a layer, keep all distances, and bend no line that is straight.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from pipelinekit.engine.layout.ordering import Web
from pipelinekit.engine.layout.placing import distance
from pipelinekit.engine.layout.shapes import Spacing

SLIGHT = 32.0  # lines that bend by more are left alone
STRAIGHT = 0.01
LARGEST = 60  # vertices that are moved together, at most

Links = list[tuple[int, float]]


def straighten(web: Web, middles: list[float], spacing: Spacing) -> None:
    """Move vertices, each with all that straight lines tie to it, to where a line to a neighbour becomes straight."""
    place = [0] * len(middles)
    for layer in web.layers:
        for index, vertex in enumerate(layer):
            place[vertex] = index
    for layer in [*web.layers, *reversed(web.layers)]:
        for vertex in layer:
            for off in sorted(_slight(web, middles, vertex), key=abs)[:2]:
                tied = _tied(web, middles, vertex)
                if tied and abs(off) <= _room(web, middles, place, tied, off, spacing):
                    for item in tied:
                        middles[item] += off
                    break


def _slight(web: Web, middles: list[float], vertex: int) -> Iterable[float]:
    """Ways to go until a line that bends a little is straight. Lines of an even fan are meant to bend."""
    for links, other_side in ((_upper(web, middles, vertex), _lower), (_lower(web, middles, vertex), _upper)):
        if _even(links):
            continue
        for item, off in links:
            if STRAIGHT < abs(off) <= SLIGHT and not _even(other_side(web, middles, item)):
                yield off


def _even(links: Links) -> bool:
    """Whether a vertex stands in the middle of several neighbours on one side."""
    return len(links) > 1 and abs(sum(off for _, off in links)) <= STRAIGHT


def _upper(web: Web, middles: list[float], vertex: int) -> Links:
    """Neighbours in the layer before, and how far the vertex would have to move for each line to be straight."""
    here = middles[vertex]
    return [(item, middles[item] + leaves - enters - here) for item, leaves, enters in web.upper[vertex]]


def _lower(web: Web, middles: list[float], vertex: int) -> Links:
    """Neighbours in the next layer, likewise."""
    here = middles[vertex]
    return [(item, middles[item] + enters - leaves - here) for item, leaves, enters in web.lower[vertex]]


def _tied(web: Web, middles: list[float], vertex: int) -> set[int]:
    """The vertex with all that straight lines tie to it; empty when that is too much."""
    found = {vertex}
    stack = [vertex]
    while stack:
        vertex = stack.pop()
        for item, off in (*_upper(web, middles, vertex), *_lower(web, middles, vertex)):
            if abs(off) <= STRAIGHT and item not in found:
                found.add(item)
                stack.append(item)
        if len(found) > LARGEST:
            return set()
    return found


def _room(web: Web, middles: list[float], place: list[int], tied: set[int], off: float, spacing: Spacing) -> float:
    """How far vertices can move together in the direction of `off`."""
    room = math.inf
    for vertex in tied:
        layer = web.layers[web.layer[vertex]]
        other = place[vertex] + (1 if off > 0 else -1)
        if 0 <= other < len(layer) and layer[other] not in tied:
            apart = abs(middles[layer[other]] - middles[vertex])
            room = min(room, apart - distance(vertex, layer[other], web, spacing))
    return room
