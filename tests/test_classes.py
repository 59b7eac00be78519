"""Value classes behave as dataclasses do, except in what they cost."""

import copy
import dataclasses
import pickle

import pytest

from pipelinekit.classes import FEW, entity, field, frozen, mutable, replace


@frozen
class Point:
    x: int
    y: int = 2
    tags: dict[str, str] = field(default_factory=dict, metadata={"text": "any"})

    def __post_init__(self):
        if self.x < 0:
            raise ValueError("x is negative")

    @property
    def sum(self):
        return self.x + self.y


@frozen
class Other:
    x: int
    y: int = 2
    tags: dict[str, str] = field(default_factory=dict)


@frozen
class Empty:
    pass


@frozen
class One:
    value: tuple[int, ...]


@mutable
class Box:
    items: list[int] = field(default_factory=list)


@entity
class Person:
    name: str = ""


def test_values_are_compared_by_class_and_content():
    assert Point(1) == Point(1, 2, {})
    assert Point(1) != Point(1, 3)
    assert Point(1) != Other(1)
    assert One((1,)) != (1,)
    assert Empty() == Empty()
    assert len({One((1,)), One((1,)), One((2,)), Empty(), Empty()}) == 3
    assert Box([1]) == Box([1])
    assert Person("a") != Person("a")


def test_values_do_not_change():
    with pytest.raises(AttributeError, match="Point is a value: its 'x' cannot be changed"):
        Point(1).x = 2
    with pytest.raises(AttributeError, match="cannot be changed"):
        del Point(1).y
    with pytest.raises(AttributeError):
        Point(1).z = 2
    box = Box()
    box.items = [1]
    assert box == Box([1])
    with pytest.raises(TypeError, match="unhashable"):
        hash(box)


def test_defaults_are_made_anew():
    assert Box().items is not Box().items
    assert Point(1).tags is not Point(1).tags


def test_wrong_arguments_are_refused():
    with pytest.raises(TypeError, match=r"Point.__init__\(\) missing 1 required positional argument: 'x'"):
        Point()
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        Point(1, z=1)
    with pytest.raises(ValueError, match="negative"):
        Point(-1)


def test_replace_copies():
    assert replace(Point(1), y=5) == Point(1, 5)
    with pytest.raises(ValueError, match="negative"):
        replace(Point(1), x=-1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        replace(Point(1), z=1)


def test_they_are_dataclasses_for_whoever_asks():
    assert dataclasses.is_dataclass(Point)
    assert [item.name for item in dataclasses.fields(Point)] == ["x", "y", "tags"]
    assert dataclasses.asdict(Point(1)) == {"x": 1, "y": 2, "tags": {}}
    assert dataclasses.replace(Point(1), y=5) == Point(1, 5)
    assert dict(dataclasses.fields(Point)[2].metadata) == {"text": "any"}


@pytest.mark.parametrize("value", [Point(1, 3, {"a": "b"}), One((1, 2)), Empty(), Box([1])])
def test_they_are_copied_and_pickled(value):
    assert pickle.loads(pickle.dumps(value)) == value
    assert copy.copy(value) == value
    assert copy.deepcopy(value) == value


def test_they_tell_what_they_are():
    assert repr(Point(1)) == "Point(x=1, y=2, tags={})"
    match Point(1):
        case Point(1, y):
            assert y == 2
    assert not hasattr(Point(1), "__dict__")
    assert Point(1).sum == 3


@frozen
class Wide:
    kind: str
    name: str
    made: int = 0
    more: tuple[int, ...] = ()
    words: list[str] = field(default_factory=list)
    limit: float = field(default=1.5, metadata={"text": "of a kind"})


@pytest.mark.parametrize("kind", [Point, Other, Empty, One, Box, Person, Wide])
def test_the_first_instances_are_as_the_later_ones(kind):
    arguments = {Empty: [], Wide: ["a", "b"]}.get(kind, [3])
    first, *_, last = [kind(*arguments) for _ in range(2 * FEW)]
    names = kind.__match_args__
    assert [getattr(first, name) for name in names] == [getattr(last, name) for name in names]
    assert type(first) is type(last) is kind
    assert not hasattr(last, "__dict__")
    if kind is not Person:
        assert first == last


def test_fields_may_have_any_name():
    for _ in range(2 * FEW):
        assert Wide(kind="a", name="b", made=1) == Wide("a", "b", 1, (), [], 1.5)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        Wide(kind="a")


def test_checks_are_made_of_early_and_late_instances():
    class Never(Exception):
        pass

    @frozen
    class Strict:
        a: int
        b: int = 0
        c: int = 0
        d: int = 0
        e: int = 0

        def __post_init__(self):
            if self.a + self.e > 5:
                raise Never

    for number in range(2 * FEW):
        with pytest.raises(Never):
            Strict(number % 3, e=6)
        assert Strict(number % 3).a == number % 3
