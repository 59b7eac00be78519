"""Outputs of steps as datasets: registered when a run ends, for every step that succeeded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipelinekit.domain.datasets import FILE, OUTPUT, TABULAR, DatasetDefinition, DatasetUse, DatasetVersion
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import NotFoundError
from pipelinekit.ports import Blobs, Clock, RunRecords
from pipelinekit.ports.datasets import DatasetRecords
from pipelinekit.workspace.dataset_inputs import Notes, tree_of_value
from pipelinekit.workspace.mapped_outputs import joined

if TYPE_CHECKING:
    from pipelinekit.domain.runs import StepRecord

KINDS = {"arrow": TABULAR, "tabular": TABULAR, "file": FILE, "folder": FILE}


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
            if value is None:
                self._note(f"output {place} was not registered as dataset {name!r}: its elements are not alike")
                continue
            if value.format not in KINDS:
                self._note(
                    f"output {place} was not registered as dataset {name!r}: it is {value.format}, no table or file"
                )
                continue
            number = self._version_of(name, run, step, value)
            uses.append(DatasetUse(run, name, number, OUTPUT, place))
        self._records.use(uses)

    def _wanted(self, run: str, graph: Graph) -> Iterator[tuple[str, str, str, StoredValue | None]]:
        """Names of steps, outputs and datasets, with what the step gave; a mapped step gave what its elements did."""
        by_node: dict[int, list[StepRecord]] = {}
        for step in self._runs.steps(run):
            if graph.step_of(graph.nodes[step.node]).options.register:
                by_node.setdefault(step.node, []).append(step)
        for node, steps in by_node.items():
            named = graph.nodes[node]
            for output, name in graph.step_of(named).options.register.items():
                if all(step.status.good and output in step.outputs for step in steps):
                    values = [step.outputs[output] for step in steps]
                    is_mapped = steps[0].element >= 0
                    yield named.name, output, name, joined(values, self._blobs) if is_mapped else values[0]

    def _version_of(self, name: str, run: str, step: str, value: StoredValue) -> int:
        try:
            newest = self._records.get(name)
        except NotFoundError:
            newest = None
        if newest is not None and newest.content == value.digest and newest.value is not None:
            return newest.version
        tree = tree_of_value(value, self._blobs)
        kind = KINDS[value.format]
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
