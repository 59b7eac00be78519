"""Nodes that are jobs of a batch system, submitted and ended by dask-jobqueue with the system's own commands."""

from __future__ import annotations

import asyncio
import copy
import logging
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dask_jobqueue.lsf import LSFCluster
from dask_jobqueue.pbs import PBSCluster
from dask_jobqueue.sge import SGECluster
from dask_jobqueue.slurm import SLURMCluster
from distributed import Status
from distributed.security import Security

from pipelinekit.compute.clusters import security_of
from pipelinekit.compute.nodes.circumstances import (
    DEATH_SECONDS,
    Circumstances,
    Made,
    address_towards,
    refuse_folder,
    scheduler_options,
)
from pipelinekit.compute.nodes.hosts import Hosts
from pipelinekit.compute.worker import FOLDER
from pipelinekit.domain.computes import CREDENTIALS, Cluster
from pipelinekit.domain.providers import BatchSystem, Host
from pipelinekit.errors import ComputeError

CLUSTERS: dict[str, Any] = {
    "slurm": SLURMCluster,
    "pbs": PBSCluster,
    "lsf": LSFCluster,
    "sge": SGECluster,
}
CHARGED = {"slurm": "account", "pbs": "account"}  # how each calls it; the others say project
WIDTH = 500  # of what the system says that is told
ELSEWHERE = ("192.0.2.1", 9)  # an address that nobody has: the way there begins where most ways begin


def make(definition: Cluster, around: Circumstances) -> Made:
    """A cluster whose nodes are jobs. Raises ComputeError where the system's commands are not here."""
    provider = definition.provider
    assert isinstance(provider, BatchSystem)
    refuse_folder(provider.folder, around)
    base = CLUSTERS[provider.system]
    front = Hosts([Host(provider.system, "", 22)])
    host = provider.scheduler_host or address_towards(*ELSEWHERE)
    if not host:
        raise ComputeError(
            "nodes must be told at which address of this machine the scheduler is", hint="say it with scheduler_host"
        )
    job = _patient(base.job_cls, front)
    cluster = _with_certificates(base, _files(provider, around))(
        name=around.name,
        job_cls=job,
        security=security_of(around.certificates),
        scheduler_options=scheduler_options(around, host),
        silence_logs=logging.ERROR,
        **job_options(definition, provider, around),
    )
    return Made(cluster, front.troubles)


def job_options(definition: Cluster, provider: BatchSystem, around: Circumstances) -> dict[str, Any]:
    """What dask-jobqueue makes a job's script of."""
    resources = " ".join(f"{name}={amount!r}" for name, amount in definition.node_resources.items())
    charged = {CHARGED.get(provider.system, "project"): provider.account} if provider.account else {}
    folder = [f"export {FOLDER}={shlex.quote(provider.folder)}"] if provider.folder else []
    return {
        "cores": definition.cores,
        "memory": f"{definition.memory} B",
        "processes": 1,
        "queue": provider.queue or None,
        "walltime": provider.walltime or None,
        "job_extra_directives": list(provider.directives),
        "job_script_prologue": [*provider.prologue, *folder],
        "job_name": f"pipelinekit-{around.name}",
        "python": shlex.quote(provider.python or sys.executable),
        "death_timeout": DEATH_SECONDS,
        "log_directory": provider.log_folder or provider.shared_folder or str(around.home / "cache" / "jobs"),
        "worker_extra_args": ["--resources", shlex.quote(resources), "--no-dashboard"],
        "interface": None,
        **charged,
    }


def _files(provider: BatchSystem, around: Circumstances) -> dict[str, str]:
    """The files of the certificates, where nodes can read them."""
    if not provider.shared_folder:
        return {name: str(around.folder / f"{name}.pem") for name in CREDENTIALS}
    folder = Path(provider.shared_folder, f"pipelinekit-{around.name}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in CREDENTIALS:
            staged = folder / f".{name}.{os.getpid()}"
            staged.unlink(missing_ok=True)
            with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                stream.write(around.certificates[name])
            staged.replace(folder / f"{name}.pem")
    except OSError as error:
        raise ComputeError(f"the certificates of the cluster cannot be put where nodes read them: {error}") from error
    return {name: str(folder / f"{name}.pem") for name in CREDENTIALS}


def _with_certificates(base: type[Any], files: Mapping[str, str]) -> type[Any]:
    """The cluster of a batch system, whose jobs name files for what the scheduler has as texts."""

    class CertifiedCluster(base):  # type: ignore[misc]
        """Its own way to write them would leave the key in the folder that the keeper happens to run in."""

        def _get_worker_security(self, security: Security) -> Any:
            found: Any = copy.copy(security)
            found.tls_ca_file, found.tls_worker_cert, found.tls_worker_key = (files[name] for name in CREDENTIALS)
            return found

    return CertifiedCluster


def _patient(base: type[Any], front: Hosts) -> type[Any]:
    """A job that says why it could not be submitted, and leaves the system alone for a while before the next is."""

    class PatientJob(base):  # type: ignore[misc]
        """It is submitted beside the cluster's work; one that has ended is known to have."""

        _submission: asyncio.Task[None] | None = None

        async def start(self) -> None:
            self._submission = asyncio.create_task(self._submit())
            self.status = Status.running

        async def _submit(self) -> None:
            place = front.choose(1)
            try:
                await asyncio.sleep(place.pause)
                await super().start()
                place.well()
                place.failures = 0
            except (OSError, RuntimeError, ValueError) as error:
                place.failed(" ".join(str(error).split())[-WIDTH:])
                self.status = Status.failed
            finally:
                place.nodes -= 1

        async def close(self) -> None:
            if self._submission is not None and not self._submission.done():
                self._submission.cancel()
                await asyncio.wait([self._submission])
            await super().close()
            self.status = Status.closed

    return PatientJob
