"""The Dask clusters that there are as compute targets: those that run elsewhere, and those of the workspace's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from distributed import Client

from pipelinekit.compute.clusters import check_workers, connect, count_workers, refuse_software, workers_of
from pipelinekit.compute.dask_cluster import DaskCompute, Limits
from pipelinekit.compute.dask_gangs import Place
from pipelinekit.domain.attempts import Attempt
from pipelinekit.domain.computes import Cluster, Keeping
from pipelinekit.domain.texts import counted
from pipelinekit.errors import ComputeError
from pipelinekit.ports import Sink


class AttachedCompute(DaskCompute):
    """A Dask cluster that runs elsewhere, by the address of its scheduler."""

    def __init__(
        self,
        address: str,
        sink: Sink,
        home: Path,
        maker: str,
        settings: Mapping[str, Any] | None = None,
        credentials: Mapping[str, str] | None = None,
    ) -> None:
        def open_client() -> Client:
            client = connect(address, credentials, workers=1)
            check_workers(client, home, shared=bool(settings))
            return client

        self._address = address
        client = open_client()
        workers = workers_of(client).values()
        limits = _declared(list(workers))
        super().__init__(
            client,
            open_client,
            sink,
            home,
            maker,
            slots=sum(item["nthreads"] for item in workers),
            nodes=len(workers),
            limits=limits,
            settings=settings,
            everywhere={kind: min(item["resources"][name] for item in workers) for kind, (name, _) in limits.items()},
        )

    def _why_fewer(self, there: int, needed: int) -> str:
        """Whoever started it must start more."""
        words = "has no worker" if not there else f"has {counted(there, 'worker')} of {needed} that a step asks for"
        return f"{words}; start {'one' if needed - there == 1 else 'more'} there: 'dask worker {self._address}'"

    def _most_nodes(self) -> int:
        """As many as there are now: nobody here knows whether more will come."""
        try:
            return count_workers(self._client) if self._is_connected() else self._nodes
        except OSError:  # it is connected anew before anything is sent
            return self._nodes

    def _places(self, attempt: Attempt) -> list[Place]:
        """Different workers, chosen here: they need not declare their cores, nor have the same number of them."""
        wanted = attempt.task
        at_work = self._client.processing()
        workers = workers_of(self._client)
        asked = self._request(wanted.resources)
        fitting = [
            address
            for address, item in workers.items()
            if all(item["resources"].get(name, 0.0) >= amount for name, amount in asked.items())
        ]
        if len(fitting) < wanted.nodes:
            words = f"step {attempt.step!r} asks for {wanted.nodes} nodes, there are {len(fitting)} that fit it now"
            raise ComputeError(words, hint="start more workers")
        fitting.sort(key=lambda address: len(at_work.get(address, ())))
        name, _ = self._limits.get("cpu", ("", 0.0))
        return [
            (address, {**asked, name: workers[address]["resources"][name]} if name else asked)
            for address in fitting[: wanted.nodes]
        ]


class ClusterCompute(DaskCompute):
    """A cluster of the workspace's own, which may have no nodes yet: as many come as the attempts here call for."""

    def __init__(
        self,
        start: Callable[[], tuple[Keeping, Mapping[str, str]]],
        cluster: Cluster,
        sink: Sink,
        home: Path,
        maker: str,
        settings: Mapping[str, Any] | None = None,
        why_fewer: Callable[[int, int], str] = lambda there, needed: f"has {there} of {needed} nodes",
    ) -> None:
        """`start` has the cluster kept, where it is not, and gives what its keeper says, and its certificates.

        `why_fewer` tells what its keeper says where so many nodes are there, and so many are needed.
        """

        def open_client() -> Client:
            said, credentials = start()
            refuse_software(said.software, f"the cluster at {said.address}")
            return connect(said.address, credentials)

        self._why = why_fewer
        limits = {name: (name, amount) for name, amount in cluster.node_resources.items()}
        super().__init__(
            open_client(),
            open_client,
            sink,
            home,
            maker,
            slots=cluster.max_nodes * cluster.cores,
            nodes=cluster.max_nodes,
            limits=limits,
            settings=settings,
        )

    def _why_fewer(self, there: int, needed: int) -> str:
        """What its keeper knows of that."""
        return self._why(there, needed)


def _declared(workers: list[dict[str, Any]]) -> Limits:
    """The resources that every worker declares, each with the largest amount of one worker."""
    names = set.intersection(*(set(item["resources"]) for item in workers)) if workers else set()
    kinds = {name: name.lower() if name.lower() in ("cpu", "gpu", "memory") else name for name in names}
    return {kind: (name, max(item["resources"][name] for item in workers)) for name, kind in kinds.items()}
