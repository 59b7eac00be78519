"""Series of several runs as curves in a picture (PNG, SVG or PDF), drawn by matplotlib."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelinekit.domain.metrics import Series, downsample, finite
from pipelinekit.errors import UsageError
from pipelinekit.late import late
from pipelinekit.workspace.drawings.curves import COLOURS, MOST_POINTS, positions

if TYPE_CHECKING:
    from matplotlib import figure
else:
    figure = late("matplotlib.figure")

SUFFIXES = (".png", ".svg", ".pdf")
COLUMNS = 2
DASHES = ("solid", "dashed", "dotted", "dashdot")


def write_picture(target: Path, title: str, charts: Mapping[str, Mapping[str, Series]]) -> None:
    """A small chart for each metric; the same run has the same colour in all. Raises UsageError without matplotlib."""
    try:
        make = figure.Figure
    except ImportError:
        raise UsageError(
            f"{target.suffix} needs matplotlib, which is not installed",
            hint="pip install 'pipelinekit[plots]', or give a name that ends with .html, which needs nothing",
        ) from None
    columns = min(COLUMNS, len(charts))
    rows = math.ceil(len(charts) / columns)
    drawing = make(figsize=(6.0 * columns, 3.6 * rows + 0.6), layout="constrained")
    drawing.suptitle(title)
    runs = list(dict.fromkeys(run for curves in charts.values() for run in curves))
    for place, (name, curves) in enumerate(charts.items(), start=1):
        _draw(drawing.add_subplot(rows, columns, place), name, curves, runs)
    drawing.legend(*_legend(drawing, runs), loc="outside lower center", ncols=min(4, len(runs)))
    drawing.savefig(target)


def _draw(axes: Any, name: str, curves: Mapping[str, Series], runs: list[str]) -> None:
    axes.set_title(name)
    axes.grid(alpha=0.2)
    if all(len(series.values) < 2 for series in curves.values()):
        _draw_bars(axes, curves, runs)
        return
    for run, series in curves.items():
        shown = downsample(series, MOST_POINTS)
        places = shown.steps if shown.steps is not None else positions(len(series.values), len(shown.values))
        points = [(x, y) for x, value in zip(places, shown.values, strict=True) if (y := finite(value)) is not None]
        place = runs.index(run)
        look = {"color": _colour(place), "label": run, "linestyle": DASHES[place // len(COLOURS) % len(DASHES)]}
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o" if len(points) < 2 else "", **look)


def _draw_bars(axes: Any, curves: Mapping[str, Series], runs: list[str]) -> None:
    """One value of each run."""
    for run, series in curves.items():
        if series.values and (value := finite(series.values[0])) is not None:
            bars = axes.barh(run, value, color=_colour(runs.index(run)), label=run)
            axes.bar_label(bars, fmt="%g", padding=3)
    axes.set_yticks([])
    axes.invert_yaxis()
    axes.margins(x=0.15)


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _legend(drawing: Any, runs: list[str]) -> tuple[list[Any], list[str]]:
    """One line or bar of each run, in their order."""
    found: dict[str, Any] = {}
    for axes in drawing.axes:
        for handle, run in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(run, handle)
    return [found[run] for run in runs if run in found], [run for run in runs if run in found]
