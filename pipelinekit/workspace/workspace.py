"""A workspace: the handle on one set of records, one store and what is done with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipelinekit.classes import frozen
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.names import IN_PROCESS
from pipelinekit.domain.pipelines import Draft
from pipelinekit.domain.runs import RunOptions, RunRecord
from pipelinekit.domain.steps import parse_duration
from pipelinekit.domain.types import PathRef, map_paths
from pipelinekit.errors import UsageError
from pipelinekit.typed import Any, Protocol
from pipelinekit.workspace.compiling import Compilation
from pipelinekit.workspace.pipelines import Arguments, Pipelines
from pipelinekit.workspace.runs import Run, RunCollection, checked_tags

Launch = Callable[[RunRecord], None]


@frozen
class Defaults:
    """What a submission gets that does not say otherwise; an empty experiment is the pipeline's own name."""

    experiment: str = ""
    compute: str = "local"
    check_computes: Callable[[Sequence[str]], object] = len  # refuses names that no compute target has


class Traceable(Protocol):
    """What can be submitted: a pipeline that an author wrote, or a script run.

    A run of it may take `max_run_duration_seconds`, unless the submission says otherwise; 0 for as long as it takes.
    """

    max_run_duration_seconds: float

    def trace(self, values: Mapping[str, Any] | None = None) -> Draft:
        """The pipeline as a draft, shaped by these parameter values."""

    def plain_values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Values given in Python as plain data and paths."""


class Workspace:
    """Submits pipelines and finds what they left.

    `launch` starts a driver for a recorded run and returns at once.
    """

    def __init__(
        self,
        folder: Path,
        pipelines: Pipelines,
        runs: RunCollection,
        batch: Callable[[], Any],
        launch: Launch,
        defaults: Defaults,
    ) -> None:
        self.folder = folder
        self.pipelines = pipelines
        self.runs = runs
        self._batch = batch
        self._launch = launch
        self._defaults = defaults

    def compile(self, pipeline: Traceable, parameters: Mapping[str, Any] | None = None) -> Compilation:
        """Compile a pipeline; structural parameters take the values given. Raises CompileError with every fault."""
        return self.pipelines.compile(pipeline.trace(parameters))

    def submit(
        self,
        pipeline: Traceable,
        *,
        experiment: str = "",
        parameters: Mapping[str, Any] | None = None,
        compute: str = "",
        regenerate: bool | str | Sequence[str] = False,
        continue_on_step_failure: bool = False,
        max_run_duration_seconds: float | None = None,
        max_queue_duration_seconds: float | str = 0.0,
        priority: int = 0,
        tags: Mapping[str, object] | None = None,
        display_name: str = "",
    ) -> Run:
        """Compile a pipeline, record a run of it and start its driver; returns the run at once.

        `parameters` are values by name. `compute` is `local`, `in-process` or a Dask scheduler's address. `regenerate`
        executes steps whatever was kept: all of them, or those whose names match a pattern. After a failed step the
        others are canceled, or with `continue_on_step_failure` only what depends on it is skipped. A run that has taken
        `max_run_duration_seconds` is canceled, as is one that has waited for `max_queue_duration_seconds` without being
        taken. Of runs that wait, one with a higher `priority` goes first. `tags` and `display_name` are the run's.
        """
        if not hasattr(pipeline, "trace"):
            raise UsageError(
                f"a {type(pipeline).__name__} cannot be submitted", hint="give a @pipeline, or a ScriptRunConfig(...)"
            )
        marks = checked_tags(tags or {})
        given = pipeline.plain_values(parameters or {})
        compilation = self.compile(pipeline, given)
        target = compute or self._defaults.compute
        self._defaults.check_computes([target, *(step.options.compute for step in compilation.graph.steps)])
        longest = pipeline.max_run_duration_seconds if max_run_duration_seconds is None else max_run_duration_seconds
        patterns = regenerate_patterns(regenerate)
        queued = parse_duration(max_queue_duration_seconds)
        rare = parse_duration(longest), priority, queued
        options = RunOptions(patterns, continue_on_step_failure, target, 0.0, False, *rare)
        name = experiment or self._defaults.experiment
        detached = target != IN_PROCESS
        record = self.record(compilation, given, Path.cwd(), experiment=name, options=options, detached=detached)
        run = self.runs.handle(record)
        run.mark(marks, display_name)
        self._launch(record)
        return run

    def record(
        self,
        compilation: Compilation,
        given: Mapping[str, Any],
        root: Path,
        *,
        experiment: str = "",
        options: RunOptions | None = None,
        source: str = "",
        keep: bool = True,
        detached: bool = False,
    ) -> RunRecord:
        """Record a run of a compiled pipeline, with everything it needs in the store. No driver is started.

        Paths among the given values are relative to `root`, those written in the pipeline to its source folder. With
        `keep=False` nothing is stored, nor looked for in the store: whoever asks for that must know it to be there. A
        `detached` run goes on without this process.
        """
        graph = compilation.graph
        arguments = self.arguments(graph, given, root, compilation.trees[0].root, keep=keep)
        if keep:
            compilation.keep(self.pipelines.blobs)
        root = compilation.trees[0].root
        return self.submit_graph(
            graph, arguments, experiment=experiment, options=options, source=source, root=root, detached=detached
        )

    def arguments(self, graph: Graph, given: Mapping[str, Any], root: Path, source: Path, *, keep: bool) -> Arguments:
        """Values for a graph's parameters. Given paths are relative to `root`, written ones to the folder `source`."""
        absolute = {
            name: map_paths(
                value, lambda ref: ref if ref.dataset else PathRef(os.path.join(root, ref.path), ref.folder)
            )
            for name, value in given.items()
        }
        return self.pipelines.arguments(graph, absolute, source, keep=keep)

    def submit_graph(
        self,
        graph: Graph,
        arguments: Arguments,
        *,
        experiment: str = "",
        options: RunOptions | None = None,
        source: str = "",
        root: Path | None = None,
        detached: bool = False,
    ) -> RunRecord:
        """Record a run of a stored graph, whose source folder is `root` where it is at hand. No driver is started."""
        return self.pipelines.submit(
            graph,
            arguments,
            experiment=experiment,
            options=options,
            source=source,
            root=root,
            detached=detached,
            batch=self._batch,
        )


def regenerate_patterns(wanted: bool | str | Sequence[str]) -> tuple[str, ...]:
    """The patterns that `regenerate` stands for."""
    if isinstance(wanted, bool):
        return ("*",) if wanted else ()
    return (wanted,) if isinstance(wanted, str) else tuple(wanted)
