"""Parameters read by hand are those that `inspect` tells."""

import functools

import pytest

from pipelinekit.authoring.functions import _inspected, arguments_of, has_return_annotation, unwrapped


def plain(a, b: int, c: str = "x", d=None):
    pass


def special(a, /, b, *rest: int, c: int, d: "str" = "y", **more):
    local = a
    print(local)


def keywords(*, a, b=2) -> None:
    pass


def none():
    pass


def only_rest(*rest):
    pass


def returns() -> int:
    return 1


@pytest.mark.parametrize("function", [plain, special, keywords, none, only_rest, returns, lambda x, y=1: x])
def test_both_ways_agree(function):
    assert arguments_of(function) == _inspected(function)


def test_wrapped_functions_show_what_they_wrap():
    @functools.wraps(plain)
    def wrapper(*args, **kwargs):
        return plain(*args, **kwargs)

    assert [item.name for item in arguments_of(wrapper)] == ["a", "b", "c", "d"]
    assert unwrapped(wrapper) is plain


def test_a_callable_of_another_kind_is_read_too():
    assert [item.name for item in arguments_of(functools.partial(plain, 1))] == ["b", "c", "d"]


def test_return_annotations():
    assert has_return_annotation(returns)
    assert has_return_annotation(keywords)
    assert not has_return_annotation(plain)
    assert has_return_annotation(functools.partial(returns))
