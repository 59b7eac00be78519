"""A planned drawing as SVG: one file that needs nothing else, in light and dark, readable without colour.

Every text is escaped here, once, where it is written. Knows nothing of runs beyond the statuses of shapes.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from pipelinekit.domain.texts import STATUS_MARKS, printable
from pipelinekit.engine.layout.shapes import Layout, Placed, Point
from pipelinekit.workspace.drawings.pictures import WORDS, Arrow, Picture, Shape
from pipelinekit.workspace.drawings.plans import LEFT, LINE, NAME_LINE, PADDING, PORT_LINE, STACK, Plan, Text
from pipelinekit.workspace.drawings.style import KINDS, NO_STATUS, SYMBOLS, style_text
from pipelinekit.workspace.drawings.words import columns, cut

COMB = 24  # from so many lines on, they are drawn along a bar
BAR = 16.0  # how far the bar is from the box
HEAD = 64.0  # height of the part with title and legend


def svg_text(plan: Plan, *, alone: bool = True) -> str:
    """The drawing as SVG. `alone` adds title, legend and tooltips, which a page around it would show itself."""
    layout = plan.layout
    top = HEAD if alone else 0.0
    width = max(layout.width, _head_width(plan.picture) if alone else 0.0)
    height = layout.height + top
    body = [
        *(_frame(frame.group, frame.place) for frame in layout.frames),
        *_edges(plan.picture.arrows, layout),
        *_heads(plan.picture.arrows, layout),
        *(
            _box(index, shape, text, place, layout.direction == "right", tooltip=alone)
            for index, (shape, text, place) in enumerate(
                zip(plan.picture.shapes, plan.texts, layout.boxes, strict=True)
            )
        ),
    ]
    size = f'width="{_n(width)}" height="{_n(height)}" ' if alone else ""
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}viewBox="0 0 {_n(width)} {_n(height)}" role="img" class="pk"'
    )
    return "\n".join(
        [
            f'{opening} aria-label="{_t(plan.picture.name)}">',
            f"<style>{style_text()}</style>",
            f"<defs>{''.join(_symbol(name, body) for name, body in SYMBOLS.items())}</defs>",
            *(['<rect width="100%" height="100%" class="paper"/>', *_head(plan.picture)] if alone else []),
            f'<g transform="translate({_n((width - layout.width) / 2 if width > layout.width else 0)} {_n(top)})">',
            *body,
            "</g>",
            "</svg>",
            "",
        ]
    )


def legend_items(picture: Picture) -> list[tuple[str, str]]:
    """The marks that the picture uses, with their meaning: (symbol, words)."""
    return [
        (KINDS[status], f"{picture.counts[status]:,} {WORDS[status]}")
        for status in STATUS_MARKS
        if picture.counts.get(status)
    ]


# -- parts -------------------------------------------------------------------------------------------------------------


def _head(picture: Picture) -> Iterable[str]:
    yield f'<text x="16" y="28" class="title">{_t(_title(picture))}</text>'
    yield f'<text x="16" y="48" class="sub">{_t(picture.subtitle)}</text>'
    at = _legend_begin(picture)
    for symbol, words in legend_items(picture):
        yield f'<use href="#pk-{symbol}" x="{_n(at)}" y="15" width="14" height="14" class="s-{symbol}"/>'
        yield f'<text x="{_n(at + 19)}" y="26" class="legend">{_t(words)}</text>'
        at += 35 + columns(words) * 6.6


def _head_width(picture: Picture) -> float:
    legend = sum(35 + columns(words) * 6.6 for _, words in legend_items(picture))
    return max(_legend_begin(picture) + legend, 32 + columns(printable(picture.subtitle)) * 6.6)


def _legend_begin(picture: Picture) -> float:
    return 52 + columns(_title(picture)) * 11.2


def _title(picture: Picture) -> str:
    return cut(printable(picture.name), 60)


def _frame(group: Sequence[str], place: Placed) -> str:
    label = cut(group[-1], max(4, int((place.width - 20) / 6.8)), middle=True)
    return (
        f'<g class="frame d{min(len(group), 3)}"><rect {_rect(place)} rx="10"/>'
        f'<text x="{_n(place.x + 14)}" y="{_n(place.y + 20)}">{_t(label)}</text></g>'
    )


def _edges(arrows: Sequence[Arrow], layout: Layout) -> Iterable[str]:
    """Lines. Where very many leave or enter a box together, they run along one bar, like the teeth of a comb."""
    right = layout.direction == "right"
    leaving = Counter((arrow.source, arrow.port) for arrow in arrows)
    entering = Counter(arrow.target for arrow in arrows)
    for arrow, route in zip(arrows, layout.routes, strict=True):
        combs = leaving[arrow.source, arrow.port] > COMB, entering[arrow.target] > COMB
        # bars of neighbouring boxes lie side by side
        offs = BAR + 5 * (arrow.source % 3), BAR + 5 * (arrow.target % 3)
        line = [point if right else (point[1], point[0]) for point in route]
        path = _path(line, offs[0] if combs[0] else 0.0, offs[1] if combs[1] else 0.0, right)
        yield f'<path d="{path}" class="e {arrow.kind}" data-e="{arrow.source} {arrow.target}"/>'


def _path(line: Sequence[Point], first: float, last: float, right: bool) -> str:
    """A line by its points, along and across: straight where it keeps its place across, else bent.

    With `first` the first bend is made of corners, so far from its beginning, and with `last` the last, from its end.
    """
    bends = [index for index in range(len(line) - 1) if abs(line[index][1] - line[index + 1][1]) >= 0.01]
    parts = [f"M{_point(*line[0], right)}"]
    for index, ((at, across), (end, to)) in enumerate(pairwise(line)):
        middle = (at + end) / 2
        if index not in bends:
            parts.append(f"L{_point(end, to, right)}")
        elif first and index == bends[0]:
            parts.append(_corners(min(at + first, middle), across, end, to, right))
        elif last and index == bends[-1]:
            parts.append(_corners(max(end - last, middle), across, end, to, right))
        else:
            parts.append(f"C{_point(middle, across, right)} {_point(middle, to, right)} {_point(end, to, right)}")
    return "".join(parts)


def _corners(bar: float, across: float, end: float, to: float, right: bool) -> str:
    size = min(6.0, abs(to - across) / 2)
    turn = size if to > across else -size
    corners = [(bar - size, across), (bar, across), (bar, across + turn), (bar, to - turn), (bar, to), (bar + size, to)]
    a, b, c, d, e, f = (_point(*corner, right) for corner in corners)
    return f"L{a}Q{b} {c}L{d}Q{e} {f}L{_point(end, to, right)}"


def _point(along: float, across: float, right: bool) -> str:
    return f"{_n(along)} {_n(across)}" if right else f"{_n(across)} {_n(along)}"


def _heads(arrows: Sequence[Arrow], layout: Layout) -> Iterable[str]:
    """One arrow head for each box that lines arrive at: all lines of a box end in one point."""
    for target in sorted({arrow.target for arrow in arrows}):
        place = layout.boxes[target]
        words = f'class="head" data-h="{target}"'
        if layout.direction == "right":
            x, y = _n(place.x), _n(place.y + place.height / 2)
            yield f'<path d="M{x} {y}l-8 -4.2v8.4z" {words}/>'
        else:
            x, y = _n(place.x + place.width / 2), _n(place.y)
            yield f'<path d="M{x} {y}l-4.2 -8h8.4z" {words}/>'


def _box(index: int, shape: Shape, text: Text, place: Placed, right: bool, *, tooltip: bool) -> str:
    kind = KINDS[shape.status] if shape.status else NO_STATUS
    classes = f"n s-{kind}" + (" cond" if shape.conditions else "")
    parts = [f'<g class="{classes}" data-n="{index}" transform="translate({_n(place.x)} {_n(place.y)})">']
    if tooltip:
        parts.append(f"<title>{_t(_tooltip(shape))}</title>")
    size = f'width="{_n(place.width)}" height="{_n(place.height)}"'
    if shape.many:
        parts += [f'<rect x="{_n(off)}" y="{_n(off)}" {size} rx="7" class="under"/>' for off in (2 * STACK, STACK)]
    parts.append(f'<rect {size} rx="7" class="box"/>')
    parts.append(f'<path d="M0 7a7 7 0 0 1 4 -6.3V{_n(place.height - 0.7)}a7 7 0 0 1 -4 -6.3z" class="bar"/>')
    parts.append(f'<use href="#pk-{kind}" x="13" y="{_n(PADDING + 3)}" width="14" height="14"/>')
    many = f'<tspan class="many" dx="6">{_t(text.many)}</tspan>' if text.many else ""
    parts.append(f'<text x="{_n(LEFT)}" y="{_n(PADDING + 14.5)}" class="name">{_t(text.name)}{many}</text>')
    for number, (kind_of_line, line) in enumerate(text.lines):
        y = PADDING + NAME_LINE + number * LINE + 11
        parts.append(f'<text x="{_n(LEFT)}" y="{_n(y)}" class="{kind_of_line}">{_t(line)}</text>')
    parts += _port_texts(text, place, right)
    if len(shape.counts) > 1:
        parts += _shares(shape, place)
    if shape.conditions:
        x, y = (0.0, place.height / 2) if right else (place.width / 2, 0.0)
        parts.append(f'<path d="M{_n(x - 7)} {_n(y)}l7 -7l7 7l-7 7z" class="gate"/>')
    return "".join([*parts, "</g>"])


def _port_texts(text: Text, place: Placed, right: bool) -> Iterable[str]:
    for port in text.ports:
        name = _t(cut(printable(port.name), 26 if right else 14))
        if right:
            y = place.height / 2 + port.off
            yield f'<circle cx="{_n(place.width)}" cy="{_n(y)}" r="2.5" class="dot"/>'
            yield f'<text x="{_n(place.width - 10)}" y="{_n(y + 3.5)}" class="port end">{name}</text>'
        else:
            x = place.width / 2 + port.off
            yield f'<circle cx="{_n(x)}" cy="{_n(place.height)}" r="2.5" class="dot"/>'
            yield f'<text x="{_n(x)}" y="{_n(place.height - PORT_LINE / 2)}" class="port middle">{name}</text>'


def _shares(shape: Shape, place: Placed) -> Iterable[str]:
    """A thin bar that shows how many executions have which status."""
    total = sum(shape.counts.values())
    x, width = LEFT, place.width - LEFT - 12
    for status in STATUS_MARKS:
        if count := shape.counts.get(status):
            part = width * count / total
            box = f'x="{_n(x)}" y="{_n(place.height - 5.5)}" width="{_n(part)}" height="2.5"'
            yield f'<rect {box} class="share s-{KINDS[status]}"/>'
            x += part


def _tooltip(shape: Shape) -> str:
    lines = [" ".join([shape.full_name, shape.many]).strip(), shape.result]
    lines += [f"{name}: {words}" if name else words for name, words in shape.details]
    return "\n".join(printable(line) for line in lines if line)


def _symbol(name: str, body: str) -> str:
    return f'<symbol id="pk-{name}" viewBox="0 0 16 16">{body}</symbol>'


# -- writing -----------------------------------------------------------------------------------------------------------


def _t(text: str) -> str:
    """Text, escaped; control characters, which XML does not allow, made visible."""
    return html.escape("\n".join(printable(line) for line in text.split("\n")))


def _n(value: float) -> str:
    """A number with one decimal at most."""
    return f"{value:.1f}".rstrip("0").rstrip(".") if value % 1 else str(int(value))


def _rect(place: Placed) -> str:
    return f'x="{_n(place.x)}" y="{_n(place.y)}" width="{_n(place.width)}" height="{_n(place.height)}"'
