"""Published pipelines of a workspace: publish, look, call, enable, disable, delete."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pipelinekit.classes import frozen, replace
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.names import IN_PROCESS, run_id
from pipelinekit.domain.parameters import Parameter
from pipelinekit.domain.published_pipelines import PUBLISHED_PIPELINE, PublishedPipeline, PublishedStatus, with_status
from pipelinekit.domain.runs import RunOptions, RunRecord
from pipelinekit.domain.schedules import Schedule, ScheduleState, Target
from pipelinekit.domain.steps import parse_duration
from pipelinekit.domain.types import PathRef, map_paths, paths_in
from pipelinekit.domain.version_differences import VersionDifference
from pipelinekit.errors import ConflictError, NotFoundError, UsageError
from pipelinekit.ports import Clock, Documents
from pipelinekit.ports.publishing import PublishedPipelineRecords
from pipelinekit.wire.graphs import graph_digest, graph_text, parse_graph
from pipelinekit.wire.publishing import parameters_document, published_document
from pipelinekit.workspace.pipelines import Arguments, Pipelines, circumstances
from pipelinekit.workspace.runs import Run, RunCollection, checked_tags
from pipelinekit.workspace.version_differences import version_difference
from pipelinekit.workspace.workspace import Traceable, regenerate_patterns

NOWHERE = Path(os.devnull)  # relative paths are relative to nothing where nobody gives any
_CIRCUMSTANCES = ("user", "host", "root", "git")  # of a publication that stay worth knowing


@frozen
class Call:
    """What a call says besides values of parameters; what is None is as it was published."""

    experiment: str = ""
    regenerate: tuple[str, ...] = ()
    continue_on_step_failure: bool | None = None
    compute: str = ""
    tags: Mapping[str, object] | None = None
    display_name: str = ""
    properties: Mapping[str, str] | None = None
    details: Mapping[str, Any] | None = None
    priority: int | None = None
    max_queue_seconds: float | None = None


@frozen
class PreparedCall:
    """A call whose values are stored and whose options are checked, so that its run can be recorded at once."""

    pipeline: PublishedPipeline
    arguments: Arguments
    options: RunOptions
    tags: Mapping[str, str]
    call: Call


class PublishingStores:
    """What published pipelines are kept in and called with. `launch` has a recorded run driven.

    `schedules` gives those of the workspace: what they run is not taken from them.
    """

    def __init__(
        self,
        records: PublishedPipelineRecords,
        documents: Documents,
        pipelines: Pipelines,
        runs: RunCollection,
        batch: Callable[[], AbstractContextManager[None]],
        launch: Callable[[RunRecord], None],
        check_computes: Callable[[Sequence[str]], object],
        clock: Clock,
        schedules: Callable[[], Sequence[Schedule]] = tuple,
    ) -> None:
        self.records = records
        self.documents = documents
        self.pipelines = pipelines
        self.runs = runs
        self.batch = batch
        self.launch = launch
        self._check_computes = check_computes
        self.clock = clock
        self._schedules = schedules
        self._graphs: dict[str, Graph] = {}

    def check(self, computes: Sequence[str]) -> None:
        """Refuse compute targets that there are not, or that a driver of its own cannot have."""
        if IN_PROCESS in computes:
            raise UsageError(
                "a published pipeline cannot run in the process of whoever calls it", hint="name another compute target"
            )
        self._check_computes(computes)

    def check_unscheduled(self, what: str, verb: str, is_run: Callable[[Target], bool]) -> None:
        """Raise ConflictError where schedules that are enabled run what is to be taken from them."""
        active = [item for item in self._schedules() if item.state is ScheduleState.ACTIVE]
        if found := [item.name for item in active if is_run(item.spec.target)]:
            names = ", ".join(map(repr, found))
            raise ConflictError(
                f"{what} cannot be {verb}: it is run by {'schedules' if len(found) > 1 else 'schedule'} {names}",
                hint=f"disable what runs it first: 'pipelinekit schedules disable {found[0]}'",
            )

    def graph(self, pipeline: PublishedPipeline) -> Graph:
        """The graph of a published pipeline, read once. Raises NotFoundError."""
        return self.graph_of(pipeline.graph, f"published pipeline {pipeline.id}", "publish it again")

    def graph_of(self, digest: str, what: str, hint: str) -> Graph:
        """The graph with this digest, of what is called so; read once. Raises NotFoundError."""
        if digest not in self._graphs:
            texts = self.documents.get([digest])
            if digest not in texts:
                raise NotFoundError(f"the graph of {what} is not in the records", hint=hint)
            self._graphs[digest] = parse_graph(texts[digest], what)
        return self._graphs[digest]

    def arguments(self, pipeline: PublishedPipeline, given: Mapping[str, Any], root: Path) -> Arguments:
        """Values for a call, with everything looked for in the store. Raises ParameterError with every fault."""
        pinned = Arguments(pipeline.values, pipeline.paths, pipeline.datasets)
        return self.arguments_of(self.graph(pipeline), pinned, given, root)

    def arguments_of(self, graph: Graph, pinned: Arguments, given: Mapping[str, Any], root: Path) -> Arguments:
        """Values for a run of a stored graph, of which some are `pinned`. Raises ParameterError with every fault."""
        arguments = self.pipelines.arguments(graph, _placed(given, root), root, pinned=pinned)
        self.pipelines.find_stored(graph, arguments)
        return arguments

    def content_of(self, run: RunRecord, datasets: Callable[[str], Any]) -> tuple[Graph, Arguments]:
        """The graph of a run, and the values that it had. Raises UsageError where they are not kept."""
        texts = self.documents.get([run.graph]) if run.graph and not run.removed else {}
        if run.graph not in texts:
            raise UsageError(f"run {run.id} has no graph that could be used again", hint="take it from its source")
        graph = parse_graph(texts[run.graph], f"the graph of run {run.id}")
        return graph, Arguments(run.arguments, run.paths, tuple(datasets(run.id)))

    def call(self, pipeline: PublishedPipeline, given: Mapping[str, Any], call: Call, root: Path) -> Run:
        """Record a run and have it driven; returns it before anything has started."""
        run = self.record(pipeline, given, call, root)
        self.launch(run.record)
        return run

    def record(self, pipeline: PublishedPipeline, given: Mapping[str, Any], call: Call, root: Path) -> Run:
        """Record a run that says which pipeline it is of. No driver is started."""
        return self.record_prepared(self.prepare(pipeline, given, call, root))

    def prepare(self, pipeline: PublishedPipeline, given: Mapping[str, Any], call: Call, root: Path) -> PreparedCall:
        """All of a call that needs no transaction: what it says is checked, and looked for in the store."""
        pipeline.check_active()
        marks = checked_tags({**pipeline.tags, **(call.tags or {})})
        options = call_options(pipeline.options, call)
        self.check([options.compute])
        return PreparedCall(pipeline, self.arguments(pipeline, given, root), options, marks, call)

    def record_prepared(self, prepared: PreparedCall, noted: Call | None = None) -> Run:
        """Record a run that was prepared; what else is to be noted with it, `noted` says. Raises ConflictError."""
        call = noted or prepared.call
        with self.batch():
            pipeline = self.records.get(prepared.pipeline.id)  # it may have been disabled meanwhile
            pipeline.check_active()
            record = self.pipelines.submit(
                self.graph(pipeline),
                prepared.arguments,
                experiment=call.experiment or pipeline.experiment,
                options=prepared.options,
                source=f"published pipeline {pipeline.id}",
                details={**git_of(pipeline.details), **(call.details or {})},
                detached=True,
                display_name=call.display_name,
                properties={PUBLISHED_PIPELINE: pipeline.id, **(call.properties or {})},
                batch=self.batch,
            )
            run = self.runs.handle(record)
            run.mark(prepared.tags)
        return run


def options_of(compute: str, continue_on_step_failure: bool, pipeline: Traceable) -> RunOptions:
    """The options that runs of a pipeline have which is published."""
    longest = parse_duration(pipeline.max_run_duration_seconds)
    return RunOptions((), continue_on_step_failure, compute, max_seconds=longest)


def call_options(published: RunOptions, call: Call) -> RunOptions:
    """The options of a run: as published, but for what the call says."""
    goes_on = call.continue_on_step_failure
    return replace(
        published,
        regenerate=call.regenerate or published.regenerate,
        compute=call.compute or published.compute,
        continue_on_step_failure=published.continue_on_step_failure if goes_on is None else goes_on,
        priority=published.priority if call.priority is None else call.priority,
        max_queue_seconds=published.max_queue_seconds if call.max_queue_seconds is None else call.max_queue_seconds,
    )


class PublishedPipelineHandle:
    """A published pipeline: `submit` makes a run of it."""

    def __init__(self, record: PublishedPipeline, stores: PublishingStores) -> None:
        self.record = record
        self._stores = stores

    @property
    def id(self) -> str:
        """Its id."""
        return self.record.id

    @property
    def name(self) -> str:
        """The name that it was published under."""
        return self.record.name

    @property
    def status(self) -> PublishedStatus:
        """Whether it may be called."""
        return self.record.status

    @property
    def graph(self) -> Graph:
        """Its graph."""
        return self._stores.graph(self.record)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its parameters."""
        return self.graph.parameters

    def submit(
        self,
        *,
        experiment: str = "",
        parameters: Mapping[str, Any] | None = None,
        compute: str = "",
        regenerate: bool | str | Sequence[str] = False,
        continue_on_step_failure: bool | None = None,
        tags: Mapping[str, object] | None = None,
        display_name: str = "",
        priority: int | None = None,
        max_queue_duration_seconds: float | str | None = None,
    ) -> Run:
        """Record a run of it and have it driven; returns the run at once.

        Parameters that are not given are as they were published. Raises ConflictError when it is disabled.
        """
        patterns = regenerate_patterns(regenerate)
        queued = None if max_queue_duration_seconds is None else parse_duration(max_queue_duration_seconds)
        about = experiment, patterns, continue_on_step_failure, compute, tags, display_name
        call = Call(*about, priority=priority, max_queue_seconds=queued)
        return self._stores.call(self.record, parameters or {}, call, Path.cwd())

    def prepare(self, given: Mapping[str, Any], call: Call) -> PreparedCall:
        """Prepare a run that somebody else asks for, whose given values name no files of this machine."""
        return self._stores.prepare(self.record, given, call, NOWHERE)

    def record_call(self, given: Mapping[str, Any], call: Call) -> Run:
        """Record a run whose given values name no files of this machine, in one go. No driver is started."""
        return self._stores.record(self._stores.records.get(self.id), given, call, NOWHERE)

    def record_prepared(self, prepared: PreparedCall) -> Run:
        """Record a run that was prepared. No driver is started."""
        return self._stores.record_prepared(prepared)

    def runs(self, *, limit: int = 50) -> Sequence[Run]:
        """The runs of it, the newest first."""
        return self._stores.runs.list(properties={PUBLISHED_PIPELINE: self.id}, limit=limit)

    def enable(self) -> None:
        """Have it called again."""
        self._set(PublishedStatus.ACTIVE)

    def disable(self) -> None:
        """Refuse calls of it. Raises ConflictError while a schedule that is enabled runs it."""
        self._stores.check_unscheduled(f"published pipeline {self.id}", "disabled", self.is_run_by)
        self._set(PublishedStatus.DISABLED)

    def is_run_by(self, target: Target) -> bool:
        """Whether a schedule with this target runs it."""
        return bool(target.pipeline) and self.id.startswith(target.pipeline)

    def describe(self, description: str) -> None:
        """Change the description."""
        now = self._stores.clock.now()
        self.record = self._stores.records.change(
            self.id, lambda found: replace(found, description=description, updated_at=now)
        )

    def document(self) -> dict[str, Any]:
        """It and its parameters as JSON data."""
        return {
            **published_document(self.record),
            "steps": len(self.graph.nodes),
            "parameters": parameters_document(self.parameters, self.record.values),
        }

    def _set(self, status: PublishedStatus) -> None:
        now = self._stores.clock.now()
        self.record = self._stores.records.change(self.id, lambda found: with_status(found, status, now))

    def __repr__(self) -> str:
        return f"<published pipeline {self.id} ({self.name}), {self.status.lower()}>"


