"""What a provider of nodes is given besides the definition, and what it gives: a cluster and its troubles."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from distributed import Scheduler
from distributed.deploy.spec import SpecCluster

from pipelinekit.classes import field, frozen
from pipelinekit.compute.clusters import security_of
from pipelinekit.domain.computes import Cluster
from pipelinekit.errors import ComputeError

LOOPBACK = "127.0.0.1"
ANY_PORT_HERE = f"{LOOPBACK}:0"  # None would be every address of the machine, for what else is told by HTTP
DEATH_SECONDS = 60  # for which a node looks for a scheduler before it gives up
OWN_BYTES = 256 * 2**20  # what a node's own process takes at most, beside what is computed in it


@frozen
class Circumstances:
    """The workspace around a cluster of this `name`.

    `home` is its folder, which nodes must see unless blobs are `shared` otherwise. `certificates` are texts, and lie in
    `folder` as files. `secrets` are the values of those that the provider names. With `dashboard` the scheduler shows
    Dask's own pages to this machine.
    """

    name: str
    home: Path
    folder: Path
    certificates: Mapping[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict)
    shared: bool = False
    dashboard: bool = False


@frozen
class Made:
    """A cluster without nodes. `troubles` tells what is wrong now with the places where they are to run."""

    cluster: SpecCluster
    troubles: Callable[[], Sequence[str]]


def memory_limit(definition: Cluster) -> int | str:
    """Bytes that a node's own process may take before Dask pauses it.

    Its steps have processes of their own, and what it is made of must not stop it for good where a node is small.
    """
    return definition.memory + OWN_BYTES if definition.memory else "auto"


def spec_cluster(around: Circumstances, host: str, node: type[Any], options: Mapping[str, Any]) -> SpecCluster:
    """A scheduler in this process that listens at an address of this machine, and nodes of one kind."""
    return SpecCluster(
        scheduler={"cls": Scheduler, "options": scheduler_options(around, host)},
        worker={"cls": node, "options": dict(options)},
        security=security_of(around.certificates),
        silence_logs=logging.ERROR,
    )


def scheduler_options(around: Circumstances, host: str) -> dict[str, Any]:
    """What a scheduler of ours is made with: it talks with TLS to who shows its certificate."""
    return {
        "host": host,
        "protocol": "tls://",
        "security": security_of(around.certificates),
        "dashboard": around.dashboard,
        "dashboard_address": ANY_PORT_HERE,
    }


def refuse_folder(folder: str, around: Circumstances) -> None:
    """Refuse a folder of nodes' own where blobs are in the workspace's. Raises ComputeError."""
    if folder and not around.shared:
        raise ComputeError(
            f"nodes with the folder {folder} of their own do not see the blobs of the workspace",
            hint="keep the blobs in an object store (setting 'blobs'), or leave the folder out",
        )


def address_towards(host: str, port: int) -> str:
    """The address of this machine from which a host is reached; empty where none is known. Nothing is sent."""
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as plain:
            plain.connect(place)
            return str(plain.getsockname()[0])
    except OSError:
        return ""


def scheduler_host(given: str, places: Sequence[tuple[str, int]]) -> str:
    """Where a scheduler is to listen so that hosts reach it: where it was told, or where the way to all of them begins.

    Raises ComputeError where there is no such one address.
    """
    if given:
        return given
    found = sorted({address for host, port in places if (address := address_towards(host, port))})
    if len(found) != 1:
        why = f"by different addresses ({', '.join(found)})" if found else "in no way that is known"
        raise ComputeError(f"the hosts reach this machine {why}", hint="name one of them with scheduler_host")
    return found[0]
