"""What `bootstrap` names besides: implementations for environments, snapshots and notes of changes to a commit.

They are imported when they are first asked for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from pipelinekit import config
from pipelinekit.domain.environments import Environment, Lock, LockedEnvironment
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.runs import RunRecord, StepRecord
from pipelinekit.errors import UsageError
from pipelinekit.late import late
from pipelinekit.storage import leases
from pipelinekit.storage.cache import FileCache
from pipelinekit.typed import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pipelinekit.compute import environments as building
    from pipelinekit.config import Settings
    from pipelinekit.domain.accounting import Kept
    from pipelinekit.domain.attempts import Attempt
    from pipelinekit.domain.upkeep import StoreFault
    from pipelinekit.ports import Blobs, Clock, DriverRecords
    from pipelinekit.ports.datasets import SecretValues
    from pipelinekit.ports.environments import ChangeRecords
    from pipelinekit.ports.facts import ExperimentRecords, FactRecords, MetricRecords
    from pipelinekit.ports.upkeep import AccountRecords
    from pipelinekit.runtime.records import Records
    from pipelinekit.storage import accounting, experiments, facts, metrics, object_stores, sealing
    from pipelinekit.storage import audit as audit_records
    from pipelinekit.storage import changes as change_records
    from pipelinekit.storage import datasets as dataset_records
    from pipelinekit.storage import datastores as datastore_records
    from pipelinekit.storage import environments as environment_records
    from pipelinekit.storage import idempotency as idempotency_records
    from pipelinekit.storage import pipeline_drafts as draft_records
    from pipelinekit.storage import publishing as publishing_records
    from pipelinekit.storage import run_events as run_event_records
    from pipelinekit.storage import schedules as schedule_records
    from pipelinekit.storage import secrets as secret_records
    from pipelinekit.storage import tokens as token_records
    from pipelinekit.storage.database import Database
    from pipelinekit.storage.stores import local as local_store
    from pipelinekit.storage.stores import opening
    from pipelinekit.workspace import (
        audit,
        dataset_files,
        dataset_inputs,
        dataset_outputs,
        datasets,
        datastores,
        explaining,
        git_notes,
        ignore_patterns,
        interactive,
        leaks,
        noting,
        previews,
        repeating,
        reuse,
        secrets,
        snapshots,
        stored_snapshots,
        tokens,
    )
    from pipelinekit.workspace import environments as environment_collection
    from pipelinekit.workspace import pipeline_drafts as draft_collection
    from pipelinekit.workspace import pipeline_endpoints as endpoint_collection
    from pipelinekit.workspace import published_pipelines as publishing
    from pipelinekit.workspace.pipelines import Pipelines
    from pipelinekit.workspace.runs import RunCollection
    from pipelinekit.workspace.upkeep import Stores
else:
    audit = late("pipelinekit.workspace.audit")
    audit_records = late("pipelinekit.storage.audit")
    idempotency_records = late("pipelinekit.storage.idempotency")
    run_event_records = late("pipelinekit.storage.run_events")
    token_records = late("pipelinekit.storage.tokens")
    tokens = late("pipelinekit.workspace.tokens")
    building = late("pipelinekit.compute.environments")
    change_records = late("pipelinekit.storage.changes")
    environment_records = late("pipelinekit.storage.environments")
    environment_collection = late("pipelinekit.workspace.environments")
    dataset_records = late("pipelinekit.storage.datasets")
    datastore_records = late("pipelinekit.storage.datastores")
    accounting = late("pipelinekit.storage.accounting")
    experiments = late("pipelinekit.storage.experiments")
    facts = late("pipelinekit.storage.facts")
    metrics = late("pipelinekit.storage.metrics")
    local_store = late("pipelinekit.storage.stores.local")
    opening = late("pipelinekit.storage.stores.opening")
    dataset_files = late("pipelinekit.workspace.dataset_files")
    dataset_inputs = late("pipelinekit.workspace.dataset_inputs")
    dataset_outputs = late("pipelinekit.workspace.dataset_outputs")
    datasets = late("pipelinekit.workspace.datasets")
    datastores = late("pipelinekit.workspace.datastores")
    explaining = late("pipelinekit.workspace.explaining")
    git_notes = late("pipelinekit.workspace.git_notes")
    ignore_patterns = late("pipelinekit.workspace.ignore_patterns")
    interactive = late("pipelinekit.workspace.interactive")
    leaks = late("pipelinekit.workspace.leaks")
    draft_collection = late("pipelinekit.workspace.pipeline_drafts")
    draft_records = late("pipelinekit.storage.pipeline_drafts")
    endpoint_collection = late("pipelinekit.workspace.pipeline_endpoints")
    noting = late("pipelinekit.workspace.noting")
    previews = late("pipelinekit.workspace.previews")
    publishing = late("pipelinekit.workspace.published_pipelines")
    publishing_records = late("pipelinekit.storage.publishing")
    repeating = late("pipelinekit.workspace.repeating")
    reuse = late("pipelinekit.workspace.reuse")
    snapshots = late("pipelinekit.workspace.snapshots")
    sealing = late("pipelinekit.storage.sealing")
    schedule_records = late("pipelinekit.storage.schedules")
    secret_records = late("pipelinekit.storage.secrets")
    secrets = late("pipelinekit.workspace.secrets")
    stored_snapshots = late("pipelinekit.workspace.stored_snapshots")


RECORDS_FILE = "records.db"
T = TypeVar("T")


class SourceServices:
    """The part of a workspace's services that looks after what steps run in, and the sources that they came from."""

    if TYPE_CHECKING:
        clock: Clock

        @property
        def home(self) -> Path: ...  # noqa: D102 - see `bootstrap.Services`
        @property
        def database(self) -> Database: ...  # noqa: D102
        @property
        def blobs(self) -> Blobs: ...  # noqa: D102
        @property
        def cache(self) -> FileCache: ...  # noqa: D102
        @property
        def records(self) -> Records: ...  # noqa: D102
        def open_database(self) -> Database: ...  # noqa: D102

        settings: Settings
        notes_changes: bool
        on_secrets: Callable[[Mapping[str, str]], object]  # is told of each value that is opened here

        def open_driving(self) -> DriverRecords: ...  # noqa: D102
        def recover(self) -> None: ...  # noqa: D102
        def check_unserved(self, verb: str) -> None: ...  # noqa: D102
        @property
        def audit(self) -> audit.AuditLog: ...  # noqa: D102

    def noted(self, noun: str, records: T) -> T:
        """Records of a noun; where this process's user changes them, that is noted in the audit log."""
        if not self.notes_changes:
            return records
        words = noting.WORDS[noun]
        found: Any = noting.NotedRecords(records, words, lambda: self.audit, self.database.transaction)
        standing: T = found
        return standing

    def lock_environment(self, environment: Environment | str) -> LockedEnvironment:
        """A declared environment, with its lock."""
        return self.environments.locked(environment)

    @cached_property
    def environments(self) -> environment_collection.EnvironmentCollection:
        """The environments."""
        records = self.noted("environments", environment_records.SQLEnvironments(self.database, self.clock))

        def note(verb: str, name: str) -> None:
            if self.notes_changes:
                self.audit.note(f"environments.{verb}", name)

        return environment_collection.EnvironmentCollection(records, lambda: self._builder, note)

    @cached_property
    def snapshots(self) -> stored_snapshots.SnapshotCollection:
        """The source folders that runs keep."""
        records = self.records
        return stored_snapshots.SnapshotCollection(
            records.runs,
            records.documents,
            self.blobs,
            lambda folder: previews.preview(
                folder, ignore_patterns.compile_patterns, config.snapshot_limits(self.settings)
            ),
        )

    @cached_property
    def _builder(self) -> building.Environments:
        return building.Environments(self.home)

    def note_changes(self, run: RunRecord, graph: Graph) -> None:
        """Note how the source folder of a run in which something executes differs from its commit."""
        self._git_notes.note(run, graph.snapshot)

    def changes_of(self, run: RunRecord) -> Mapping[str, Any] | None:
        """How the source folder of a run differed from its commit, as far as that is known."""
        return self._git_notes.find(run, lambda: self.snapshots.get(run.id).digest)

    @cached_property
    def _git_notes(self) -> git_notes.GitNotes:
        return git_notes.GitNotes(change_records.SQLChanges(self.database), self.cache, self._beside)

    @contextmanager
    def _beside(self) -> Iterator[tuple[ChangeRecords, Blobs, FileCache]]:
        """Records, store and cache for another thread."""
        database, cache = self.open_database(), FileCache(self.home / "cache" / "local.db")
        try:
            yield change_records.SQLChanges(database), self.blobs, cache
        finally:
            database.close()
            cache.close()

    def python_for(self, attempt: Attempt) -> str:
        """The interpreter for an attempt's environment; a declared environment is built when it is first needed."""
        task = attempt.task
        lock = Lock(task.python, task.lock, task.base)
        if not lock.is_own or lock.image:  # the command line of a step runs in an image, not what looks after it
            return sys.executable
        return self._builder.build(lock, task.environment)