@frozen
class Publication:
    """What is said of a pipeline when it is published."""

    name: str = ""
    description: str = ""
    version: str = ""
    experiment: str = ""
    options: RunOptions = RunOptions()
    tags: Mapping[str, object] | None = None


class PublishedPipelineCollection:
    """The published pipelines of a workspace."""

    def __init__(self, stores: PublishingStores) -> None:
        self._stores = stores

    def publish(
        self, graph: Graph, given: Mapping[str, Any], about: Publication, root: Path, source: Path | None = None
    ) -> PublishedPipelineHandle:
        """Publish a graph whose code is in the store; the given values are its new defaults.

        Given paths are relative to `root`, those written in the pipeline to its source folder `source`. Raises
        ParameterError with every fault.
        """
        graph, pinned = pin(self._stores.pipelines, graph, given, root, source or root)
        return self.publish_stored(graph, pinned, about, provenance(source))

    def publish_run(
        self, run: RunRecord, about: Publication, datasets: Callable[[str], Any]
    ) -> PublishedPipelineHandle:
        """Publish the graph of a run; the values that the run had are its defaults."""
        graph, pinned = self._stores.content_of(run, datasets)
        return self.publish_stored(graph, pinned, about, {**provenance(None), **git_of(run.details), "run": run.id})

    def publish_stored(
        self, graph: Graph, pinned: Arguments, about: Publication, details: Mapping[str, Any]
    ) -> PublishedPipelineHandle:
        """Publish a graph with all that it needs in the store. Raises IntegrityError for what is not there."""
        stores = self._stores
        stores.check([about.options.compute, *(step.options.compute for step in graph.steps)])
        stores.pipelines.find_stored(graph, pinned)
        text, now = graph_text(graph), stores.clock.now()
        pipeline = PublishedPipeline(
            run_id(int(now * 1000), int.from_bytes(os.urandom(4)) >> 7),
            about.name or graph.name,
            graph_digest(text),
            PublishedStatus.ACTIVE,
            about.description or graph.description,
            about.version,
            about.experiment,
            pinned.values,
            pinned.paths,
            pinned.datasets,
            about.options,
            checked_tags(about.tags or {}),
            details,
            now,
            now,
        )
        with stores.batch():
            stores.documents.put({pipeline.graph: text})
            stores.records.add(pipeline)
        return PublishedPipelineHandle(pipeline, stores)

    def get(self, pipeline: str) -> PublishedPipelineHandle:
        """The published pipeline of this id or unique beginning of one. Raises NotFoundError."""
        return self.handle(self._stores.records.get(pipeline))

    def handle(self, record: PublishedPipeline) -> PublishedPipelineHandle:
        """A handle on a record."""
        return PublishedPipelineHandle(record, self._stores)

    def list(self, *, name: str = "", active_only: bool = True) -> Sequence[PublishedPipelineHandle]:
        """Those that may be called, or all of them; the newest first."""
        found = self._stores.records.list(name=name)
        return [self.handle(item) for item in found if not active_only or item.status is PublishedStatus.ACTIVE]

    def diff(self, before: str, after: str) -> VersionDifference:
        """What differs between two of them: steps, parameters, options, and files line by line. NotFoundError."""
        sides = [(found := self._stores.records.get(name), self._stores.graph(found)) for name in (before, after)]
        return version_difference(sides[0], sides[1], self._stores.pipelines.blobs)

    def delete(self, pipeline: str) -> None:
        """Forget a published pipeline; its runs stay.

        Raises ConflictError while it is a version of an endpoint, or a schedule that is enabled runs it.
        """
        handle = self.get(pipeline)
        self._stores.check_unscheduled(f"published pipeline {handle.id}", "deleted", handle.is_run_by)
        self._stores.records.remove(pipeline)


