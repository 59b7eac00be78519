"""What `bootstrap` names besides: implementations of compute targets, by the name or address of one.

They are imported when they are first asked for: a run that is wholly reused never loads Dask.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from pipelinekit import config, upkeeping
from pipelinekit.domain.names import IN_PROCESS, LOCAL
from pipelinekit.errors import UsageError
from pipelinekit.late import late
from pipelinekit.storage import leases
from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    import shutil
    import subprocess
    import threading

    from pipelinekit.compute import (
        certificates,
        clusters,
        dask_orphans,
        dask_targets,
        in_process,
        keeper,
        local,
        node_cache,
        supervisor,
        watchdog,
    )
    from pipelinekit.compute.nodes import circumstances
    from pipelinekit.domain import attempts, audit
    from pipelinekit.domain import computes as domain
    from pipelinekit.domain.attempts import Attempt
    from pipelinekit.domain.computes import ComputeTarget, Keeping
    from pipelinekit.domain.metrics import Entry
    from pipelinekit.harness import in_process as own_process
    from pipelinekit.ports import Compute, Sink
    from pipelinekit.storage import computes as compute_records
    from pipelinekit.storage import queueing
    from pipelinekit.workspace import computes
    from pipelinekit.workspace.computes import LastWords
else:
    shutil = late("shutil")
    subprocess = late("subprocess")
    certificates = late("pipelinekit.compute.certificates")
    keeper = late("pipelinekit.compute.keeper")
    circumstances = late("pipelinekit.compute.nodes.circumstances")
    clusters = late("pipelinekit.compute.clusters")
    dask_orphans = late("pipelinekit.compute.dask_orphans")
    dask_targets = late("pipelinekit.compute.dask_targets")
    in_process = late("pipelinekit.compute.in_process")
    local = late("pipelinekit.compute.local")
    node_cache = late("pipelinekit.compute.node_cache")
    supervisor = late("pipelinekit.compute.supervisor")
    watchdog = late("pipelinekit.compute.watchdog")
    attempts = late("pipelinekit.domain.attempts")
    audit = late("pipelinekit.domain.audit")
    domain = late("pipelinekit.domain.computes")
    own_process = late("pipelinekit.harness.in_process")
    compute_records = late("pipelinekit.storage.computes")
    queueing = late("pipelinekit.storage.queueing")
    computes = late("pipelinekit.workspace.computes")

_launched: list[subprocess.Popen[bytes]] = []  # by this process; whoever lets go of one is warned that it goes on
MAKER = "pipelinekit.bootstrap:make_supervisor"  # what a Dask worker calls for the supervisor of a workspace


class ComputeServices(upkeeping.UpkeepServices):
    """The part of a workspace's services that makes compute targets."""

    @cached_property
    def computes(self) -> computes.ComputeCollection:
        """The compute targets that are registered."""
        shared = bool(config.shared_settings(self.settings))

        def find_clusters() -> clusters.DaskClusters:
            return clusters.DaskClusters(self.home, self._reach, shared=shared)

        def forget(target: ComputeTarget) -> None:
            shutil.rmtree(self._folder_of(target), ignore_errors=True)

        stores = computes.ComputeStores(
            self.noted("computes", self._compute_records),
            self._keepers,
            find_clusters,
            self._launch_keeper,
            forget,
            self._run_limits,
            self._note_compute,
        )
        return computes.ComputeCollection(stores, self.clock)

    def _note_compute(self, verb: str, name: str, failure: str) -> None:
        if self.notes_changes:
            outcome = audit.FAILED if failure else audit.DONE
            self.audit.note(f"computes.{verb}", name, outcome=outcome, reason=failure)

    @property
    def _compute_records(self) -> compute_records.SQLComputes:
        return compute_records.SQLComputes(self.database)

    @property
    def _run_limits(self) -> queueing.SQLRunLimits:
        return self.noted("run-limits", queueing.SQLRunLimits(self.database))

    @property
    def _keepers(self) -> compute_records.SQLKeepers:
        return compute_records.SQLKeepers(self.database, self.clock)

    def stop_clusters(self) -> None:
        """End every cluster of the workspace's own; whoever uses one starts it again."""
        for handle in self.computes.list():
            if handle.keeper.alive:
                handle.end()

    def keep_cluster(self, name: str, ended: threading.Event) -> None:
        """Keep a cluster in this process, until it is no longer wanted or the event is set."""
        target = self.computes.get(name).record

        keeper.keep(target, self._compute_records, self._keepers, leases.owner_id(), self._circumstances, ended)

    def _circumstances(self, target: ComputeTarget) -> circumstances.Circumstances:
        assert target.cluster is not None
        folder = self._folder_of(target)
        return circumstances.Circumstances(
            target.name,
            self.home,
            folder,
            certificates.make_certificates(folder),
            self.open_secrets(dict.fromkeys(target.cluster.provider.secrets, 0)),
            bool(config.shared_settings(self.settings)),
        )

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
        if found.cluster is not None:

            def start() -> tuple[Keeping, Mapping[str, str]]:
                return self.computes.get(target).keep(), certificates.certificates_in(self._folder_of(found))

            def why_fewer(there: int, needed: int) -> str:
                database = self.open_database()  # in a thread that has none
                try:
                    state = compute_records.SQLKeepers(database, self.clock).state(target)
                finally:
                    database.close()
                return domain.why_fewer(found, state, there, needed)

            return dask_targets.ClusterCompute(start, found.cluster, sink, self.home, MAKER, shared, why_fewer)
        address, texts = self._reach(found)
        return dask_targets.AttachedCompute(address, sink, self.home, MAKER, shared, texts)

    def end_left(self, target: str, run: str, for_good: bool) -> None:
        """End what of a run is at work on a cluster, whoever has begun it. Raises ComputeError.

        Where it has ended `for_good`, nothing of it begins there any more.
        """
        address, texts = self._reach(self.computes.find(target))
        if address:
            dask_orphans.end_run(address, texts, self.home, run, for_good=for_good)

    def slots_of(self, target: str) -> float:
        """How many cores a target has for steps; 0 where nobody here knows."""
        if target in (LOCAL, IN_PROCESS):
            return 1.0 if target == IN_PROCESS else float(self.settings.cores or os.cpu_count() or 1)
        try:
            definition = self.computes.find(target).definition
        except UsageError:
            return 0.0
        return float(definition.max_nodes * definition.cores) if isinstance(definition, domain.Cluster) else 0.0

    def _reach(self, target: ComputeTarget) -> tuple[str, Mapping[str, str]]:
        """The address of a target's scheduler, empty where there is none now, and the texts of its certificates."""
        if not isinstance(target.definition, domain.Attached):
            said = self._keepers.state(target.name).said
            return (said.address, certificates.certificates_in(self._folder_of(target))) if said else ("", {})
        named = target.definition.secrets
        values = self.open_secrets(dict.fromkeys(named.values(), 0)) if named else {}
        return target.definition.address, {name: values[secret] for name, secret in named.items()}

    def _folder_of(self, target: ComputeTarget) -> Path:
        return self.home / "computes" / target.name.lower()

    def _launch_keeper(self, name: str) -> LastWords:
        """Start a process that keeps a cluster, and outlives this one; what tells its last words, once it has ended."""
        log = self.home / "cache" / "keepers.log"
        begun = log.stat().st_size if log.exists() else 0
        process = start_apart(self.home, log, "computes", "keep", name)
        _launched.append(process)

        def last_words() -> str | None:
            if process.poll() is None:
                return None
            with log.open("rb") as stream:
                stream.seek(begun)
                lines = stream.read().decode(errors="replace").split("\n")
            told = [line.partition(": ")[2] for line in lines if line.startswith(("error: ", "  hint: "))]
            ended = f"its keeper ended with exit code {process.returncode}" if process.returncode >= 0 else ""
            return "; ".join(told) or ended

        return last_words

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

    def make_supervisor(self, *, apart: bool = False) -> supervisor.Supervisor:
        """The owner of step processes, which know a folder only; an object store is their supervisor's.

        A node's folder, `apart` from the workspace's, has no records to clean up by: it is kept within its room.
        """
        if self.objects is None:
            return supervisor.Supervisor(
                self.home, self.blobs, self.home / "blobs", self.python_for, secrets_for=self.secrets_for
            )
        objects = self.objects.blobs
        return supervisor.Supervisor(
            self.home,
            objects,
            objects.local.folder,
            self.python_for,
            objects,
            self.secrets_for,
            node_cache.NodeCache(self.home, config.node_cache_bytes(self.settings) if apart else 0),
        )


def start_apart(home: Path, log: Path, *words: str, told: bool = False) -> subprocess.Popen[bytes]:
    """Start a command of ours on the workspace at `home` in a session of its own, so that it outlives this process.

    It writes to `log`. With `told` it is told more on its standard input.
    """
    _apart[:] = [process for process in _apart if process.poll() is None]
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pipelinekit", *words],
            cwd=home.parent,
            env={**os.environ, "PIPELINEKIT_WORKSPACE": str(home), "PIPELINEKIT_SERVER": "", watchdog.MARK: ""},
            stdin=subprocess.PIPE if told else subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    _apart.append(process)
    return process


_apart: list[subprocess.Popen[bytes]] = []  # who of them ends is not left a zombie, and nobody is told that one goes on
