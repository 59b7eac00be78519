"""Published pipelines: graphs with everything that a call of them needs, kept as they were published."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pipelinekit.classes import field, frozen, replace
from pipelinekit.domain.names import check_name
from pipelinekit.domain.runs import RunOptions
from pipelinekit.domain.types import PathRef
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import ConflictError
from pipelinekit.typed import Any

PUBLISHED_PIPELINE = "published_pipeline"  # property of a run: the id of the pipeline that it is a run of


class PublishedStatus(StrEnum):
    """Whether a published pipeline may be called."""

    ACTIVE = "Active"
    DISABLED = "Disabled"


@frozen
class PublishedPipeline:
    """A pipeline as it was published: it does not change, but for its status and its description.

    `graph` is the digest of its document. `values` are values of parameters that calls need not give, `paths` those of
    the files and folders written in the pipeline: both as they were then. `datasets` are the versions of datasets among
    them, by the parameter that named them. `version` is a text of the author's own. `details` say who published it,
    where, from which commit or run.
    """

    id: str
    name: str
    graph: str
    status: PublishedStatus = PublishedStatus.ACTIVE
    description: str = ""
    version: str = ""
    experiment: str = ""
    values: Mapping[str, StoredValue] = field(default_factory=dict)
    paths: Mapping[PathRef, StoredValue] = field(default_factory=dict)
    datasets: tuple[tuple[str, PathRef], ...] = ()
    options: RunOptions = field(default_factory=RunOptions)
    tags: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    created_at: float = 0.0
    updated_at: float = 0.0

    def __post_init__(self) -> None:
        check_name("pipeline", self.name)

    def check_active(self) -> None:
        """Raise ConflictError unless it may be called."""
        if self.status is not PublishedStatus.ACTIVE:
            raise ConflictError(
                f"published pipeline {self.id} ({self.name}) is disabled",
                hint=f"'pipelinekit pipelines enable {self.id}' has it called again",
            )


def with_status(pipeline: PublishedPipeline, status: PublishedStatus, now: float) -> PublishedPipeline:
    """The pipeline with that status."""
    return replace(pipeline, status=status, updated_at=now)
