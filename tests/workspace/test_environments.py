"""Environments of a workspace on twins: resolved once, by what they are and not by what they are called."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelinekit import Environment
from pipelinekit.errors import NotFoundError, PipelinekitError, UsageError
from pipelinekit.storage.environments import SQLEnvironments
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.environments import MemoryBuilder, MemoryEnvironments
from pipelinekit.workspace.environments import EnvironmentCollection


@pytest.fixture
def builder():
    return MemoryBuilder({"a": ["1", "2"], "b": ["1"]})


@pytest.fixture
def collection(builder):
    return EnvironmentCollection(MemoryEnvironments(HandClock()), lambda: builder)


def pins(lock):
    return [line.partition(" ")[0] for line in lock.requirements]


def test_equal_packages_are_resolved_once_whatever_the_name(collection, builder):
    one = collection.locked(Environment("one", ["a", "b"]))
    builder.index["a"] = ["1", "2", "3"]
    two = collection.locked(Environment("two", ["b", "a"], {"MODE": "fast"}))
    assert one.lock == two.lock
    assert builder.resolved == ["one"]
    assert pins(collection.lock(Environment("three", ["a"]))) == ["a==3"]
    assert pins(collection.lock(Environment("one", ["a", "b"]), upgrade=True)) == ["a==3", "b==1"]
    assert collection.locked(two.environment).lock != one.lock


def test_an_environment_without_packages_is_ours_and_is_not_resolved(collection, builder):
    found = collection.locked(Environment("ours", variables={"A": "1"}))
    assert not found.lock.is_own
    assert builder.resolved == []


def test_a_name_is_the_newest_version_and_a_label_is_one(collection):
    collection.register(Environment("e", ["a==1"]))
    collection.register(Environment("e", ["a==2"]))
    assert pins(collection.locked("e").lock) == ["a==2"]
    assert collection.locked("e").environment.label == "e:2"
    assert pins(collection.locked("e:1").lock) == ["a==1"]
    assert collection.locked("e:latest").environment.version == 2
    with pytest.raises(UsageError, match="names a version already"):
        collection.get("e:1", 2)
    with pytest.raises(NotFoundError):
        collection.locked("f")


def test_what_was_resolved_and_not_registered_is_listed_apart(collection):
    collection.locked(Environment("ad hoc", ["a"]))
    collection.lock(collection.register(Environment("e", ["b"])))
    assert [item.name for item in collection.unregistered()] == ["ad hoc"]
    collection.register(Environment("ad hoc", ["a"]))
    assert collection.unregistered() == []


def test_a_shown_environment_tells_its_lock_and_whether_it_is_built(collection, builder):
    collection.register(Environment("e", ["a"]))
    assert "lock" not in collection.show("e")
    lock = collection.lock("e")
    assert collection.show("e")["built"] == ""
    assert collection.build("e").endswith("/bin/python")
    assert builder.made == ["e:1"]
    assert collection.show("e")["built"] == "built"
    builder.damage(lock)
    assert collection.show("e")["built"] == "damaged"
    assert collection.places() == {lock.place}
    collection.delete("e", "latest")
    assert collection.places() == set()


def test_another_python_and_an_image_make_another_place(collection):
    locks = [
        collection.lock(Environment("e", packages, python=python, image=image))
        for packages, python, image in ((["a"], "", ""), (["a"], "3.12", ""), ([], "3.12", ""), ([], "", "box"))
    ]
    assert len({lock.place for lock in locks}) == 4
    assert locks[3].image.startswith("box@sha256:")


NAMES = st.sampled_from(["e", "f"])
CONTENTS = st.sampled_from([("a",), ("b",), ("a", "b"), ("b", "a")])
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("register"), NAMES, CONTENTS, st.integers(0, 4)),
        st.tuples(st.just("delete"), NAMES, st.just(()), st.integers(1, 4)),
        st.tuples(st.just("get"), NAMES, st.just(()), st.integers(0, 4)),
    ),
    max_size=12,
)


def outcome(records, operation, name, packages, version):
    try:
        if operation == "register":
            return records.register(Environment(name, packages), version).label
        if operation == "delete":
            return records.delete(name, version)
        return records.get(name, version).label
    except PipelinekitError as error:
        return type(error)


@given(operations=OPERATIONS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_records_and_their_twin_agree_and_no_version_ever_changes(tmp_path_factory, operations):
    database = SQLiteDatabase(tmp_path_factory.mktemp("law") / "records.db")
    records, twin = SQLEnvironments(database, HandClock()), MemoryEnvironments(HandClock())
    seen = {}
    for operation in operations:
        assert outcome(records, *operation) == outcome(twin, *operation)
        for item, _ in records.list():
            assert seen.setdefault(item.label, item.identity()) == item.identity()
    assert [(item, at) for item, at in records.list()] == list(twin.list())
    database.close()
