"""Arranging a whole graph: groups within groups, and parts that nothing links.

Each group is laid out on its own, the innermost first, and is then one box of the group around it. Where a line crosses
a frame, both sides meet in one point. Frames therefore hold what belongs to them and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import networkx

from pipelinekit.classes import field, mutable
from pipelinekit.engine.layout.fitting import shelve
from pipelinekit.engine.layout.groups import shared_groups
from pipelinekit.engine.layout.levels import Edges, Level, Signal, lay_out
from pipelinekit.engine.layout.shapes import Box, Direction, Frame, Layout, Link, Path, Placed, Point, Spacing

USUAL = Spacing()

Origin = tuple[int, float]  # a box and where lines leave it: what travels together


@mutable
class _Group:
    """A group while it is laid out: its members, and the ends that each origin has in it (None for the outside)."""

    path: Path
    members: list[int | Path] = field(default_factory=list)
    place: dict[int | Path, int] = field(default_factory=dict)
    source: dict[Origin, int | Path | None] = field(default_factory=dict)
    ends: dict[Origin, dict[int | Path | None, None]] = field(default_factory=dict)
    size: Point = (0.0, 0.0)
    doors: dict[tuple[Origin, bool], float] = field(default_factory=dict)
    routes: dict[tuple[Origin, int | Path | None], list[Point]] = field(default_factory=dict)
    begins: list[Point] = field(default_factory=list)

    def add(self, member: int | Path) -> None:
        """Take a member in, once."""
        if member not in self.place:
            self.place[member] = len(self.members)
            self.members.append(member)

    def wire(self, origin: Origin, source: int | Path | None, end: int | Path | None) -> None:
        """Let an origin reach an end in this group."""
        self.source[origin] = source
        self.ends.setdefault(origin, {})[end] = None


def arrange(boxes: Sequence[Box], links: Sequence[Link], direction: Direction, spacing: Spacing = USUAL) -> Layout:
    """Lay a graph out. Raises ValueError when the links go in a circle, between boxes or between groups."""
    return _Arrangement(boxes, links, direction, spacing).layout()


class _Arrangement:
    def __init__(self, boxes: Sequence[Box], links: Sequence[Link], direction: Direction, spacing: Spacing) -> None:
        self._boxes = boxes
        self._links = links
        self._direction: Direction = direction
        self._spacing = spacing
        self._groups: dict[Path, _Group] = {(): _Group(())}
        for index, box in enumerate(boxes):
            for depth in range(len(box.group)):
                path = box.group[: depth + 1]
                self._groups.setdefault(path, _Group(path))
                self._groups[path[:-1]].add(path)
            self._groups[box.group].add(index)
        for link in links:
            self._wire(link)

    def layout(self) -> Layout:
        """Lay out all levels, inside out, and put them together."""
        for path in sorted(self._groups, key=len, reverse=True):
            self._lay_out(self._groups[path])
        margin = self._spacing.margin
        origins: dict[Path, Point] = {(): (margin, margin)}
        for path in sorted(self._groups, key=len):
            group = self._groups[path]
            for member, begin in zip(group.members, group.begins, strict=True):
                if isinstance(member, tuple):
                    origins[member] = (origins[path][0] + begin[0], origins[path][1] + begin[1])
        frames = [Frame(path, self._placed(origins[path], group.size)) for path, group in self._groups.items() if path]
        along, across = self._groups[()].size
        whole = self._turn((along + 2 * margin, across + 2 * margin))
        return Layout(
            self._direction,
            *whole,
            tuple(self._box(index, origins) for index in range(len(self._boxes))),
            tuple(sorted(frames, key=lambda frame: len(frame.group))),
            tuple(self._route(link, origins) for link in self._links),
        )

    # -- taking apart ------------------------------------------------------------------------------------------------

    def _steps(self, link: Link) -> list[tuple[Path, int | Path | None, int | Path | None]]:
        """The levels that a link runs through: (group, where it begins there, where it ends there)."""
        left, right = self._boxes[link.source].group, self._boxes[link.target].group
        shared = shared_groups(left, right)

        def member(path: Path, depth: int, index: int) -> int | Path:
            return path[: depth + 1] if len(path) > depth else index

        return [
            *((left[:depth], member(left, depth, link.source), None) for depth in range(len(left), shared, -1)),
            (left[:shared], member(left, shared, link.source), member(right, shared, link.target)),
            *((right[:depth], None, member(right, depth, link.target)) for depth in range(shared + 1, len(right) + 1)),
        ]

    def _wire(self, link: Link) -> None:
        for path, source, end in self._steps(link):
            self._groups[path].wire((link.source, link.leaves), source, end)

    # -- one group ---------------------------------------------------------------------------------------------------

    def _lay_out(self, group: _Group) -> None:
        sizes = [
            self._turn(self._size(member)) if isinstance(member, int) else self._size(member)
            for member in group.members
        ]
        group.begins = [(0.0, 0.0)] * len(sizes)
        pieces = [(list(range(len(sizes))), list(group.source))] if group.path else self._parts(group)
        edges = self._edges(group.path)
        laid = []
        for members, origins in pieces:
            number = {member: index for index, member in enumerate(members)}
            signals = [self._signal(group, origin, number) for origin in origins]
            laid.append(
                (lay_out([sizes[member] for member in members], signals, edges, self._spacing), members, origins)
            )
        parts = [(level.along, level.across) for level, _, _ in laid]
        offsets, group.size = shelve(parts, self._direction, self._spacing.parts)
        for (level, members, origins), off in zip(laid, offsets, strict=True):
            self._take(group, level, members, origins, off)

    def _size(self, member: int | Path) -> Point:
        if isinstance(member, int):
            return self._boxes[member].width, self._boxes[member].height
        return self._groups[member].size

    def _edges(self, path: Path) -> Edges:
        if not path:
            return Edges()
        pad, head = self._spacing.frame, self._spacing.head
        label = len(path[-1]) * self._spacing.letter + 2 * pad
        if self._direction == "right":
            return Edges(pad, pad, pad + head, pad)
        return Edges(pad + head, pad, pad, pad, label)

    def _signal(self, group: _Group, origin: Origin, number: dict[int, int]) -> Signal:
        source = group.source[origin]
        ends = []
        for end in group.ends[origin]:
            enters = self._door(end, origin, leaving=False) if isinstance(end, tuple) else 0.0
            ends.append((-1 if end is None else number[group.place[end]], enters))
        leaves = self._door(source, origin, leaving=True) if isinstance(source, tuple) else origin[1]
        return Signal(
            -1 if source is None else number[group.place[source]], 0.0 if source is None else leaves, tuple(ends)
        )

    def _door(self, path: Path, origin: Origin, *, leaving: bool) -> float:
        """Where on a group's border a line crosses it, from the middle of that side."""
        group = self._groups[path]
        return group.doors[origin, leaving] - group.size[1] / 2

    def _parts(self, group: _Group) -> list[tuple[list[int], list[Origin]]]:
        """Members of the outermost level that are linked with each other, the largest part first."""
        graph = networkx.Graph()
        graph.add_nodes_from(range(len(group.members)))
        for origin, source in group.source.items():
            graph.add_edges_from(
                (group.place[source], group.place[end])
                for end in group.ends[origin]
                if source is not None and end is not None
            )
        parts = [sorted(part) for part in networkx.connected_components(graph)]
        home = {member: index for index, part in enumerate(parts) for member in part}
        origins: list[list[Origin]] = [[] for _ in parts]
        for origin, source in group.source.items():
            if source is not None:
                origins[home[group.place[source]]].append(origin)
        return sorted(zip(parts, origins, strict=True), key=lambda part: (-len(part[0]), part[0]))

    def _take(self, group: _Group, level: Level, members: list[int], origins: list[Origin], off: Point) -> None:
        def move(point: Point) -> Point:
            return point[0] + off[0], point[1] + off[1]

        for index, member in enumerate(members):
            group.begins[member] = move(level.members[index])
        for (number, end), route in level.routes.items():
            key = None if end < 0 else group.members[members[end]]
            group.routes[origins[number], key] = [move(point) for point in route]
        for (number, leaving), across in level.doors.items():
            group.doors[origins[number], leaving] = across

    # -- putting together --------------------------------------------------------------------------------------------

    def _turn(self, point: Point) -> Point:
        """Between (along, across) and (x, y)."""
        return point if self._direction == "right" else (point[1], point[0])

    def _placed(self, begin: Point, size: Point) -> Placed:
        return Placed(*self._turn(begin), *self._turn(size))

    def _box(self, index: int, origins: dict[Path, Point]) -> Placed:
        box = self._boxes[index]
        group = self._groups[box.group]
        begin = group.begins[group.place[index]]
        x, y = self._turn((origins[box.group][0] + begin[0], origins[box.group][1] + begin[1]))
        return Placed(x, y, box.width, box.height)

    def _route(self, link: Link, origins: dict[Path, Point]) -> tuple[Point, ...]:
        points: list[Point] = []
        for path, _, end in self._steps(link):
            off = origins[path]
            for along, across in self._groups[path].routes[(link.source, link.leaves), end]:
                _extend(points, (along + off[0], across + off[1]))
        return tuple(self._turn(point) for point in points)


def _extend(points: list[Point], point: Point) -> None:
    """Add a point; points within a straight stretch are left out."""
    if points and _near(points[-1], point):
        return
    if len(points) > 1 and abs(points[-1][1] - point[1]) < NEAR and abs(points[-2][1] - point[1]) < NEAR:
        points.pop()
    points.append(point)


NEAR = 0.01  # closer than this, two points are one


def _near(left: Point, right: Point) -> bool:
    return abs(left[0] - right[0]) < NEAR and abs(left[1] - right[1]) < NEAR
