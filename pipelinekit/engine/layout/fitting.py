"""How a drawing fits a screen: its direction, and how parts that nothing links share the room.

Knows sizes only.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.engine.layout.layering import layers_of
from pipelinekit.engine.layout.shapes import Direction, Point, Spacing

SCREEN = (1600.0, 900.0)  # what a drawing should fit into
SCROLLED = 1.6  # a page is scrolled down more readily than sideways: so many screens are as good as one
LEGIBLE = 0.75  # shrunk to no less than this, a drawing reads well


def suggest_direction(sizes: Sequence[Point], links: Sequence[tuple[int, int]]) -> Direction:
    """The direction in which a graph of boxes of these sizes fits a screen with the least shrinking.

    Names are read from left to right and screens are wide, so small graphs go right; long thin ones go down, where a
    page is scrolled.
    """
    if not sizes:
        return "right"
    counts: dict[int, int] = {}
    for depth in layers_of(len(sizes), links):
        counts[depth] = counts.get(depth, 0) + 1
    deep, broad = len(counts), max(counts.values())
    width = sum(size[0] for size in sizes) / len(sizes)
    height = sum(size[1] for size in sizes) / len(sizes)
    usual = Spacing()
    right = _fit(deep * (width + usual.layers), broad * (height + usual.boxes))
    down = _fit(broad * (width + usual.boxes), deep * (height + usual.layers))
    return "right" if right >= min(down, LEGIBLE) else "down"


def _fit(width: float, height: float) -> float:
    return min(1.0, SCREEN[0] / width, SCROLLED * SCREEN[1] / height)


def shelve(sizes: Sequence[Point], direction: Direction, gap: float) -> tuple[list[Point], Point]:
    """Put parts, given by (along, across), on shelves in the shape of a screen; where each begins, and the whole size.

    The largest parts should come first; the longest of all sets the least width.
    """
    if len(sizes) == 1:
        return [(0.0, 0.0)], sizes[0]
    area = sum((along + gap) * (across + gap) for along, across in sizes)
    shape = SCREEN[0] / SCREEN[1] if direction == "right" else SCREEN[1] / SCREEN[0]
    widest = max([(area * shape) ** 0.5, *(along for along, _ in sizes)])
    offsets: list[Point] = []
    at = level = depth = most = 0.0
    for along, across in sizes:
        if at and at + along > widest:
            at, level, depth = 0.0, level + depth + gap, 0.0
        offsets.append((at, level))
        most = max(most, at + along)
        at += along + gap
        depth = max(depth, across)
    return offsets, (most, level + depth)
