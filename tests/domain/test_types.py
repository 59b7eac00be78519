"""Port types: what may be connected, what a value must be, and how text becomes one."""

import datetime

import pytest

from pipelinekit.domain.types import ANY, NONE, PortType, accepts, coerce, describe, parse_text, problem

INT, FLOAT, STR, BOOL = (PortType(kind) for kind in ("int", "float", "str", "bool"))
TABLE, FILE, FOLDER, PATH = (PortType(kind) for kind in ("table", "file", "folder", "path"))
DATE = PortType("date")
COLOR = PortType("enum", values=("RED", "BLUE"), name="app:Color")
MODE = PortType("literal", values=("fast", 1))
FOREST = PortType("object", name="sklearn:Forest", ancestors=("sklearn:Base",), format="joblib")
BASE = PortType("object", name="sklearn:Base")


def list_of(item):
    return PortType("list", (item,))


def dict_of(item):
    return PortType("dict", (item,))


def optional(item):
    return PortType("union", (item, NONE))


@pytest.mark.parametrize(
    ("target", "source", "fits"),
    [
        (INT, INT, True),
        (INT, BOOL, False),
        (FLOAT, INT, True),
        (INT, FLOAT, False),
        (STR, INT, False),
        (ANY, TABLE, True),
        (TABLE, ANY, True),
        (TABLE, TABLE, True),
        (TABLE, PortType("array"), False),
        (list_of(FLOAT), list_of(INT), True),
        (list_of(INT), list_of(STR), False),
        (list_of(INT), INT, False),
        (dict_of(INT), dict_of(INT), True),
        (dict_of(INT), list_of(INT), False),
        (optional(INT), INT, True),
        (optional(INT), NONE, True),
        (INT, optional(INT), False),
        (optional(FLOAT), optional(INT), True),
        (PATH, FILE, True),
        (FILE, FOLDER, False),
        (FILE, PATH, False),
        (BASE, FOREST, True),
        (FOREST, BASE, False),
        (STR, PortType("literal", values=("a", "b")), True),
        (STR, MODE, False),
        (STR, COLOR, True),
        (COLOR, STR, False),
        (COLOR, COLOR, True),
        (list_of(optional(INT)), list_of(INT), True),
    ],
)
def test_what_may_be_connected(target, source, fits):
    assert accepts(target, source) is fits


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (INT, 3),
        (FLOAT, 3),
        (FLOAT, 0.5),
        (STR, ""),
        (BOOL, False),
        (optional(INT), None),
        (list_of(INT), []),
        (list_of(INT), (1, 2)),
        (dict_of(FLOAT), {"a": 1}),
        (COLOR, "RED"),
        (MODE, 1),
        (DATE, datetime.date(2020, 1, 1)),
        (ANY, object()),
    ],
)
def test_values_that_fit(kind, value):
    assert problem(kind, value) == ""


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (INT, True, "expected int, got bool True"),
        (INT, 1.0, "expected int, got float 1.0"),
        (STR, None, "expected str, got NoneType None"),
        (list_of(INT), [1, "2"], "item 1: expected int, got str '2'"),
        (dict_of(INT), {"a": 1, "b": None}, "key 'b': expected int, got NoneType None"),
        (dict_of(INT), {1: 1}, "every key must be a str"),
        (COLOR, "GREEN", "expected one of RED, BLUE, got 'GREEN'"),
        (MODE, True, "expected Literal['fast', 1], got bool True"),
        (optional(INT), "x", "expected int | None, got str 'x'"),
        (TABLE, [1], "expected table, got list [1]"),
        (DATE, datetime.datetime(2020, 1, 1), "expected date, got datetime datetime.datetime(2020, 1, 1, 0, 0)"),
    ],
)
def test_values_that_do_not_fit_say_why(kind, value, words):
    assert problem(kind, value) == words


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (INT, "-3", -3),
        (FLOAT, "1e-3", 0.001),
        (FLOAT, "3", 3.0),
        (BOOL, "false", False),
        (BOOL, "Yes", True),
        (STR, "3", "3"),
        (STR, "", ""),
        (STR, "null", "null"),
        (optional(INT), "null", None),
        (optional(INT), "3", 3),
        (optional(STR), "null", None),
        (optional(STR), "x", "x"),
        (list_of(INT), "[1, 2]", [1, 2]),
        (dict_of(STR), '{"a": "b"}', {"a": "b"}),
        (list_of(DATE), '["2024-02-29"]', [datetime.date(2024, 2, 29)]),
        (DATE, "2024-02-29", datetime.date(2024, 2, 29)),
        (COLOR, "BLUE", "BLUE"),
        (MODE, "1", 1),
        (ANY, "[1]", [1]),
        (ANY, "words", "words"),
    ],
)
def test_text_becomes_a_value(kind, text, value):
    found = parse_text(kind, text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (INT, "3.5"),
        (INT, ""),
        (BOOL, "maybe"),
        (list_of(INT), "1,2"),
        (list_of(INT), '["a"]'),
        (COLOR, "red"),
        (DATE, "x"),
    ],
)
def test_text_that_is_no_value_is_refused(kind, text):
    with pytest.raises(ValueError):
        parse_text(kind, text)


def test_ints_given_for_floats_become_floats_everywhere():
    found = coerce(PortType("dict", (list_of(optional(FLOAT)),)), {"a": [1, None, 2.5]})
    assert found == {"a": [1.0, None, 2.5]}
    assert type(found["a"][0]) is float
    assert coerce(PortType("union", (INT, FLOAT)), 1) == 1
    assert type(coerce(PortType("union", (FLOAT, INT)), 1)) is int


def test_types_are_described_as_people_write_them():
    assert describe(dict_of(list_of(optional(FLOAT)))) == "dict[str, list[float | None]]"
    assert describe(FOREST) == "Forest"
    assert describe(PATH) == "file or folder"
