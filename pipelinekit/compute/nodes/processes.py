"""Nodes that are processes on this machine, as Dask's local cluster starts them; nothing is heard from elsewhere."""

from __future__ import annotations

import logging

from distributed import LocalCluster

from pipelinekit.compute.clusters import security_of
from pipelinekit.compute.nodes.circumstances import ANY_PORT_HERE, LOOPBACK, Circumstances, Made, memory_limit
from pipelinekit.domain.computes import Cluster


def make(definition: Cluster, around: Circumstances) -> Made:
    """A cluster whose nodes are processes on this machine."""
    cluster = LocalCluster(
        n_workers=0,
        threads_per_worker=definition.cores,
        processes=True,
        memory_limit=memory_limit(definition),
        resources=definition.node_resources,
        host=LOOPBACK,
        protocol="tls://",
        security=security_of(around.certificates),
        dashboard_address=ANY_PORT_HERE,
        worker_dashboard_address=ANY_PORT_HERE,
        scheduler_kwargs={"dashboard": around.dashboard},
        silence_logs=logging.ERROR,
    )
    cluster.new_spec["options"]["dashboard"] = False  # else nodes have one each, which takes much of their memory
    return Made(cluster, lambda: ())
