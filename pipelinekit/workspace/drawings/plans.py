"""The plan of a drawing: how large each shape is, where it stands, and what is written in it.

Between the picture, which knows no sizes, and the SVG, which only writes down what is planned here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelinekit.classes import frozen
from pipelinekit.domain.texts import printable
from pipelinekit.engine.layout.arranging import arrange
from pipelinekit.engine.layout.fitting import suggest_direction
from pipelinekit.engine.layout.groups import drawable_groups
from pipelinekit.engine.layout.shapes import Box, Direction, Layout, Link, Path
from pipelinekit.workspace.drawings.pictures import WORDS, Picture, Shape
from pipelinekit.workspace.drawings.words import columns, cut

LETTER = 7.85  # width of a letter of a name, in a font of equally wide letters
SMALL, STRONG = 6.1, 7.0  # mean width of a letter of the smaller lines, and of those that are set in bold
NAME_COLUMNS, LINE_COLUMNS = 30, 40  # longer ones are cut
LEFT, RIGHT = 34.0, 14.0  # room in a box beside its text: the mark stands on the left
NAME_LINE, LINE, PORT_LINE = 20.0, 15.0, 15.0
PADDING = 8.0
NARROWEST = 104.0
MOST_PORTS = 8  # of a step with more outputs, lines leave the box at one point
STACK = 4.0  # how far the boxes behind a box stick out


@frozen
class Port:
    """An output on the border of a box, `off` the middle of the side that lines leave from."""

    name: str
    off: float


@frozen
class Text:
    """What is written in a box: the name, what `many` adds to it, and smaller lines with the kind of each."""

    name: str
    many: str
    lines: tuple[tuple[str, str], ...]
    ports: tuple[Port, ...]


@frozen
class Plan:
    """A picture with its layout, and the texts of its boxes."""

    picture: Picture
    layout: Layout
    texts: tuple[Text, ...]


def make_plan(picture: Picture) -> Plan:
    """Plan a picture: choose the direction, measure, lay out."""
    pairs = sorted({(arrow.source, arrow.target) for arrow in picture.arrows})
    groups = drawable_groups([shape.scope for shape in picture.shapes], pairs)
    lines = [_lines(shape) for shape in picture.shapes]
    names = [_name(shape, group) for shape, group in zip(picture.shapes, groups, strict=True)]
    width = max([NARROWEST, *(_width(name, found) for name, found in zip(names, lines, strict=True))])
    sizes = [(width, _height(len(found))) for found in lines]
    direction = suggest_direction(sizes, pairs)
    texts, boxes = [], []
    for shape, name, found, size, group in zip(picture.shapes, names, lines, sizes, groups, strict=True):
        ports, box = _ports(shape, size, direction)
        texts.append(Text(*name, found, ports))
        boxes.append(Box(*box, tuple(printable(part) for part in group)))
    links = []
    for arrow in picture.arrows:
        leaves = next((port.off for port in texts[arrow.source].ports if port.name == arrow.port), 0.0)
        links.append(Link(arrow.source, arrow.target, leaves))
    return Plan(picture, arrange(boxes, links, direction), tuple(texts))


def _name(shape: Shape, group: Path) -> tuple[str, str]:
    """The name inside its frames; scopes that have no frame stay part of it."""
    full = printable(shape.full_name)
    framed = "".join(f"{printable(part)}/" for part in group)
    return cut(full.removeprefix(framed), NAME_COLUMNS, middle=True), shape.many


def _lines(shape: Shape) -> tuple[tuple[str, str], ...]:
    """The smaller lines: the condition, what became of it, and why."""
    found = []
    if shape.conditions:
        found.append(("if", f"if {' and '.join(shape.conditions)}"))
    if shape.status is not None:
        found.append(("result", shape.result))
    elif shape.place and not shape.conditions:
        found.append(("why", shape.place))
    if shape.why and shape.status is not None:
        found.append(("why", shape.why))
    return tuple((kind, cut(printable(text), LINE_COLUMNS)) for kind, text in found)


def _width(name: tuple[str, str], lines: Sequence[tuple[str, str]]) -> float:
    widest = max((columns(text) * (STRONG if kind == "result" else SMALL) for kind, text in lines), default=0)
    title = columns(name[0]) + (columns(name[1]) + 1 if name[1] else 0)
    return round(LEFT + RIGHT + max(title * LETTER, widest))


def _height(lines: int) -> float:
    return 2 * PADDING + NAME_LINE + lines * LINE


def _ports(
    shape: Shape, size: tuple[float, float], direction: Direction
) -> tuple[tuple[Port, ...], tuple[float, float]]:
    """The outputs of a step that has several, and the size of the box with room for them."""
    width, height = size
    names = shape.ports if len(shape.ports) <= MOST_PORTS else ()
    if not names:
        return (), size
    if direction == "right":
        whole = height + len(names) * PORT_LINE
        first = height - PADDING / 2 + PORT_LINE / 2 - whole / 2
        return tuple(Port(name, first + index * PORT_LINE) for index, name in enumerate(names)), (width, whole)
    cell = max([width / len(names), *(columns(cut(printable(name), 14)) * SMALL + 16 for name in names)])
    whole = cell * len(names)
    first = cell / 2 - whole / 2
    ports = tuple(Port(name, first + index * cell) for index, name in enumerate(names))
    return ports, (whole, height + PORT_LINE)


def plan_document(plan: Plan) -> dict[str, Any]:
    """Nodes, edges and positions as JSON data, for other people's drawings."""
    layout = plan.layout
    nodes = []
    for shape, place in zip(plan.picture.shapes, layout.boxes, strict=True):
        document: dict[str, Any] = {"name": shape.full_name, "nodes": list(shape.nodes)}
        if shape.many:
            document["many"] = shape.many
        if shape.status is not None:
            document["status"] = str(shape.status)
            document["counts"] = {str(status): count for status, count in shape.counts.items()}
            document["seconds"] = round(shape.seconds, 6)
            document["why"] = shape.why
        if shape.conditions:
            document["conditions"] = list(shape.conditions)
        document |= {"x": place.x, "y": place.y, "width": place.width, "height": place.height}
        nodes.append(document)
    edges = []
    for arrow, route in zip(plan.picture.arrows, layout.routes, strict=True):
        edges.append(
            {
                "source": arrow.source,
                "target": arrow.target,
                "kind": arrow.kind,
                **({"output": arrow.port} if arrow.port else {}),
                "points": [[round(x, 2), round(y, 2)] for x, y in route],
            }
        )
    return {
        "name": plan.picture.name,
        "direction": layout.direction,
        "width": layout.width,
        "height": layout.height,
        "summary": {WORDS[status]: count for status, count in plan.picture.counts.items()},
        "nodes": nodes,
        "edges": edges,
        "groups": [
            {"name": "/".join(frame.group), "x": place.x, "y": place.y, "width": place.width, "height": place.height}
            for frame in layout.frames
            for place in [frame.place]
        ],
    }
