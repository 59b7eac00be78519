"""Published pipelines and the endpoints under which they are called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    from pipelinekit.domain.pipeline_endpoints import PipelineEndpoint
    from pipelinekit.domain.published_pipelines import PublishedPipeline
else:
    Protocol = object


class PublishedPipelineRecords(Protocol):
    """Published pipelines by id."""

    def add(self, pipeline: PublishedPipeline) -> None:
        """Keep a pipeline."""

    def get(self, pipeline: str) -> PublishedPipeline:
        """The pipeline of this id or unique beginning of one. Raises NotFoundError, and UsageError for several."""

    def list(self, *, name: str = "") -> Sequence[PublishedPipeline]:
        """All of them, or those of a name; the newest first."""

    def change(self, pipeline: str, how: Callable[[PublishedPipeline], PublishedPipeline]) -> PublishedPipeline:
        """Keep what `how` makes of it, while nobody else changes it. Raises NotFoundError."""

    def remove(self, pipeline: str) -> None:
        """Forget a pipeline. Raises NotFoundError, and ConflictError while an endpoint has it."""


class PipelineEndpointRecords(Protocol):
    """Pipeline endpoints by id, and by name, whose case does not count, while they are not archived."""

    def add(self, endpoint: PipelineEndpoint) -> None:
        """Keep an endpoint. Raises ConflictError when its name is taken."""

    def get(self, endpoint: str) -> PipelineEndpoint:
        """The endpoint of this name or id. Raises NotFoundError."""

    def list(self) -> Sequence[PipelineEndpoint]:
        """All of them, archived ones last, by name."""

    def change(self, endpoint: str, how: Callable[[PipelineEndpoint], PipelineEndpoint]) -> PipelineEndpoint:
        """Keep what `how` makes of it, while nobody else changes it.

        Raises NotFoundError, ConflictError when its new name is taken, and what `how` raises.
        """

    def remove(self, endpoint: str) -> None:
        """Forget an endpoint. Raises NotFoundError."""
