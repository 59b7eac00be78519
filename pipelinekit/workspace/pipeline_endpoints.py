"""Pipeline endpoints of a workspace: create, add versions, set the default, call, disable, archive, delete."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelinekit.classes import replace
from pipelinekit.domain import pipeline_endpoints as rules
from pipelinekit.domain.names import run_id
from pipelinekit.domain.pipeline_endpoints import (
    ENDPOINT_VERSION,
    PIPELINE_ENDPOINT,
    EndpointStatus,
    EndpointVersion,
    PipelineEndpoint,
)
from pipelinekit.domain.published_pipelines import PUBLISHED_PIPELINE
from pipelinekit.domain.runs import RunStatus
from pipelinekit.domain.steps import parse_duration
from pipelinekit.domain.version_differences import VersionDifference
from pipelinekit.errors import ConflictError, NotFoundError
from pipelinekit.ports.publishing import PipelineEndpointRecords
from pipelinekit.wire.publishing import endpoint_document
from pipelinekit.workspace.pipelines import user_name
from pipelinekit.workspace.published_pipelines import (
    NOWHERE,
    Call,
    PreparedCall,
    PublishedPipelineHandle,
    PublishingStores,
)
from pipelinekit.workspace.runs import Run, checked_tags
from pipelinekit.workspace.version_differences import version_difference
from pipelinekit.workspace.workspace import regenerate_patterns


class PipelineEndpointHandle:
    """A pipeline endpoint: `submit` makes a run of its default version, or of another."""

    def __init__(self, record: PipelineEndpoint, records: PipelineEndpointRecords, stores: PublishingStores) -> None:
        self.record = record
        self._records = records
        self._stores = stores

    @property
    def id(self) -> str:
        """Its id."""
        return self.record.id

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def status(self) -> EndpointStatus:
        """Whether it may be called."""
        return self.record.status

    @property
    def default_version(self) -> int:
        """The version that a call means which names none."""
        return self.record.default

    @property
    def versions(self) -> tuple[EndpointVersion, ...]:
        """All versions, the oldest first."""
        return self.record.versions

    def pipeline(self, version: int | None = None) -> PublishedPipelineHandle:
        """The published pipeline of a version; of the default by default. Raises NotFoundError."""
        found = self._stores.records.get(self.record.version(version).pipeline)
        return PublishedPipelineHandle(found, self._stores)

    def submit(
        self,
        *,
        version: int | None = None,
        experiment: str = "",
        parameters: Mapping[str, Any] | None = None,
        compute: str = "",
        regenerate: bool | str | Sequence[str] = False,
        continue_on_step_failure: bool | None = None,
        tags: Mapping[str, object] | None = None,
        display_name: str = "",
        priority: int | None = None,
        max_queue_duration_seconds: float | str | None = None,
    ) -> Run:
        """Record a run of a version and have it driven; returns the run at once.

        The version is noted with the run. Parameters that are not given are as they were published. Raises
        ConflictError when the endpoint or its version is disabled, NotFoundError for a version that there is not.
        """
        patterns = regenerate_patterns(regenerate)
        queued = None if max_queue_duration_seconds is None else parse_duration(max_queue_duration_seconds)
        about = experiment, patterns, continue_on_step_failure, compute, tags, display_name
        call = Call(*about, priority=priority, max_queue_seconds=queued)
        run = self._record(version, parameters or {}, call, Path.cwd())
        self._stores.launch(run.record)
        return run

    def record_prepared(self, version: int | None, prepared: PreparedCall) -> Run | None:
        """Record a run that was prepared, of this version or the default one; None where that is another by now.

        No driver is started. Raises ConflictError when the endpoint or its version is disabled.
        """
        with self._stores.batch():
            endpoint, found = self._callable(version)
            if found.pipeline != prepared.pipeline.id:
                return None
            return self._stores.record_prepared(prepared, _noted(endpoint, found, prepared.call))

    def record_call(self, given: Mapping[str, Any], call: Call) -> Run:
        """Record a run of the default version, whose given values name no files of this machine, in one go.

        No driver is started. Raises ConflictError when the endpoint or its version is disabled.
        """
        return self._record(None, given, call, NOWHERE)

    def _record(self, version: int | None, given: Mapping[str, Any], call: Call, root: Path) -> Run:
        """Record a run of a version, as it is found in the same transaction."""
        with self._stores.batch():
            endpoint, found = self._callable(version)
            pipeline = self._stores.records.get(found.pipeline)
            return self._stores.record(pipeline, given, _noted(endpoint, found, call), root)

    def _callable(self, version: int | None) -> tuple[PipelineEndpoint, EndpointVersion]:
        endpoint = self._records.get(self.id)
        endpoint.check_active()
        return endpoint, endpoint.version(version)

    def diff(self, before: int, after: int | None = None) -> VersionDifference:
        """What differs between two versions; from one to the default by default. Raises NotFoundError."""
        sides = [self.pipeline(before), self.pipeline(after)]
        told = [(side.record, side.graph) for side in sides]
        return version_difference(told[0], told[1], self._stores.pipelines.blobs)

    def runs(self, *, version: int | None = None, limit: int = 50) -> Sequence[Run]:
        """The runs of the endpoint, or of one of its versions; the newest first."""
        wanted: dict[str, str | None] = {PIPELINE_ENDPOINT: self.id}
        if version is not None:
            wanted[ENDPOINT_VERSION] = str(self.record.version(version).number)
        return self._stores.runs.list(properties=wanted, limit=limit)

    def add_version(
        self, pipeline: PublishedPipelineHandle | str, *, default: bool = False, by: str = ""
    ) -> EndpointVersion:
        """Add a published pipeline as a further version, which may become the default.

        `by` says who does it, where that is not the user of this process.
        Raises ConflictError for a pipeline that the endpoint has already.
        """
        found = self._stores.records.get(pipeline if isinstance(pipeline, str) else pipeline.id)

        def how(endpoint: PipelineEndpoint, now: float) -> PipelineEndpoint:
            grown = rules.add_version(endpoint, found.id, now, by or user_name())
            hint = "add it without making it the default, and call it by its number first"
            return self._promoted(grown, grown.newest.number, now, hint) if default else grown

        self._change(how)
        return self.record.newest

    def set_default(self, version: int) -> None:
        """Have calls that name no version mean this one.

        Raises NotFoundError, and ConflictError where only proven versions become the default and no run of it has
        completed.
        """
        hint = f"call it by its number first, with '--version {version}'"
        self._change(lambda endpoint, now: self._promoted(endpoint, version, now, hint))

    def _promoted(self, endpoint: PipelineEndpoint, version: int, now: float, hint: str) -> PipelineEndpoint:
        promoted = rules.set_default(endpoint, version, now)
        if endpoint.proven and version != endpoint.default:
            wanted = {PUBLISHED_PIPELINE: promoted.version().pipeline}
            if not self._stores.runs.list(properties=wanted, status=RunStatus.COMPLETED, limit=1):
                raise ConflictError(
                    f"version {version} of pipeline endpoint {endpoint.name!r} is not proven: no run has completed",
                    hint=hint,
                )
        return promoted

    def enable(self) -> None:
        """Have it called again. Raises ConflictError when it is archived."""
        self._change(lambda endpoint, now: rules.with_status(endpoint, EndpointStatus.ACTIVE, now))

    def disable(self) -> None:
        """Refuse calls. Raises ConflictError when it is archived, or while a schedule that is enabled runs it."""
        self.check_unscheduled("disabled")
        self._change(lambda endpoint, now: rules.with_status(endpoint, EndpointStatus.DISABLED, now))

    def archive(self) -> None:
        """Refuse calls, and let others have the name. Raises ConflictError while a schedule that is enabled runs it."""
        self.check_unscheduled("archived")
        self._change(rules.archive)

    def check_unscheduled(self, verb: str) -> None:
        """Raise ConflictError while a schedule that is enabled runs it."""
        known = (self.id, self.name.lower())
        self._stores.check_unscheduled(
            f"pipeline endpoint {self.name!r}", verb, lambda target: target.endpoint.lower() in known
        )

    def reactivate(self, name: str = "") -> None:
        """Use an archived endpoint again, under its name or another. Raises ConflictError when the name is taken."""
        self._change(lambda endpoint, now: rules.reactivate(endpoint, name, now))

    def update(
        self,
        *,
        description: str | None = None,
        tags: Mapping[str, object] | None = None,
        proven: bool | None = None,
    ) -> None:
        """Change the description, the tags, or whether only proven versions become the default; None leaves it."""
        checked = None if tags is None else checked_tags(tags)

        def how(endpoint: PipelineEndpoint, now: float) -> PipelineEndpoint:
            return replace(
                endpoint,
                description=endpoint.description if description is None else description,
                tags=endpoint.tags if checked is None else checked,
                proven=endpoint.proven if proven is None else proven,
                updated_at=now,
            )

        self._change(how)

    def document(self) -> dict[str, Any]:
        """It and its versions as JSON data."""
        return endpoint_document(self.record)

    def _change(self, how: Callable[[PipelineEndpoint, float], PipelineEndpoint]) -> None:
        now = self._stores.clock.now()
        self.record = self._records.change(self.id, lambda endpoint: how(endpoint, now))

    def __repr__(self) -> str:
        return f"<pipeline endpoint {self.name!r}, default version {self.default_version}, {self.status.lower()}>"


def _noted(endpoint: PipelineEndpoint, version: EndpointVersion, call: Call) -> Call:
    """A call that says which version it is of."""
    places = {PIPELINE_ENDPOINT: endpoint.id, ENDPOINT_VERSION: str(version.number)}
    shown = {"endpoint": {"name": endpoint.name, "version": version.number}, **(call.details or {})}
    return replace(call, properties={**(call.properties or {}), **places}, details=shown)


class PipelineEndpointCollection:
    """The pipeline endpoints of a workspace."""

    def __init__(self, records: PipelineEndpointRecords, stores: PublishingStores) -> None:
        self._records = records
        self._stores = stores

    def create(
        self,
        name: str,
        pipeline: PublishedPipelineHandle | str,
        *,
        description: str = "",
        tags: Mapping[str, object] | None = None,
        proven: bool = False,
        by: str = "",
    ) -> PipelineEndpointHandle:
        """Make an endpoint whose version 0, the default, is a published pipeline.

        With `proven` other versions become the default only after a run of them has completed. Raises ConflictError
        when the name is taken.
        """
        found = self._stores.records.get(pipeline if isinstance(pipeline, str) else pipeline.id)
        now = self._stores.clock.now()
        endpoint = PipelineEndpoint(
            run_id(int(now * 1000), int.from_bytes(os.urandom(4)) >> 7),
            name,
            (EndpointVersion(0, found.id, now, by or user_name()),),
            0,
            EndpointStatus.ACTIVE,
            description,
            checked_tags(tags or {}),
            proven,
            now,
            now,
        )
        self._records.add(endpoint)
        return self.handle(endpoint)

    def grow(
        self, name: str, pipeline: PublishedPipelineHandle | str, *, default: bool = False, by: str = ""
    ) -> tuple[PipelineEndpointHandle, EndpointVersion]:
        """Add a published pipeline to the endpoint of this name, which is made if there is none; see `add_version`."""
        try:
            handle = self.get(name)
        except NotFoundError:
            handle = self.create(name, pipeline, by=by)
            return handle, handle.versions[0]
        return handle, handle.add_version(pipeline, default=default, by=by)

    def get(self, endpoint: str) -> PipelineEndpointHandle:
        """The endpoint of this name or id. Raises NotFoundError."""
        return self.handle(self._records.get(endpoint))

    def list(self, *, active_only: bool = True) -> Sequence[PipelineEndpointHandle]:
        """Those that may be called, or all of them."""
        found = self._records.list()
        return [self.handle(item) for item in found if not active_only or item.status is EndpointStatus.ACTIVE]

    def delete(self, endpoint: str) -> None:
        """Forget an endpoint; its pipelines stay published, and its runs stay.

        Raises ConflictError while a schedule that is enabled runs it.
        """
        self.get(endpoint).check_unscheduled("deleted")
        self._records.remove(endpoint)

    def handle(self, record: PipelineEndpoint) -> PipelineEndpointHandle:
        """A handle on a record."""
        return PipelineEndpointHandle(record, self._records, self._stores)
