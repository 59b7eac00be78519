"""The handle on a workspace that a server has."""

from __future__ import annotations

from typing import Generic

from pipelinekit.client.access import RemoteAudit, RemoteSecrets, RemoteTokens
from pipelinekit.client.computes import RemoteComputes
from pipelinekit.client.connection import Connection
from pipelinekit.client.environments import RemoteEnvironments
from pipelinekit.client.publishing import RemoteEndpoints, RemotePipelines
from pipelinekit.client.runs import Find, RunT
from pipelinekit.client.schedules import RemoteSchedules


class RemoteWorkspace(Generic[RunT]):
    """A workspace over HTTP; `find` gives the run of an id. Not shared between threads."""

    def __init__(self, connection: Connection, find: Find[RunT]) -> None:
        self.url = connection.url
        self.connection = connection
        self.published_pipelines = RemotePipelines(connection, find)
        self.pipeline_endpoints = RemoteEndpoints(connection, find)
        self.schedules = RemoteSchedules(connection)
        self.environments = RemoteEnvironments(connection)
        self.computes = RemoteComputes(connection)
        self.secrets = RemoteSecrets(connection)
        self.tokens = RemoteTokens(connection)
        self.audit = RemoteAudit(connection)

    def __repr__(self) -> str:
        return f"<workspace at {self.url}>"
