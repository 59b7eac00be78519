"""What every implementation of records of published pipelines and of pipeline endpoints must do."""

from __future__ import annotations

from abc import ABC, abstractmethod

import pytest

from pipelinekit.classes import replace
from pipelinekit.domain import pipeline_endpoints as rules
from pipelinekit.domain.pipeline_endpoints import EndpointStatus, EndpointVersion, PipelineEndpoint
from pipelinekit.domain.published_pipelines import PublishedPipeline, PublishedStatus, with_status
from pipelinekit.domain.runs import RunOptions
from pipelinekit.domain.types import PathRef
from pipelinekit.domain.values import plain
from pipelinekit.errors import ConflictError, NotFoundError, UsageError
from pipelinekit.ports.publishing import PipelineEndpointRecords, PublishedPipelineRecords

FIRST, SECOND, THIRD = "00000000000001", "00000000000002", "00000001000000"

WHOLE = PublishedPipeline(
    FIRST,
    "delays",
    "xxh3:graph",
    PublishedStatus.ACTIVE,
    "what it is",
    "summer",
    "flights",
    {"year": plain(2013), "none": plain(None)},
    {PathRef("data/flights.csv"): plain([1, 2]), PathRef("flights", dataset="table"): plain("x")},
    (("data", PathRef("flights@3", False, "any")),),
    RunOptions(continue_on_step_failure=True, compute="pool", max_seconds=60.0),
    {"team": "a"},
    {"user": "ada", "git": {"commit": "1"}},
    10.0,
    11.0,
)


class PublishingContract(ABC):
    """Published pipelines, and the endpoints that have them as versions."""

    @abstractmethod
    def make(self) -> tuple[PublishedPipelineRecords, PipelineEndpointRecords]:
        """Records without anything in them."""

    def test_a_published_pipeline_is_kept_as_it_is(self) -> None:
        published, _ = self.make()
        published.add(WHOLE)
        assert published.get(FIRST) == WHOLE

    def test_a_published_pipeline_is_found_by_a_unique_beginning(self) -> None:
        published, _ = self.make()
        for name in (FIRST, SECOND, THIRD):
            published.add(replace(WHOLE, id=name))
        assert published.get("00000001").id == THIRD
        with pytest.raises(UsageError):
            published.get("0000000000000")
        for unknown in ("1", ""):
            with pytest.raises(NotFoundError):
                published.get(unknown)

    def test_lists_begin_with_the_newest(self) -> None:
        published, _ = self.make()
        published.add(WHOLE)
        published.add(replace(WHOLE, id=SECOND, name="other"))
        published.add(replace(WHOLE, id=THIRD))
        assert [item.id for item in published.list()] == [THIRD, SECOND, FIRST]
        assert [item.id for item in published.list(name="delays")] == [THIRD, FIRST]

    def test_status_and_description_may_change(self) -> None:
        published, _ = self.make()
        published.add(WHOLE)
        changed = published.change(FIRST, lambda item: with_status(item, PublishedStatus.DISABLED, 20.0))
        assert changed == replace(WHOLE, status=PublishedStatus.DISABLED, updated_at=20.0)
        published.change(FIRST, lambda item: replace(item, description="else"))
        assert published.get(FIRST) == replace(changed, description="else")

    def test_a_published_pipeline_is_removed_unless_an_endpoint_has_it(self) -> None:
        published, endpoints = self.make()
        published.add(WHOLE)
        published.add(replace(WHOLE, id=SECOND))
        endpoints.add(endpoint("delays", FIRST))
        published.remove(SECOND)
        with pytest.raises(ConflictError):
            published.remove(FIRST)
        endpoints.remove("delays")
        published.remove(FIRST)
        assert list(published.list()) == []
        with pytest.raises(NotFoundError):
            published.remove(FIRST)

    def test_an_endpoint_is_kept_as_it_is(self) -> None:
        _, endpoints = self.make()
        kept = replace(endpoint("Delays", FIRST), description="calls", tags={"a": "b"}, proven=True, updated_at=2.0)
        endpoints.add(kept)
        assert endpoints.get("delays") == kept
        assert endpoints.get(kept.id) == kept

    def test_an_endpoint_grows_by_versions(self) -> None:
        _, endpoints = self.make()
        endpoints.add(endpoint("delays", FIRST))
        endpoints.change("delays", lambda item: rules.add_version(item, SECOND, 5.0, "ada"))
        endpoints.change("delays", lambda item: rules.set_default(item, 1, 6.0))
        found = endpoints.get("delays")
        assert found.versions == (EndpointVersion(0, FIRST, 1.0, "ada"), EndpointVersion(1, SECOND, 5.0, "ada"))
        assert found.version().pipeline == SECOND

    def test_a_change_that_is_refused_changes_nothing(self) -> None:
        _, endpoints = self.make()
        endpoints.add(endpoint("delays", FIRST))
        before = endpoints.get("delays")
        with pytest.raises(ConflictError):
            endpoints.change("delays", lambda item: rules.add_version(item, FIRST, 5.0))
        with pytest.raises(NotFoundError):
            endpoints.change("delays", lambda item: rules.set_default(item, 7, 5.0))
        assert endpoints.get("delays") == before

    def test_a_name_is_taken_whatever_its_case(self) -> None:
        _, endpoints = self.make()
        endpoints.add(endpoint("delays", FIRST))
        with pytest.raises(ConflictError):
            endpoints.add(endpoint("Delays", SECOND))
        assert [item.name for item in endpoints.list()] == ["delays"]

    def test_an_archived_endpoint_gives_its_name_free(self) -> None:
        _, endpoints = self.make()
        first = endpoint("delays", FIRST)
        endpoints.add(first)
        endpoints.change("delays", lambda item: rules.archive(item, 5.0))
        with pytest.raises(NotFoundError):
            endpoints.get("delays")
        assert endpoints.get(first.id).status is EndpointStatus.ARCHIVED
        endpoints.add(endpoint("delays", SECOND))
        with pytest.raises(ConflictError):
            endpoints.change(first.id, lambda item: rules.reactivate(item, "", 6.0))
        endpoints.change(first.id, lambda item: rules.reactivate(item, "arrivals", 6.0))
        assert [item.name for item in endpoints.list()] == ["arrivals", "delays"]
        assert endpoints.get("arrivals").id == first.id

    def test_archived_endpoints_are_listed_last(self) -> None:
        _, endpoints = self.make()
        for name in ("a", "b", "c"):
            endpoints.add(endpoint(name, FIRST))
        endpoints.change("a", lambda item: rules.archive(item, 5.0))
        assert [item.name for item in endpoints.list()] == ["b", "c", "a"]

    def test_an_endpoint_is_removed_with_its_versions(self) -> None:
        published, endpoints = self.make()
        published.add(WHOLE)
        endpoints.add(endpoint("delays", FIRST))
        endpoints.remove("delays")
        with pytest.raises(NotFoundError):
            endpoints.remove("delays")
        endpoints.add(endpoint("delays", SECOND))
        assert [item.pipeline for item in endpoints.get("delays").versions] == [SECOND]


def endpoint(name: str, pipeline: str) -> PipelineEndpoint:
    """An endpoint with one version."""
    return PipelineEndpoint(
        f"id-{name}-{pipeline}", name, (EndpointVersion(0, pipeline, 1.0, "ada"),), created_at=1.0, updated_at=1.0
    )
