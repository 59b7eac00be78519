"""A pipeline that looks at a parameter sees what Python would."""

import enum

import pytest

from pipelinekit import pipeline, step


class Mode(enum.Enum):
    FAST = 1
    SLOW = 2


@step
def one(x: bool) -> bool:
    return x


def seen(kind, default, look):
    """What the expression `look` says of a parameter inside a pipeline."""
    found = []

    def body(value=default):
        found.append(bool(look(value)))
        return one(True)

    body.__annotations__ = {"value": kind}
    pipeline(body).trace()
    return found[-1]


@pytest.mark.parametrize(
    ("kind", "default", "look", "expected"),
    [
        (Mode, Mode.SLOW, lambda value: value == Mode.SLOW, True),
        (Mode, Mode.SLOW, lambda value: value != Mode.SLOW, False),
        (Mode, Mode.SLOW, lambda value: value == Mode.FAST, False),
        (Mode, Mode.SLOW, lambda value: value in (Mode.SLOW, Mode.FAST), True),
        (int, 1, lambda value: value == 1.0, True),
        (int, 1, lambda value: value != 1.0, False),
        (int, 1, lambda value: value < 1.5, True),
        (int, 1, lambda value: value + 0.5 == 1.5, True),
        (int, 1, lambda value: 0.5 * value == 0.5, True),
        (bool, True, lambda value: value == 1.0, True),
    ],
)
def test_a_parameter_compares_as_its_value(kind, default, look, expected):
    assert seen(kind, default, look) == expected
