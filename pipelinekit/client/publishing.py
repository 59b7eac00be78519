"""Published pipelines and pipeline endpoints that a server has."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Generic

from pipelinekit.client.connection import Connection, quoted
from pipelinekit.client.runs import Runs, RunT
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.parameters import Parameter
from pipelinekit.domain.pipeline_endpoints import EndpointStatus, EndpointVersion, PipelineEndpoint
from pipelinekit.domain.published_pipelines import PublishedPipeline, PublishedStatus
from pipelinekit.domain.steps import parse_duration
from pipelinekit.domain.version_differences import VersionDifference
from pipelinekit.wire.graphs import parse_graph
from pipelinekit.wire.publishing import endpoint_from_document, published_from_document
from pipelinekit.wire.run_records import run_from_json
from pipelinekit.wire.values import plain_to_json
from pipelinekit.wire.version_differences import difference_from_document


def call_remote(
    connection: Connection,
    runs: Runs[RunT],
    path: str,
    parameters: Mapping[str, Any] | None,
    idempotency_key: str,
    **words: Any,
) -> RunT:
    """Have a run driven; sent again under the same key where no answer comes, so that there is one run."""
    body = {name: value for name, value in words.items() if value is not None and value not in ("", {})}
    body["parameters"] = {name: plain_to_json(value) for name, value in (parameters or {}).items()}
    headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
    made = connection.ask("POST", path, body, headers=headers, again=True).document
    run = runs.get(made["id"])
    run.callback_secret = made.get("callback_secret", "")
    return run


def seconds_of(duration: float | str | None) -> float | None:
    """A duration as requests say it: in seconds."""
    return None if duration is None else parse_duration(duration)


def regenerate_words(wanted: bool | str | Sequence[str]) -> bool | list[str]:
    """What `regenerate` says in a request."""
    return wanted if isinstance(wanted, bool) else [wanted] if isinstance(wanted, str) else list(wanted)


class RemotePipeline(Generic[RunT]):
    """A published pipeline: `submit` makes a run of it."""

    def __init__(self, document: Mapping[str, Any], connection: Connection, runs: Runs[RunT]) -> None:
        self.record: PublishedPipeline = published_from_document(document)
        self._connection = connection
        self._runs = runs

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
        text = self._connection.get(f"/graphs/{quoted(self.record.graph)}")["graph"]
        return parse_graph(text, f"the graph of published pipeline {self.id}")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its parameters."""
        return self.graph.parameters

    def document(self) -> dict[str, Any]:
        """It and its parameters as JSON data."""
        return dict(self._connection.get(f"/pipelines/{self.id}"))

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
        """Have a run of it driven; returns the run at once. The same key calls once.

        The address `callback` is told of its end, signed with `callback_secret` of the run.
        """
        return call_remote(
            self._connection,
            self._runs,
            f"/pipelines/{self.id}/runs",
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

    def runs(self, *, limit: int = 50) -> Sequence[RunT]:
        """The runs of it, the newest first."""
        found = self._connection.get(f"/pipelines/{self.id}/runs", limit=limit, records=True)["runs"]
        return [self._runs.handle(run_from_json(item)) for item in found]

    def enable(self) -> None:
        """Have it called again."""
        self._keep("POST", "/enable")

    def disable(self) -> None:
        """Refuse calls of it."""
        self._keep("POST", "/disable")

    def describe(self, description: str) -> None:
        """Change the description."""
        self._keep("PATCH", "", {"description": description})

    def _keep(self, method: str, path: str, body: Any = None) -> None:
        found = self._connection.ask(method, f"/pipelines/{self.id}{path}", body, again=True).document
        self.record = published_from_document(found)

    def __repr__(self) -> str:
        return f"<published pipeline {self.id} ({self.name}), {self.status.lower()}>"


class RemotePipelines(Generic[RunT]):
    """The published pipelines of a workspace."""

    def __init__(self, connection: Connection, runs: Runs[RunT]) -> None:
        self._connection = connection
        self._runs = runs

    def get(self, pipeline: str) -> RemotePipeline[RunT]:
        """The published pipeline of this id or unique beginning of one. Raises NotFoundError."""
        return RemotePipeline(self._connection.get(f"/pipelines/{quoted(pipeline)}"), self._connection, self._runs)

    def list(self, *, name: str = "", active_only: bool = True) -> Sequence[RemotePipeline[RunT]]:
        """Those that may be called, or all of them; the newest first."""
        found = self._connection.get("/pipelines", name=name, all=not active_only)["pipelines"]
        return [RemotePipeline(item, self._connection, self._runs) for item in found]

    def diff(self, before: str, after: str) -> VersionDifference:
        """In what two published pipelines differ. Raises NotFoundError."""
        path = f"/pipelines/{quoted(before)}/differences/{quoted(after)}"
        return difference_from_document(self._connection.get(path))

    def delete(self, pipeline: str) -> None:
        """Forget a published pipeline. Raises ConflictError while it is a version of an endpoint."""
        self._connection.ask("DELETE", f"/pipelines/{quoted(pipeline)}")


class RemoteEndpoint(Generic[RunT]):
    """A pipeline endpoint: `submit` makes a run of its default version, or of another."""

    def __init__(self, document: Mapping[str, Any], connection: Connection, runs: Runs[RunT]) -> None:
        self.record: PipelineEndpoint = endpoint_from_document(document)
        self._connection = connection
        self._runs = runs
        self._path = f"/pipeline-endpoints/{quoted(self.record.id)}"

    @property
    def id(self) -> str:
        """Its id."""
        return self.record.id

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def status(self) -> EndpointStatus:
        """Whether it may be called."""
        return self.record.status

    @property
    def default_version(self) -> int:
        """The version that a call means which names none."""
        return self.record.default

    @property
    def versions(self) -> tuple[EndpointVersion, ...]:
        """All versions, the oldest first."""
        return self.record.versions

    def submit(
        self,
        *,
        version: int | None = None,
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
        """Have a run of a version driven; returns the run at once. The same key calls once.

        The address `callback` is told of its end, signed with `callback_secret` of the run.
        """
        return call_remote(
            self._connection,
            self._runs,
            f"{self._path}/runs",
            parameters,
            idempotency_key,
            version=version,
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

    def pipeline(self, version: int | None = None) -> RemotePipeline[RunT]:
        """The published pipeline of a version; of the default by default. Raises NotFoundError."""
        found = self._connection.get(f"/pipelines/{self.record.version(version).pipeline}")
        return RemotePipeline(found, self._connection, self._runs)

    def runs(self, *, version: int | None = None, limit: int = 50) -> Sequence[RunT]:
        """The runs of the endpoint, or of one of its versions; the newest first."""
        found = self._connection.get(f"{self._path}/runs", version=version, limit=limit, records=True)["runs"]
        return [self._runs.handle(run_from_json(item)) for item in found]

    def diff(self, before: int, after: int | None = None) -> VersionDifference:
        """What differs between two versions; from one to the default by default. Raises NotFoundError."""
        return difference_from_document(self._connection.get(f"{self._path}/differences/{before}", after=after))

    def add_version(self, pipeline: RemotePipeline[RunT] | str, *, default: bool = False) -> EndpointVersion:
        """Add a published pipeline as a further version, which may become the default."""
        named = pipeline if isinstance(pipeline, str) else pipeline.id
        self._keep("POST", "/versions", {"pipeline": named, "default": default})
        return self.record.newest

    def set_default(self, version: int) -> None:
        """Have calls that name no version mean this one."""
        self._keep("PATCH", "", {"default_version": version})

    def update(
        self,
        *,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        proven: bool | None = None,
    ) -> None:
        """Change the description, the tags, or whether only proven versions become the default; None leaves it."""
        words = {"description": description, "tags": None if tags is None else dict(tags), "proven": proven}
        self._keep("PATCH", "", {name: value for name, value in words.items() if value is not None})

    def enable(self) -> None:
        """Have it called again."""
        self._keep("POST", "/enable")

    def disable(self) -> None:
        """Refuse calls."""
        self._keep("POST", "/disable")

    def archive(self) -> None:
        """Refuse calls, and let others have the name."""
        self._keep("POST", "/archive")

    def reactivate(self, name: str = "") -> None:
        """Use an archived endpoint again, under its name or another."""
        self._keep("POST", "/reactivate", {"name": name})

    def document(self) -> dict[str, Any]:
        """It, its versions and the parameters of its default version as JSON data."""
        return dict(self._connection.get(self._path))

    def _keep(self, method: str, path: str, body: Any = None) -> None:
        self.record = endpoint_from_document(self._connection.ask(method, self._path + path, body).document)

    def __repr__(self) -> str:
        return f"<pipeline endpoint {self.name!r}, default version {self.default_version}, {self.status.lower()}>"


class RemoteEndpoints(Generic[RunT]):
    """The pipeline endpoints of a workspace."""

    def __init__(self, connection: Connection, runs: Runs[RunT]) -> None:
        self._connection = connection
        self._runs = runs

    def create(
        self,
        name: str,
        pipeline: RemotePipeline[RunT] | str,
        *,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        proven: bool = False,
    ) -> RemoteEndpoint[RunT]:
        """Make an endpoint whose version 0, the default, is a published pipeline."""
        body = {
            "name": name,
            "pipeline": pipeline if isinstance(pipeline, str) else pipeline.id,
            "description": description,
            "tags": dict(tags or {}),
            "proven": proven,
        }
        return self._handle(self._connection.ask("POST", "/pipeline-endpoints", body).document)

    def get(self, endpoint: str) -> RemoteEndpoint[RunT]:
        """The endpoint of this name or id. Raises NotFoundError."""
        return self._handle(self._connection.get(f"/pipeline-endpoints/{quoted(endpoint)}"))

    def list(self, *, active_only: bool = True) -> Sequence[RemoteEndpoint[RunT]]:
        """Those that may be called, or all of them."""
        found = self._connection.get("/pipeline-endpoints", all=not active_only)["pipeline_endpoints"]
        return [self._handle(item) for item in found]

    def delete(self, endpoint: str) -> None:
        """Forget an endpoint; its pipelines stay published, and its runs stay."""
        self._connection.ask("DELETE", f"/pipeline-endpoints/{quoted(endpoint)}")

    def _handle(self, document: Mapping[str, Any]) -> RemoteEndpoint[RunT]:
        return RemoteEndpoint(document, self._connection, self._runs)
