"""Pipeline endpoints: names under which versions of a published pipeline are called, and the rules of their changes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pipelinekit.classes import field, frozen, replace
from pipelinekit.domain.names import check_name, is_run_id
from pipelinekit.errors import ConflictError, NotFoundError, UsageError

PIPELINE_ENDPOINT = "pipeline_endpoint"  # properties of a run: the endpoint that was called, by id,
ENDPOINT_VERSION = "endpoint_version"  # and the version that the call meant


class EndpointStatus(StrEnum):
    """Whether an endpoint may be called. An archived one has given its name free, too."""

    ACTIVE = "Active"
    DISABLED = "Disabled"
    ARCHIVED = "Archived"


@frozen
class EndpointVersion:
    """A version of an endpoint: its number, and the id of the published pipeline that it stands for."""

    number: int
    pipeline: str
    added_at: float = 0.0
    added_by: str = ""


@frozen
class PipelineEndpoint:
    """An endpoint. `default` is the version that a call means which names none.

    With `proven` a version becomes the default only after a run of its pipeline has completed.
    """

    id: str
    name: str
    versions: tuple[EndpointVersion, ...]
    default: int = 0
    status: EndpointStatus = EndpointStatus.ACTIVE
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    proven: bool = False
    created_at: float = 0.0
    updated_at: float = 0.0

    def __post_init__(self) -> None:
        check_endpoint_name(self.name)

    @property
    def newest(self) -> EndpointVersion:
        """The version that was added last."""
        return self.versions[-1]

    def version(self, number: int | None = None) -> EndpointVersion:
        """The version of this number; the default by default. Raises NotFoundError."""
        wanted = self.default if number is None else number
        for version in self.versions:
            if version.number == wanted:
                return version
        raise NotFoundError(
            f"pipeline endpoint {self.name!r} has no version {wanted}",
            hint=f"its versions: {', '.join(str(version.number) for version in self.versions)}",
        )

    def check_active(self) -> None:
        """Raise ConflictError unless it may be called."""
        if self.status is not EndpointStatus.ACTIVE:
            verb = "enable" if self.status is EndpointStatus.DISABLED else "reactivate"
            raise ConflictError(
                f"pipeline endpoint {self.name!r} is {self.status.lower()}",
                hint=f"'pipelinekit pipeline-endpoints {verb} {self.name}' has it called again",
            )


def check_endpoint_name(name: str) -> str:
    """The name, if it may name an endpoint; raise UsageError otherwise."""
    if is_run_id(str(name)):
        raise UsageError(f"pipeline endpoint name {name!r} looks like an id", hint="choose a name that says more")
    return check_name("pipeline endpoint", name)


def add_version(endpoint: PipelineEndpoint, pipeline: str, now: float, by: str = "") -> PipelineEndpoint:
    """The endpoint with a further version: one more than the highest. Raises ConflictError for a pipeline it has."""
    for version in endpoint.versions:
        if version.pipeline == pipeline:
            raise ConflictError(
                f"published pipeline {pipeline} is version {version.number} of pipeline endpoint {endpoint.name!r}",
                hint="publish another one, or make that version the default",
            )
    number = max((version.number for version in endpoint.versions), default=-1) + 1
    return replace(endpoint, versions=(*endpoint.versions, EndpointVersion(number, pipeline, now, by)), updated_at=now)


def set_default(endpoint: PipelineEndpoint, number: int, now: float) -> PipelineEndpoint:
    """The endpoint with that default version. Raises NotFoundError."""
    return replace(endpoint, default=endpoint.version(number).number, updated_at=now)


def with_status(endpoint: PipelineEndpoint, status: EndpointStatus, now: float) -> PipelineEndpoint:
    """The endpoint enabled or disabled. Raises ConflictError for an archived one."""
    if endpoint.status is EndpointStatus.ARCHIVED:
        raise ConflictError(
            f"pipeline endpoint {endpoint.name!r} is archived",
            hint=f"'pipelinekit pipeline-endpoints reactivate {endpoint.id} --name NAME' first",
        )
    return replace(endpoint, status=status, updated_at=now)


def archive(endpoint: PipelineEndpoint, now: float) -> PipelineEndpoint:
    """The endpoint archived: others may have its name."""
    return replace(endpoint, status=EndpointStatus.ARCHIVED, updated_at=now)


def reactivate(endpoint: PipelineEndpoint, name: str, now: float) -> PipelineEndpoint:
    """An archived endpoint in use again, under a name."""
    if endpoint.status is not EndpointStatus.ARCHIVED:
        raise ConflictError(f"pipeline endpoint {endpoint.name!r} is not archived", hint="it is in use already")
    return replace(endpoint, status=EndpointStatus.ACTIVE, name=name or endpoint.name, updated_at=now)
