"""Published pipelines and pipeline endpoints that a server has."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.client.connection import Connection, quoted
from pipelinekit.client.runs import RemoteRun
from pipelinekit.errors import NotFoundError
from pipelinekit.wire.values import plain_to_json


def _call(
    connection: Connection,
    path: str,
    parameters: Mapping[str, Any] | None,
    idempotency_key: str,
    **words: Any,
) -> RemoteRun:
    """Have a run driven; sent again under the same key where no answer comes, so that there is one run."""
    body = {name: value for name, value in words.items() if value is not None and value not in ("", {})}
    body["parameters"] = {name: plain_to_json(value) for name, value in (parameters or {}).items()}
    headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
    made = connection.ask("POST", path, body, headers=headers, again=True).document
    return RemoteRun(made, connection)


def _regenerate(wanted: bool | str | Sequence[str]) -> bool | list[str]:
    return wanted if isinstance(wanted, bool) else [wanted] if isinstance(wanted, str) else list(wanted)


class RemotePipeline:
    """A published pipeline: `submit` makes a run of it."""

    def __init__(self, document: Mapping[str, Any], connection: Connection) -> None:
        self._document = document
        self._connection = connection

    @property
    def id(self) -> str:
        """Its id."""
        return str(self._document["id"])

    @property
    def name(self) -> str:
        """The name that it was published under."""
        return str(self._document["name"])

    @property
    def status(self) -> str:
        """Whether it may be called: Active or Disabled."""
        return str(self._document["status"])

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
        callback: str = "",
        idempotency_key: str = "",
    ) -> RemoteRun:
        """Have a run of it driven; returns the run at once. The same key calls once.

        The address `callback` is told of its end, signed with `callback_secret` of the run.
        """
        return _call(
            self._connection,
            f"/pipelines/{self.id}/runs",
            parameters,
            idempotency_key,
            experiment=experiment,
            compute=compute,
            regenerate=_regenerate(regenerate),
            continue_on_step_failure=continue_on_step_failure,
            tags=dict(tags or {}),
            display_name=display_name,
            callback=callback,
        )

    def runs(self, *, limit: int = 50) -> Sequence[RemoteRun]:
        """The runs of it, the newest first."""
        found = self._connection.get(f"/pipelines/{self.id}/runs", limit=limit)["runs"]
        return [RemoteRun(item, self._connection) for item in found]

    def enable(self) -> None:
        """Have it called again."""
        self._document = self._connection.ask("POST", f"/pipelines/{self.id}/enable", again=True).document

    def disable(self) -> None:
        """Refuse calls of it."""
        self._document = self._connection.ask("POST", f"/pipelines/{self.id}/disable", again=True).document

    def describe(self, description: str) -> None:
        """Change the description."""
        body = {"description": description}
        self._document = self._connection.ask("PATCH", f"/pipelines/{self.id}", body, again=True).document

    def __repr__(self) -> str:
        return f"<published pipeline {self.id} ({self.name}), {self.status.lower()}>"


class RemotePipelines:
    """The published pipelines of a workspace."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, pipeline: str) -> RemotePipeline:
        """The published pipeline of this id or unique beginning of one. Raises NotFoundError."""
        return RemotePipeline(self._connection.get(f"/pipelines/{quoted(pipeline)}"), self._connection)

    def list(self, *, name: str = "", active_only: bool = True) -> Sequence[RemotePipeline]:
        """Those that may be called, or all of them; the newest first."""
        found = self._connection.get("/pipelines", name=name, all=not active_only)["pipelines"]
        return [RemotePipeline(item, self._connection) for item in found]

    def delete(self, pipeline: str) -> None:
        """Forget a published pipeline. Raises ConflictError while it is a version of an endpoint."""
        self._connection.ask("DELETE", f"/pipelines/{quoted(pipeline)}")


