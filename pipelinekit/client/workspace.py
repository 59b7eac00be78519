"""The handle on a workspace that a server has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic

from pipelinekit.client.access import RemoteAudit, RemoteSecrets, RemoteTokens
from pipelinekit.client.computes import RemoteComputes
from pipelinekit.client.connection import LONG_SECONDS, Connection
from pipelinekit.client.environments import RemoteEnvironments
from pipelinekit.client.pipeline_drafts import RemotePipelineDrafts, once
from pipelinekit.client.publishing import RemoteEndpoints, RemotePipeline, RemotePipelines, regenerate_words
from pipelinekit.client.runs import Runs, RunT
from pipelinekit.client.schedules import RemoteSchedules
from pipelinekit.client.uploads import Pack, Uploads
from pipelinekit.client.webhooks import RemoteWebhooks
from pipelinekit.domain.steps import parse_duration
from pipelinekit.errors import UsageError


class RemoteWorkspace(Generic[RunT]):
    """A workspace that a server has, over HTTP.

    `runs` gives runs; `pack` compiles a pipeline and gathers what it consists of.
    Not shared between threads.
    """

    def __init__(self, connection: Connection, runs: Runs[RunT], pack: Pack) -> None:
        self.url = connection.url
        self.connection = connection
        self.published_pipelines = RemotePipelines(connection, runs)
        self.pipeline_endpoints = RemoteEndpoints(connection, runs)
        self.pipeline_drafts = RemotePipelineDrafts(connection, runs, self._send)
        self.schedules = RemoteSchedules(connection)
        self.environments = RemoteEnvironments(connection)
        self.computes = RemoteComputes(connection)
        self.secrets = RemoteSecrets(connection)
        self.tokens = RemoteTokens(connection)
        self.audit = RemoteAudit(connection)
        self.webhooks = RemoteWebhooks(connection)
        self.uploads = Uploads(connection)
        self._runs = runs
        self._pack = pack

    def submit(
        self,
        pipeline: Any,
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
    ) -> RunT:
        """Compile a pipeline here, send what the server has not, and have a run driven there; as `Workspace.submit`."""
        longest = pipeline.max_run_duration_seconds if max_run_duration_seconds is None else max_run_duration_seconds
        body = {
            "upload": self._send(pipeline, parameters),
            "experiment": experiment,
            "compute": compute,
            "regenerate": regenerate_words(regenerate),
            "continue_on_step_failure": continue_on_step_failure,
            "max_seconds": parse_duration(longest),
            "max_queue_seconds": parse_duration(max_queue_duration_seconds),
            "priority": priority,
            "tags": _texts(tags),
            "display_name": display_name,
        }
        return self.submit_upload(body)

    def submit_upload(self, body: Mapping[str, Any]) -> RunT:
        """Have a run driven of a pipeline that was sent; `body` is what a request says."""
        return self._runs.get(once(self.connection, "/runs", body)["id"])

    def plan_upload(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """What a run of a pipeline that was sent would do, and why; `body` is what a request for it says."""
        return dict(self.connection.ask("POST", "/plans", body, again=True, seconds=LONG_SECONDS).document)

    def publish(
        self,
        pipeline: Any,
        *,
        name: str = "",
        description: str = "",
        version: str = "",
        experiment: str = "",
        parameters: Mapping[str, Any] | None = None,
        compute: str = "",
        continue_on_step_failure: bool = False,
        tags: Mapping[str, object] | None = None,
        endpoint: str = "",
        default: bool = False,
    ) -> RemotePipeline[RunT]:
        """Compile a pipeline here, send what the server has not, and publish it there; as `Workspace.publish`."""
        body = {
            "upload": self._send(pipeline, parameters),
            "name": name,
            "description": description,
            "version": version,
            "experiment": experiment,
            "compute": compute,
            "continue_on_step_failure": continue_on_step_failure,
            "max_seconds": parse_duration(pipeline.max_run_duration_seconds),
            "tags": _texts(tags),
            "endpoint": endpoint,
            "default": default,
        }
        return RemotePipeline(self.publish_upload(body), self.connection, self._runs)

    def publish_upload(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Publish a pipeline that was sent, or that of a run; `body` is what a request says."""
        return once(self.connection, "/pipelines", body)

    def _send(self, pipeline: Any, parameters: Mapping[str, Any] | None) -> str:
        if not hasattr(pipeline, "trace"):
            raise UsageError(
                f"a {type(pipeline).__name__} cannot be sent", hint="give a @pipeline, or a ScriptRunConfig(...)"
            )
        with self._pack(pipeline, parameters or {}, self.uploads.lock) as upload:
            return self.uploads.send(upload)

    def __repr__(self) -> str:
        return f"<workspace at {self.url}>"


def _texts(tags: Mapping[str, object] | None) -> dict[str, str]:
    return {key: str(value) for key, value in (tags or {}).items()}