def pin(
    pipelines: Pipelines,
    graph: Graph,
    given: Mapping[str, Any],
    root: Path,
    source: Path,
    kept: Arguments | None = None,
) -> tuple[Graph, Arguments]:
    """The graph with its new defaults, and what calls of it cannot read for themselves, in the store.

    Given paths are relative to `root`, those written in the pipeline to `source`. What was `kept` before stays as it
    is, unless it is given. Raises ParameterError.
    """
    opened, placed = _with_open_defaults(graph, _placed(given, root))
    before = kept or Arguments({}, {})
    values = {name: value for name, value in before.values.items() if name not in given}
    datasets = tuple(place for place in before.datasets if place[0] not in given)
    return opened, pipelines.pinned(opened, placed, source, Arguments(values, before.paths, datasets))


def _placed(given: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Given values whose paths do not depend on the folder that the pipeline's own are relative to."""

    def absolute(ref: PathRef) -> PathRef:
        return ref if ref.dataset else PathRef(os.path.join(root, ref.path), ref.folder)

    return {name: map_paths(value, absolute) for name, value in given.items()}


def _with_open_defaults(graph: Graph, given: Mapping[str, Any]) -> tuple[Graph, dict[str, Any]]:
    """The graph with given references to datasets as defaults, which stay open until a call, and the other values."""
    refs = {name: paths_in(value) for name, value in given.items()}
    opened = {name for name, found in refs.items() if found and all(ref.dataset for ref in found)}
    parameters = tuple(
        replace(item, required=False, default=given[item.name]) if item.name in opened else item
        for item in graph.parameters
    )
    rest = {name: value for name, value in given.items() if name not in {*opened} & {item.name for item in parameters}}
    return replace(graph, parameters=parameters), rest


def provenance(root: Path | None) -> dict[str, Any]:
    """Who publishes, and where, and what git knows of the source folder."""
    told = circumstances(root)
    return {name: told[name] for name in _CIRCUMSTANCES if name in told}


def git_of(details: Mapping[str, Any]) -> dict[str, Any]:
    """Of these circumstances those that git knows."""
    return {"git": details["git"]} if "git" in details else {}
