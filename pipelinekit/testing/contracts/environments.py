"""What records of environments and their builder must do. Derive a test class, and give it `make()`."""

from __future__ import annotations

import pytest

from pipelinekit.domain.environments import Environment, Lock, python_identity
from pipelinekit.errors import ComputeError, NotFoundError, UsageError
from pipelinekit.ports.environments import EnvironmentBuilder, EnvironmentRecords

OLD = Environment("training", ("pk-alpha==1.0",))
NEW = Environment("training", ("pk-alpha==2.0",), {"MODE": "fast"})


class EnvironmentRecordsContract:
    """The suite for records of environments."""

    def make(self) -> EnvironmentRecords:
        """Empty records."""
        raise NotImplementedError

    def test_versions_count_from_one(self) -> None:
        records = self.make()
        assert records.register(OLD).version == 1
        assert records.register(NEW).version == 2
        assert records.register(Environment("other", OLD.packages)).version == 1
        assert [item.label for item, _ in records.list()] == ["other:1", "training:2", "training:1"]
        assert [item.label for item, _ in records.list("training")] == ["training:2", "training:1"]

    def test_an_equal_definition_gives_its_version_back(self) -> None:
        records = self.make()
        records.register(OLD)
        records.register(NEW)
        again = Environment("training", ("pk-alpha==1.0", "pk-alpha==1.0"))
        assert records.register(again).version == 1
        assert len(records.list()) == 2

    def test_what_comes_back_is_what_was_registered(self) -> None:
        records = self.make()
        whole = Environment("whole", ("b", "a>=1"), {"X": "1"}, "3.12")
        records.register(whole)
        found = records.get("whole")
        assert found.definition() == whole.definition()
        assert (found.name, found.version) == ("whole", 1)
        image = Environment("image", dockerfile="FROM scratch\n")
        records.register(image)
        assert records.get("image", 1).definition() == image.definition()

    def test_an_explicit_version_is_taken_once(self) -> None:
        records = self.make()
        assert records.register(OLD, 5).version == 5
        assert records.register(OLD, 5).version == 5
        with pytest.raises(UsageError, match="training:5 is registered with other content"):
            records.register(NEW, 5)
        with pytest.raises(UsageError, match="version 3 of environment 'training' cannot be given"):
            records.register(NEW, 3)
        assert records.register(NEW).version == 6

    def test_the_newest_version_is_found(self) -> None:
        records = self.make()
        records.register(OLD)
        records.register(NEW)
        assert records.get("training").version == 2
        assert records.get("training", 1).packages == OLD.packages
        with pytest.raises(NotFoundError):
            records.get("training", 3)
        with pytest.raises(NotFoundError, match="there is no registered environment 'nobody'"):
            records.get("nobody")

    def test_numbers_of_deleted_versions_are_not_given_again(self) -> None:
        records = self.make()
        records.register(OLD)
        records.register(NEW)
        records.delete("training", 2)
        assert records.get("training").version == 1
        assert records.register(NEW).version == 3
        with pytest.raises(UsageError):
            records.register(NEW, 2)
        with pytest.raises(NotFoundError):
            records.delete("training", 2)
        with pytest.raises(NotFoundError):
            records.delete("nobody", 1)

    def test_the_first_lock_is_kept_until_it_is_replaced(self) -> None:
        records = self.make()
        first, second = (Lock(python_identity(), (f"pk-alpha=={version} --hash=sha256:00",)) for version in ("1", "2"))
        assert records.lock(OLD.resolution()) is None
        assert records.keep_lock(OLD, first) == first
        assert records.keep_lock(OLD, second) == first
        assert records.lock(OLD.resolution()) == first
        assert records.keep_lock(OLD, second, replace=True) == second
        assert records.lock(OLD.resolution()) == second

    def test_environments_that_were_resolved_are_told_registered_or_not(self) -> None:
        records = self.make()
        lock = Lock("cpython-3.12.1", ("pk-alpha==1.0 --hash=sha256:00",), "cpython-3.12.1")
        records.keep_lock(OLD, lock)
        (found,) = records.locks()
        assert (found.environment, found.lock) == (OLD, lock)


class EnvironmentBuilderContract:
    """The suite for builders. Their index has pk-alpha in the versions 1.0 and 2.0, and nothing else of interest."""

    def make(self) -> EnvironmentBuilder:
        """A builder that has built nothing."""
        raise NotImplementedError

    def damage(self, builder: EnvironmentBuilder, lock: Lock) -> None:
        """Let a built environment lose a file."""
        raise NotImplementedError

    def test_a_lock_is_exact_and_has_hashes(self) -> None:
        lock = self.make().resolve(Environment("e", ("pk-alpha",)))
        assert lock.python == python_identity()
        assert lock.base == ""
        assert lock.requirements[0].startswith("pk-alpha==2.0 --hash=sha256:")

    def test_what_cannot_be_resolved_is_told_with_the_name_of_the_environment(self) -> None:
        with pytest.raises(ComputeError, match="the packages of environment 'wrong' cannot be resolved") as error:
            self.make().resolve(Environment("wrong", ("pk-alpha==9.9",)))
        assert "pk-alpha" in error.value.message

    def test_environments_of_equal_locks_are_one(self) -> None:
        builder = self.make()
        one, two = (builder.resolve(Environment(name, ("pk-alpha==1.0",))) for name in ("one", "two"))
        other = builder.resolve(Environment("one", ("pk-alpha==2.0",)))
        assert builder.built(one) == ""
        assert builder.build(one, "one") == builder.build(two, "two")
        assert builder.built(two) == "built"
        assert builder.built(other) == ""

    def test_a_damaged_environment_is_told_and_made_again(self) -> None:
        builder = self.make()
        lock = builder.resolve(Environment("e", ("pk-alpha==1.0",)))
        builder.build(lock)
        self.damage(builder, lock)
        assert builder.built(lock) == "damaged"
        builder.build(lock)
        assert builder.built(lock) == "built"
