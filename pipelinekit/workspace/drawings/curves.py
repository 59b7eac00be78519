"""Series of several runs as curves: one page of HTML that needs nothing else, a small chart for each metric."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence

from pipelinekit.domain.metrics import Series, downsample, finite

WIDTH, HEIGHT = 520, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 32, 12, 28
BAR, EDGE = 22, 2
MOST_POINTS = 1000  # of one curve: more cannot be told apart
COLOURS = ("#0b6bcb", "#c2410c", "#15803d", "#9333ea", "#b91c1c", "#0f766e", "#a16207", "#4b5563")
DASHES = ("", "6 3", "2 3", "8 3 2 3")  # curves can be told apart without colour as well
STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; margin: 24px; color: #1f2937; background: #fff; }
.charts { display: flex; flex-wrap: wrap; gap: 24px; }
figure { margin: 0; min-width: 0; } figcaption { font-weight: 600; }
svg { max-width: 100%; height: auto; }
svg text { font-size: 11px; fill: currentColor; } .grid { stroke: currentColor; opacity: .15; }
.bar { fill-opacity: .25; }
ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: 4px 20px; }
@media (prefers-color-scheme: dark) { body { color: #e5e7eb; background: #111827; } }
"""

Scale = Callable[[float], float]
Curves = Mapping[str, Series]  # by the name of a run


def page(title: str, charts: Mapping[str, Curves]) -> str:
    """A page with a chart for each metric; the same run has the same colour in all of them."""
    runs = list(dict.fromkeys(run for curves in charts.values() for run in curves))
    looks = {run: _look(place) for place, run in enumerate(runs)}
    legend = "".join(
        f'<li><svg width="36" height="10"><path d="M0 5H36" {looks[run]}/></svg> {html.escape(run)}</li>'
        for run in runs
    )
    figures = "".join(
        f"<figure><figcaption>{html.escape(name)}</figcaption>{chart(name, curves, looks)}</figure>"
        for name, curves in charts.items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style>'
        f"<h1>{html.escape(title)}</h1><ul>{legend}</ul><div class=charts>{figures}</div></html>\n"
    )


def chart(name: str, curves: Curves, looks: Mapping[str, str]) -> str:
    """One chart as SVG."""
    points = {run: _points(series) for run, series in curves.items()}
    places = [place for run in points.values() for place in run]
    if not places:
        return f'<svg width="{WIDTH}" height="40"><text x="8" y="24">no finite values</text></svg>'
    if all(len(run) < 2 for run in points.values()):
        return _bars(name, {run: found[0][1] for run, found in points.items() if found}, looks)
    x_ticks, y_ticks = ticks([x for x, _ in places]), ticks([y for _, y in places])
    across = _scale(x_ticks, LEFT, WIDTH - RIGHT)
    up = _scale(y_ticks, HEIGHT - BOTTOM, TOP)
    lines = [f'<path class="grid" d="M{LEFT} {up(y):.1f}H{WIDTH - RIGHT}"/>' for y in y_ticks]
    lines += [f'<text x="{LEFT - 6}" y="{up(y) + 4:.1f}" text-anchor="end">{y:g}</text>' for y in y_ticks]
    lines += [f'<text x="{across(x):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{x:g}</text>' for x in x_ticks]
    for run, found in points.items():
        lines.append(_curve(run, found, across, up, looks[run]))
    label = html.escape(f"{name}: {', '.join(curves)}", quote=True)
    return f'<svg {_size(HEIGHT)} role="img" aria-label="{label}">{"".join(lines)}</svg>'


def _bars(name: str, values: Mapping[str, float], looks: Mapping[str, str]) -> str:
    """One value of each run, as bars from zero."""
    across = _scale([min(0.0, *values.values()), max(0.0, *values.values()) or 1.0], EDGE, WIDTH - 4 * RIGHT)
    lines = []
    for place, (run, value) in enumerate(values.items()):
        begin, end = sorted((across(0.0), across(value)))
        top = TOP + place * BAR
        path = f"M{begin:.1f} {top}H{max(end, begin + 1):.1f}V{top + BAR - 6}H{begin:.1f}Z"
        lines.append(f'<path class="bar" d="{path}" {_filled(looks[run])}><title>{html.escape(run)}</title></path>')
        lines.append(f'<text x="{end + 6:.1f}" y="{top + BAR - 10}">{value:g}</text>')
    height = 2 * TOP + len(values) * BAR
    label = html.escape(f"{name}: {', '.join(values)}", quote=True)
    return f'<svg {_size(height)} role="img" aria-label="{label}">{"".join(lines)}</svg>'


def _size(height: int) -> str:
    """The size of a chart; on a narrow screen it shrinks."""
    return f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'


def ticks(values: Sequence[float]) -> list[float]:
    """Four to seven round numbers that enclose all values."""
    low, high = min(values), max(values)
    if low == high:
        low, high = (low - 0.5, high + 0.5) if abs(low) < 1e15 else (low * 0.5, high * 1.5)
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    width = power * next(step for step in (1, 2, 5, 10) if step * power >= rough * 0.999)
    first, last = math.floor(low / width), math.ceil(high / width)
    return [round(place * width, 12) if abs(width) > 1e-9 else place * width for place in range(first, last + 1)]


def _scale(numbers: Sequence[float], begin: float, end: float) -> Scale:
    low, high = numbers[0], numbers[-1]
    return lambda value: begin + (value - low) / (high - low) * (end - begin)


def _points(series: Series) -> list[tuple[float, float]]:
    shown = downsample(series, MOST_POINTS)
    places = shown.steps if shown.steps is not None else positions(len(series.values), len(shown.values))
    return [(x, y) for x, value in zip(places, shown.values, strict=True) if (y := finite(value)) is not None]


def positions(count: int, shown: int) -> list[int]:
    """Where points stand that were logged without steps; of a downsampled series about where they stood."""
    return [place * (count - 1) // max(shown - 1, 1) for place in range(shown)]


def _curve(run: str, found: Sequence[tuple[float, float]], across: Scale, up: Scale, look: str) -> str:
    """A curve that names its run where it is pointed at; a single point is a dot."""
    if len(found) < 2:
        return "".join(f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="4" {look}/>' for x, y in found)
    path = "L".join(f"{across(x):.1f} {up(y):.1f}" for x, y in found)
    return f'<path d="M{path}" {look}><title>{html.escape(f"{run}: {found[-1][1]:g}")}</title></path>'


def _look(place: int) -> str:
    colour, dash = COLOURS[place % len(COLOURS)], DASHES[place // len(COLOURS) % len(DASHES)]
    return f'fill="none" stroke="{colour}" stroke-width="2"' + (f' stroke-dasharray="{dash}"' if dash else "")


def _filled(look: str) -> str:
    """The look of a bar: filled with the colour of its curve."""
    colour = look.partition('stroke="')[2].partition('"')[0]
    return look.replace('fill="none"', f'fill="{colour}"')
