"""What `bootstrap` names besides: implementations of compute targets, by the name or address of one.

They are imported when they are first asked for: a run that is wholly reused never loads Dask.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property

from pipelinekit import config, wiring
from pipelinekit.domain.names import IN_PROCESS, LOCAL
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelinekit.compute import clusters, dask_cluster, in_process, local, supervisor
    from pipelinekit.domain import attempts
    from pipelinekit.domain.attempts import Attempt
    from pipelinekit.domain.computes import ComputeTarget
    from pipelinekit.domain.metrics import Entry
    from pipelinekit.harness import in_process as own_process
    from pipelinekit.ports import Compute, Sink
    from pipelinekit.storage import computes as compute_records
    from pipelinekit.workspace import computes
else:
    clusters = late("pipelinekit.compute.clusters")
    dask_cluster = late("pipelinekit.compute.dask_cluster")
    in_process = late("pipelinekit.compute.in_process")
    local = late("pipelinekit.compute.local")
    supervisor = late("pipelinekit.compute.supervisor")
    attempts = late("pipelinekit.domain.attempts")
    own_process = late("pipelinekit.harness.in_process")
    compute_records = late("pipelinekit.storage.computes")
    computes = late("pipelinekit.workspace.computes")

MAKER = "pipelinekit.bootstrap:make_supervisor"  # what a Dask worker calls for the supervisor of a workspace


class ComputeServices(wiring.NounServices):
    """The part of a workspace's services that makes compute targets."""

    @cached_property
    def computes(self) -> computes.ComputeCollection:
        """The compute targets that are registered."""
        shared = bool(config.shared_settings(self.settings))
        found = clusters.DaskClusters(self.home, self._certificates, shared=shared)
        return computes.ComputeCollection(compute_records.SQLComputes(self.database), found, self.clock)

    def check_computes(self, names: Sequence[str]) -> None:
        """Refuse names of compute targets that there are not; whether one can be reached is told later."""
        if others := [name for name in names if name not in ("", LOCAL, IN_PROCESS)]:
            for name in dict.fromkeys(others):
                self.computes.find(name)

    def make_compute(self, target: str, sink: Sink, attempts: Sequence[Attempt]) -> Compute:
        """The compute target of that name, about to get these attempts."""
        if target == IN_PROCESS:
            return self._in_process(sink)
        if target == LOCAL:
            return self._local(sink, attempts)
        found = self.computes.find(target)
        shared = config.shared_settings(self.settings)
        return dask_cluster.AttachedCompute(found.address, sink, self.home, MAKER, shared, self._certificates(found))

    def _certificates(self, target: ComputeTarget) -> Mapping[str, str]:
        values = self.open_secrets(dict.fromkeys(target.secrets.values(), 0)) if target.secrets else {}
        return {name: values[secret] for name, secret in target.secrets.items()}

    def _in_process(self, sink: Sink) -> Compute:
        scratch = self.home / "scratch" / str(os.getpid())

        def send(attempt: str, entries: Sequence[Entry]) -> None:
            sink(attempts.Told(attempt, tuple(entries)))

        own = own_process.OwnProcess(self.home, self.blobs, scratch, send)
        return in_process.InProcessCompute(sink, own, self.secrets_for)

    def _local(self, sink: Sink, attempts: Sequence[Attempt]) -> Compute:
        cores = self.settings.cores or os.cpu_count() or 1
        owner = self.make_supervisor()
        owner.prepare(attempts[0], supervisor.modules_of(attempts), min(cores, len(attempts)))
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return local.LocalCompute(sink, owner, cores=cores, memory=memory)

    def make_supervisor(self) -> supervisor.Supervisor:
        """The owner of step processes, which know a folder only; an object store is their supervisor's."""
        if self.objects is None:
            return supervisor.Supervisor(
                self.home, self.blobs, self.home / "blobs", self.python_for, secrets_for=self.secrets_for
            )
        objects = self.objects.blobs
        return supervisor.Supervisor(
            self.home, objects, objects.local.folder, self.python_for, objects, self.secrets_for
        )