class NounServices(SourceServices):
    """The part that keeps what is told of runs, experiments, tokens, secrets, and the data that runs are given."""

    if TYPE_CHECKING:
        folder: Path

        @property
        def objects(self) -> object_stores.OpenStore | None: ...  # noqa: D102 - see `bootstrap.Services`
        @property
        def runs(self) -> RunCollection: ...  # noqa: D102
        @property
        def pipelines(self) -> Pipelines: ...  # noqa: D102
        @property
        def upkeep(self) -> Stores: ...  # noqa: D102
        def launch(self, run: str) -> None: ...  # noqa: D102
        def check_computes(self, names: Sequence[str]) -> None: ...  # noqa: D102

    @cached_property
    def facts(self) -> FactRecords:
        """What is told of runs besides metrics."""
        return facts.SQLFacts(self.database, self.clock)

    @cached_property
    def metrics(self) -> MetricRecords:
        """Metrics."""
        return metrics.SQLMetrics(self.database)

    @cached_property
    def experiments(self) -> ExperimentRecords:
        """Records of the experiments."""
        return self.noted("experiments", experiments.SQLExperiments(self.database, self.clock))

    @cached_property
    def interactive(self) -> interactive.InteractiveStores:
        """What interactive runs are recorded in."""
        records = self.records
        return interactive.InteractiveStores(
            leases.owner_id(),
            records.runs,
            records.driving,
            self.blobs,
            self.clock,
            lambda: facts.SQLFacts(self.open_database(), self.clock),
            self.open_driving,
            lambda folder: snapshots.SourceTree(folder, self.cache, ignore_patterns.compile_patterns),
        )

    def repetition(self, old: RunRecord) -> repeating.Repetition:
        """A run that is to be done again."""
        return repeating.Repetition(old, self.records.documents, self.dataset_inputs(), self.pipelines)

    def repeat(self, run: str, *, verify: bool, by: str = "") -> RunRecord:
        """Record a run as that one was, which a server drives; with `verify` every hit is executed and compared."""
        old = self.records.runs.get(run)
        options = repeating.verifying(old.options) if verify else old.options
        details = {"user": by} if by else None
        return self.repetition(old).record(options, self.records.batch, detached=True, details=details)

    def explain(self, run: RunRecord, steps: Sequence[StepRecord]) -> list[explaining.Explanation]:
        """Why these steps of a run ran, or were reused."""
        records = self.records
        return explaining.Explainer(records.reuse, records.documents, self.blobs).explain(run, steps)

    def invalidate(self, criteria: reuse.Criteria, why: str, *, dry_run: bool = False) -> list[Kept]:
        """Make results that fit unusable, for this reason, or with `dry_run` only find them. Raises UsageError."""
        if criteria == reuse.Criteria():
            raise UsageError(
                "it is not said which results are meant",
                hint="give --step, --pipeline, --run, --older-than or --cause; --step '*' means all",
            )
        records = self.records.reuse
        found = [kept for kept in records.kept() if criteria.fit(kept)]
        if not dry_run:
            with self.database.transaction():
                records.revoke([kept.key for kept in found], why)
                if self.notes_changes:
                    self.audit.note("reuse.invalidate", criteria.step or criteria.run)
        return found

    @cached_property
    def accounts(self) -> AccountRecords:
        """What reuse saved."""
        return accounting.SQLAccounts(self.database)

    # -- publishing --------------------------------------------------------------------------------------------------

    @cached_property
    def published_pipelines(self) -> publishing.PublishedPipelineCollection:
        """The published pipelines."""
        return publishing.PublishedPipelineCollection(self._publishing)

    @cached_property
    def pipeline_endpoints(self) -> endpoint_collection.PipelineEndpointCollection:
        """The pipeline endpoints."""
        records = self.noted("pipeline-endpoints", publishing_records.SQLPipelineEndpoints(self.database))
        return endpoint_collection.PipelineEndpointCollection(records, self._publishing)

    @cached_property
    def pipeline_drafts(self) -> draft_collection.PipelineDraftCollection:
        """The pipeline drafts."""
        stores = draft_collection.DraftStores(
            self.noted("pipeline-drafts", draft_records.SQLPipelineDrafts(self.database)),
            self._publishing,
            self.published_pipelines,
            self.pipeline_endpoints,
            lambda run: self.dataset_inputs().taken(run),
        )
        return draft_collection.PipelineDraftCollection(stores)

    @cached_property
    def _publishing(self) -> publishing.PublishingStores:
        records = self.records
        return publishing.PublishingStores(
            self.noted("pipelines", publishing_records.SQLPublishedPipelines(self.database)),
            records.documents,
            self.pipelines,
            self.runs,
            records.batch,
            lambda run: self.launch(run.id),
            self.check_computes,
            self.clock,
            lambda: schedule_records.SQLSchedules(self.database).list(),
        )

    # -- access ------------------------------------------------------------------------------------------------------

    @cached_property
    def tokens(self) -> tokens.TokenCollection:
        """The access tokens."""
        return tokens.TokenCollection(
            token_records.SQLTokens(self.database),
            self.audit,
            self.database.transaction,
            self.clock,
            os.urandom,
            self.home / tokens.BOOTSTRAP_FILE,
        )

    @cached_property
    def audit(self) -> audit.AuditLog:
        """The audit log."""
        return audit.AuditLog(audit_records.SQLAudit(self.database, self.clock))

    def access_faults(self) -> list[StoreFault]:
        """What is wrong with the audit log, and tokens that are not what it says."""
        return [*self.audit.faults(), *tokens.token_faults(self.tokens.list(all=True), self.audit.all())]

    @cached_property
    def idempotency(self) -> idempotency_records.SQLIdempotency:
        """Requests that may be sent twice."""
        return idempotency_records.SQLIdempotency(self.database, self.clock)

    @cached_property
    def run_events(self) -> run_event_records.SQLRunEvents:
        """The event logs of runs, for those who follow them."""
        return run_event_records.SQLRunEvents(self.database)

    # -- secrets -----------------------------------------------------------------------------------------------------

    @cached_property
    def secrets(self) -> secrets.SecretCollection:
        """The secrets, to be set, listed and deleted."""
        records = self.noted("secrets", secret_records.SQLSecrets(self.database, self.clock))
        return secrets.SecretCollection(records, self._secret_keys)

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
        database = self.open_database()
        try:
            found = secrets.open_secrets(wanted, secret_records.SQLSecrets(database, self.clock), self._secret_keys)
            self.on_secrets(found)
            return found
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
    def secret_values(self) -> SecretValues:
        """Values of the workspace's secrets, for datastores that name them."""
        return _SecretValues(self.open_secrets)

    @cached_property
    def datastores(self) -> datastores.DatastoreCollection:
        """The datastores."""
        records = self.noted("datastores", datastore_records.SQLDatastores(self.database))
        return datastores.DatastoreCollection(records, self.open_store, self.clock)

    @cached_property
    def open_store(self) -> opening.StoreOpener:
        """Opens the files of datastores."""
        return opening.StoreOpener(lambda: self.secret_values)

    def dataset_inputs(self) -> dataset_inputs.DatasetInputs:
        """Datasets as inputs of a run that is about to be recorded."""
        return dataset_inputs.DatasetInputs(self._dataset_records, lambda: self._dataset_files, self.blobs, note)

    @cached_property
    def datasets(self) -> datasets.DatasetCollection:
        """The datasets."""
        return datasets.DatasetCollection(
            self.noted("datasets", self._dataset_records), self._dataset_files, self.dataset_inputs, self.blobs,
            self.clock,
        )  # fmt: skip

    @cached_property
    def _dataset_records(self) -> dataset_records.SQLDatasets:
        return dataset_records.SQLDatasets(self.database)

    @cached_property
    def _dataset_files(self) -> dataset_files.DatasetFiles:
        return dataset_files.DatasetFiles(
            lambda: self.datastores,
            lambda folder: local_store.LocalStore(f"folder {str(folder)!r}", folder),
            self.blobs,
            self.cache,
        )

    def _at_end(self, run: RunRecord, graph: Graph) -> None:
        """What is recorded with the end of a run: outputs that are to be datasets."""
        if any(step.options.register for step in graph.steps):
            outputs = dataset_outputs.DatasetOutputs(
                self._dataset_records, self.records.runs, self.blobs, self.clock, note
            )
            outputs.register(run.id, graph)


def note(words: str) -> None:
    """Say something to whoever looks at standard error."""
    sys.stderr.write(f"note: {words}\n")


class _SecretValues:
    """Implements `ports.datasets.SecretValues`."""

    def __init__(self, open_secrets: Callable[[Mapping[str, int]], Mapping[str, str]]) -> None:
        self._open_secrets = open_secrets

    def get(self, name: str) -> str:
        """The newest value of a secret."""
        return self._open_secrets({name: 0})[name]
