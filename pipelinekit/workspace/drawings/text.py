"""Drawings for a terminal: rails as `git log --graph` draws them, one line for each step, in the order of the graph.

A rail leads from a step down to all that use it. A line that has to pass a rail goes under it (`─│─`); where lines meet
there is a corner or a branch. Knows the width of a terminal but not whether there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.runs import RunRecord, StepRecord, StepStatus
from pipelinekit.domain.texts import STATUS_MARKS, printable
from pipelinekit.workspace.drawings.pictures import WORDS, Picture, Shape, make_picture
from pipelinekit.workspace.drawings.words import columns, cut

COLOURS = {
    StepStatus.FAILED: "31",
    StepStatus.RUNNING: "33",
    StepStatus.QUEUED: "37",
    StepStatus.CANCELED: "35",
    StepStatus.NOT_STARTED: "90",
    StepStatus.COMPLETED: "32",
    StepStatus.REUSED: "36",
    StepStatus.SKIPPED: "90",
}
FAINT, STRONG = "90", "1"
MOST_RAILS = 24  # side by side; what needs more is listed without rails
NAME_WIDTH, RESULT_WIDTH, WHY_WIDTH, LEAST = 44, 44, 100, 12

# (up, down, left, right) -> the corner, branch or crossing that has these arms
JOINTS = {
    (True, True, False, True): "├",
    (True, True, True, False): "┤",
    (True, True, True, True): "┼",
    (True, False, False, True): "╰",
    (True, False, True, False): "╯",
    (True, False, True, True): "┴",
}


def draw_text(
    graph: Graph,
    steps: Sequence[StepRecord] | None = None,
    run: RunRecord | None = None,
    *,
    width: int = 0,
    colour: bool = False,
    whole: bool = False,
) -> str:
    """The drawing of a graph, or of a run when `steps` are given, for a terminal of that width (0: any).

    Nodes that are alike are drawn as one where there are too many for rails, unless the graph is to be drawn `whole`.
    """
    limit = max(4, min(MOST_RAILS, width // 5)) if width else MOST_RAILS
    picture = make_picture(graph, steps, run, merge=False if whole else None)
    rails = draw_rails(picture, limit)
    if rails is None and not whole and not picture.merged:
        merged = make_picture(graph, steps, run, merge=True)
        if len(merged.shapes) < len(picture.shapes):
            picture, rails = merged, draw_rails(merged, limit)
    lines = _lines(picture, rails, width, colour=colour)
    return "\n".join([*_head(picture, colour=colour), *lines, *_legend(picture, colour=colour)])


# -- rails -------------------------------------------------------------------------------------------------------------


def draw_rails(picture: Picture, limit: int) -> list[str | None] | None:
    """The rails of each line, with the marks; None among them asks for an empty line. None when they are too many.

    The mark stands on the last line that ends in the step, or on a rail of its own.
    """
    users: list[int] = [0] * len(picture.shapes)
    before: list[set[int]] = [set() for _ in picture.shapes]
    for source, target in {(arrow.source, arrow.target) for arrow in picture.arrows}:
        users[source] += 1
        before[target].add(source)
    rails: list[int | None] = []  # by column: the step that the rail there comes from
    column: dict[int, int] = {}
    ended = -1  # the column of a mark just above that nothing uses: a mark under it would look linked
    lines: list[str | None] = []
    for number, shape in enumerate(picture.shapes):
        for source in before[number]:
            users[source] -= 1
        ending = sorted(column[source] for source in before[number] if not users[source])
        if ended >= 0 and not any(rail is not None for rail in rails):
            lines.append(None)
            ended = -1
        place = ending[0] if ending else _free(rails, [column[source] for source in before[number]], ended)
        if place == len(rails):
            rails.append(None)
        if len(rails) > limit:
            return None
        lines.append(_line(rails, {column[source] for source in before[number]}, set(ending), place, shape.mark))
        for end in ending:
            rails[end] = None
        ended = -1 if users[number] else place
        if users[number]:
            rails[place] = number
            column[number] = place
        while rails and rails[-1] is None:
            rails.pop()
    return lines


def _free(rails: Sequence[int | None], near: Sequence[int], ended: int) -> int:
    """The first free column on the right of what the step uses."""
    start = min(near, default=-1) + 1
    free = (place for place in range(start, len(rails)) if rails[place] is None and place != ended)
    return next(free, len(rails) + (len(rails) == ended))


def _line(rails: list[int | None], used: set[int], ending: set[int], place: int, mark: str) -> str:
    left, right = min(used | {place}), max(used | {place})
    while len(rails) <= place:
        rails.append(None)
    cells = []
    for index, rail in enumerate(rails):
        if index == place:
            cells.append(mark)
        elif index in used:
            cells.append(JOINTS[True, index not in ending, index > left, index < right])
        elif rail is not None:
            cells.append("│")
        else:
            cells.append("─" if left < index < right else " ")
        cells.append("─" if left <= index < right else " ")
    return "".join(cells).rstrip()


# -- words -------------------------------------------------------------------------------------------------------------


def _lines(picture: Picture, rails: Sequence[str | None] | None, width: int, *, colour: bool) -> list[str]:
    """Rails, names, results and reasons in columns; without rails, what each step uses is named instead."""
    users = [""] * len(picture.shapes) if rails is not None else _uses(picture)
    drawn = rails if rails is not None else [shape.mark for shape in picture.shapes]
    names = [_name(shape) for shape in picture.shapes]
    results = [cut(printable(shape.result), RESULT_WIDTH) for shape in picture.shapes]
    widths = [max((columns(text or "") for text in texts), default=0) for texts in (drawn, names, results)]
    lines = []
    shapes = iter(zip(picture.shapes, names, results, users, strict=True))
    for rail in drawn:
        if rail is None:
            lines.append("")
            continue
        shape, name, result, uses = next(shapes)
        code = COLOURS[shape.status] if shape.status else STRONG
        parts = [_paint_rail(rail, shape.mark, code, colour=colour) + " " * (widths[0] - columns(rail))]
        parts.append(_padded(name, widths[1], STRONG if colour else ""))
        used = widths[0] + 2 + widths[1]
        if widths[2]:
            parts.append(_padded(result, widths[2], code if colour else ""))
            used += 2 + widths[2]
        room = max(width - used - 2, LEAST) if width else WHY_WIDTH
        words = "  ".join(part for part in (uses, _why(shape)) if part)
        parts.append(_paint(cut(printable(words), room), FAINT if colour else ""))
        lines.append("  ".join(parts).rstrip())
    return lines


def _name(shape: Shape) -> str:
    return " ".join([cut(printable(shape.full_name), NAME_WIDTH, middle=True), shape.many]).strip()


def _why(shape: Shape) -> str:
    condition = f"if {' and '.join(shape.conditions)}" if shape.conditions else ""
    if shape.status is None:
        return condition or shape.place
    return "; ".join(part for part in (condition, shape.why) if part)


def _uses(picture: Picture) -> list[str]:
    """What each step uses, by name."""
    found: list[list[str]] = [[] for _ in picture.shapes]
    for source, target in sorted({(arrow.source, arrow.target) for arrow in picture.arrows}):
        found[target].append(picture.shapes[source].full_name)
    return [
        f"← {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}" if names else ""
        for names in found
    ]


def _head(picture: Picture, *, colour: bool) -> Iterable[str]:
    yield f"{_paint(printable(picture.name), STRONG if colour else '')}  {printable(picture.subtitle)}"
    yield ""


def _legend(picture: Picture, *, colour: bool) -> Iterable[str]:
    if not picture.counts:
        return
    parts = [
        f"{_paint(mark, COLOURS[status] if colour else '')} {picture.counts[status]:,} {WORDS[status]}"
        for status, mark in STATUS_MARKS.items()
        if picture.counts.get(status)
    ]
    yield ""
    yield "   ".join(parts)


def _paint_rail(rail: str, mark: str, code: str, *, colour: bool) -> str:
    if not colour:
        return rail
    before, _, after = rail.partition(mark)
    return "".join([_paint(before, FAINT), _paint(mark, code), _paint(after, FAINT)])


def _padded(text: str, width: int, code: str) -> str:
    return _paint(text, code) + " " * (width - columns(text))


def _paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if code and text else text
