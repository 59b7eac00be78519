"""Reports: pictures of tables and of predictions, and a page that holds them."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelinekit import File, step
from pipelinekit_steps.columns import TableError, is_number, require_columns

_IMAGES = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
MOST_GROUPS = 60


@step
def plot_means(
    table: pa.Table,
    group: str,
    value: str,
    title: str = "",
    group_label: str = "",
    value_label: str = "",
    name: str = "means.png",
) -> File:
    """A picture with the mean of one column for each value of another, as bars in the order of the values.

    Nulls of either column are left out. Labels are the columns' names unless they are given. The suffix of `name`
    decides between png, svg and pdf. Equal tables give equal bytes.

    Raises TableError when a column is missing, `value` holds no numbers, or `group` has more than 60 different
    values.
    """
    from pipelinekit_steps.drawing import draw_bars, picture  # noqa: PLC0415 - loads matplotlib

    require_columns(table, [group, value])
    _require_numbers(table, value)
    known = table.select([group, value]).filter(pc.and_(pc.is_valid(table[group]), pc.is_valid(table[value])))
    means = known.group_by(group, use_threads=False).aggregate([(value, "mean")]).sort_by(group)
    if means.num_rows > MOST_GROUPS:
        raise TableError(f"column {group!r} has {means.num_rows} values, too many for one bar each")
    with picture(name, height=3.6) as axes:
        labels = [str(item) for item in means[group].to_pylist()]
        draw_bars(axes, labels, means[f"{value}_mean"].to_pylist())
        axes.set(title=title or f"Mean of {value} by {group}", xlabel=group_label or group, ylabel=value_label or value)
    return File(name)


@step
def plot_predictions(
    table: pa.Table,
    actual: str,
    prediction: str = "prediction",
    title: str = "Predicted and actual",
    unit: str = "",
    left_out: float = 0.005,
    name: str = "predictions.png",
) -> File:
    """A picture of predicted against actual numbers: how many rows lie where, and how well the mean is met.

    The share `left_out` of the rows at each end is outside of the picture, so that a few extreme ones do not shrink
    all others. `unit` is added to the labels. The suffix of `name` decides between png, svg and pdf.

    Raises TableError when a column is missing, empty, or holds no numbers.
    """
    from pipelinekit_steps.drawing import draw_agreement, picture  # noqa: PLC0415 - loads matplotlib

    require_columns(table, [actual, prediction])
    for column in (actual, prediction):
        _require_numbers(table, column)
    both = [table[column].cast(pa.float64()) for column in (actual, prediction)]
    known = pc.and_(pc.is_finite(both[0]), pc.is_finite(both[1]))
    numbers = [column.filter(known).to_numpy() for column in both]
    if not len(numbers[0]):
        raise TableError("there is no row that has both an actual and a predicted number")
    label = f" ({unit})" if unit else ""
    with picture(name, height=5.2) as axes:
        draw_agreement(axes, numbers[0], numbers[1], left_out)
        axes.set(title=title, xlabel=f"predicted{label}", ylabel=f"actual{label}")
    return File(name)


@step
def plot_importance(
    importance: pa.Table, title: str = "Importance of features", most: int = 20, name: str = "importance.png"
) -> File:
    """A picture of the table that `measure_importance` gives: its first `most` features, as lying bars.

    The suffix of `name` decides between png, svg and pdf. Raises TableError when a column is missing.
    """
    from pipelinekit_steps.drawing import draw_ranking, picture  # noqa: PLC0415 - loads matplotlib

    require_columns(importance, ["feature", "importance", "deviation"])
    shown = importance.slice(0, most)
    with picture(name, height=1.2 + 0.26 * max(shown.num_rows, 4)) as axes:
        columns = [shown[column].to_pylist() for column in ("feature", "importance", "deviation")]
        draw_ranking(axes, *columns)
        axes.set(title=title, xlabel="loss of score when the feature is shuffled")
    return File(name)


@step
def write_report(
    title: str,
    numbers: dict[str, dict[str, Any]],
    figures: list[File],
    text: str = "",
    name: str = "report.html",
) -> File:
    """Write a page that stands alone: a title, a text, tables of numbers, and figures in the order given.

    `numbers` has one table for each heading; headings and rows are shown in alphabetical order, because a dict's own
    order is no part of its identity. `figures` are png, svg or jpeg files, which the page contains. Paragraphs of
    `text` are separated by blank lines. Equal inputs give equal bytes.

    Raises TableError when a figure is no picture.
    """
    parts = [f"<h1>{html.escape(title)}</h1>"]
    parts += [f"<p>{html.escape(part.strip())}</p>" for part in text.split("\n\n") if part.strip()]
    parts += [
        '<div class="numbers">',
        *(_numbers(heading, numbers[heading]) for heading in sorted(numbers)),
        "</div>",
        *(_figure(figure, position) for position, figure in enumerate(figures, 1)),
    ]
    page = PAGE.format(title=html.escape(title), body="\n".join(parts))
    Path(name).write_text(page, encoding="utf-8", newline="\n")
    return File(name)


def _require_numbers(table: pa.Table, column: str) -> None:
    if not is_number(table[column].type):
        raise TableError(f"column {column!r} is of type {table[column].type}, it must hold numbers")


def _numbers(heading: str, rows: dict[str, Any]) -> str:
    lines = "\n".join(
        f"<tr><th>{html.escape(name.replace('_', ' '))}</th><td>{html.escape(show_number(rows[name]))}</td></tr>"
        for name in sorted(rows)
    )
    return f"<section><h2>{html.escape(heading)}</h2>\n<table>\n{lines}\n</table></section>"


def show_number(value: Any) -> str:
    """A number as people read it: whole ones with separators, others with about four digits that count."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{int(value):,}"
    return str(value)


def _figure(file: File, position: int) -> str:
    kind = _IMAGES.get(file.suffix.lower())
    if kind is None:
        raise TableError(f"{file.name} is no picture", hint=f"figures end in {', '.join(sorted(_IMAGES))}")
    data = base64.b64encode(file.read_bytes()).decode("ascii")
    return f'<figure><img src="data:{kind};base64,{data}" alt="figure {position}"></figure>'


PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ max-width: 52rem; margin: 2.5rem auto; padding: 0 1.25rem; color: #22282e;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }}
h1 {{ font-size: 1.7rem; margin-bottom: .6rem; }}
h2 {{ font-size: 1.05rem; margin: 0 0 .4rem; }}
.numbers {{ display: flex; flex-wrap: wrap; gap: 1rem 3rem; margin: 1.5rem 0; }}
table {{ border-collapse: collapse; font-size: .92rem; }}
th {{ font-weight: normal; color: #5c6670; text-align: left; padding: .2rem 1.5rem .2rem 0; }}
td {{ text-align: right; font-variant-numeric: tabular-nums; padding: .2rem 0; }}
tr + tr th, tr + tr td {{ border-top: 1px solid #e6e9ec; }}
figure {{ margin: 2rem 0; }}
img {{ width: 100%; height: auto; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""
