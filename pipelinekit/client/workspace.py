"""The handle on a workspace that a server has."""

from __future__ import annotations

from typing import Generic

from pipelinekit.client.connection import Connection
from pipelinekit.client.publishing import RemoteEndpoints, RemotePipelines
from pipelinekit.client.runs import Find, RunT


class RemoteWorkspace(Generic[RunT]):
    """A workspace over HTTP; `find` gives the run of an id. Not shared between threads."""

    def __init__(self, connection: Connection, find: Find[RunT]) -> None:
        self.url = connection.url
        self.connection = connection
        self.published_pipelines = RemotePipelines(connection, find)
        self.pipeline_endpoints = RemoteEndpoints(connection, find)

    def __repr__(self) -> str:
        return f"<workspace at {self.url}>"
