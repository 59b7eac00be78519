"""Compute targets that a server has."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.client.connection import LONG_SECONDS, Connection, quoted
from pipelinekit.domain.computes import BUILT_IN, IDLE_SECONDS, ComputeTarget, KeeperState, Keeping, Node
from pipelinekit.domain.providers import Processes, Provider
from pipelinekit.domain.steps import parse_duration
from pipelinekit.domain.texts import counted
from pipelinekit.errors import ComputeError, UsageError
from pipelinekit.wire.computes import compute_from_document, keeper_from_json, nodes_from_document
from pipelinekit.wire.providers import provider_to_json

PAUSE_SECONDS = 0.5
PATIENCE_SECONDS = 25 * 60.0


class RemoteCompute:
    """A registered compute target."""

    def __init__(self, document: Mapping[str, Any], connection: Connection) -> None:
        self.record: ComputeTarget = compute_from_document(document)
        self._keeper: KeeperState | None = keeper_from_json(document["keeper"])
        self._connection = connection
        self._path = f"/computes/{quoted(self.record.name)}"

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def kind(self) -> str:
        """`attached`, `cluster` or `instance`."""
        return self.record.kind

    @property
    def keeper(self) -> KeeperState:
        """The process that keeps a cluster of the workspace's own, and what it says."""
        told, self._keeper = self._keeper, None
        return told or keeper_from_json(self._connection.get(self._path)["keeper"])

    def nodes(self) -> list[Node]:
        """The nodes that are there now. Raises ComputeError where the cluster is to be there, and cannot be reached."""
        return nodes_from_document(self._connection.get(f"{self._path}/nodes")["nodes"])

    def start(self) -> Keeping:
        """Have a cluster of the workspace's own kept; it may be kept already."""
        self._ask("/start")
        said = self.keeper.said
        if said is None:
            raise ComputeError(f"the cluster {self.name!r} was started, and is not there any more")
        return said

    def stop(self) -> None:
        """End a cluster of the workspace's own: its scheduler and all of its nodes. What runs there is tried again."""
        self._ask("/stop")

    def wait(self, nodes: int = 1, timeout: float | str = PATIENCE_SECONDS) -> list[Node]:
        """Wait until the cluster can be reached and has so many nodes; returns them. Raises TimeoutError."""
        until = time.monotonic() + parse_duration(timeout)
        while True:
            try:
                found = self.nodes()
                why = f"it has {counted(len(found), 'node')} of {nodes}"
                if len(found) >= nodes:
                    return found
            except ComputeError as error:
                why = error.message
            if time.monotonic() > until:
                told = [why, *(said.errors if (said := self.keeper.said) else ())]
                raise TimeoutError(f"compute target {self.name!r} is not ready: {'; '.join(told)}")
            time.sleep(PAUSE_SECONDS)

    def _ask(self, path: str) -> None:
        told = self._connection.ask("POST", self._path + path, seconds=LONG_SECONDS).document
        self._keeper = keeper_from_json(told["keeper"])

    def __repr__(self) -> str:
        return f"<compute target {self.name!r}, {self.kind}>"


