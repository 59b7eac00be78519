"""The part of a workspace's services that sees to runs which nobody drives here: driver processes, and the service."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path

from pipelinekit import computing
from pipelinekit.errors import ConflictError, StorageError
from pipelinekit.late import late
from pipelinekit.storage import leases
from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

    from pipelinekit.compute import local
    from pipelinekit.domain import planning, traces
    from pipelinekit.domain import servers as server_nouns
    from pipelinekit.domain.graphs import Graph
    from pipelinekit.domain.runs import RunOptions, RunRecord, StepRecord
    from pipelinekit.domain.sign_in import SignInPolicy
    from pipelinekit.domain.snapshots import Tree
    from pipelinekit.domain.vitals import Waits
    from pipelinekit.engine import orchestrator
    from pipelinekit.engine import traces as run_traces
    from pipelinekit.engine.estimating import Estimate
    from pipelinekit.ports import Files
    from pipelinekit.ports.traces import Tracing
    from pipelinekit.runtime import performer, planner, service, telemetry, turns
    from pipelinekit.storage import issuers, queueing, servers, vitals, waiting
    from pipelinekit.storage import uploads as upload_parts
    from pipelinekit.workspace import bundles, estimating, sign_in, uploads
    from pipelinekit.workspace.compiling import Compiler
    from pipelinekit.workspace.pipelines import Arguments
else:
    planner = late("pipelinekit.runtime.planner")
    planning = late("pipelinekit.domain.planning")
    issuers = late("pipelinekit.storage.issuers")
    queueing = late("pipelinekit.storage.queueing")
    bundles = late("pipelinekit.workspace.bundles")
    estimating = late("pipelinekit.workspace.estimating")
    sign_in = late("pipelinekit.workspace.sign_in")  # an extra
    local = late("pipelinekit.compute.local")
    traces = late("pipelinekit.domain.traces")
    run_traces = late("pipelinekit.engine.traces")
    telemetry = late("pipelinekit.runtime.telemetry")  # an extra
    orchestrator = late("pipelinekit.engine.orchestrator")
    performer = late("pipelinekit.runtime.performer")
    turns = late("pipelinekit.runtime.turns")
    server_nouns = late("pipelinekit.domain.servers")
    service = late("pipelinekit.runtime.service")
    servers = late("pipelinekit.storage.servers")
    upload_parts = late("pipelinekit.storage.uploads")
    uploads = late("pipelinekit.workspace.uploads")
    vitals = late("pipelinekit.storage.vitals")
    waiting = late("pipelinekit.storage.waiting")

FEWEST_DRIVERS = 4  # that there may be at once, on however small a machine
PATIENCE_SECONDS = 30.0  # how long a queued run is left to the process that was started to drive it
RETRY_SECONDS = 0.5  # between two tries of a server to reach the records, when it begins
OTEL = "OTEL_EXPORTER_OTLP_"  # how variables begin that say where spans go
WAITS = "-"  # instead of a run's id: the driver process is told it on its standard input


class ServeServices(computing.ComputeServices):
    """Services for runs that go on by themselves, and for pipelines that come from elsewhere.

    In the process of a server, which `serves`, nobody needs to look whether there is one, nor has runs driven
    otherwise: not even where it answers requests already, and is about to say that it is there.
    """

    serves = False

    if TYPE_CHECKING:

        @property
        def compiler(self) -> Compiler: ...  # noqa: D102 - see `bootstrap.Services`
        def files(self, trees: Sequence[Tree] = ()) -> Files: ...  # noqa: D102

    @cached_property
    def _launched(self) -> dict[str, tuple[DriverProcess, int]]:
        return {}

    @cached_property
    def servers(self) -> servers.SQLServers:
        """The servers of the workspace."""
        return servers.SQLServers(self.database, self.clock)

    @cached_property
    def uploads(self) -> uploads.UploadCollection:
        """Pipelines that come from elsewhere."""
        stores = uploads.UploadStores(
            upload_parts.FolderUploads(self.home, self.blobs),
            self.blobs,
            self.pipelines,
            self.published_pipelines,
            self.runs,
            self.records.batch,
            self.check_computes,
            self.compiler.misfit,
            self.settings.compute,
        )
        return uploads.UploadCollection(stores)

    @cached_property
    def vitals(self) -> vitals.SQLVitals:
        """How the workspace is, in numbers."""
        return vitals.SQLVitals(self.database, self.servers, self.clock)

    @cached_property
    def _estimator(self) -> estimating.Estimator:
        records = self.records
        return estimating.Estimator(records.documents, records.reuse, self.clock, self.slots_of)

    def estimate(self, run: RunRecord, steps: Sequence[StepRecord]) -> Estimate | None:
        """How long a run will still take, from earlier executions."""
        return self._estimator.estimate(run, steps)

    def lock_waits(self) -> Waits:
        """How often this process has waited for others that write to the records."""
        return waiting.waits()

    def sign_in(self, policy: SignInPolicy) -> sign_in.SignIn:
        """What knows who shows a token of an issuer. Raises ImportError where the extra is not installed."""
        return sign_in.SignIn(policy, issuers.WebIssuer(policy.issuer), self.clock)

    def expected(self, graph: Graph, given: Arguments, options: RunOptions) -> Mapping[str, int]:
        """How many steps of a run with these arguments are expected to be reused, to run, or to depend on others."""
        steps = self.planned(graph, given, options, explained=False)
        return {name: sum(step.decision == name for step in steps) for name in planning.DECISIONS}

    def planned(
        self,
        graph: Graph,
        given: Arguments,
        options: RunOptions,
        trees: Sequence[Tree] = (),
        *,
        explained: bool = True,
    ) -> list[planning.PlannedStep]:
        """What would become of each step of a run with these arguments; `trees` are snapshots not in the store."""
        records = self.records
        stores = records.reuse, records.documents, self.blobs, self.clock, self.files(trees)
        bound = self.compiler.bind_secrets(graph)
        return planner.plan(bound, given.values, given.paths, options, *stores, explained=explained)

    def bundle(self, run: str) -> bundles.Bundle:
        """What a run was made of, and what its steps gave. Raises what keeps it from being done again."""
        records = self.records
        found = records.runs.get(run)
        return bundles.bundle_of_run(found, records.documents, records.runs.steps(found.id), self.blobs)

    def export(self, run: str, output: str = "", *, with_outputs: bool = False) -> bundles.Exported:
        """Write a run to a file, which is named after it where none is said."""
        bundle = self.bundle(run)
        target = bundles.export_file(bundle.run, output)
        bundles.write_bundle(bundle, self.blobs, target, with_outputs=with_outputs)
        return bundles.exported(target)

    def recover(self) -> None:
        """See to runs that nobody drives: have those that go on driven, end the others.

        A run that a driver process of ours ended without having taken has failed.
        """
        records = self.records
        for run, (process, epoch) in list(self._launched.items()):
            code = process.exit_code()
            if code is not None:
                del self._launched[run]
                hint = f"it wrote to {self.home / 'cache' / 'drivers.log'}"
                service.fail_untaken(run, epoch, code, leases.owner_id(), records.driving, records.runs, hint)
        if records.driving.unattended(PATIENCE_SECONDS):
            is_served = self._is_served()
            for run in records.driving.recover(PATIENCE_SECONDS, 0 if is_served else self._room(), ends=not is_served):
                epoch = records.runs.get(run).epoch
                self._launched[run] = DriverProcess(self.home, run), epoch

    def _room(self) -> int:
        """How many drivers more this machine takes, where no server counts them: hundreds of runs may be left over."""
        most = max(self.settings.cores or os.cpu_count() or 1, FEWEST_DRIVERS)
        return max(most - queueing.under_way(self.database, self.clock), 0)

    def launch(self, run: str) -> None:
        """Have a run driven by a process that outlives this one: of a server, or else of its own."""
        if not self._is_served():
            self._launched[run] = DriverProcess(self.home, run), 0

    def _is_served(self) -> bool:
        return self.serves or bool(self.servers.alive())

    def check_unserved(self, verb: str) -> None:
        """Refuse to do something to the whole workspace while a server sees to it."""
        if found := self.servers.alive():
            words = f"cannot {verb} the workspace: a server sees to it (process {found[0].pid} on {found[0].host})"
            raise ConflictError(words, hint="end the server first")

    def serve(
        self,
        most: int,
        warm: int,
        ended: threading.Event,
        hurried: threading.Event,
        patience: float,
        tell: Callable[[str], None],
    ) -> None:
        """Drive the queued runs of the workspace until `ended` is set; see `runtime.service.Service.serve`."""
        if not self.wait_for_records(ended, tell):
            return
        self.database.write_ahead()
        records, owner = self.records, leases.owner_id()
        about = server_nouns.Server(os.uname().nodename, os.getpid(), self.clock.now(), 0, most)

        def spawn() -> DriverProcess:
            return DriverProcess(self.home)

        stores = records.driving, records.runs, self.servers
        starting = (os.cpu_count() or 1) + 1  # each keeps a core busy until it has taken its run
        served = service.Service(owner, *stores, spawn, about, warm=warm, starting=starting, tell=tell)
        served.serve(ended, hurried, patience)

    def wait_for_records(
        self, ended: threading.Event, tell: Callable[[str], None], act: Callable[[], object] = lambda: None
    ) -> bool:
        """Wait until the records can be reached, and `act` can be done; False when the server is to end before."""
        told = ""
        while True:
            try:
                self.records.runs  # noqa: B018 - opens the database
                act()
            except StorageError as error:
                if str(error) != told:
                    tell(f"trouble: {error}")
                told = str(error)
                if ended.wait(RETRY_SECONDS):
                    return False
            else:
                return True

    @property
    def tracing(self) -> Tracing | None:
        """Where this process sends spans; None where nobody collects them."""
        return _tracing()

    def untraced(self) -> str:
        """Why no spans are sent although somebody collects them; empty where they are, or nobody does."""
        if not _is_traced() or self.tracing is not None:
            return ""
        return "no traces are sent: that takes pipelinekit[telemetry], and http/protobuf as OTEL_EXPORTER_OTLP_PROTOCOL"

    def trace_run(self, run: str) -> None:
        """Send a run that has ended as spans, from what is recorded of it. A run is none the worse where that fails."""
        if (tracing := self.tracing) is None:
            return
        with suppress(Exception):
            runs = self.records.runs
            if (found := runs.get(run)).status.final:
                tracing.send(run_traces.run_spans(found, runs.steps(run), runs.changes(run)))
                tracing.flush()

    def warm_up(self) -> None:
        """Load and open what a driver needs before it is told its run."""
        _ = orchestrator.Orchestrator, performer.Performer, turns.Turns, local.LocalCompute
        _ = self.records, self.blobs


def _is_traced() -> bool:
    return any(name.startswith(OTEL) for name in os.environ) and traces.is_traced(os.environ)


@cache
def _tracing() -> Tracing | None:
    """The one of this process."""
    if not _is_traced():
        return None
    try:
        return None if telemetry.other_protocol() else telemetry.Telemetry()
    except ImportError:
        return None


class DriverProcess:
    """Implements `runtime.service.DriverProcess`: `pipelinekit runs drive`, in a session of its own."""

    def __init__(self, home: Path, run: str = WAITS) -> None:
        log = home / "cache" / "drivers.log"
        self._process = computing.start_apart(home, log, "runs", "drive", run, told=run == WAITS)

    def begin(self, run: str) -> bool:
        """Tell it its run."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{run}\n".encode())
            self._process.stdin.close()
        except BrokenPipeError:
            return False
        return True

    def exit_code(self) -> int | None:
        """None as long as it lives."""
        return self._process.poll()

    def dismiss(self) -> None:
        """End a process that waits for its run."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
