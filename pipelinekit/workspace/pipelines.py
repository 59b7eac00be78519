"""Pipelines in a workspace: compile, plan, submit."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from pipelinekit.classes import frozen
from pipelinekit.domain.graphs import Graph, path_refs
from pipelinekit.domain.names import check_name, run_id
from pipelinekit.domain.parameters import bind
from pipelinekit.domain.pipelines import Draft
from pipelinekit.domain.runs import RunOptions, RunRecord, RunStatus
from pipelinekit.domain.snapshots import parse_manifest
from pipelinekit.domain.types import PathRef, paths_in
from pipelinekit.domain.values import NOTED_SECONDS, StoredValue, dict_of, list_of, manifests, plain
from pipelinekit.errors import Fault, IntegrityError, ParameterError
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any
from pipelinekit.wire.graphs import graph_digest, graph_text
from pipelinekit.workspace.compiling import Compilation, Compiler
from pipelinekit.workspace.git import git_facts
from pipelinekit.workspace.inputs import InputPaths

if TYPE_CHECKING:
    from pipelinekit.formats import storing
    from pipelinekit.ports import Blobs, Cache, Clock, Documents, RunRecords
    from pipelinekit.workspace.dataset_inputs import DatasetInputs
else:
    storing = late("pipelinekit.formats.storing")

WHOLE_SECONDS = NOTED_SECONDS  # for so long a tree is taken to be as whole as it was; clean-up allows for that


@frozen
class Arguments:
    """What a run is given: values of the parameters, and of the paths written in the graph.

    `datasets` are the versions of datasets among them, by the parameter that named them (empty for the graph).
    """

    values: Mapping[str, StoredValue]
    paths: Mapping[PathRef, StoredValue]
    datasets: tuple[tuple[str, PathRef], ...] = ()


class Pipelines:
    """Compiles and submits pipelines."""

    def __init__(
        self,
        runs: RunRecords,
        documents: Documents,
        blobs: Blobs,
        cache: Cache,
        clock: Clock,
        compiler: Compiler,
        datasets: Callable[[], DatasetInputs] | None = None,
    ) -> None:
        self._runs = runs
        self._documents = documents
        self.blobs = blobs
        self._cache = cache
        self._clock = clock
        self._compiler = compiler
        self._datasets = datasets
        self._whole: dict[str, float] = {}  # when each tree was found whole

    def compile(self, draft: Draft) -> Compilation:
        """Compile a draft. Nothing is written. Raises CompileError with every fault."""
        return self._compiler.compile(draft)

    def arguments(
        self, graph: Graph, given: Mapping[str, Any], root: Path, *, keep: bool = True, pinned: Arguments | None = None
    ) -> Arguments:
        """Values for a graph's parameters and paths. Raises ParameterError with every fault.

        Relative paths are relative to `root`. With `keep=False` files are told by content, but not stored. What is
        `pinned` is taken as it is, unless it is given.
        """
        kept = pinned or Arguments({}, {})
        values, faults = bind(graph.parameters, given, kept.values)
        raise_parameter_faults(graph.name, faults)
        written = [ref for ref in path_refs(graph) if ref not in kept.paths]
        found = self._resolved(values, written, root, keep=keep)
        others = {name: value for name, value in kept.values.items() if name not in given}
        taken = tuple(place for place in kept.datasets if place[0] not in given)
        return Arguments({**others, **found.values}, {**kept.paths, **found.paths}, (*taken, *found.datasets))

    def pinned(self, graph: Graph, given: Mapping[str, Any], root: Path, kept: Arguments | None = None) -> Arguments:
        """What calls of a published graph need not give, and cannot read for themselves, in the store.

        These are the given values, and the files and folders that the graph names. What it takes from datasets stays
        open: it is the newest version at the time of a call that counts. What is `kept` is not looked for again.
        Raises ParameterError with every fault.
        """
        known = kept or Arguments({}, {})
        open_ones = {parameter.name for parameter in graph.parameters} - given.keys()
        _, faults = bind(graph.parameters, given, open_ones)
        raise_parameter_faults(graph.name, faults)
        values = {
            parameter.name: given.get(parameter.name, parameter.default)
            for parameter in graph.parameters
            if parameter.name in given
            or (parameter.name not in known.values and any(not ref.dataset for ref in paths_in(parameter.default)))
        }
        written = [ref for ref in path_refs(graph) if not ref.dataset and ref not in known.paths]
        found = self._resolved(values, written, root, keep=True)
        return Arguments(
            {**known.values, **found.values}, {**known.paths, **found.paths}, (*known.datasets, *found.datasets)
        )

    def _resolved(self, values: Mapping[str, Any], written: list[PathRef], root: Path, *, keep: bool) -> Arguments:
        """These values and written paths as stored values."""
        named = [(name, ref) for name, value in values.items() for ref in paths_in(value) if ref.dataset]
        named += [("", ref) for ref in written if ref.dataset]
        datasets = self._datasets() if named and self._datasets else None
        inputs = InputPaths(self.blobs, self._cache, keep=keep, dataset=datasets.value if datasets else None)
        resolved = inputs.resolve([*paths_in(dict(values)), *written], root)
        stored = {name: self._stored(value, resolved) for name, value in values.items()}
        return Arguments(stored, {ref: resolved[ref] for ref in written}, datasets.pinned(named) if datasets else ())

    def _stored(self, value: Any, resolved: Mapping[PathRef, StoredValue]) -> StoredValue:
        """A parameter's value as a stored one; lists and dicts that hold paths are put together of their items."""
        if isinstance(value, PathRef):
            return resolved[value]
        if value is None or type(value) in (bool, int, float):
            return plain(value)
        if not paths_in(value):
            return storing.store_plain(value, self.blobs)
        if isinstance(value, dict):
            return dict_of({key: self._stored(item, resolved) for key, item in value.items()})
        return list_of(self._stored(item, resolved) for item in value)

    def find_stored(self, graph: Graph, arguments: Arguments) -> None:
        """Look for everything in the store that a stored graph and its arguments name; clean-up then leaves it alone.

        Raises IntegrityError when something is not there.
        """
        snapshots = {step.snapshot for step in graph.steps if step.snapshot}
        if self._incomplete(snapshots, snapshots):
            raise IntegrityError(
                "the code of this graph is not in the workspace's store",
                hint="compile it in this workspace: 'pipelinekit compile FILE -o graph.json' keeps the code there",
            )
        values = [*arguments.values.values(), *arguments.paths.values()]
        blobs = {blob for value in values for blob in value.blobs()}
        if self._incomplete(blobs, {manifest for value in values for manifest in manifests(value)}):
            raise IntegrityError(
                f"an input of pipeline {graph.name!r} is no longer in the workspace's store",
                hint="run the pipeline from its source, with the input at hand",
            )

    def _incomplete(self, blobs: set[str], trees_of: set[str]) -> bool:
        """Whether one of these blobs, or a file of one of these trees, is not in the store.

        A tree that was whole just now is not gone through again: a server is called again and again with the same.
        """
        if self.blobs.missing(blobs):
            return True
        now = self._clock.now()
        unsure = {tree for tree in trees_of if abs(now - self._whole.get(tree, -WHOLE_SECONDS)) >= WHOLE_SECONDS}
        trees = [parse_manifest(self.blobs.read(manifest)) for manifest in unsure]
        if self.blobs.missing({entry.digest for tree in trees for entry in tree.entries}):
            return True
        self._whole.update(dict.fromkeys(unsure, now))
        return False

    def submit(
        self,
        graph: Graph,
        arguments: Arguments,
        *,
        experiment: str = "",
        options: RunOptions | None = None,
        source: str = "",
        root: Path | None = None,
        details: Mapping[str, Any] | None = None,
        detached: bool = False,
        display_name: str = "",
        properties: Mapping[str, str] | None = None,
        batch: Callable[[], Any],
    ) -> RunRecord:
        """Record a run of a graph whose snapshot is in the store; a driver then takes it.

        `root` is the source folder, where it is at hand; `details` are further circumstances. A `detached` run goes on
        without whoever submits it.
        """
        text = graph_text(self._compiler.bind_secrets(graph))
        record = RunRecord(
            run_id(int(self._clock.now() * 1000), int.from_bytes(os.urandom(4)) >> 7),
            0,
            check_name("experiment", experiment or graph.name),
            graph.name,
            graph_digest(text),
            RunStatus.QUEUED,
            self._clock.now(),
            arguments.values,
            arguments.paths,
            options=options or RunOptions(),
            source=source,
            details={**circumstances(root), **(details or {})},
            display_name=display_name,
            detached=detached,
        )
        with batch():
            self._documents.put({record.graph: text})
            created = self._runs.create(record, properties)
            if arguments.datasets and self._datasets:
                self._datasets().note(created.id, arguments.datasets)
            return created


def raise_parameter_faults(pipeline: str, faults: list[Fault]) -> None:
    """Raise one ParameterError with these faults; do nothing when there are none."""
    if faults:
        raise ParameterError(f"the parameters of pipeline {pipeline!r} do not fit", faults=faults)


def circumstances(root: Path | None = None) -> dict[str, Any]:
    """Who submits, and where, and what git knows of the source folder: for the record, never for the key."""
    details: dict[str, Any] = {"host": os.uname().nodename, "folder": os.getcwd(), "pid": os.getpid()}
    if user := user_name():
        details["user"] = user
    if root is not None:
        details["root"] = str(root)
        if facts := git_facts(root):
            details["git"] = facts
    return details


def user_name() -> str:
    """Who runs this process; empty when that cannot be told."""
    with suppress(KeyError, OSError):
        return os.environ.get("LOGNAME") or os.environ.get("USER") or pwd.getpwuid(os.getuid()).pw_name
    return ""
