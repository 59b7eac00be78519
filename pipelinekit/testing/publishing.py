"""Published pipelines and pipeline endpoints in memory: the twins of what `storage` keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipelinekit.domain.pipeline_endpoints import EndpointStatus, PipelineEndpoint
from pipelinekit.domain.published_pipelines import PublishedPipeline
from pipelinekit.errors import ConflictError, NotFoundError, UsageError


class MemoryPublishedPipelines:
    """Twin of `storage.publishing.SQLPublishedPipelines`. `kept` is where they are, for clean-up to see them."""

    def __init__(self, kept: dict[str, PublishedPipeline], endpoints: MemoryPipelineEndpoints) -> None:
        self._kept = kept
        self._endpoints = endpoints

    def add(self, pipeline: PublishedPipeline) -> None:
        """Keep a pipeline."""
        self._kept[pipeline.id] = pipeline

    def get(self, pipeline: str) -> PublishedPipeline:
        """The pipeline of this id or unique beginning of one."""
        found = [name for name in self._kept if pipeline and name.startswith(pipeline)]
        if not found:
            raise NotFoundError(f"there is no published pipeline {pipeline!r}")
        if len(found) > 1 and pipeline not in found:
            raise UsageError(f"several published pipelines begin with {pipeline!r}")
        return self._kept[pipeline if pipeline in found else found[0]]

    def list(self, *, name: str = "") -> Sequence[PublishedPipeline]:
        """All of them, or those of a name."""
        found = sorted(self._kept.values(), key=lambda item: item.id, reverse=True)
        return [item for item in found if name in ("", item.name)]

    def change(self, pipeline: str, how: Callable[[PublishedPipeline], PublishedPipeline]) -> PublishedPipeline:
        """Keep what `how` makes of it."""
        changed = how(self.get(pipeline))
        self._kept[changed.id] = changed
        return changed

    def remove(self, pipeline: str) -> None:
        """Forget a pipeline."""
        found = self.get(pipeline).id
        held = [item for endpoint in self._endpoints.list() for item in endpoint.versions if item.pipeline == found]
        if held:
            raise ConflictError(f"published pipeline {found} is a version of an endpoint")
        del self._kept[found]


class MemoryPipelineEndpoints:
    """Twin of `storage.publishing.SQLPipelineEndpoints`."""

    def __init__(self) -> None:
        self._kept: dict[str, PipelineEndpoint] = {}

    def add(self, endpoint: PipelineEndpoint) -> None:
        """Keep an endpoint."""
        self._check(endpoint)
        self._kept[endpoint.id] = endpoint

    def get(self, endpoint: str) -> PipelineEndpoint:
        """The endpoint of this name or id."""
        for found in self._kept.values():
            named = found.status is not EndpointStatus.ARCHIVED and found.name.lower() == endpoint.lower()
            if named or found.id == endpoint:
                return found
        raise NotFoundError(f"there is no pipeline endpoint {endpoint!r}")

    def list(self) -> Sequence[PipelineEndpoint]:
        """All of them."""
        archived = EndpointStatus.ARCHIVED
        return sorted(self._kept.values(), key=lambda item: (item.status is archived, item.name.lower(), item.id))

    def change(self, endpoint: str, how: Callable[[PipelineEndpoint], PipelineEndpoint]) -> PipelineEndpoint:
        """Keep what `how` makes of it."""
        changed = how(self.get(endpoint))
        self._check(changed)
        self._kept[changed.id] = changed
        return changed

    def remove(self, endpoint: str) -> None:
        """Forget an endpoint."""
        del self._kept[self.get(endpoint).id]

    def _check(self, endpoint: PipelineEndpoint) -> None:
        for other in self._kept.values():
            both = EndpointStatus.ARCHIVED not in (endpoint.status, other.status)
            if both and other.id != endpoint.id and other.name.lower() == endpoint.name.lower():
                raise ConflictError(f"there is a pipeline endpoint {endpoint.name!r} already")
