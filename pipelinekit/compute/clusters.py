"""Dask clusters: connecting to one, the nodes that it has, and whether they can run steps of a workspace."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from distributed import Client
from distributed.security import Security

from pipelinekit.compute import worker
from pipelinekit.domain.computes import ComputeTarget, Node
from pipelinekit.errors import ComputeError

CONNECT_SECONDS = 15.0  # that steps wait for a scheduler
LOOK_SECONDS = 4.0  # that people do

Reach = Callable[[ComputeTarget], tuple[str, Mapping[str, str]]]


class DaskClusters:
    """Implements `ports.computes.Clusters`.

    `home` is the workspace folder, which workers must see unless blobs are `shared` otherwise. `reach` gives the
    address of a target's scheduler, empty where there is none now, and the texts of its certificates.
    """

    def __init__(self, home: Path, reach: Reach, *, shared: bool) -> None:
        self._home = home
        self._reach = reach
        self._shared = shared

    def nodes(self, target: ComputeTarget) -> Sequence[Node]:
        """The nodes that are there now."""
        address, credentials = self._reach(target)
        if not address:
            return []
        with connect(address, credentials, seconds=LOOK_SECONDS) as client:
            return nodes_of(client)

    def check(self, target: ComputeTarget) -> Sequence[Node]:
        """The same, once each node was found to be able to run steps of this workspace."""
        with connect(*self._reach(target), seconds=LOOK_SECONDS) as client:
            check_workers(client, self._home, shared=self._shared)
            return nodes_of(client)


def connect(
    address: str, credentials: Mapping[str, str] | None = None, *, workers: int = 0, seconds: float = 0.0
) -> Client:
    """A client of the scheduler at an address, once it has some workers. Raises ComputeError, after some seconds."""
    seconds = seconds or CONNECT_SECONDS
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=seconds, set_as_default=False, security=security_of(credentials))
    except TypeError as error:  # which is how Dask says that it has no certificates
        raise ComputeError(f"the Dask cluster at {address} cannot be used without certificates", hint=_NAMED) from error
    except (OSError, TimeoutError, ValueError) as error:
        hint = "is a Dask scheduler running there, with these certificates?" if address.startswith("tls://") else _HINT
        raise ComputeError(f"the Dask cluster at {address} cannot be used: {error}", hint=hint) from error
    try:
        client.wait_for_workers(workers, timeout=seconds) if workers else None
    except (OSError, TimeoutError) as error:
        client.close(timeout=2)
        raise ComputeError(f"the Dask cluster at {address} cannot be used: {error}", hint=_HINT) from error
    return client


_HINT = "is a Dask scheduler running there, with at least one worker? ('dask scheduler', 'dask worker ADDRESS')"
_NAMED = "keep them as secrets, and name these for ca, cert and key (--secret ca=NAME …); or set Dask's configuration"


def workers_of(client: Client) -> Mapping[str, Any]:
    """What the scheduler says of its workers, by their addresses; asked for just now.

    `Client.scheduler_info` may give what a look of the client's own put in its place, which has no workers.
    """
    workers: Mapping[str, Any] = _identity(client, -1)["workers"]
    return workers


def count_workers(client: Client) -> int:
    """How many workers there are."""
    count: int = _identity(client, 0)["n_workers"]
    return count


def _identity(client: Client, workers: int) -> dict[str, Any]:
    scheduler: Any = client.scheduler
    if scheduler is None:
        raise OSError("the scheduler is gone")
    found: dict[str, Any] = client.sync(scheduler.identity, n_workers=workers)
    return found


def nodes_of(client: Client) -> list[Node]:
    """The workers of a cluster, by name."""
    at_work = client.processing()
    found = [
        Node(
            str(item["name"]),
            address,
            item["nthreads"],
            item["memory_limit"] or 0,
            dict(item["resources"]),
            len(at_work.get(address, ())),
        )
        for address, item in workers_of(client).items()
    ]
    return sorted(found, key=lambda node: node.name)


def check_workers(client: Client, home: Path, *, shared: bool = False) -> None:
    """Refuse workers that cannot give the same results, or that do not see the workspace where no store is `shared`."""
    try:
        answers: dict[str, dict[str, Any]] = client.run(worker.facts, str(home))
    except Exception as error:
        client.close()
        hint = "install pipelinekit in the environment of every worker, in the same version as here"
        raise ComputeError(f"the Dask workers cannot run pipelinekit: {error}", hint=hint) from error
    try:
        for address, found in answers.items():
            refuse_software(found, f"worker {address}")
            if not found["sees_workspace"] and not shared:
                raise ComputeError(
                    f"worker {address} cannot see the workspace folder {home}",
                    hint="share it with the workers, or keep the blobs in an object store (setting 'blobs')",
                )
    except ComputeError:
        client.close()
        raise


def refuse_software(found: Mapping[str, Any], where: str) -> None:
    """Refuse to work with what has other versions than this process. Raises ComputeError."""
    for name, version in worker.software().items():
        if found[name] != version:
            raise ComputeError(
                f"{where} has {name} {found[name]}, but this process has {version}",
                hint="use the same versions on both sides",
            )


def security_of(credentials: Mapping[str, str] | None) -> Security | None:
    """What connections with TLS need, from texts; without them, what Dask's own configuration says."""
    if not credentials:
        return None
    roles = ("client", "scheduler", "worker")
    certs = {f"tls_{role}_cert": credentials["cert"] for role in roles}
    keys = {f"tls_{role}_key": credentials["key"] for role in roles}
    return Security(tls_ca_file=credentials["ca"], require_encryption=True, **certs, **keys)
