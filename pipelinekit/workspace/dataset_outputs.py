"""Outputs of steps as datasets: registered when a run ends, for every step that succeeded.

What the elements of a mapped step gave is one version, if all of them succeeded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipelinekit.domain.datasets import FILE, OUTPUT, TABULAR, DatasetDefinition, DatasetUse, DatasetVersion
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.values import StoredValue, list_of
from pipelinekit.errors import NotFoundError
from pipelinekit.ports import Blobs, Clock, RunRecords
from pipelinekit.ports.datasets import DatasetRecords
from pipelinekit.workspace.dataset_inputs import Notes, tree_of_value

if TYPE_CHECKING:
    from pipelinekit.domain.runs import StepRecord

KINDS = {"arrow": TABULAR, "tabular": TABULAR, "file": FILE, "folder": FILE}
PARTS = ("arrow", "file", "folder")  # what elements of a mapped step may give


class DatasetOutputs:
    """Registers outputs. To be called in the transaction that ends the run: then both are recorded, or neither is."""

    def __init__(self, records: DatasetRecords, runs: RunRecords, blobs: Blobs, clock: Clock, note: Notes) -> None:
        self._records = records
        self._runs = runs
        self._blobs = blobs
        self._clock = clock
        self._note = note

    def register(self, run: str, graph: Graph) -> None:
        """Register what the steps of a run gave, once. What the newest version holds already is no new version."""
        done = {use.place for use in self._records.uses(run=run) if use.direction == OUTPUT}
        uses = []
        for step, output, name, value in self._wanted(run, graph):
            place = f"{step}.{output}"
            if place in done:
                continue
            kind = _kind(value)
            if not kind:
                self._note(
                    f"output {place} was not registered as dataset {name!r}: it is {_words(value)}, no table or file"
                )
                continue
            number = self._version_of(name, run, step, value, kind)
            uses.append(DatasetUse(run, name, number, OUTPUT, place))
        self._records.use(uses)

    def _wanted(self, run: str, graph: Graph) -> Iterator[tuple[str, str, str, StoredValue]]:
        """Step, output, dataset and value of everything that is to be registered."""
        by_node: dict[int, list[StepRecord]] = {}
        for record in self._runs.steps(run):
            by_node.setdefault(record.node, []).append(record)
        for node, records in sorted(by_node.items()):
            register = graph.step_of(graph.nodes[node]).options.register
            if not register or not all(record.status.good for record in records):
                continue
            for output, name in register.items():
                values = [record.outputs[output] for record in records if output in record.outputs]
                if values:
                    mapped = bool(graph.nodes[node].each)
                    yield graph.nodes[node].name, output, name, list_of(values) if mapped else values[0]

    def _version_of(self, name: str, run: str, step: str, value: StoredValue, kind: str) -> int:
        try:
            newest = self._records.get(name)
        except NotFoundError:
            newest = None
        if newest is not None and newest.content == value.digest and newest.value is not None:
            return newest.version
        tree = tree_of_value(value, self._blobs)
        made = DatasetVersion(
            name,
            0,
            DatasetDefinition(kind, (), "arrow" if kind == TABULAR else ""),
            value.digest,
            count=len(tree.entries),
            size=tree.size,
            single=value.format == "file",
            created_at=self._clock.now(),
            run=run,
            step=step,
            value=value,
        )
        return self._records.add(made, grow=True).version


def _kind(value: StoredValue) -> str:
    """The kind of dataset that a value can be; empty for none."""
    if value.format != "list":
        return KINDS.get(value.format, "")
    formats = {item.format for item in value.items}
    return KINDS[formats.pop()] if len(formats) == 1 and formats <= {*PARTS} else ""


def _words(value: StoredValue) -> str:
    return " and ".join(sorted({item.format for item in value.items})) if value.format == "list" else value.format