class RemoteComputes:
    """The compute targets of a workspace, beside `local` and `in-process`, which are always there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self,
        name: str,
        *,
        max_nodes: int | None = None,
        min_nodes: int = 0,
        idle_seconds_before_scaledown: float | str = IDLE_SECONDS,
        cores: int = 1,
        memory: int | str = 0,
        resources: Mapping[str, float] | None = None,
        provider: Provider | None = None,
        dashboard: bool = False,
        description: str = "",
        tags: Mapping[str, object] | None = None,
    ) -> RemoteCompute:
        """Make a cluster, of processes on the server's machine unless the provider says otherwise, and start it."""
        body = {
            "name": name,
            "max_nodes": max_nodes,
            "min_nodes": min_nodes,
            "idle_seconds_before_scaledown": idle_seconds_before_scaledown,
            "cores": cores,
            "memory": memory,
            "resources": dict(resources or {}),
            "provider": provider_to_json(provider or Processes()),
            "dashboard": dashboard,
            "description": description,
            "tags": _texts(tags or {}),
        }
        return self._made("POST", "/computes", body)

    def create_instance(
        self,
        name: str,
        *,
        cores: int | None = None,
        memory: int | str = 0,
        resources: Mapping[str, float] | None = None,
        idle_seconds_before_shutdown: float | str = 0.0,
        provider: Provider | None = None,
        description: str = "",
        tags: Mapping[str, object] | None = None,
    ) -> RemoteCompute:
        """Register one machine for several steps at once, and start it: the server's, or one host by SSH."""
        body = {
            "name": name,
            "cores": cores,
            "memory": memory,
            "resources": dict(resources or {}),
            "idle_seconds_before_shutdown": idle_seconds_before_shutdown,
            "provider": provider_to_json(provider or Processes()),
            "description": description,
            "tags": _texts(tags or {}),
        }
        return self._made("POST", "/computes/instances", body)

    def attach(
        self,
        name: str,
        address: str,
        *,
        secrets: Mapping[str, str] | None = None,
        allow_plain: bool = False,
        description: str = "",
        tags: Mapping[str, object] | None = None,
        skip_validation: bool = False,
    ) -> RemoteCompute:
        """Give a Dask cluster that runs elsewhere a name, by the address of its scheduler as the server sees it."""
        body = {
            "name": name,
            "address": address,
            "secrets": dict(secrets or {}),
            "allow_plain": allow_plain,
            "description": description,
            "tags": _texts(tags or {}),
            "skip_validation": skip_validation,
        }
        return self._made("POST", "/computes/attachments", body)

    def get(self, name: str) -> RemoteCompute:
        """The target of that name. Raises NotFoundError."""
        if name in BUILT_IN:
            raise UsageError(f"compute target {name!r} is this machine: there is nothing to know of it")
        return RemoteCompute(self._connection.get(f"/computes/{quoted(name)}"), self._connection)

    def list(self) -> Sequence[RemoteCompute]:
        """All that are registered, by name."""
        return [RemoteCompute(item, self._connection) for item in self._connection.get("/computes")["computes"]]

    def update(
        self,
        name: str,
        *,
        description: str | None = None,
        tags: Mapping[str, object] | None = None,
        **changes: Any,
    ) -> RemoteCompute:
        """Change description, tags (all of them), and what else may change of the definition."""
        words = {"description": description, "tags": None if tags is None else _texts(tags), **changes}
        body = {key: value for key, value in words.items() if value is not None}
        return self._made("PATCH", f"/computes/{quoted(name)}", body)

    def limit_runs(self, name: str, most: int) -> None:
        """Have at most so many runs under way at once whose compute target it is; 0 is for no limit."""
        self._connection.ask("PATCH", f"/computes/{quoted(name)}", {"max_runs": most}, again=True)

    def limits(self) -> Mapping[str, int]:
        """How many runs may be under way at once, by the name of a target (in lower case) that has a limit."""
        return dict(self._connection.get("/computes")["limits"])

    def delete(self, name: str) -> None:
        """End a cluster of the workspace's own, and forget it."""
        self._connection.ask("DELETE", f"/computes/{quoted(name)}", seconds=LONG_SECONDS)

    def detach(self, name: str) -> None:
        """Forget a target that was attached; its cluster goes on."""
        self._connection.ask("POST", f"/computes/{quoted(name)}/detach")

    def _made(self, method: str, path: str, body: Any) -> RemoteCompute:
        return RemoteCompute(self._connection.ask(method, path, body, seconds=LONG_SECONDS).document, self._connection)


def _texts(tags: Mapping[str, object]) -> dict[str, str]:
    return {key: str(value) for key, value in tags.items()}
