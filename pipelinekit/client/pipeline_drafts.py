"""Pipeline drafts that a server has."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic

from pipelinekit.client.connection import Connection, quoted
from pipelinekit.client.publishing import RemotePipeline, call_remote, regenerate_words, seconds_of
from pipelinekit.client.runs import Runs, RunT
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.parameters import Parameter
from pipelinekit.domain.pipeline_drafts import DRAFT, PipelineDraft
from pipelinekit.domain.steps import parse_duration
from pipelinekit.wire.graphs import parse_graph
from pipelinekit.wire.pipeline_drafts import draft_from_document
from pipelinekit.wire.run_records import run_from_json
from pipelinekit.wire.values import plain_to_json

Send = Callable[[Any, Mapping[str, Any] | None], str]  # sends a pipeline; the digest of its document


class RemotePipelineDraft(Generic[RunT]):
    """A pipeline draft: `update` changes it, `submit` makes a run of it, `publish` a published pipeline."""

    def __init__(
        self, document: Mapping[str, Any], drafts: RemotePipelineDrafts[RunT], connection: Connection, runs: Runs[RunT]
    ) -> None:
        self.record: PipelineDraft = draft_from_document(document)
        self._drafts = drafts
        self._connection = connection
        self._runs = runs

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
        text = self._connection.get(f"/graphs/{quoted(self.record.graph)}")["graph"]
        return parse_graph(text, f"the graph of pipeline draft {self.id}")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its parameters."""
        return self.graph.parameters

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

        With `version` that version is changed: ConflictError is raised where it is another by now.
        """
        words: dict[str, Any] = {
            "name": name,
            "description": description,
            "experiment": experiment,
            "compute": compute or None,
            "continue_on_step_failure": continue_on_step_failure,
            "tags": _texts(tags),
            "version": version,
        }
        body = {key: value for key, value in words.items() if value is not None}
        body["parameters"] = _plain(parameters)
        self.record = draft_from_document(self._connection.ask("PATCH", self._path, body).document)

    def submit(
        self,
        *,
        experiment: str = "",
        parameters: Mapping[str, Any] | None = None,
        compute: str = "",
        regenerate: bool | str | Sequence[str] = False,
        continue_on_step_failure: bool | None = None,
        tags: Mapping[str, str] | None = None,
        display_name: str = "",
        priority: int | None = None,
        max_queue_duration_seconds: float | str | None = None,
        callback: str = "",
        idempotency_key: str = "",
    ) -> RunT:
        """Have a run of it driven; returns the run at once. What is given counts for this run.

        The same key makes one run. The address `callback` is told of its end, signed with `callback_secret` of the run.
        """
        return call_remote(
            self._connection,
            self._runs,
            f"{self._path}/runs",
            parameters,
            idempotency_key,
            experiment=experiment,
            compute=compute,
            regenerate=regenerate_words(regenerate),
            continue_on_step_failure=continue_on_step_failure,
            tags=dict(tags or {}),
            display_name=display_name,
            priority=priority,
            max_queue_seconds=seconds_of(max_queue_duration_seconds),
            callback=callback,
        )

    def publish(
        self, *, name: str = "", description: str = "", version: str = "", endpoint: str = "", default: bool = False
    ) -> RemotePipeline[RunT]:
        """Publish it as it is now; it stays a draft. What is not given is as the draft has it.

        With `endpoint` it is added to the endpoint of that name, which is made if there is none; with `default` as its
        default version.
        """
        words = {"name": name, "description": description, "version": version, "endpoint": endpoint}
        return RemotePipeline(self.publish_words({**words, "default": default}), self._connection, self._runs)

    def publish_words(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Publish it; `body` has the words of `publish`. What was published, with the endpoint that has it."""
        return once(self._connection, f"{self._path}/publish", body)

    def clone(self, name: str = "") -> RemotePipelineDraft[RunT]:
        """A copy of it, under its name or another."""
        return self._drafts.create(f"{DRAFT}:{self.id}", name=name)

    def runs(self, *, limit: int = 50) -> Sequence[RunT]:
        """The runs of it, the newest first."""
        found = self._connection.get(f"{self._path}/runs", limit=limit, records=True)["runs"]
        return [self._runs.handle(run_from_json(item)) for item in found]

    def document(self) -> dict[str, Any]:
        """It, its parameters and its last run as JSON data."""
        return dict(self._connection.get(self._path))

    @property
    def _path(self) -> str:
        return f"/pipeline-drafts/{self.id}"

    def __repr__(self) -> str:
        return f"<pipeline draft {self.id} ({self.name}), version {self.version}>"


class RemotePipelineDrafts(Generic[RunT]):
    """The pipeline drafts of a workspace. `send` brings a pipeline to the server."""

    def __init__(self, connection: Connection, runs: Runs[RunT], send: Send) -> None:
        self._connection = connection
        self._runs = runs
        self._send = send

    def create(
        self,
        source: Any,
        *,
        name: str = "",
        description: str = "",
        experiment: str = "",
        parameters: Mapping[str, Any] | None = None,
        compute: str = "",
        continue_on_step_failure: bool | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> RemotePipelineDraft[RunT]:
        """Make a draft of a pipeline, or of `run:ID`, `pipeline:ID`, `endpoint:NAME[@VERSION]` or `draft:ID`."""
        body = {
            "name": name,
            "description": description,
            "experiment": experiment,
            "compute": compute,
            "continue_on_step_failure": continue_on_step_failure,
            "tags": _texts(tags),
        }
        if isinstance(source, str):
            return self.create_of({**body, "source": source, "parameters": _plain(parameters)})
        upload = self._send(source, parameters)
        longest = parse_duration(source.max_run_duration_seconds)
        return self.create_of({**body, "upload": upload, "max_seconds": longest})

    def create_of(self, body: Mapping[str, Any]) -> RemotePipelineDraft[RunT]:
        """Make a draft; `body` is what a request says."""
        return self._handle(once(self._connection, "/pipeline-drafts", body))

    def get(self, draft: str) -> RemotePipelineDraft[RunT]:
        """The draft of this id or unique beginning of one. Raises NotFoundError."""
        return self._handle(self._connection.get(f"/pipeline-drafts/{quoted(draft)}"))

    def list(self, *, name: str = "") -> Sequence[RemotePipelineDraft[RunT]]:
        """All of them, or those of a name; the newest first."""
        found = self._connection.get("/pipeline-drafts", name=name)["pipeline_drafts"]
        return [self._handle(item) for item in found]

    def delete(self, draft: str) -> None:
        """Forget a draft; its runs, and what was published of it, stay."""
        self._connection.ask("DELETE", f"/pipeline-drafts/{quoted(draft)}")

    def _handle(self, document: Mapping[str, Any]) -> RemotePipelineDraft[RunT]:
        return RemotePipelineDraft(document, self, self._connection, self._runs)


def once(connection: Connection, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Send a request until it is answered; it is carried out once."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    return dict(connection.ask("POST", path, body, headers=headers, again=True).document)


def _plain(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: plain_to_json(value) for name, value in (parameters or {}).items()}


def _texts(tags: Mapping[str, object] | None) -> dict[str, str] | None:
    return None if tags is None else {key: str(value) for key, value in tags.items()}
