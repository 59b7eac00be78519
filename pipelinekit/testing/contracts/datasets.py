"""What records of datasets must do. Derive a test class, and give it `make()`."""

from __future__ import annotations

import pytest

from pipelinekit.classes import frozen, replace
from pipelinekit.domain.datasets import (
    FILE,
    INPUT,
    OUTPUT,
    ColumnProfile,
    DatasetDefinition,
    DatasetFile,
    DatasetUse,
    DatasetVersion,
    Profile,
    Source,
)
from pipelinekit.domain.upkeep import Removal
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import ConflictError, NotFoundError
from pipelinekit.ports.datasets import DatasetRecords
from pipelinekit.ports.upkeep import UpkeepRecords
from pipelinekit.testing.contracts.records import MadeRecords, new_run


@frozen
class MadeDatasets:
    """The records under test, and those of runs."""

    datasets: DatasetRecords
    records: MadeRecords
    upkeep: UpkeepRecords


def new_version(
    name: str = "sales", content: str = "one", path: str = "/data/a.csv", **fields: object
) -> DatasetVersion:
    """A version of a dataset of one file."""
    definition = DatasetDefinition(FILE, (Source("", path),))
    files = (DatasetFile("a.csv", "", path, 3, f"xxh3:{content}", "mark"),)
    made = DatasetVersion(name, 0, definition, content, files, 1, 3, True, created_at=5.0)
    return replace(made, **fields)


class DatasetsContract:
    """The suite for records of datasets."""

    def make(self) -> MadeDatasets:
        """Empty records."""
        raise NotImplementedError

    def test_a_version_comes_back_as_it_was(self) -> None:
        records = self.make().datasets
        value = StoredValue("xxh3:v", "arrow", 7, "xxh3:b")
        profile = Profile(2, (ColumnProfile("a", "double", 1, "1", "2", 2, 1.5),))
        made = records.add(
            new_version(tags={"a": "b"}, types={"a": "double"}, profile=profile, description="d", value=value)
        )
        assert made.version == 1
        assert records.get("sales") == records.get("sales", 1) == made
        assert list(records.list()) == [replace(made, files=())]

    def test_versions_count_and_no_number_comes_twice(self) -> None:
        records = self.make().datasets
        numbers = [records.add(new_version(content=content), grow=True).version for content in "abc"]
        assert numbers == [1, 2, 3]
        assert records.remove("sales", 3) == 1
        assert records.add(new_version(content="d"), grow=True).version == 4
        assert [item.version for item in records.list("sales")] == [4, 2, 1]
        assert records.remove("sales") == 3
        assert records.add(new_version(content="e")).version == 5

    def test_a_name_that_is_taken_is_a_conflict(self) -> None:
        records = self.make().datasets
        records.add(new_version())
        with pytest.raises(ConflictError) as error:
            records.add(new_version(content="two"))
        assert error.value.fields == {"name": "sales", "version": 1}
        assert [item.version for item in records.list()] == [1]

    def test_the_same_is_told_as_what_it_is_registered(self) -> None:
        records = self.make().datasets
        records.add(new_version())
        for name, grow in (("sales", True), ("other", False)):
            with pytest.raises(ConflictError) as error:
                records.add(new_version(name), grow=grow)
            assert error.value.fields == {"name": "sales", "version": 1}
        records.add(new_version(content="two"), grow=True)
        records.add(new_version("other", path="/data/b.csv"))
        assert records.add(new_version("mine", run="r", step="s")).version == 1

    def test_what_may_change_is_changed(self) -> None:
        records = self.make().datasets
        made = records.add(new_version())
        changed = replace(made, description="new", tags={"x": "y"}, profile=Profile(1, ()), types={"a": "int64"})
        records.update(changed)
        assert records.get("sales") == changed
        with pytest.raises(NotFoundError):
            records.update(replace(changed, version=9))

    def test_what_is_not_there_is_told(self) -> None:
        records = self.make().datasets
        records.add(new_version())
        for action in (records.get, records.remove):
            with pytest.raises(NotFoundError):
                action("nothing", 0)
            with pytest.raises(NotFoundError):
                action("sales", 2)

    def test_uses_are_found_by_run_and_by_version_while_the_run_is_there(self) -> None:
        made = self.make()
        one, two = (made.records.runs.create(new_run(name)).id for name in ("1", "2"))
        uses = [
            DatasetUse(one, "sales", 1, INPUT, "data"),
            DatasetUse(one, "clean", 1, OUTPUT, "step.output"),
            DatasetUse(two, "sales", 2, INPUT, "data"),
        ]
        made.datasets.use(uses)
        made.datasets.use(uses[:1])
        assert list(made.datasets.uses(run=one)) == uses[:2]
        assert list(made.datasets.uses(name="sales")) == [uses[2], uses[0]]
        assert list(made.datasets.uses(name="sales", version=1)) == uses[:1]
        made.upkeep.remove(Removal((one,)), [])
        assert list(made.datasets.uses()) == uses[2:]

    def test_what_versions_are_made_of_is_told_until_they_are_gone(self) -> None:
        records = self.make().datasets
        value = StoredValue("xxh3:v", "file", 7, "xxh3:b")
        records.add(new_version(content="one"))
        records.add(new_version("mine", run="r", files=(), value=value))
        assert records.values() == ({"xxh3:one"}, [value])
        records.remove("sales")
        records.remove("mine")
        assert records.values() == (set(), [])
