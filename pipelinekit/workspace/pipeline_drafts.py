"""Pipeline drafts of a workspace: copied from what there is, changed, submitted, published, deleted."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelinekit.classes import frozen
from pipelinekit.domain import pipeline_drafts as nouns
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.names import IN_PROCESS, LOCAL, run_id
from pipelinekit.domain.parameters import Parameter
from pipelinekit.domain.pipeline_drafts import DRAFT_VERSION, PIPELINE_DRAFT, DraftSource, PipelineDraft
from pipelinekit.domain.runs import RunOptions
from pipelinekit.domain.steps import parse_duration
from pipelinekit.errors import UsageError
from pipelinekit.ports.pipeline_drafts import PipelineDraftRecords
from pipelinekit.wire.graphs import graph_digest, graph_text
from pipelinekit.wire.pipeline_drafts import draft_document
from pipelinekit.wire.publishing import parameters_document
from pipelinekit.workspace.pipeline_endpoints import PipelineEndpointCollection
from pipelinekit.workspace.pipelines import Arguments
from pipelinekit.workspace.published_pipelines import (
    NOWHERE,
    Call,
    Publication,
    PublishedPipelineCollection,
    PublishedPipelineHandle,
    PublishingStores,
    call_options,
    git_of,
    pin,
    provenance,
)
from pipelinekit.workspace.runs import Run, checked_tags
from pipelinekit.workspace.workspace import Traceable, regenerate_patterns

MOST_TRIES = 10  # to change what others change meanwhile


@frozen
class DraftStores:
    """What drafts are kept in, and what they are copied from. `taken` gives the datasets that a run took in."""

    records: PipelineDraftRecords
    publishing: PublishingStores
    published: PublishedPipelineCollection
    endpoints: PipelineEndpointCollection
    taken: Callable[[str], Any]


@frozen
class DraftWords:
    """What is said of a draft; what is empty or None is as in what it is a copy of."""

    name: str = ""
    description: str = ""
    experiment: str = ""
    compute: str = ""
    continue_on_step_failure: bool | None = None
    tags: Mapping[str, object] | None = None


@frozen
class DraftContent:
    """A graph with values on its way into a draft: how it is run, what it is a copy of, and what that was called."""

    graph: Graph
    pinned: Arguments
    options: RunOptions
    source: Mapping[str, str]
    details: Mapping[str, Any]
    words: DraftWords = DraftWords()


@frozen
class PreparedDraftCall:
    """A run of a draft whose values are stored and whose options are checked, so that it can be recorded at once."""

    draft: PipelineDraft
    graph: Graph
    arguments: Arguments
    options: RunOptions
    tags: Mapping[str, str]
    call: Call


class PipelineDraftHandle:
    """A pipeline draft: `update` changes it, `submit` makes a run of it, `publish` a published pipeline."""

    def __init__(self, record: PipelineDraft, stores: DraftStores) -> None:
        self.record = record
        self._stores = stores

    @property
    def id(self) -> str:
        """Its id."""
        return self.record.id

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def version(self) -> int:
        """Its version, which grows with every change."""
        return self.record.version

    @property
    def graph(self) -> Graph:
        """Its graph."""
        return _graph_of(self.record, self._stores)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its parameters."""
        return self.graph.parameters

    # -- changing ----------------------------------------------------------------------------------------------------

    def update(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        experiment: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        compute: str = "",
        continue_on_step_failure: bool | None = None,
        tags: Mapping[str, object] | None = None,
        version: int | None = None,
    ) -> None:
        """Change what is given; the rest stays: values of other parameters, too. Tags are given whole.

        With `version` that version is changed: ConflictError is raised where it is another by now. Raises
        ParameterError with every fault.
        """
        words = {"name": name, "description": description, "experiment": experiment, "tags": tags}
        call = Call(compute=compute, continue_on_step_failure=continue_on_step_failure)
        self.change(parameters or {}, call, words, version, Path.cwd())

    def change(
        self, given: Mapping[str, Any], call: Call, words: Mapping[str, Any], version: int | None, root: Path = NOWHERE
    ) -> None:
        """Change values, what a call says, and words that are not None; see `update`.

        Given paths are relative to `root`. What others change meanwhile stays changed, unless a version is named.
        """
        publishing = self._stores.publishing
        if call.compute:
            publishing.check([call.compute])
        fields = {**words, "tags": None if words.get("tags") is None else checked_tags(words["tags"])}
        for _ in range(MOST_TRIES):
            self.record = found = self._stores.records.get(self.id)
            found.check_version(version)
            text, values = self._values(given, root) if given else ("", {})
            options = call_options(found.options, call)
            changed = nouns.changed(found, publishing.clock.now(), options=options, **fields, **values)
            with publishing.batch():
                if self._stores.records.replace(changed):
                    publishing.documents.put({changed.graph: text} if text else {})
                    self.record = changed
                    return
        raise nouns.changed_meanwhile(self.record, f"{MOST_TRIES} times in a row")

    def _values(self, given: Mapping[str, Any], root: Path) -> tuple[str, dict[str, Any]]:
        """What values of parameters change: the text of the graph, and fields of the draft."""
        pipelines = self._stores.publishing.pipelines
        graph, pinned = pin(pipelines, self.graph, given, root, root, _pinned(self.record))
        text = graph_text(graph)
        fields = {"values": pinned.values, "paths": pinned.paths, "datasets": pinned.datasets}
        return text, {"graph": graph_digest(text), **fields}

    # -- using -------------------------------------------------------------------------------------------------------

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

        What is given counts for this run; the draft stays as it is.
        """
        patterns = regenerate_patterns(regenerate)
        queued = None if max_queue_duration_seconds is None else parse_duration(max_queue_duration_seconds)
        about = experiment, patterns, continue_on_step_failure, compute, tags, display_name
        call = Call(*about, priority=priority, max_queue_seconds=queued)
        for _ in range(MOST_TRIES):
            run = self.record_prepared(self.prepare(parameters or {}, call, Path.cwd()))
            if run is not None:
                self._stores.publishing.launch(run.record)
                return run
        raise nouns.changed_meanwhile(self.record, f"{MOST_TRIES} times in a row")

    def prepare(self, given: Mapping[str, Any], call: Call, root: Path = NOWHERE) -> PreparedDraftCall:
        """All of a run that needs no transaction: what is said is checked, and looked for in the store."""
        publishing = self._stores.publishing
        self.record = draft = self._stores.records.get(self.id)
        marks = checked_tags({**draft.tags, **(call.tags or {})})
        options = call_options(draft.options, call)
        publishing.check([options.compute])
        arguments = publishing.arguments_of(self.graph, _pinned(draft), given, root)
        return PreparedDraftCall(draft, self.graph, arguments, options, marks, call)

    def record_prepared(self, prepared: PreparedDraftCall) -> Run | None:
        """Record a run that was prepared; None where the draft is another by now. No driver is started."""
        publishing, draft, call = self._stores.publishing, prepared.draft, prepared.call
        with publishing.batch():
            if self._stores.records.get(draft.id).version != draft.version:
                return None
            record = publishing.pipelines.submit(
                prepared.graph,
                prepared.arguments,
                experiment=call.experiment or draft.experiment,
                options=prepared.options,
                source=f"pipeline draft {draft.id}",
                details={**git_of(draft.details), **(call.details or {})},
                detached=True,
                display_name=call.display_name,
                properties={PIPELINE_DRAFT: draft.id, DRAFT_VERSION: str(draft.version)},
                batch=publishing.batch,
            )
            run = publishing.runs.handle(record)
            run.mark(prepared.tags)
        return run

    def publish(
        self, *, name: str = "", description: str = "", version: str = "", endpoint: str = "", default: bool = False
    ) -> PublishedPipelineHandle:
        """Publish it as it is now; it stays a draft. What is not given is as the draft has it.

        `version` is a text of your own. With `endpoint` it is added to the endpoint of that name, which is made if
        there is none; with `default` as its default version.
        """
        words = {"name": name, "description": description, "version": version, "endpoint": endpoint}
        return self._stores.published.get(self.publish_words({**words, "default": default})["id"])

    def publish_words(self, words: Mapping[str, Any], by: str = "") -> dict[str, Any]:
        """Publish it; `words` are those of `publish`. What was published, with its endpoint, as JSON data."""
        if words["default"] and not words["endpoint"]:
            raise UsageError("default says nothing without an endpoint", hint="name the endpoint, too")
        with self._stores.publishing.batch():
            self.record = draft = self._stores.records.get(self.id)
            told = Publication(
                words["name"] or draft.name,
                words["description"] or draft.description,
                words["version"],
                draft.experiment,
                draft.options,
                draft.tags,
            )
            who = {"user": by} if by else {}
            details = {**provenance(None), **git_of(draft.details), **who, "draft": draft.id}
            made = self._stores.published.publish_stored(self.graph, _pinned(draft), told, details)
            document = made.document()
            if words["endpoint"]:
                named, default = words["endpoint"], words["default"]
                handle, version = self._stores.endpoints.grow(named, made, default=default, by=by)
                document["endpoint"] = {
                    "id": handle.id,
                    "name": handle.name,
                    "version": version.number,
                    "default_version": handle.default_version,
                }
        return document

    def clone(self, name: str = "") -> PipelineDraftHandle:
        """A copy of it, under its name or another."""
        return PipelineDraftCollection(self._stores).create(f"{nouns.DRAFT}:{self.id}", name=name)

    # -- looking -----------------------------------------------------------------------------------------------------

    def runs(self, *, limit: int = 50) -> Sequence[Run]:
        """The runs of it, the newest first."""
        return self._stores.publishing.runs.list(properties={PIPELINE_DRAFT: self.id}, limit=limit)

    def document(self) -> dict[str, Any]:
        """It, its parameters and its last run as JSON data."""
        last = self.runs(limit=1)
        return {
            **draft_document(self.record),
            "steps": len(self.graph.nodes),
            "parameters": parameters_document(self.parameters, self.record.values),
            "last_run": last[0].id if last else None,
        }

    def __repr__(self) -> str:
        return f"<pipeline draft {self.id} ({self.name}), version {self.version}>"


class PipelineDraftCollection:
    """The pipeline drafts of a workspace."""

    def __init__(self, stores: DraftStores) -> None:
        self._stores = stores

    def create(
        self,
        source: Traceable | str,
        *,
        name: str = "",
        description: str = "",
        experiment: str = "",
        parameters: Mapping[str, Any] | None = None,
        compute: str = "",
        continue_on_step_failure: bool | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> PipelineDraftHandle:
        """Make a draft of a pipeline, or of `run:ID`, `pipeline:ID`, `endpoint:NAME[@VERSION]` or `draft:ID`.

        What is not given is as there; `parameters` are values that are other than there. Raises ParameterError with
        every fault.
        """
        words = DraftWords(name, description, experiment, compute, continue_on_step_failure, tags)
        given, root = parameters or {}, Path.cwd()
        if isinstance(source, str):
            return self.keep(self.content(source), words, given, root)
        if not hasattr(source, "trace"):
            raise UsageError(f"a {type(source).__name__} cannot be a draft", hint="give a @pipeline, or 'run:ID'")
        plain = source.plain_values(given)
        compilation = self._stores.publishing.pipelines.compile(source.trace(plain))
        compilation.keep(self._stores.publishing.pipelines.blobs)
        longest = parse_duration(source.max_run_duration_seconds)
        return self.create_graph(compilation.graph, plain, words, root, compilation.trees[0].root, longest)

    def create_graph(
        self,
        graph: Graph,
        given: Mapping[str, Any],
        words: DraftWords,
        root: Path,
        source: Path | None = None,
        max_seconds: float = 0.0,
    ) -> PipelineDraftHandle:
        """Make a draft of a graph whose code is in the store.

        Given paths are relative to `root`, those written in the pipeline to its source folder `source`.
        """
        graph, pinned = pin(self._stores.publishing.pipelines, graph, given, root, source or root)
        options = RunOptions(max_seconds=max_seconds)
        return self.keep(DraftContent(graph, pinned, options, {}, provenance(source)), words)

    def content(self, source: str) -> DraftContent:
        """What a source such as `run:ID` names; see `create`. Raises UsageError, and NotFoundError where it is not."""
        found = nouns.read_source(source)
        if found is None:
            raise UsageError(
                f"{source!r} cannot be a draft", hint="name run:ID, pipeline:ID, endpoint:NAME[@VERSION] or draft:ID"
            )
        if found.kind == nouns.RUN:
            return self._of_run(found.name)
        if found.kind == nouns.DRAFT:
            return self._of_draft(self._stores.records.get(found.name))
        return self._of_published(found)

    def _of_run(self, run: str) -> DraftContent:
        record = self._stores.publishing.runs.get(run).record
        graph, pinned = self._stores.publishing.content_of(record, self._stores.taken)
        old = record.options
        compute = LOCAL if old.compute == IN_PROCESS else old.compute
        options = RunOptions((), old.continue_on_step_failure, compute, max_seconds=old.max_seconds)
        words = DraftWords(graph.name, graph.description, record.experiment)
        details = {**provenance(None), **git_of(record.details)}
        return DraftContent(graph, pinned, options, {nouns.RUN: record.id}, details, words)

    def _of_published(self, found: DraftSource) -> DraftContent:
        source: dict[str, str] = {}
        if found.kind == nouns.ENDPOINT:
            endpoint = self._stores.endpoints.get(found.name)
            version = endpoint.record.version(found.version)
            handle = endpoint.pipeline(version.number)
            source = {nouns.ENDPOINT: endpoint.name, "endpoint_version": str(version.number)}
        else:
            handle = self._stores.published.get(found.name)
        record, graph = handle.record, handle.graph
        words = DraftWords(record.name, record.description, record.experiment or graph.name, tags=record.tags)
        details = {**provenance(None), **git_of(record.details)}
        pinned = Arguments(record.values, record.paths, record.datasets)
        return DraftContent(graph, pinned, record.options, {**source, nouns.PIPELINE: record.id}, details, words)

    def _of_draft(self, draft: PipelineDraft) -> DraftContent:
        words = DraftWords(draft.name, draft.description, draft.experiment, tags=draft.tags)
        source = {nouns.DRAFT: draft.id, DRAFT_VERSION: str(draft.version)}
        details = {**provenance(None), **git_of(draft.details)}
        return DraftContent(_graph_of(draft, self._stores), _pinned(draft), draft.options, source, details, words)

    def keep(
        self,
        content: DraftContent,
        words: DraftWords,
        given: Mapping[str, Any] | None = None,
        root: Path = NOWHERE,
        *,
        by: str = "",
    ) -> PipelineDraftHandle:
        """Keep a draft of what is in the store. Given paths are relative to `root`; `by` says who makes it."""
        publishing, was = self._stores.publishing, content.words
        graph, pinned = content.graph, content.pinned
        if given:
            graph, pinned = pin(publishing.pipelines, graph, given, root, root, pinned)
        call = Call(compute=words.compute, continue_on_step_failure=words.continue_on_step_failure)
        options = call_options(content.options, call)
        publishing.check([options.compute, *(step.options.compute for step in graph.steps)])
        publishing.pipelines.find_stored(graph, pinned)
        text, now = graph_text(graph), publishing.clock.now()
        draft = PipelineDraft(
            run_id(int(now * 1000), int.from_bytes(os.urandom(4)) >> 7),
            words.name or was.name or graph.name,
            graph_digest(text),
            words.experiment or was.experiment or graph.name,
            words.description or was.description or graph.description,
            pinned.values,
            pinned.paths,
            pinned.datasets,
            options,
            checked_tags((was.tags or {}) if words.tags is None else words.tags),
            content.source,
            {**content.details, **({"user": by} if by else {})},
            created_at=now,
            updated_at=now,
        )
        with publishing.batch():
            publishing.documents.put({draft.graph: text})
            self._stores.records.add(draft)
        return PipelineDraftHandle(draft, self._stores)

    def get(self, draft: str) -> PipelineDraftHandle:
        """The draft of this id or unique beginning of one. Raises NotFoundError."""
        return self.handle(self._stores.records.get(draft))

    def handle(self, record: PipelineDraft) -> PipelineDraftHandle:
        """A handle on a record."""
        return PipelineDraftHandle(record, self._stores)

    def list(self, *, name: str = "") -> Sequence[PipelineDraftHandle]:
        """All of them, or those of a name; the newest first."""
        return [self.handle(item) for item in self._stores.records.list(name=name)]

    def delete(self, draft: str) -> None:
        """Forget a draft; its runs, and what was published of it, stay."""
        self._stores.records.remove(self.get(draft).id)


def _graph_of(draft: PipelineDraft, stores: DraftStores) -> Graph:
    return stores.publishing.graph_of(draft.graph, f"pipeline draft {draft.id}", "make the draft again")


def _pinned(draft: PipelineDraft) -> Arguments:
    return Arguments(draft.values, draft.paths, draft.datasets)
