"""Where a command works: on the workspace folder, or at the server that `--server` names."""

from __future__ import annotations

import os
from typing import cast

from pipelinekit import bootstrap
from pipelinekit.bootstrap import Services
from pipelinekit.errors import UsageError
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelinekit import connecting
else:
    connecting = late("pipelinekit.connecting")

SERVER, TOKEN, CERTIFICATE = "PIPELINEKIT_SERVER", "PIPELINEKIT_TOKEN", "PIPELINEKIT_CERTIFICATE"


def is_at_server() -> bool:
    """Whether a server is named."""
    return bool(os.environ.get(SERVER))


def refuse_at_server(command: str) -> None:
    """Raise UsageError for a command that works beside the workspace folder only, where a server is named."""
    if is_at_server():
        raise UsageError(
            f"'pipelinekit {command}' works beside the workspace folder, not over a server",
            hint="name the folder with --workspace, or run it on the machine that has the folder",
        )


def open_services(*, create: bool = True) -> Services:
    """Services of the workspace of this folder; at a server, as far as they are done there, with the same words."""
    if not is_at_server():
        return bootstrap.open_services(create=create)
    return cast("Services", connecting.RemoteServices(connect()))  # what it does not have is refused


def connect() -> connecting.ConnectedWorkspace:
    """The workspace of the server that is named. Raises UsageError without a token."""
    url, token = os.environ.get(SERVER, ""), os.environ.get(TOKEN, "")
    if not token:
        raise UsageError(
            f"the server at {url} is asked with an access token", hint=f"put one into the variable {TOKEN}"
        )
    return bootstrap.Workspace.connect(url, token, certificate=os.environ.get(CERTIFICATE, ""))
