"""Annotations that are evident are read without `typing`, and mean what they mean with it."""

import typing
from collections.abc import Sequence

import pytest

from pipelinekit.authoring.annotations import _evident_hints, read_signature, to_type
from pipelinekit.domain.types import ANY, PortType


class Color:
    pass


def evident(a: int, b: list[int], c: dict[str, list[bytes]], d: Color, e=1) -> tuple[int, str]: ...
def without() -> list[float]: ...
def texts(a: "int", b: list["Color"]) -> "Color": ...
def special(a: int | None, b: typing.Literal["x"], c: typing.Any) -> typing.Annotated[int, "more"]: ...
def nothing(a: int) -> None: ...


@typing.no_type_check
def unread(a: int) -> int: ...


@pytest.mark.parametrize("function", [evident, without, texts, special, nothing, unread])
def test_what_is_evident_is_what_typing_tells(function):
    hints = typing.get_type_hints(function, include_extras=True)
    assert _evident_hints(function) in ({}, hints)
    assert read_signature(function).annotations == hints


def test_most_signatures_are_evident():
    assert _evident_hints(evident).keys() == {"a", "b", "c", "d", "return"}
    assert _evident_hints(texts) == _evident_hints(special) == _evident_hints(unread) == {}


@pytest.mark.parametrize(
    ("plain", "by_typing"),
    [
        (list[int], typing.List[int]),  # noqa: UP006
        (dict[str, bool], typing.Dict[str, bool]),  # noqa: UP006
        (Sequence[str], typing.Sequence[str]),
        (int | None, typing.Optional[int]),  # noqa: UP045
        (list, typing.List),  # noqa: UP006
    ],
)
def test_annotations_of_either_kind_are_the_same_types(plain, by_typing):
    assert to_type(plain) == to_type(by_typing)


def test_anything_is_any():
    assert to_type(typing.Any) == to_type(object) == to_type(typing.TypeVar("T")) == ANY
    assert to_type(tuple[int, ...]) == PortType("list", (PortType("int"),))
