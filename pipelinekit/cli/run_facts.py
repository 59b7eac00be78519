"""The verbs of `pipelinekit runs` about what runs said: metrics, compare, tag, describe, children, files."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelinekit.bootstrap import Services
from pipelinekit.cli.output import print_json, table, time_text
from pipelinekit.cli.run_charts import chart_text, is_chart
from pipelinekit.domain.metrics import ROWS, SERIES, Metric, Series, downsample, finite
from pipelinekit.domain.run_queries import METRIC, RunQuery, has_tags, parse_tag
from pipelinekit.domain.runs import RunRecord
from pipelinekit.domain.texts import size_text
from pipelinekit.errors import NotFoundError, UsageError
from pipelinekit.wire.metrics import metric_document, numbers_to_json, series_document
from pipelinekit.wire.runs import run_document, show_value
from pipelinekit.workspace.comparing import Comparison
from pipelinekit.workspace.drawings import curves, plots
from pipelinekit.workspace.outputs import Output, below
from pipelinekit.workspace.run_children import children_of
from pipelinekit.workspace.run_views import comparison_document
from pipelinekit.workspace.runs import Told

MOST_SHOWN = 20  # points of a series in a terminal
BLOCKS = "▁▂▃▄▅▆▇█"


def metrics(arguments: argparse.Namespace, services: Services) -> int:
    """Metrics of a run and its steps; of one metric every point."""
    run = services.runs.get(arguments.run).record
    told = [("", metric) for metric in services.metrics.of_run(run.id)] + list(services.metrics.of_steps(run.id))
    found = [item for item in told if arguments.step in (None, item[0])]
    if arguments.name:
        found = [item for item in found if item[1].name == arguments.name]
        if not found:
            names = ", ".join(dict.fromkeys(metric.name for _, metric in told)) or "none"
            raise NotFoundError(f"run {run.id} has no metric {arguments.name!r}", hint=f"it has: {names}")
    if arguments.plot:
        return _plot(arguments, services, [run])
    if arguments.json:
        documents = [_document(step, metric, services, whole=bool(arguments.name)) for step, metric in found]
        print_json({"run": run.id, "metrics": documents})
        return 0
    if arguments.name:
        for step, metric in found:
            print("\n".join(_points(step, metric, services)))
        return 0
    rows = [
        (step or "(run)", metric.name, metric.kind, str(metric.points), *_summary(metric, services))
        for step, metric in found
    ]
    header = ("step", "metric", "kind", "points", "last", "lowest", "highest", "")
    print(table(rows, header) if rows else f"run {run.id} has no metrics")
    return 0


def _document(step: str, metric: Metric, services: Services, *, whole: bool) -> dict[str, Any]:
    document = {**metric_document(metric), "step": step or None}
    if whole and metric.kind == SERIES:
        document["series"] = series_document(services.metrics.series(metric))
    elif whole and metric.kind == ROWS:
        rows = services.metrics.rows(metric)
        document["columns"] = {name: numbers_to_json(list(values)) for name, values in rows.items()}
    elif whole:
        document["value"] = services.metrics.body(metric)
    return document


def _summary(metric: Metric, services: Services) -> tuple[str, str, str, str]:
    if metric.kind == SERIES:
        curve = spark(services.metrics.series(metric)) if metric.points > 1 else ""
        bounds = [f"{value:.6g}" if value is not None else "" for value in (metric.lowest, metric.highest)]
        return _short(metric.last), bounds[0], bounds[1], curve
    return ("" if metric.last is None else _short(metric.last)), "", "", ""


def _points(step: str, metric: Metric, services: Services) -> list[str]:
    title = f"{step or '(run)'}  {metric.name}  {metric.kind}"
    if metric.kind == SERIES:
        series = services.metrics.series(metric)
        shown = downsample(series, MOST_SHOWN)
        places = shown.steps if shown.steps is not None else [""] * len(shown.values)
        rows = [(str(place), _short(value)) for place, value in zip(places, shown.values, strict=True)]
        left = (
            f"{len(series.values)} points, {len(rows)} shown; --json has all" if len(rows) < len(series.values) else ""
        )
        return [title, table(rows, ("step", "value")), *([left] if left else [])]
    if metric.kind == ROWS:
        columns = services.metrics.rows(metric)
        rows_shown = list(zip(*columns.values(), strict=True))[-MOST_SHOWN:]
        return [title, table([tuple(map(_short, row)) for row in rows_shown], tuple(columns))]
    body = services.metrics.body(metric)
    if is_chart(metric.kind):
        return [title, chart_text(metric.kind, body)]
    return [title, f"a file of {size_text(body['size'])}; 'pipelinekit runs files --save FOLDER' writes it"]


def spark(series: Series) -> str:
    """A series as a small curve of one line."""
    numbers = [number for value in downsample(series, 24).values if (number := finite(value)) is not None]
    if not numbers:
        return ""
    low, high = min(numbers), max(numbers)
    span = (high - low) or 1.0
    return "".join(BLOCKS[min(int((number - low) / span * len(BLOCKS)), len(BLOCKS) - 1)] for number in numbers)


def asked_values(query: RunQuery, runs: Sequence[RunRecord], services: Services) -> dict[str, list[str]]:
    """What a list of runs was filtered and sorted by, as columns: the value of each run."""
    asked = dict.fromkeys((*((item.of, item.name) for item in query.conditions), query.sort))
    asked.pop(("", ""), None)
    metrics = {run.id: {item.name: item.last for item in services.metrics.listed(run.id)} for run in runs if asked}
    return {
        f"{'metric' if of == METRIC else 'param'}.{name}": [
            _short(metrics[run.id].get(name, "-"))
            if of == METRIC
            else _short(show_value(run.arguments[name]) if name in run.arguments else "-")
            for run in runs
        ]
        for of, name in asked
    }


def compare(arguments: argparse.Namespace, services: Services) -> int:
    """Runs side by side."""
    runs = [services.runs.get(run).record for run in arguments.runs]
    if len(runs) < 2:
        raise UsageError("one run has nothing to be compared with", hint="give two or more: 'runs compare A B'")
    rows = Comparison(services.records.documents, services.metrics).rows(runs)
    if arguments.plot:
        _plot(arguments, services, runs)
    shown = [row for row in rows if arguments.all or row.differs]
    if arguments.json:
        print_json(comparison_document(runs, shown))
        return 0
    names = [f"{run.display_name or run.id}" for run in runs]
    cells = [(row.section, row.name, *(_short(value) or "-" for value in row.values)) for row in shown]
    print(table(cells, ("", "", *names)) if cells else "nothing differs")
    if not arguments.all:
        print(f"{len(rows) - len(shown)} rows are equal; --all shows them")
    return 0


def _plot(arguments: argparse.Namespace, services: Services, runs: list[RunRecord]) -> int:
    """Series of runs as curves in a page of HTML, or in a picture."""
    target = Path(arguments.plot)
    if target.suffix not in (".html", ".htm", *plots.SUFFIXES):
        ends = ", ".join((".html", *plots.SUFFIXES))
        raise UsageError(f"curves cannot be written as {target.name!r}", hint=f"give a name that ends with {ends}")
    charts: dict[str, dict[str, Series]] = {}
    labels = _labels(runs)
    for run in runs:
        told = [("", metric) for metric in services.metrics.of_run(run.id)] + list(services.metrics.of_steps(run.id))
        for step, metric in told:
            if (
                metric.kind == SERIES
                and metric.number is not None
                and getattr(arguments, "name", "") in ("", metric.name, None)
            ):
                name = f"{step}/{metric.name}" if step else metric.name
                charts.setdefault(name, {})[labels[run.id]] = services.metrics.series(metric)
    if not charts:
        raise NotFoundError(
            "there is no series of numbers to draw", hint="'pipelinekit runs metrics' lists what there is"
        )
    title = " / ".join(run.display_name or run.id for run in runs)
    if target.suffix in plots.SUFFIXES:
        plots.write_picture(target, title, charts)
    else:
        target.write_text(curves.page(title, charts), encoding="utf-8")
    if not arguments.json:
        print(f"{len(charts)} charts in {target}")
    return 0


def _labels(runs: Sequence[RunRecord]) -> dict[str, str]:
    """What each run is called beside its curves, by its id: its name, and the parameters in which the runs differ."""
    called = Counter(run.display_name for run in runs)
    shown = {run.id: {name: _short(show_value(value)) for name, value in run.arguments.items()} for run in runs}
    names = dict.fromkeys(name for values in shown.values() for name in values)
    differing = [name for name in names if len({values.get(name) for values in shown.values()}) > 1]
    labels = {}
    for run in runs:
        alone = run.display_name and called[run.display_name] == 1
        words = [run.display_name if alone else f"{run.display_name} {run.id}".strip()]
        words += [f"{name} {shown[run.id][name]}" for name in differing if name in shown[run.id]]
        labels[run.id] = ", ".join(words)
    return labels


def tag(arguments: argparse.Namespace, services: Services) -> int:
    """Set tags, or remove them."""
    run = services.runs.get(arguments.run)
    told: Told = run.step(arguments.step) if arguments.step else run
    told.set_tags({key: value or "" for key, value in map(parse_tag, arguments.tags or ())})
    told.remove_tags(*(arguments.remove or ()))
    return _say_tags(arguments, run.id, told.tags)


def _say_tags(arguments: argparse.Namespace, run: str, tags: Mapping[str, str]) -> int:
    if arguments.json:
        print_json({"run": run, "tags": dict(tags)})
    else:
        print(table(tags.items(), ("tag", "value")) if tags else f"run {run} has no tags")
    return 0


def describe(arguments: argparse.Namespace, services: Services) -> int:
    """Change how a run is shown."""
    run = services.runs.get(arguments.run)
    run.describe(display_name=arguments.name, description=arguments.description)
    if arguments.json:
        print_json(run_document(run.record))
    else:
        record = run.record
        print(
            table([("run", run.id), ("name", record.display_name or "-"), ("description", record.description or "-")])
        )
    return 0


def children(arguments: argparse.Namespace, services: Services) -> int:
    """Child runs, those below them too."""
    run = services.runs.get(arguments.run).record
    children = children_of(run, services.records.runs, services.facts, recursive=not arguments.direct)
    wanted = dict(map(parse_tag, arguments.tag or ()))
    found = [(depth, child) for depth, child in children if _fits(child, arguments.status, wanted, services)]
    if arguments.json:
        print_json({"run": run.id, "children": [run_document(child) for _, child in found]})
        return 0
    rows = [
        ("  " * depth + child.id, child.parent_step, child.display_name, str(child.status), time_text(child.created_at))
        for depth, child in found
    ]
    print(table(rows, ("run", "step", "name", "status", "created")) if rows else f"run {run.id} has no child runs")
    return 0


def _fits(run: RunRecord, status: str | None, wanted: Mapping[str, str | None], services: Services) -> bool:
    if status not in (None, str(run.status)):
        return False
    return not wanted or has_tags(services.facts.tags(run.id), wanted)


def files(arguments: argparse.Namespace, services: Services) -> int:
    """Files that were kept with a run or with its steps."""
    run = services.runs.get(arguments.run)
    kept = {("", name): output for name, output in run.files.items()}
    for step in run.steps:
        if arguments.step in (None, step.name):
            kept.update(((step.name, name), output) for name, output in step.files.items())
    kept = {place: output for place, output in kept.items() if place[1].startswith(arguments.prefix)}
    if arguments.save:
        saved = {
            "/".join(filter(None, place)): str(
                output.save(_with_suffix(below(arguments.save, *filter(None, place)), output))
            )
            for place, output in kept.items()
        }
        print_json(saved) if arguments.json else print("\n".join(saved.values()))
        return 0
    if arguments.json:
        listed = [{"step": step or None, "name": name, **output.document()} for (step, name), output in kept.items()]
        print_json({"run": run.id, "files": listed})
        return 0
    rows = [(step or "(run)", name, size_text(output.size)) for (step, name), output in kept.items()]
    print(table(rows, ("step", "file", "size")) if rows else f"no file was kept with run {run.id}")
    return 0


def _with_suffix(path: Path, output: Output) -> Path:
    """A path with the suffix of the file, by which programs know what it is; names often have none."""
    return path if path.name.endswith(output.suffix) else path.with_name(path.name + output.suffix)


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else text[:39] + "…"


def upload(arguments: argparse.Namespace, services: Services) -> int:
    """Keep a file or folder with a run."""
    run = services.runs.get(arguments.run)
    place = Path(arguments.path)
    name = arguments.name or place.resolve().name
    kept = run.upload(name, place)
    if arguments.json:
        print_json({"run": run.id, "name": name, **kept.document()})
    else:
        print(f"{place} is kept with run {run.id} as {name!r} ({size_text(kept.size)})")
    return 0
