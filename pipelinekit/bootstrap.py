"""The one place that names implementations: settings to a wired workspace, drivers and compute targets.

Implementing modules are imported when they are first asked for: a run that is wholly reused never loads Dask.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelinekit import config
from pipelinekit.domain.environments import Environment
from pipelinekit.domain.names import WORKSPACE_FOLDER
from pipelinekit.domain.runs import Failure, RunRecord, RunStatus
from pipelinekit.domain.snapshots import Tree
from pipelinekit.engine.code.summaries import Summary
from pipelinekit.errors import NotFoundError, UsageError
from pipelinekit.late import late
from pipelinekit.ports import AccountRecords, Compute, DriverRecords, Sink
from pipelinekit.runtime.driver import Driver
from pipelinekit.runtime.records import Records
from pipelinekit.storage import leases
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.storage.cache import FileCache
from pipelinekit.storage.carrying import SQLCarrying
from pipelinekit.storage.documents import SQLDocuments
from pipelinekit.storage.logs import SQLLogs
from pipelinekit.storage.reuse import SQLReuse
from pipelinekit.storage.runs import SQLDriving, SQLRuns
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.workspace import workspace
from pipelinekit.workspace.compiling import Compiler
from pipelinekit.workspace.ignores import Pattern
from pipelinekit.workspace.pipelines import Pipelines
from pipelinekit.workspace.runs import RunCollection

if TYPE_CHECKING:
    import subprocess

    from pipelinekit.compute import dask_cluster, environments, in_process, local, supervisor
    from pipelinekit.domain.attempts import Attempt
    from pipelinekit.domain.upkeep import StoreFault
    from pipelinekit.engine.code import modules
    from pipelinekit.harness import in_process as own_process
    from pipelinekit.runtime.observer import Observer
    from pipelinekit.storage import accounting, leftovers, sealing, sweeping
    from pipelinekit.storage import secrets as secret_records
    from pipelinekit.storage import upkeep as upkeep_records
    from pipelinekit.workspace import ignore_patterns, installed_index, leaks, observing, secrets, upkeep
else:
    subprocess = late("subprocess")
    dask_cluster = late("pipelinekit.compute.dask_cluster")
    environments = late("pipelinekit.compute.environments")
    in_process = late("pipelinekit.compute.in_process")
    local = late("pipelinekit.compute.local")
    supervisor = late("pipelinekit.compute.supervisor")
    modules = late("pipelinekit.engine.code.modules")
    own_process = late("pipelinekit.harness.in_process")
    accounting = late("pipelinekit.storage.accounting")
    leftovers = late("pipelinekit.storage.leftovers")
    sealing = late("pipelinekit.storage.sealing")
    secret_records = late("pipelinekit.storage.secrets")
    sweeping = late("pipelinekit.storage.sweeping")
    upkeep_records = late("pipelinekit.storage.upkeep")
    ignore_patterns = late("pipelinekit.workspace.ignore_patterns")
    installed_index = late("pipelinekit.workspace.installed_index")
    leaks = late("pipelinekit.workspace.leaks")
    observing = late("pipelinekit.workspace.observing")
    secrets = late("pipelinekit.workspace.secrets")
    upkeep = late("pipelinekit.workspace.upkeep")

IN_PROCESS = "in-process"
LOCAL = "local"
MAKER = "pipelinekit.bootstrap:make_supervisor"  # what a Dask worker calls for the supervisor of a workspace
LOOK_SECONDS = 0.2
ADDRESSES = ("tcp://", "tls://", "inproc://")


class SystemClock:
    """Implements `ports.Clock` by the machine's clock."""

    def now(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time()


class Services:
    """Everything of one workspace folder, made when it is first asked for."""

    def __init__(self, folder: Path, settings: config.Settings) -> None:
        self.folder = folder
        self.settings = settings
        self.clock = SystemClock()
        self._launched: dict[str, Any] = {}

    @cached_property
    def home(self) -> Path:
        """The workspace folder, created when it is not there."""
        if not self.folder.is_dir():
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700)  # it holds sources, inputs, logs and parameters
        for name in ("blobs", "cache"):
            (self.folder / name).mkdir(exist_ok=True)
        marker = self.folder / ".gitignore"
        if not marker.exists():
            marker.write_text("*\n", encoding="utf-8")
        return self.folder

    @cached_property
    def database(self) -> SQLiteDatabase:
        """The records' connection of this thread."""
        return SQLiteDatabase(self.home / "records.db")

    @cached_property
    def blobs(self) -> FolderBlobs:
        """The store."""
        return FolderBlobs(self.home / "blobs")

    @cached_property
    def cache(self) -> FileCache:
        """What this machine remembers."""
        return FileCache(self.home / "cache" / "local.db")

    @cached_property
    def records(self) -> Records:
        """All records, on the connection of this thread."""
        database, clock = self.database, self.clock
        return Records(
            SQLRuns(database, clock),
            SQLDriving(database, clock),
            SQLReuse(database, clock),
            SQLCarrying(database, clock),
            SQLDocuments(database),
            SQLLogs(database),
            database.transaction,
        )

    @cached_property
    def upkeep(self) -> upkeep.Stores:
        """What clean-up and checks work on."""
        records, home = self.records, self.home
        return upkeep.Stores(
            upkeep_records.SQLUpkeep(self.database, self.clock),
            records.driving,
            records.reuse,
            records.documents,
            records.batch,
            sweeping.FolderSweeper(home / "blobs"),
            leftovers.HomeSweeper(home),
            self.clock,
        )

    @cached_property
    def accounts(self) -> AccountRecords:
        """What reuse saved."""
        return accounting.SQLAccounts(self.database)

    def open_driving(self) -> DriverRecords:
        """Driver records on a connection of their own, for another thread."""
        return SQLDriving(SQLiteDatabase(self.home / "records.db"), self.clock)

    def files(self, trees: Sequence[Tree] = ()) -> observing.ObservedFiles:
        """Files that steps opened undeclared, as they are now; `trees` are snapshots that are not in the store."""
        return observing.ObservedFiles(self.blobs, self.cache, trees)

    @cached_property
    def compiler(self) -> Compiler:
        """Compiles drafts."""
        find = self.lock_environment, _summarise, self.secret_versions
        return Compiler(self.cache, _compile_patterns, _build_index, *find)

    def lock_environment(self, environment: Environment) -> tuple[str, ...]:
        """Resolve a declared environment to exact requirements."""
        return self._environments.lock(environment)

    @cached_property
    def _environments(self) -> environments.Environments:
        return environments.Environments(self.home, self.cache)

    # -- secrets -----------------------------------------------------------------------------------------------------

    @cached_property
    def secrets(self) -> secrets.SecretCollection:
        """The secrets, to be set, listed and deleted."""
        return secrets.SecretCollection(secret_records.SQLSecrets(self.database, self.clock), self._secret_keys)

    @cached_property
    def _secret_keys(self) -> sealing.KeyFile:
        named = self.settings.secrets_key
        place = self.home / os.path.expanduser(named) if named else self.home / sealing.KEY_FILE
        return sealing.KeyFile(place, shared=bool(named))

    def secret_versions(self, names: Iterable[str]) -> Mapping[str, int]:
        """The version of each of these secrets that is there."""
        return secret_records.SQLSecrets(self.database, self.clock).versions(names)

    def open_secrets(self, wanted: Mapping[str, int]) -> Mapping[str, str]:
        """Values of secrets in these versions (0 for the newest); from any thread, and only to be handed on."""
        database = SQLiteDatabase(self.home / "records.db")
        try:
            return secrets.open_secrets(wanted, secret_records.SQLSecrets(database, self.clock), self._secret_keys)
        finally:
            database.close()

    def secret_faults(self, *, quick: bool) -> list[StoreFault]:
        """Secrets that cannot be opened, and records that tell the value of one."""
        records = self.records
        kept = secret_records.SQLSecrets(self.database, self.clock)
        told = leaks.Texts(self.upkeep.upkeep, records.documents, records.runs, records.logs)
        return leaks.secret_faults(kept, self._secret_keys, None if quick else told)

    def secrets_for(self, attempt: Attempt) -> Mapping[str, str]:
        """The values of the secrets of an attempt, at the moment when it begins."""
        return self.open_secrets(attempt.task.secrets)

    @cached_property
    def pipelines(self) -> Pipelines:
        """Compiles and records pipelines."""
        records = self.records
        return Pipelines(records.runs, records.documents, self.blobs, self.cache, self.clock, self.compiler)

    @cached_property
    def runs(self) -> RunCollection:
        """The runs."""
        return RunCollection(self.records.runs, self.blobs, self.records.logs, self._recover)

    def _recover(self) -> None:
        """Fail the runs whose driver is dead, or that a driver process of ours ended without having taken."""
        driving = self.records.driving
        for run, process in list(self._launched.items()):
            code = process.poll()
            if code is None:
                continue
            del self._launched[run]
            if self.records.runs.get(run).status in (RunStatus.NOT_STARTED, RunStatus.QUEUED):
                words = f"the process that was to drive this run ended with exit code {code}"
                failure = Failure("internal", words, hint=f"it wrote to {self.home / 'cache' / 'drivers.log'}")
                taken = driving.take(run, leases.owner_id())
                driving.finish(run, taken.epoch, RunStatus.FAILED, {}, failure)
        driving.recover()

    def pause(self) -> None:
        """Wait a little before looking again at something that others change."""
        time.sleep(LOOK_SECONDS)

    # -- drivers -----------------------------------------------------------------------------------------------------

    def driver(self, observer: Observer) -> Driver:
        """A driver in this process."""
        owner = leases.owner_id()
        return Driver(
            owner, self.records, self.blobs, self.clock, self.files, self.make_compute, self.open_driving, observer
        )

    def launch(self, record: RunRecord) -> None:
        """Start a driver process for a run; it outlives this one."""
        log = self.home / "cache" / "drivers.log"
        with log.open("ab") as stream:
            self._launched[record.id] = subprocess.Popen(
                [sys.executable, "-P", "-m", "pipelinekit", "runs", "drive", record.id],
                cwd=self.home.parent,
                env={**os.environ, "PIPELINEKIT_WORKSPACE": str(self.home)},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    # -- compute targets ---------------------------------------------------------------------------------------------

    def make_compute(self, target: str, sink: Sink, attempts: Sequence[Attempt]) -> Compute:
        """The compute target of that name, about to get these attempts."""
        if target == IN_PROCESS:
            return self._in_process(sink)
        if target == LOCAL:
            return self._local(sink, attempts)
        if target.startswith(ADDRESSES):
            return dask_cluster.AttachedCompute(target, sink, self.home, MAKER)
        raise _unknown_compute(target)

    def check_compute(self, target: str) -> None:
        """Refuse the name of a compute target that there cannot be; whether it can be reached is told later."""
        if target not in (LOCAL, IN_PROCESS) and not target.startswith(ADDRESSES):
            raise _unknown_compute(target)

    def _in_process(self, sink: Sink) -> Compute:
        scratch = self.home / "scratch" / str(os.getpid())
        own = own_process.OwnProcess(self.home, self.blobs, scratch)
        return in_process.InProcessCompute(sink, own, self.secrets_for)

    def _local(self, sink: Sink, attempts: Sequence[Attempt]) -> Compute:
        cores = self.settings.cores or os.cpu_count() or 1
        owner = make_supervisor(self.home)
        owner.prepare(attempts[0], supervisor.modules_of(attempts), min(cores, len(attempts)))
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return local.LocalCompute(sink, owner, cores=cores, memory=memory)

    def python_for(self, attempt: Attempt) -> str:
        """The interpreter for an attempt's environment; a declared environment is built when it is first needed."""
        if not attempt.task.lock:
            return sys.executable
        return self._environments.python(attempt.task.lock)


def make_supervisor(home: Path) -> supervisor.Supervisor:
    """The owner of step processes for the workspace at `home`: in a driver, or in a Dask worker elsewhere."""
    services = Services(home, config.load_settings(home))
    return supervisor.Supervisor(home, services.blobs, home / "blobs", services.python_for, services.secrets_for)


class Workspace(workspace.Workspace):
    """A workspace on this machine; see `open`."""

    services: Services

    @property
    def secrets(self) -> secrets.SecretCollection:
        """The secrets that steps are given by name: set, listed, deleted; nothing shows their values."""
        return self.services.secrets

    @classmethod
    def open(cls, folder: str | Path | None = None) -> Workspace:
        """Open the workspace that the current folder lies in, or the one in `folder`; it is created on first use."""
        return cls.on(open_services(Path(folder) if folder is not None else None))

    @classmethod
    def on(cls, services: Services) -> Workspace:
        """The workspace of these services."""

        def launch(record: RunRecord) -> None:
            if record.options.compute == IN_PROCESS:
                services.driver(Silent()).drive(record.id)
            else:
                services.launch(record)

        defaults = workspace.Defaults(services.settings.experiment, services.settings.compute)
        found = cls(services.folder, services.pipelines, services.runs, services.records.batch, launch, defaults)
        found.services = services
        return found


class Silent:
    """An observer that nobody looks through."""

    def begun(self, *_: Any) -> None:
        """Nothing."""

    carried = changed = logged = waiting = begun


def open_services(
    folder: Path | None = None, *, flags: Mapping[str, Any] | None = None, create: bool = True
) -> Services:
    """Services of a workspace: of `folder` (or the `.pipelinekit` in it), or of the one found from here upward.

    Raises NotFoundError when there is none and `create` is off.
    """
    given = folder or (Path(os.environ["PIPELINEKIT_WORKSPACE"]) if "PIPELINEKIT_WORKSPACE" in os.environ else None)
    if given is not None:
        found = given if given.name == WORKSPACE_FOLDER else given / WORKSPACE_FOLDER
    else:
        found = config.find_workspace(Path.cwd()) or Path.cwd() / WORKSPACE_FOLDER
    if not create and not (found / "records.db").is_file():
        raise NotFoundError(
            f"there is no workspace at {found.parent} or above", hint="'pipelinekit run FILE' creates one"
        )
    found = found.absolute()
    return Services(found, config.load_settings(found, flags=flags))


def _unknown_compute(target: str) -> UsageError:
    return UsageError(
        f"there is no compute target {target!r}",
        hint="use 'local', 'in-process', or the address of a Dask scheduler: tcp://HOST:PORT or tls://HOST:PORT",
    )


def _build_index() -> dict[str, Any]:
    return installed_index.build_index()


def _compile_patterns(text: str) -> Sequence[Pattern]:
    return ignore_patterns.compile_patterns(text)


def _summarise(source: bytes, name: str, is_package: bool) -> Summary:
    return modules.summarise(source, name, is_package)
