"""What is to be laid out, and what comes of it: plain boxes, links and coordinates.

Nothing here knows what the boxes stand for.
"""

from __future__ import annotations

from typing import Literal

from pipelinekit.classes import frozen

Direction = Literal["right", "down"]
Point = tuple[float, float]
Path = tuple[str, ...]


@frozen
class Box:
    """A box to be placed, and the path of the groups that it lies in: `("outer", "inner")`."""

    width: float
    height: float
    group: Path = ()


@frozen
class Link:
    """A line from one box to another, by their positions in the list of boxes.

    `leaves` says where it leaves its source: the distance from the middle of the side that looks along the direction.
    Links that leave one box at one point share their way until they part.
    """

    source: int
    target: int
    leaves: float = 0.0


@frozen
class Spacing:
    """Distances that a layout keeps, in the unit of the boxes."""

    boxes: float = 20.0  # between neighbours in a layer
    lines: float = 12.0  # between lines that pass a layer side by side
    beside: float = 16.0  # between a box and a line that passes it
    layers: float = 52.0  # between layers; more where lines must climb far
    frame: float = 18.0  # between a group's frame and what is in it
    head: float = 22.0  # for the frame's label
    letter: float = 7.0  # width of a letter of that label
    parts: float = 36.0  # between parts of the graph that nothing links
    margin: float = 16.0  # around everything


@frozen
class Placed:
    """Where a box stands: its upper left corner and its size."""

    x: float
    y: float
    width: float
    height: float


@frozen
class Frame:
    """The frame around a group."""

    group: Path
    place: Placed


@frozen
class Layout:
    """A finished layout: places by box, outer frames before inner ones, and a route for each link.

    A route is a list of points. Between two points that differ across the direction the line bends, with its ends along
    the direction; there is no box between such two. Between others it runs straight.
    """

    direction: Direction
    width: float
    height: float
    boxes: tuple[Placed, ...]
    frames: tuple[Frame, ...]
    routes: tuple[tuple[Point, ...], ...]
