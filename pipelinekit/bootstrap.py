"""The one place that names implementations: settings to a wired workspace, drivers and compute targets.

Implementing modules are imported when they are first asked for: a run that is wholly reused never loads Dask.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from pipelinekit import config, scheduling
from pipelinekit.domain.names import IN_PROCESS, LOCAL, WORKSPACE_FOLDER
from pipelinekit.domain.runs import RunRecord
from pipelinekit.domain.snapshots import Tree
from pipelinekit.engine.code.summaries import Summary
from pipelinekit.errors import NotFoundError
from pipelinekit.late import late
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
from pipelinekit.typed import TYPE_CHECKING, Any
from pipelinekit.wiring import RECORDS_FILE, note
from pipelinekit.workspace import workspace
from pipelinekit.workspace.compiling import Compiler
from pipelinekit.workspace.ignores import Pattern
from pipelinekit.workspace.pipelines import Pipelines
from pipelinekit.workspace.runs import RunCollection, RunStores

if TYPE_CHECKING:
    import tempfile

    from pipelinekit import connecting
    from pipelinekit.compute import supervisor
    from pipelinekit.domain import addresses
    from pipelinekit.domain import secrets as secret_rules
    from pipelinekit.domain.uploads import Upload
    from pipelinekit.engine.code import modules
    from pipelinekit.ports import Blobs, DriverRecords
    from pipelinekit.runtime import observer as observing_runs
    from pipelinekit.runtime.observer import Observer
    from pipelinekit.storage import (
        facts,
        object_stores,
        postgres,
        run_queries,
    )
    from pipelinekit.storage.database import Database
    from pipelinekit.workspace import (
        audit,
        datasets,
        datastores,
        ignore_patterns,
        installed_index,
        interactive,
        observing,
        secrets,
        stored_snapshots,
        tokens,
        uploads,
    )
    from pipelinekit.workspace import computes as workspace_computes
    from pipelinekit.workspace import environments as environment_collection
    from pipelinekit.workspace import experiments as workspace_experiments
    from pipelinekit.workspace import pipeline_drafts as draft_collection
    from pipelinekit.workspace import pipeline_endpoints as endpoint_collection
    from pipelinekit.workspace import published_pipelines as publishing
    from pipelinekit.workspace import schedules as schedule_collection
    from pipelinekit.workspace import webhooks as webhook_collection
    from pipelinekit.workspace.compiling import LockEnvironment
    from pipelinekit.workspace.experiments import ExperimentCollection
else:
    tempfile = late("tempfile")
    secret_rules = late("pipelinekit.domain.secrets")
    uploads = late("pipelinekit.workspace.uploads")
    datasets = late("pipelinekit.workspace.datasets")
    datastores = late("pipelinekit.workspace.datastores")
    addresses = late("pipelinekit.domain.addresses")
    modules = late("pipelinekit.engine.code.modules")
    connecting = late("pipelinekit.connecting")
    facts = late("pipelinekit.storage.facts")
    run_queries = late("pipelinekit.storage.run_queries")
    observing_runs = late("pipelinekit.runtime.observer")
    postgres = late("pipelinekit.storage.postgres")
    object_stores = late("pipelinekit.storage.object_stores")
    ignore_patterns = late("pipelinekit.workspace.ignore_patterns")
    installed_index = late("pipelinekit.workspace.installed_index")
    workspace_experiments = late("pipelinekit.workspace.experiments")
    interactive = late("pipelinekit.workspace.interactive")
    observing = late("pipelinekit.workspace.observing")
    publishing = late("pipelinekit.workspace.published_pipelines")
    secrets = late("pipelinekit.workspace.secrets")

LOOK_SECONDS = 0.2


class SystemClock:
    """Implements `ports.Clock` by the machine's clock."""

    def now(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time()


class Services(scheduling.ScheduleServices):
    """Everything of one workspace folder, made when it is first asked for."""

    def __init__(self, folder: Path, settings: config.Settings, *, guest: bool = False) -> None:
        self.folder = folder
        self.settings = settings
        self.notes_changes = False  # of nouns in the audit log: a server does so itself, with who asked
        self.guest = guest  # a worker's, which executes steps of a workspace elsewhere
        self.clock = SystemClock()
        self.on_secrets: Callable[[Mapping[str, str]], object] = (
            len  # told of values that are opened here, to hide them
        )
        self.patience: float | None = None  # with a server of the records that is away, where that is not as usual

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
    def database(self) -> Database:
        """The records' connection of this thread."""
        return self.open_database()

    def open_database(self) -> Database:
        """A connection to the records: a file, or what the settings name."""
        if self.settings.records:
            return postgres.PostgresDatabase(addresses.postgres_address(self.settings.records), patience=self.patience)
        return SQLiteDatabase(self.home / RECORDS_FILE)

    @cached_property
    def blobs(self) -> Blobs:
        """The store: a folder, or an object store with local copies."""
        return self.objects.blobs if self.objects else FolderBlobs(self.home / "blobs")

    @cached_property
    def objects(self) -> object_stores.OpenStore | None:
        """The object store that the settings name, if they do."""
        if not self.settings.blobs:
            return None
        return object_stores.open_store(self.home, self.settings, guest=self.guest)

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
            SQLDriving(database, clock, self._seen),
            SQLReuse(database, clock),
            SQLCarrying(database, clock),
            SQLDocuments(database),
            SQLLogs(database),
            lambda: self.facts,
            database.transaction,
            database.lock,
        )

    @property
    def _seen(self) -> leases.Seen:
        return leases.Seen(self.home / "records.seen", self.settings.records or RECORDS_FILE, note)

    def open_driving(self) -> DriverRecords:
        """Driver records on a connection of their own, for another thread."""
        return SQLDriving(self.open_database(), self.clock)

    def files(self, trees: Sequence[Tree] = ()) -> observing.ObservedFiles:
        """Files that steps opened undeclared, as they are now; `trees` are snapshots that are not in the store."""
        return observing.ObservedFiles(self.blobs, self.cache, trees)

    @cached_property
    def compiler(self) -> Compiler:
        """Compiles drafts."""
        find = self.lock_environment, _summarise, self.secret_versions
        return Compiler(self.cache, _compile_patterns, _build_index, *find, config.snapshot_limits(self.settings))

    @cached_property
    def pipelines(self) -> Pipelines:
        """Compiles and records pipelines."""
        records = self.records
        return Pipelines(
            records.runs,
            records.documents,
            self.blobs,
            self.cache,
            self.clock,
            self.compiler,
            self.dataset_inputs,
        )

    @cached_property
    def runs(self) -> RunCollection:
        """The runs."""
        records = self.records
        return RunCollection(
            RunStores(
                records.runs,
                records.logs,
                self.blobs,
                self.recover,
                records.facts,
                lambda: self.metrics,
                lambda: run_queries.SQLRunQueries(self.database),
                self.estimate,
                lambda: (self.noted("runs", records.runs), self.noted("facts", self.facts)),
            )
        )

    def pause(self) -> None:
        """Wait a little before looking again at something that others change."""
        time.sleep(LOOK_SECONDS)

    # -- drivers -----------------------------------------------------------------------------------------------------

    def driver(self, observer: Observer) -> Driver:
        """A driver in this process."""
        owner = leases.owner_id()
        return Driver(
            owner,
            self.records,
            self.blobs,
            self.clock,
            self.files,
            self.make_compute,
            self.open_driving,
            observer,
            self._at_end,
            self.note_changes,
            self.compiler.misfit,
            self.end_left,
        )


