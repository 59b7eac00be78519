"""A client of a Dask cluster for the code of a step: of the one that the step runs on, or of one in its own process."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cloudpickle
from distributed import Client, LocalCluster
from distributed.protocol.serialize import pickle_loads, register_serialization_family

from pipelinekit.compute.clusters import security_of


def make_client(cluster: Mapping[str, Any] | None, cores: float, entry: str) -> Client:
    """A client, which is the default of this process from now on until it is closed.

    Where the step runs on no cluster, it gets threads of its own process, as many as it has asked for cores. Functions
    of the modules beside that of the step (`entry`) travel to workers as they are: there is no snapshot on their path.
    """
    for module in _beside(entry):
        cloudpickle.register_pickle_by_value(module)
    register_serialization_family("pickle", _dumps, pickle_loads)
    if cluster is None:
        threads = max(math.ceil(cores), 1)
        own = LocalCluster(n_workers=1, threads_per_worker=threads, processes=False, dashboard_address="127.0.0.1:0")
        return Client(own)
    credentials = cluster["credentials"]
    return Client(cluster["address"], security=security_of(credentials if credentials["cert"] else None))


def _dumps(value: Any, context: Mapping[str, Any] | None = None) -> tuple[dict[str, Any], list[Any]]:
    """Pickle for Dask's messages, always by cloudpickle: Dask itself would name functions by module where it can."""
    buffers: list[Any] = []
    protocol = (context or {}).get("pickle-protocol")
    text = cloudpickle.dumps(value, protocol=protocol, buffer_callback=lambda one: buffers.append(memoryview(one)))
    return {"serializer": "pickle", "writeable": tuple(not one.readonly for one in buffers)}, [text, *buffers]


def _beside(entry: str) -> list[Any]:
    """The modules that were loaded from the source folder of a step's module."""
    name = entry.partition(":")[0]
    file = getattr(sys.modules.get(name), "__file__", None)
    if not file:
        return []
    root = Path(file).parents[name.count(".")]
    files = [(module, getattr(module, "__file__", None)) for module in list(sys.modules.values())]
    return [module for module, place in files if place and Path(place).is_relative_to(root)]


def close_client(client: Client) -> None:
    """Close a client, and the threads that were made for it."""
    own = client.cluster
    client.close()
    if own is not None:
        own.close()
