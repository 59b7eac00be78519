"""The handle on a workspace that a server has."""

from __future__ import annotations

from pipelinekit.client.connection import Connection
from pipelinekit.client.publishing import RemoteEndpoints, RemotePipelines
from pipelinekit.client.runs import RemoteRuns


class RemoteWorkspace:
    """Calls published pipelines and finds what their runs left, over HTTP. Not shared between threads."""

    def __init__(self, connection: Connection) -> None:
        self.url = connection.url
        self.runs = RemoteRuns(connection)
        self.published_pipelines = RemotePipelines(connection)
        self.pipeline_endpoints = RemoteEndpoints(connection)

    def __repr__(self) -> str:
        return f"<workspace at {self.url}>"


def connect(url: str, token: str, certificate: str = "") -> RemoteWorkspace:
    """The workspace of the server at this address; `certificate` is a file with those that it may show, as PEM."""
    return RemoteWorkspace(Connection(url, token, certificate=certificate))
