"""What every implementation of records of pipeline drafts must do."""

from __future__ import annotations

from abc import ABC, abstractmethod

import pytest

from pipelinekit.classes import replace
from pipelinekit.domain.pipeline_drafts import PipelineDraft, changed
from pipelinekit.domain.runs import RunOptions
from pipelinekit.domain.types import PathRef
from pipelinekit.domain.values import plain
from pipelinekit.errors import NotFoundError, UsageError
from pipelinekit.ports.pipeline_drafts import PipelineDraftRecords

FIRST, SECOND, THIRD = "00000000000001", "00000000000002", "00000001000000"

WHOLE = PipelineDraft(
    FIRST,
    "delays",
    "xxh3:graph",
    "flights",
    "what it is",
    {"year": plain(2013), "none": plain(None)},
    {PathRef("data/flights.csv"): plain([1, 2]), PathRef("flights", dataset="table"): plain("x")},
    (("data", PathRef("flights@3", False, "any")),),
    RunOptions(continue_on_step_failure=True, compute="pool", max_seconds=60.0),
    {"team": "a"},
    {"run": "00000000000009"},
    {"user": "ada", "git": {"commit": "1"}},
    4,
    10.0,
    11.0,
)


class PipelineDraftsContract(ABC):
    """Pipeline drafts."""

    @abstractmethod
    def make(self) -> PipelineDraftRecords:
        """Records without anything in them."""

    def test_a_draft_is_kept_as_it_is(self) -> None:
        records = self.make()
        records.add(WHOLE)
        assert records.get(FIRST) == WHOLE

    def test_a_draft_is_found_by_a_unique_beginning(self) -> None:
        records = self.make()
        for name in (FIRST, SECOND, THIRD):
            records.add(replace(WHOLE, id=name))
        assert records.get("00000001").id == THIRD
        with pytest.raises(UsageError):
            records.get("0000000000000")
        for unknown in ("1", ""):
            with pytest.raises(NotFoundError):
                records.get(unknown)

    def test_lists_begin_with_the_newest(self) -> None:
        records = self.make()
        for name, of in ((FIRST, "delays"), (SECOND, "other"), (THIRD, "delays")):
            records.add(replace(WHOLE, id=name, name=of))
        assert [item.id for item in records.list()] == [THIRD, SECOND, FIRST]
        assert [item.id for item in records.list(name="delays")] == [THIRD, FIRST]

    def test_everything_but_where_it_comes_from_may_change(self) -> None:
        records = self.make()
        records.add(WHOLE)
        after = changed(
            WHOLE, 20.0, name="arrivals", graph="xxh3:other", description="", values={"year": plain(2014)}, tags={},
            paths={}, datasets=(), experiment="e", options=RunOptions(),
        )  # fmt: skip
        assert records.replace(after)
        assert records.get(FIRST) == after
        assert (after.version, after.updated_at, after.created_at) == (5, 20.0, 10.0)

    def test_a_change_of_what_was_changed_meanwhile_changes_nothing(self) -> None:
        records = self.make()
        records.add(WHOLE)
        first, second = changed(WHOLE, 20.0, name="first"), changed(WHOLE, 21.0, name="second")
        assert records.replace(first)
        assert not records.replace(second)
        assert not records.replace(first)
        assert records.get(FIRST) == first
        assert records.replace(changed(first, 22.0, name="second"))

    def test_a_draft_is_removed_once(self) -> None:
        records = self.make()
        records.add(WHOLE)
        records.add(replace(WHOLE, id=SECOND))
        records.remove(FIRST)
        with pytest.raises(NotFoundError):
            records.remove(FIRST)
        assert [item.id for item in records.list()] == [SECOND]
        assert not records.replace(changed(WHOLE, 20.0, name="again"))
