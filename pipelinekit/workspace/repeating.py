"""Runs that are done again: the same graph with the same values, as the keys and the options of the new run decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipelinekit.classes import replace
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.names import IN_PROCESS, LOCAL
from pipelinekit.domain.runs import RunOptions, RunRecord
from pipelinekit.errors import NotFoundError
from pipelinekit.ports import Documents
from pipelinekit.wire.graphs import parse_graph
from pipelinekit.workspace.dataset_inputs import DatasetInputs
from pipelinekit.workspace.pipelines import Arguments, Pipelines
from pipelinekit.workspace.runs import refuse_without_graph


def verifying(options: RunOptions) -> RunOptions:
    """Options of a run that executes every hit, and compares."""
    return replace(options, regenerate=(), verify=1.0)


class Repetition:
    """A run that is to be done again. Raises UsageError for one without a graph, NotFoundError where that is gone."""

    def __init__(self, old: RunRecord, documents: Documents, inputs: DatasetInputs, pipelines: Pipelines) -> None:
        refuse_without_graph(old)
        texts = documents.get([old.graph])
        if old.removed or old.graph not in texts:
            raise NotFoundError(
                f"run {old.id} was removed by clean-up, and its parameters with it",
                hint="run the pipeline from its source",
            )
        self.graph: Graph = parse_graph(texts[old.graph], f"the graph of run {old.id}")
        self._old = old
        self._given = Arguments(old.arguments, old.paths, inputs.taken(old.id))
        self._pipelines = pipelines
        pipelines.find_stored(self.graph, self._given)

    def record(
        self,
        options: RunOptions,
        batch: Callable[[], Any],
        *,
        detached: bool = False,
        details: Mapping[str, Any] | None = None,
    ) -> RunRecord:
        """Record the new run. No driver is started."""
        old = self._old
        if options.compute == IN_PROCESS:
            options = replace(options, compute=LOCAL)  # whoever drives it has not loaded the run's code
        noted = {"git": old.details["git"]} if "git" in old.details else {}
        return self._pipelines.submit(
            self.graph,
            self._given,
            experiment=old.experiment,
            options=options,
            source=old.source,
            details={**noted, **(details or {})},
            batch=batch,
            detached=detached,
        )
