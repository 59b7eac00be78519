"""One level of a layout: the members of one group, laid out without regard to what lies inside or outside of them.

Coordinates are `along` the direction and `across` it; a level does not know which way the direction points.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.classes import field, frozen, mutable
from pipelinekit.engine.layout.layering import layers_of
from pipelinekit.engine.layout.ordering import Web, build_web, order
from pipelinekit.engine.layout.placing import place
from pipelinekit.engine.layout.shapes import Point, Spacing
from pipelinekit.engine.layout.straightening import straighten

CLIMB = 0.12  # so much longer is the way between layers, for each unit that a line climbs there
WIDEST = 5.0  # at most so many times the usual way


@frozen
class Signal:
    """An origin of lines in a level: a member, or -1 for the border where lines enter the group; and its ends.

    Ends are (member, where it enters it), with member -1 for the border where lines leave the group.
    """

    source: int
    leaves: float
    ends: tuple[tuple[int, float], ...]


@mutable
class Level:
    """A level laid out: its size, the members' (along, across) beginnings, and lines by signal and member."""

    along: float
    across: float
    members: list[Point]
    routes: dict[tuple[int, int], list[Point]] = field(default_factory=dict)
    doors: dict[tuple[int, bool], float] = field(default_factory=dict)  # (signal, leaving): across, where on the border


@frozen
class Edges:
    """Room that a level keeps free at its borders: before and after, along and across."""

    before: float = 0.0
    after: float = 0.0
    above: float = 0.0
    below: float = 0.0
    least: float = 0.0  # across, whatever is inside


def lay_out(sizes: Sequence[Point], signals: Sequence[Signal], edges: Edges, spacing: Spacing) -> Level:
    """Lay out members of these (along, across) sizes. Raises ValueError when the signals go in a circle."""
    doors = _Doors(len(sizes), signals)
    layer = layers_of(
        doors.count, doors.links(signals), frozenset(doors.entries.values()), frozenset(doors.exits.values())
    )
    lengths = [size[0] for size in sizes] + [0.0] * (doors.count - len(sizes))
    breadths = [size[1] for size in sizes] + [0.0] * (doors.count - len(sizes))
    web = build_web(layer, breadths, doors.wires(signals))
    order(web)
    middles = place(web, spacing)
    straighten(web, middles, spacing)
    bands, along = _bands(web, lengths, middles, doors, edges, spacing)
    low = min((middles[v] - web.sizes[v] / 2 for v in range(len(middles))), default=0.0)
    high = max((middles[v] + web.sizes[v] / 2 for v in range(len(middles))), default=0.0)
    spare = max(0.0, edges.least - (edges.above + edges.below + high - low))
    middles = [value - low + edges.above + spare / 2 for value in middles]
    begins = [sum(bands[layer[v]]) / 2 - lengths[v] / 2 for v in range(doors.count)]
    members = [(begins[v], middles[v] - breadths[v] / 2) for v in range(len(sizes))]
    level = Level(along, high - low + edges.above + edges.below + spare, members)
    level.doors.update({(number, False): middles[vertex] for number, vertex in doors.entries.items()})
    level.doors.update({(number, True): middles[vertex] for number, vertex in doors.exits.items()})
    _draw(level, web, doors.wires(signals), bands, begins, lengths, middles)
    return level


class _Doors:
    """Vertices for the places on the border where signals enter and leave a group, after those of the members."""

    def __init__(self, members: int, signals: Sequence[Signal]) -> None:
        self.entries: dict[int, int] = {}
        self.exits: dict[int, int] = {}
        self.count = members
        for number, signal in enumerate(signals):
            if signal.source < 0:
                self.entries[number] = self.count
                self.count += 1
            if any(member < 0 for member, _ in signal.ends):
                self.exits[number] = self.count
                self.count += 1

    def wires(self, signals: Sequence[Signal]) -> list[tuple[int, float, list[tuple[int, float]]]]:
        """Signals between vertices."""
        found = []
        for number, signal in enumerate(signals):
            source = self.entries.get(number, signal.source)
            ends = [(self.exits[number] if member < 0 else member, enters) for member, enters in signal.ends]
            found.append((source, signal.leaves, ends))
        return found

    def links(self, signals: Sequence[Signal]) -> list[tuple[int, int]]:
        """Pairs of vertices that are linked."""
        return sorted({(source, end) for source, _, ends in self.wires(signals) for end, _ in ends})


def _bands(
    web: Web, lengths: Sequence[float], middles: Sequence[float], doors: _Doors, edges: Edges, spacing: Spacing
) -> tuple[list[Point], float]:
    """Beginning and end of each layer along the direction, and where the level ends."""
    bands: list[Point] = []
    at = 0.0 if doors.entries else edges.before
    for depth, layer in enumerate(web.layers):
        entering = bool(doors.entries) and depth == 0
        length = max((lengths[vertex] for vertex in layer if vertex < web.real), default=0.0)
        # lines run straight through the room that a frame keeps for its label
        end = at + (max(edges.before - spacing.frame, 0.0) if entering else length)
        bands.append((at, end))
        climb = max((abs(middles[v] + a - middles[w] - b) for v in layer for w, a, b in web.lower[v]), default=0.0)
        usual = spacing.layers
        if entering or (doors.exits and depth == len(web.layers) - 2):
            usual = max(spacing.frame, usual * 0.6)
        at = end + min(usual * WIDEST, max(usual, usual * 0.6 + climb * CLIMB))
    end = bands[-1][1] if bands else edges.before
    return bands, end if doors.exits else end + edges.after


def _draw(
    level: Level,
    web: Web,
    wires: Sequence[tuple[int, float, Sequence[tuple[int, float]]]],
    bands: Sequence[Point],
    begins: Sequence[float],
    lengths: Sequence[float],
    middles: Sequence[float],
) -> None:
    """Routes: straight through layers, bending only between them, where no boxes are."""
    for number, (source, leaves, ends) in enumerate(wires):
        first, across = web.layer[source], middles[source] + leaves
        way = [(begins[source] + lengths[source], across), (bands[first][1], across)]
        reach: dict[int, list[tuple[int, float]]] = {}
        for target, enters in ends:
            reach.setdefault(web.layer[target], []).append((target, enters))
        for depth in range(first + 1, max(reach, default=0) + 1):
            for target, enters in reach.get(depth, ()):
                across = middles[target] + enters
                door = target >= len(level.members)
                level.routes[number, -1 if door else target] = [
                    *way,
                    (bands[depth][0], across),
                    (begins[target], across),
                ]
            point = web.passing.get((number, depth))
            if point is not None:
                way += [(bands[depth][0], middles[point]), (bands[depth][1], middles[point])]
