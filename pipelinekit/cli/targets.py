"""What a command is given to work on: a pipeline in a Python file, or a compiled graph in a document."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path

from pipelinekit.bootstrap import Services, Workspace
from pipelinekit.classes import frozen, replace
from pipelinekit.cli.parameters import parse_parameters, split_parameters
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.names import IN_PROCESS
from pipelinekit.domain.runs import RunOptions, RunRecord
from pipelinekit.errors import Fault, NotFoundError
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any
from pipelinekit.wire.graphs import parse_graph
from pipelinekit.workspace.compiling import Compilation
from pipelinekit.workspace.pipelines import Arguments

if TYPE_CHECKING:
    import json

    from pipelinekit.authoring import loading, script_runs
else:
    json = late("json")
    loading = late("pipelinekit.authoring.loading")
    script_runs = late("pipelinekit.authoring.script_runs")


@frozen
class Target:
    """A graph with the values given for its parameters; freshly compiled, or from a document (then without sources)."""

    graph: Graph
    given: Mapping[str, Any]
    source: str
    warnings: tuple[Fault, ...] = ()
    compilation: Compilation | None = None
    max_seconds: float = 0.0  # that a run of it may take

    def arguments(self, workspace: Workspace, *, keep: bool) -> Arguments:
        """Values of all parameters and paths."""
        root = self.compilation.trees[0].root if self.compilation else Path.cwd()
        return workspace.arguments(self.graph, self.given, Path.cwd(), root, keep=keep)

    def record(
        self,
        workspace: Workspace,
        experiment: str,
        options: RunOptions,
        *,
        keep: bool = True,
        detached: bool = False,
    ) -> RunRecord:
        """Record a run; see `Workspace.record`. A document is always looked for in the store."""
        named: dict[str, Any] = {"experiment": experiment, "source": self.source, "detached": detached}
        if self.compilation is not None:
            return workspace.record(self.compilation, self.given, Path.cwd(), options=options, keep=keep, **named)
        arguments = self.arguments(workspace, keep=True)
        workspace.pipelines.find_stored(self.graph, arguments)
        return workspace.submit_graph(self.graph, arguments, options=options, **named)


def load_target(target: str, parameters: list[str], services: Services) -> Target:
    """What `FILE[:PIPELINE]` and `-p` words name. Raises CompileError or ParameterError with every fault."""
    texts = split_parameters(parameters)
    if target.endswith(".json") and is_saved_script_run(Path(target)):
        script = script_runs.ScriptRunConfig.load(target)
        compiled = _compiled(services.compiler.compile(script.trace(parse_parameters((), texts))), {}, target)
        return replace(compiled, max_seconds=script.max_run_duration_seconds)
    if target.endswith(".json"):
        graph = read_graph(Path(target))
        return Target(graph, parse_parameters(graph.parameters, texts), target)
    with redirect_stdout(sys.stderr):  # standard output is the command's; what the author's modules print goes beside
        pipeline = loading.load_pipeline(target, computes=services.settings.compute == IN_PROCESS)
        given = parse_parameters(pipeline.parameters, texts) if texts else {}
        compilation: Compilation = services.compiler.compile(pipeline.trace(given))
    return _compiled(compilation, given, target)


def _compiled(compilation: Compilation, given: Mapping[str, Any], target: str) -> Target:
    return Target(compilation.graph, given, target, compilation.warnings, compilation)


def is_saved_script_run(path: Path) -> bool:
    """Whether a file is a saved script run; anything else, or nothing, is for others to read."""
    try:
        return script_runs.is_script_run(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return False


def read_graph(path: Path) -> Graph:
    """A graph document from a file."""
    try:
        return parse_graph(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {str(path)!r}") from None


def show_warnings(warnings: tuple[Fault, ...]) -> None:
    """Warnings of a compilation, on standard error."""
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


def show_hints(target: Target) -> None:
    """Calls whose results differ from time to time, on standard error."""
    for hint in target.compilation.hints if target.compilation else ():
        print(f"hint: {hint}; a reused result keeps what it gave", file=sys.stderr)
