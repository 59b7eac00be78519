"""A workspace that a server has: the collections that runs are shown with, over the records of the server."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from pipelinekit.classes import replace
from pipelinekit.client.blobs import RemoteBlobs
from pipelinekit.client.connection import LONG_SECONDS, Connection, quoted
from pipelinekit.client.datasets import RemoteDatasets
from pipelinekit.client.datastores import RemoteDatastores, RemoteStore
from pipelinekit.client.experiments import RemoteExperiments
from pipelinekit.client.run_records import (
    RemoteDocuments,
    RemoteFacts,
    RemoteLogs,
    RemoteMetrics,
    RemoteRunRecords,
    refuse,
)
from pipelinekit.client.uploads import Pack
from pipelinekit.client.workspace import RemoteWorkspace
from pipelinekit.domain.accounting import Kept, StepUse
from pipelinekit.domain.datasets import DatasetUse
from pipelinekit.domain.datastores import Datastore
from pipelinekit.domain.runs import RunRecord, StepRecord, StepStatus
from pipelinekit.domain.upkeep import Collection, RetentionPolicy, StoreFault
from pipelinekit.storage.zones import InstalledZones
from pipelinekit.wire.accounting import kept_from_document
from pipelinekit.wire.accounting import use_from_document as step_use_from_document
from pipelinekit.wire.datasets import use_from_document
from pipelinekit.wire.runs import reasons_from_json
from pipelinekit.wire.upkeep import clean_up_from_document, faults_from_document, policy_to_json
from pipelinekit.workspace.bundles import Exported, export_file, exported
from pipelinekit.workspace.datasets import RegisteredDataset
from pipelinekit.workspace.datastores import DatastoreHandle
from pipelinekit.workspace.experiments import ExperimentCollection
from pipelinekit.workspace.explaining import Explanation
from pipelinekit.workspace.reuse import Criteria
from pipelinekit.workspace.runs import Run, RunCollection, RunStores
from pipelinekit.workspace.stored_snapshots import SnapshotCollection

LOOK_SECONDS = 0.5
NOUNS = frozenset(
    ("runs", "snapshots", "published_pipelines", "pipeline_endpoints", "pipeline_drafts", "schedules", "datasets",
     "datastores", "environments", "computes", "secrets", "tokens", "audit", "webhooks")
)  # fmt: skip


class RemoteRecords:
    """Records of a server."""

    def __init__(self, connection: Connection) -> None:
        self.runs = RemoteRunRecords(connection)
        self.documents = RemoteDocuments(connection)
        self.logs = RemoteLogs(connection, self.runs)
        self.facts = RemoteFacts(connection)
        self.metrics = RemoteMetrics(connection)
        self.experiments = RemoteExperiments(connection)
        self.blobs = RemoteBlobs(connection)


class ConnectedWorkspace(RemoteWorkspace[Run]):
    """A workspace that a server has, with the words of one that was opened; see `Workspace.connect`."""

    def __init__(self, connection: Connection, pack: Pack) -> None:
        self.records = records = RemoteRecords(connection)
        self.runs = RunCollection(
            RunStores(
                records.runs,
                records.logs,
                records.blobs,
                lambda: None,  # the server sees to runs that nobody drives
                lambda: records.facts,
                lambda: records.metrics,
                lambda: records.runs,
                records.runs.estimate,
                lambda: (records.runs, records.facts),
            )
        )
        super().__init__(connection, self.runs, pack)

    @cached_property
    def experiments(self) -> ExperimentCollection:
        """The experiments."""
        return ExperimentCollection(self.records.experiments, self.runs, self.submit, _begin)

    @cached_property
    def snapshots(self) -> SnapshotCollection:
        """The source folders that runs keep."""
        records = self.records
        return SnapshotCollection(records.runs, records.documents, records.blobs, _preview)

    @cached_property
    def datastores(self) -> RemoteDatastores[DatastoreHandle]:
        """Places that data lies in."""
        return RemoteDatastores(self.connection, lambda record: DatastoreHandle(record, self._open_store))

    @cached_property
    def datasets(self) -> RemoteDatasets[RegisteredDataset]:
        """Registered datasets."""
        return RemoteDatasets(self.connection, self.records.blobs, RegisteredDataset, self._put)

    def _put(self, store: str, path: str, file: Path) -> tuple[str, str]:
        found = self.datastores.get(store)
        found.put(path, file)
        return found.name, path

    def _open_store(self, record: Datastore) -> RemoteStore:
        return RemoteStore(self.connection, record.name, self.records.blobs)


def _begin(experiment: str, *_: Any) -> NoReturn:
    refuse(f"an interactive run of experiment {experiment!r}")


def _preview(folder: Path) -> NoReturn:
    refuse(f"a preview of {str(folder)!r}")


def connect(url: str, token: str, certificate: str, pack: Pack) -> ConnectedWorkspace:
    """The workspace of the server at this address; `certificate` is a file with those that it may show, as PEM."""
    return ConnectedWorkspace(Connection(url, token, certificate=certificate), pack)


class RemoteServices:
    """What commands work with, at a server: the attributes of `bootstrap.Services`, as far as they are done there."""

    def __init__(self, workspace: ConnectedWorkspace) -> None:
        self.workspace = workspace
        self.connection = workspace.connection
        self.records = workspace.records
        self.experiments = workspace.records.experiments
        self.facts = workspace.records.facts
        self.metrics = workspace.records.metrics
        self.clock = SimpleNamespace(now=time.time)
        self.zones = InstalledZones()
        self.servers = SimpleNamespace(alive=lambda: [workspace.url])
        self.accounts = SimpleNamespace(uses=self._step_uses)
        self.upkeep = SimpleNamespace(upkeep=SimpleNamespace(pin=self._pin))

    def __getattr__(self, name: str) -> Any:
        if name in NOUNS:
            return getattr(self.workspace, name)
        return refuse("this")

    def recover(self) -> None:
        """The server sees to runs that nobody drives."""

    def pause(self) -> None:
        """Wait a little before looking again at something that others change."""
        time.sleep(LOOK_SECONDS)

    def repeat(self, run: str, *, verify: bool) -> RunRecord:
        """Have a run done again as that one was; with `verify` every hit is executed and compared."""
        made = self.connection.ask("POST", f"/runs/{quoted(run)}/repetitions", {"verify": verify}).document
        return self.records.runs.get(made["id"])

    def explain(self, run: RunRecord, steps: Sequence[StepRecord]) -> list[Explanation]:
        """Why these steps of a run ran, or were reused."""
        document = self.connection.get(f"/runs/{run.id}/explanation")
        told = {item["name"]: item for item in document["steps"]}
        return [_explanation(step, told[step.name]) for step in steps if step.name in told]

    def changes_of(self, run: RunRecord) -> Mapping[str, Any] | None:
        """How the source folder of a run differed from its commit, as far as that is known."""
        found: Mapping[str, Any] | None = self.connection.get(f"/runs/{run.id}/provenance")["changes"]
        return found

    def dataset_inputs(self) -> Any:
        """What knows which datasets a run took in and gave out."""
        return SimpleNamespace(uses=self._uses)

    def _uses(self, run: str) -> Sequence[DatasetUse]:
        found = self.connection.get(f"/runs/{quoted(run)}/provenance")["uses"]
        return [use_from_document(item) for item in found]

    def are_schedules_served(self) -> bool:
        """Whether some process makes runs of schedules now."""
        return self.workspace.schedules.are_served()

    def settings_document(self) -> dict[str, Any]:
        """All settings with their values, where these come from, and what they are for."""
        return dict(self.connection.get("/settings"))

    def invalidate(self, criteria: Criteria, why: str, *, dry_run: bool = False) -> list[Kept]:
        """Make results that fit unusable, for this reason, or with `dry_run` only find them. Raises UsageError."""
        body = {name: getattr(criteria, name) for name in criteria.__match_args__}
        made = self.connection.ask("POST", "/reuse/invalidations", {**body, "why": why, "dry_run": dry_run}).document
        return [kept_from_document(item) for item in made["results"]]

    def check(self, *, quick: bool = False, repair: bool = False, **_: object) -> list[StoreFault]:
        """What is wrong in the workspace. Nobody is told how far the server is."""
        if repair:
            found = self.connection.ask("POST", "/checks/repairs", {"quick": quick}, seconds=LONG_SECONDS)
        else:
            found = self.connection.ask("GET", "/checks", query={"quick": quick}, seconds=LONG_SECONDS)
        return faults_from_document(found.document)

    def clean_up(self, policy: RetentionPolicy, *, dry: bool = False) -> Collection:
        """Remove what a policy lets go, and what nothing refers to; with `dry` only say what that would be."""
        body = {**policy_to_json(policy), "dry_run": dry}
        return clean_up_from_document(self.connection.ask("POST", "/clean-ups", body, seconds=LONG_SECONDS).document)

    def export(self, run: str, output: str = "", *, with_outputs: bool = False) -> Exported:
        """Write a run to a file of this machine, whole or not at all."""
        name = self.records.runs.get(run).id
        target = export_file(name, output)
        staged = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with staged.open("wb") as stream:
                self.connection.fetch(f"/runs/{quoted(name)}/export", stream, LONG_SECONDS, with_outputs=with_outputs)
            made = exported(staged)
            os.replace(staged, target)
        finally:
            staged.unlink(missing_ok=True)
        return replace(made, file=target)

    def _step_uses(self, since: float) -> Sequence[StepUse]:
        return [step_use_from_document(item) for item in self.connection.get("/reuse/uses", since=since)["uses"]]

    def _pin(self, run: str, *, pinned: bool) -> None:
        self.connection.ask("POST", f"/runs/{quoted(run)}/{'pin' if pinned else 'unpin'}", again=True)


def _explanation(step: StepRecord, told: Mapping[str, Any]) -> Explanation:
    earlier = told["compared_with"]
    compared = None
    if earlier is not None:
        compared = StepRecord(earlier["run"], earlier["step"], 0, StepStatus.COMPLETED, earlier["key"])
    return Explanation(step, reasons_from_json(told["reasons"]), compared, told.get("diffs"))
