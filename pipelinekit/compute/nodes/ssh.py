"""Nodes on hosts that are reached by SSH, each with a connection of its own, with which it ends.

A host that cannot be reached holds up nobody: nodes are started beside the cluster's work. It is left alone for a while
before a node is started there again, for longer each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import sys
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import asyncssh
from distributed import Status
from distributed.deploy.spec import ProcessInterface

from pipelinekit.compute.nodes.circumstances import (
    Circumstances,
    Made,
    memory_limit,
    refuse_folder,
    scheduler_host,
    spec_cluster,
)
from pipelinekit.compute.nodes.hosts import STEADY_SECONDS, Hosts, Place
from pipelinekit.compute.worker import software
from pipelinekit.domain.computes import Cluster
from pipelinekit.domain.providers import SSHHosts
from pipelinekit.errors import ComputeError

PROGRAM = "pipelinekit.compute.nodes.host"
CONNECT_SECONDS = 20.0
ALIVE_SECONDS, ALIVE_COUNT = 5, 3  # between two signs of life of a connection, and how many may be missing
END_SECONDS = 5.0  # that a connection may take to end after its node
PING_SECONDS = 5.0  # between two signs of life to a node
SILENCE_SECONDS = 90.0  # after which a node that was given none is nobody's
LINES = 5  # of what a node said last that are told when it has failed
WIDTH = 300


def make(definition: Cluster, around: Circumstances) -> Made:
    """A cluster whose nodes run on the hosts of its provider. Raises ComputeError where it cannot be."""
    provider = definition.provider
    assert isinstance(provider, SSHHosts)
    refuse_folder(provider.folder, around)
    reached = provider.reached()
    order = {
        "software": software(),
        "silence": SILENCE_SECONDS,
        "certificates": dict(around.certificates),
        "home": str(around.home),
        "mark": str((around.folder / "ca.pem").relative_to(around.home)),
        "shared": around.shared,
        "folder": provider.folder,
        "cores": definition.cores,
        "memory": memory_limit(definition),
        "resources": definition.node_resources,
    }
    hosts = Hosts(reached)
    options = {
        "hosts": hosts,
        "most": definition.max_nodes,
        "login": _login(provider, around.secrets),
        "command": shlex.join([provider.python or sys.executable, "-P", "-m", PROGRAM]),
        "order": order,
    }
    listens = scheduler_host(provider.scheduler_host, [(host.name, host.port) for host in reached])
    return Made(spec_cluster(around, listens, HostNode, options), hosts.troubles)


def _login(provider: SSHHosts, secrets: Mapping[str, str]) -> dict[str, Any]:
    """What every connection is made with. Host keys are looked at in any case: no other file may say otherwise."""
    login: dict[str, Any] = {
        "config": None,
        "known_hosts": provider.known_hosts.encode() or (),
        "connect_timeout": CONNECT_SECONDS,
        "keepalive_interval": ALIVE_SECONDS,
        "keepalive_count_max": ALIVE_COUNT,
    }
    if provider.key_secret:
        try:
            login["client_keys"] = [asyncssh.import_private_key(secrets[provider.key_secret])]
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            raise ComputeError(
                f"the secret {provider.key_secret!r} holds no private key for SSH: {error}",
                hint="set it to the text of a key file that has no passphrase",
            ) from error
    return login


class HostNode(ProcessInterface):
    """A node on a host, as a cluster of Dask's starts and ends it."""

    def __init__(
        self,
        scheduler: str,
        name: object,
        hosts: Hosts,
        most: int,
        login: Mapping[str, Any],
        command: str,
        order: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self._hosts, self._most = hosts, most
        self._login, self._command = login, command
        self._order = {**order, "scheduler": scheduler, "name": name}
        self._life: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to start it; what comes of it is seen later."""
        self._life = asyncio.create_task(self._live())
        await super().start()

    async def close(self) -> None:
        """End it, with the connection that it lives by."""
        if self._life is not None and not self._life.done():
            self._life.cancel()
            await asyncio.wait([self._life], timeout=END_SECONDS)
        await super().close()

    async def _live(self) -> None:
        place = self._hosts.choose(self._most)
        try:
            await asyncio.sleep(place.pause)
            why = await self._run(place)
        except Exception as error:  # whatever it is, there is no node
            why = _said(error)
        finally:
            place.nodes -= 1
        place.failed(why)
        self.status = Status.failed

    async def _run(self, place: Place) -> str:
        """Have a node there; why it has ended."""
        host = place.host
        user = {"username": host.user} if host.user else {}
        async with asyncssh.connect(host.name, host.port, **user, **self._login) as connection:
            process = await connection.create_process(self._command, errors="replace")
            process.stdin.write(json.dumps(self._order) + "\n")
            lines: deque[str] = deque(maxlen=LINES)
            beside = [
                asyncio.create_task(_read_into(lines, process.stderr)),
                asyncio.create_task(_give_signs(process.stdin)),
            ]
            since, refused, has_begun = time.monotonic(), "", False
            try:
                async for line in process.stdout:
                    told = _told(line)
                    refused = refused or str(told.get("refused", ""))
                    if told.get("address"):
                        has_begun = True
                        place.well()
                with contextlib.suppress(TimeoutError):  # what it has started may still hold its standard error
                    await asyncio.wait_for(process.wait_closed(), END_SECONDS)
            finally:
                for task in beside:
                    task.cancel()
            if has_begun and time.monotonic() - since > STEADY_SECONDS:
                place.failures = 0
            if refused:
                return refused
            what = "has ended" if has_begun else "could not be started"
            return "; ".join([f"its node {what} ({_how(process)})", *lines])


def _told(line: str) -> Mapping[str, Any]:
    """What a node says of itself in a line; nothing, where the line is somebody else's."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _how(process: Any) -> str:
    if process.exit_signal:
        return f"signal {process.exit_signal[0]}"
    return "the connection was lost" if process.exit_status is None else f"exit code {process.exit_status}"


async def _give_signs(stream: Any) -> None:
    with contextlib.suppress(OSError, asyncssh.Error):
        while True:
            await asyncio.sleep(PING_SECONDS)
            stream.write("\n")


async def _read_into(lines: deque[str], stream: Any) -> None:
    with contextlib.suppress(OSError, asyncssh.Error):  # which whoever reads what it tells of itself hears of, too
        async for line in stream:
            if text := line.strip():
                lines.append(text[:WIDTH])


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"it cannot be reached within {CONNECT_SECONDS:g} s"
    return str(getattr(error, "reason", "")) or str(error) or type(error).__name__