class RemoteEndpoint:
    """A pipeline endpoint: `submit` makes a run of its default version, or of another."""

    def __init__(self, document: Mapping[str, Any], connection: Connection) -> None:
        self._document = document
        self._connection = connection
        self._path = f"/pipeline-endpoints/{quoted(str(document['id']))}"

    @property
    def id(self) -> str:
        """Its id."""
        return str(self._document["id"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._document["name"])

    @property
    def status(self) -> str:
        """Whether it may be called: Active, Disabled or Archived."""
        return str(self._document["status"])

    @property
    def default_version(self) -> int:
        """The version that a call means which names none."""
        return int(self._document["default_version"])

    @property
    def versions(self) -> Mapping[int, str]:
        """The ids of published pipelines, by version."""
        return {item["version"]: item["pipeline"] for item in self._document["versions"]}

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
        callback: str = "",
        idempotency_key: str = "",
    ) -> RemoteRun:
        """Have a run of a version driven; returns the run at once. The same key calls once.

        The address `callback` is told of its end, signed with `callback_secret` of the run.
        """
        return _call(
            self._connection,
            f"{self._path}/runs",
            parameters,
            idempotency_key,
            version=version,
            experiment=experiment,
            compute=compute,
            regenerate=_regenerate(regenerate),
            continue_on_step_failure=continue_on_step_failure,
            tags=dict(tags or {}),
            display_name=display_name,
            callback=callback,
        )

    def pipeline(self, version: int | None = None) -> RemotePipeline:
        """The published pipeline of a version; of the default by default. Raises NotFoundError."""
        found = self.versions.get(self.default_version if version is None else version)
        if found is None:
            known = ", ".join(map(str, self.versions))
            raise NotFoundError(
                f"pipeline endpoint {self.name!r} has no version {version}", hint=f"its versions: {known}"
            )
        return RemotePipeline(self._connection.get(f"/pipelines/{found}"), self._connection)

    def runs(self, *, version: int | None = None, limit: int = 50) -> Sequence[RemoteRun]:
        """The runs of the endpoint, or of one of its versions; the newest first."""
        found = self._connection.get(f"{self._path}/runs", version=version, limit=limit)["runs"]
        return [RemoteRun(item, self._connection) for item in found]

    def add_version(self, pipeline: RemotePipeline | str, *, default: bool = False) -> int:
        """Add a published pipeline as a further version; its number."""
        named = pipeline if isinstance(pipeline, str) else pipeline.id
        self._keep("POST", "/versions", {"pipeline": named, "default": default})
        return max(self.versions)

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
        self._document = self._connection.ask(method, self._path + path, body).document

    def __repr__(self) -> str:
        return f"<pipeline endpoint {self.name!r}, default version {self.default_version}, {self.status.lower()}>"


class RemoteEndpoints:
    """The pipeline endpoints of a workspace."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self,
        name: str,
        pipeline: RemotePipeline | str,
        *,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        proven: bool = False,
    ) -> RemoteEndpoint:
        """Make an endpoint whose version 0, the default, is a published pipeline."""
        body = {
            "name": name,
            "pipeline": pipeline if isinstance(pipeline, str) else pipeline.id,
            "description": description,
            "tags": dict(tags or {}),
            "proven": proven,
        }
        return RemoteEndpoint(self._connection.ask("POST", "/pipeline-endpoints", body).document, self._connection)

    def get(self, endpoint: str) -> RemoteEndpoint:
        """The endpoint of this name or id. Raises NotFoundError."""
        return RemoteEndpoint(self._connection.get(f"/pipeline-endpoints/{quoted(endpoint)}"), self._connection)

    def list(self, *, active_only: bool = True) -> Sequence[RemoteEndpoint]:
        """Those that may be called, or all of them."""
        found = self._connection.get("/pipeline-endpoints", all=not active_only)["pipeline_endpoints"]
        return [RemoteEndpoint(item, self._connection) for item in found]

    def delete(self, endpoint: str) -> None:
        """Forget an endpoint; its pipelines stay published, and its runs stay."""
        self._connection.ask("DELETE", f"/pipeline-endpoints/{quoted(endpoint)}")