def make_supervisor(
    home: Path, settings: Mapping[str, Any] | None = None, *, apart: bool = False
) -> supervisor.Supervisor:
    """The owner of step processes in a Dask worker, for the workspace at `home`, or, `apart`, for one elsewhere."""
    return Services(home, config.load_settings(home, flags=settings), guest=True).make_supervisor(apart=apart)


class Workspace(workspace.Workspace):
    """A workspace on this machine; see `open`."""

    services: Services

    @property
    def secrets(self) -> secrets.SecretCollection:
        """The secrets that steps are given by name: set, listed, deleted; nothing shows their values."""
        return self.services.secrets

    @classmethod
    def open(cls, folder: str | Path | None = None, *, create: bool = True) -> Workspace:
        """Open the workspace that the current folder lies in, or the one in `folder`; it is created on first use.

        With `create=False` it must be there: NotFoundError is raised otherwise.
        """
        return cls.on(open_services(Path(folder) if folder is not None else None, create=create))

    @classmethod
    def create(cls, folder: str | Path, *, exist_ok: bool = False) -> Workspace:
        """Create a workspace in `folder`. Raises ConflictError where one is, unless `exist_ok`."""
        services = open_services(Path(folder))
        services.create(exist_ok=exist_ok)
        return cls.on(services)

    @classmethod
    def connect(cls, url: str, token: str = "", *, certificate: str = "") -> connecting.ConnectedWorkspace:
        """The workspace of a server, over HTTP, with the same words as one that was opened.

        Without a `token` that of the variable PIPELINEKIT_TOKEN is shown. `certificate` is a PEM file, where the
        server's is not one that this machine knows.
        """
        return connecting.connect(url, token or os.environ.get("PIPELINEKIT_TOKEN", ""), certificate, _pack)

    def delete(self) -> Sequence[str]:
        """Delete the workspace folder with all that lies in it, once no run is open; where else it kept things.

        Records in a database and blobs in an object store are left, as other machines may share them.
        """
        return self.services.delete()

    @classmethod
    def on(cls, services: Services) -> Workspace:
        """The workspace of these services."""

        def launch(record: RunRecord) -> None:
            if record.options.compute == IN_PROCESS:
                services.driver(observing_runs.Silent()).drive(record.id)
                services.trace_run(record.id)
            else:
                services.launch(record.id)

        defaults = workspace.Defaults(services.settings.experiment, services.settings.compute, services.check_computes)
        found = cls(services.folder, services.pipelines, services.runs, services.records.batch, launch, defaults)
        found.services = services
        return found

    @property
    def environments(self) -> environment_collection.EnvironmentCollection:
        """The registered environments."""
        return self.services.environments

    @property
    def snapshots(self) -> stored_snapshots.SnapshotCollection:
        """The source folders that runs keep."""
        return self.services.snapshots

    @property
    def published_pipelines(self) -> publishing.PublishedPipelineCollection:
        """The published pipelines."""
        return self.services.published_pipelines

    @property
    def pipeline_endpoints(self) -> endpoint_collection.PipelineEndpointCollection:
        """The names under which versions of published pipelines are called."""
        return self.services.pipeline_endpoints

    @property
    def pipeline_drafts(self) -> draft_collection.PipelineDraftCollection:
        """Pipelines that are worked on."""
        return self.services.pipeline_drafts

    @property
    def schedules(self) -> schedule_collection.ScheduleCollection:
        """What runs endpoints and published pipelines by itself: at times, or when data changes."""
        return self.services.schedules

    @property
    def webhooks(self) -> webhook_collection.WebhookCollection:
        """Addresses that are told of what happens."""
        return self.services.webhooks

    def publish(
        self,
        pipeline: workspace.Traceable,
        *,
        name: str = "",
        description: str = "",
        version: str = "",
        experiment: str = "",
        parameters: Mapping[str, Any] | None = None,
        compute: str = "",
        continue_on_step_failure: bool = False,
        tags: Mapping[str, object] | None = None,
        endpoint: str = "",
        default: bool = False,
    ) -> publishing.PublishedPipelineHandle:
        """Publish a pipeline: its graph, its code and what it reads are kept, and it runs without its source.

        `parameters` are the values that calls need not give. `version` is a text of your own. With `endpoint` it is
        added to the endpoint of that name, which is made if there is none; with `default` as its default version.
        """
        given = pipeline.plain_values(parameters or {})
        compilation = self.compile(pipeline, given)
        compilation.keep(self.pipelines.blobs)
        options = publishing.options_of(compute or LOCAL, continue_on_step_failure, pipeline)
        about = publishing.Publication(name, description, version, experiment, options, tags)
        root = compilation.trees[0].root
        with self.services.records.batch():
            made = self.published_pipelines.publish(compilation.graph, given, about, Path.cwd(), root)
            if endpoint:
                self.pipeline_endpoints.grow(endpoint, made, default=default)
        return made

    @cached_property
    def experiments(self) -> ExperimentCollection:
        """The experiments."""
        services = self.services

        def begin(experiment: str, name: str, source: Path | None) -> interactive.InteractiveRun:
            stores, handle = services.interactive, services.runs.handle
            return interactive.begin_interactive(experiment, stores, handle, display_name=name, source=source)

        return workspace_experiments.ExperimentCollection(services.experiments, self.runs, self.submit, begin)

    @property
    def datastores(self) -> datastores.DatastoreCollection:
        """Places that data lies in."""
        return self.services.datastores

    @property
    def computes(self) -> workspace_computes.ComputeCollection:
        """Compute targets beside `local` and `in-process`."""
        return self.services.computes

    @property
    def datasets(self) -> datasets.DatasetCollection:
        """Registered datasets."""
        return self.services.datasets

    @property
    def tokens(self) -> tokens.TokenCollection:
        """Access tokens of those who reach the workspace through a server."""
        return self.services.tokens

    @property
    def audit(self) -> audit.AuditLog:
        """Who did what, in rows that show when one was changed."""
        return self.services.audit


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
    found = found.absolute()
    settings = config.load_settings(found, flags=flags)
    if not create and not (settings.records and found.is_dir()) and not (found / RECORDS_FILE).is_file():
        raise NotFoundError(
            f"there is no workspace at {found.parent} or above",
            hint="'pipelinekit run FILE' or 'pipelinekit workspace create' makes one",
        )
    services = Services(found, settings)
    services.notes_changes = True
    return services


