"""Runs side by side: what they were given, what they said, and what they were made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelinekit.classes import frozen
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.metrics import SERIES
from pipelinekit.domain.runs import RunRecord
from pipelinekit.domain.values import StoredValue
from pipelinekit.ports import Documents
from pipelinekit.ports.facts import MetricRecords
from pipelinekit.wire.graphs import parse_graph
from pipelinekit.wire.runs import show_value

SHORT = 17  # characters of a digest that are shown: `xxh3:` and twelve


@frozen
class Row:
    """One thing by which runs are compared, with its text in each of them; empty where a run has none."""

    section: str
    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether the runs differ in it."""
        return len(set(self.values)) > 1


class Comparison:
    """Compares runs by what the records hold of them."""

    def __init__(self, documents: Documents, metrics: MetricRecords) -> None:
        self._documents = documents
        self._metrics = metrics

    def rows(self, runs: Sequence[RunRecord]) -> list[Row]:
        """Everything that runs can be compared by, section by section."""
        texts = self._documents.get([run.graph for run in runs if run.graph])
        graphs = {digest: parse_graph(text, f"graph {digest}") for digest, text in texts.items()}
        found = [dict(self._values(run, graphs.get(run.graph))) for run in runs]
        sections = ("run", "parameter", "metric", "input", "code", "software", "output")
        names = dict.fromkeys(key for values in found for key in values)
        ordered = sorted(names, key=lambda key: sections.index(key[0]))  # stable: in each section as they came
        return [
            Row(section, name, tuple(values.get((section, name), "") for values in found)) for section, name in ordered
        ]

    def _values(self, run: RunRecord, graph: Graph | None) -> Iterator[tuple[tuple[str, str], str]]:
        yield ("run", "pipeline"), run.pipeline
        yield ("run", "status"), str(run.status)
        if run.ended_at is not None:
            yield ("run", "seconds"), f"{run.ended_at - run.created_at:.3f}"
        for name in ("user", "host"):
            if name in run.details:
                yield ("run", name), str(run.details[name])
        for name, value in run.arguments.items():
            yield ("parameter", name), _text(value)
        for metric in self._metrics.of_run(run.id):
            yield ("metric", metric.name), _metric_text(metric.kind, metric.last, metric.points)
        for step, metric in self._metrics.of_steps(run.id):
            yield ("metric", f"{step}/{metric.name}"), _metric_text(metric.kind, metric.last, metric.points)
        for path, value in run.paths.items():
            yield ("input", path.path), value.digest[:SHORT]
        if graph is not None:
            yield from _made_of(graph)
        for name, value in run.outputs.items():
            yield ("output", name), _text(value)


def _made_of(graph: Graph) -> Iterator[tuple[tuple[str, str], str]]:
    """Code and software of the steps of a graph, as their keys name them."""
    packages: dict[str, str] = {}
    for step in graph.steps:
        for item in step.definition.code:
            yield ("code", item.symbol), item.digest[:SHORT]
        software = step.definition.software
        yield ("software", "python"), software.python
        packages.update(software.packages)
        for requirement in software.lock:
            name, _, version = requirement.partition("==")
            packages[name] = version
    for name, version in sorted(packages.items()):
        yield ("software", name), version


def _text(value: StoredValue) -> str:
    shown = show_value(value)
    if isinstance(shown, Mapping) and "digest" in shown:
        return value.digest[:SHORT]
    return shown if isinstance(shown, str) else repr(shown)


def _metric_text(kind: str, last: Any, points: int) -> str:
    if kind == SERIES:
        return f"{last:.6g}" if isinstance(last, float) else str(last)
    return f"{kind}, {points}"
