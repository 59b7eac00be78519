"""Pictures made with matplotlib, the same bytes for the same data.

Only this module loads matplotlib; the steps import it when they run. Nothing is drawn on a screen, settings of the
machine or the user are not read, and the files carry neither a date nor the release that made them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

BLUE = "#2f6db3"
ORANGE = "#d9762b"
GREY = "#5c6670"
STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that every machine has it
    "font.size": 10,
    "text.color": "#22282e",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.labelcolor": GREY,
    "axes.edgecolor": "#b8c0c8",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e6e9ec",
    "xtick.color": GREY,
    "ytick.color": GREY,
    "legend.frameon": False,
    "svg.hashsalt": "pipelinekit",
}
DENSITY = 144
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None},
}


@contextmanager
def picture(name: str, width: float = 8.0, height: float = 4.0) -> Iterator[Any]:
    """Axes to draw on, in inches; afterwards the picture is written to the file `name` (png, svg or pdf)."""
    kind = name.rpartition(".")[2].lower()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure.subplots()
        figure.savefig(name, format=kind, dpi=DENSITY, metadata=_METADATA.get(kind))


def draw_bars(axes: Any, labels: Sequence[str], heights: Sequence[float]) -> None:
    """Upright bars from left to right."""
    places = numpy.arange(len(labels))
    axes.bar(places, heights, width=0.72, color=BLUE)
    axes.grid(visible=True, axis="y")
    axes.axhline(0, color="#b8c0c8", linewidth=0.8)
    crowded = len(labels) > 16
    axes.set_xticks(places, labels, rotation=90 if crowded and max(map(len, labels)) > 2 else 0)
    axes.tick_params(length=0)
    axes.margins(x=0.02)


def draw_ranking(axes: Any, labels: Sequence[str], widths: Sequence[float], spreads: Sequence[float]) -> None:
    """Lying bars, the first on top, each with its spread to both sides."""
    places = numpy.arange(len(labels))
    axes.barh(places, widths, height=0.68, color=BLUE, xerr=spreads, error_kw={"ecolor": GREY, "elinewidth": 1})
    axes.grid(visible=True, axis="x")
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.margins(y=0.02)


def draw_agreement(axes: Any, actual: numpy.ndarray, predicted: numpy.ndarray, left_out: float) -> None:
    """Predicted against actual numbers: how many rows lie where, and the mean of the actual ones for each prediction.

    Of either, the share `left_out` lies beyond each end of its axis.
    """
    across, along = _limits(predicted, left_out), _limits(actual, left_out)
    cells = axes.hexbin(
        predicted, actual, gridsize=60, bins="log", mincnt=1, cmap="Blues", extent=(*across, *along), linewidths=0.1
    )
    scale = axes.figure.colorbar(cells, ax=axes, label="rows", pad=0.02, format=LogFormatter())
    scale.outline.set_visible(False)
    axes.plot(across, across, color=GREY, linewidth=1, linestyle="--", label="prediction = actual")
    edges = numpy.unique(numpy.quantile(predicted, numpy.linspace(0, 1, 21)))
    places = numpy.digitize(predicted, edges[1:-1])
    found = numpy.unique(places)
    means = [(float(predicted[places == place].mean()), float(actual[places == place].mean())) for place in found]
    axes.plot(*zip(*means, strict=True), color=ORANGE, linewidth=2, marker="o", markersize=4, label="mean of actual")
    axes.set_xlim(*across)
    axes.set_ylim(*along)
    axes.legend(loc="upper left")


def _limits(values: numpy.ndarray, left_out: float) -> tuple[float, float]:
    """Both ends of an axis; apart even when all values are one."""
    low, high = (float(end) for end in numpy.quantile(values, (left_out, 1 - left_out)))
    return (low, high) if high > low else (low - 1, low + 1)