@contextmanager
def sending(lock_environment: LockEnvironment) -> Iterator[Services]:
    """Services that compile what is sent to a server, which has the workspace; of theirs nothing is kept."""
    with tempfile.TemporaryDirectory(prefix="pipelinekit-") as folder:
        home = Path(folder) / WORKSPACE_FOLDER
        found = Services(home, config.load_settings(home))
        found.blobs = uploads.Gathered(Path(folder))
        found.cache = FileCache(config.user_cache(found.home) / "local.db")
        find = lock_environment, _summarise, secret_rules.any_versions
        limits = config.snapshot_limits(found.settings)
        found.compiler = Compiler(found.cache, _compile_patterns, _build_index, *find, limits)
        try:
            yield found
        finally:
            found.cache.close()


@contextmanager
def _pack(
    pipeline: workspace.Traceable, parameters: Mapping[str, Any], lock_environment: LockEnvironment
) -> Iterator[Upload]:
    """A pipeline with all that it needs, for as long as it is sent."""
    with sending(lock_environment) as services:
        given = pipeline.plain_values(parameters)
        compilation = services.pipelines.compile(pipeline.trace(given))
        assert isinstance(services.blobs, uploads.Gathered)
        yield uploads.gather(services.pipelines, services.blobs, compilation, given, Path.cwd())


def _build_index() -> dict[str, Any]:
    return installed_index.build_index()


def _compile_patterns(text: str) -> Sequence[Pattern]:
    return ignore_patterns.compile_patterns(text)


def _summarise(source: bytes, name: str, is_package: bool) -> Summary:
    return modules.summarise(source, name, is_package)
