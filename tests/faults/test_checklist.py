"""Each fault and attack of the checklist is injected by tests that there are."""

import ast
from functools import cache
from pathlib import Path

import pytest

from .checklist import FAULTS

ROOT = Path(__file__).parents[2]
EXPECTED = [f"F{number}" for number in range(10, 29)] + ["S01", "S02", "S03", "S04", "S07", "S08", "S09", "S18", "S19"]


@cache
def functions_in(file):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_fault_is_in_the_list():
    assert list(FAULTS) == EXPECTED


@pytest.mark.parametrize("fault", EXPECTED)
def test_a_fault_is_injected_by_tests_that_are_there(fault):
    promise, *tests = FAULTS[fault]
    assert promise.endswith(".")
    assert tests
    assert len(tests) == len(set(tests))
    for test in tests:
        file, _, name = test.partition("::")
        assert name.startswith("test_"), test
        assert name in functions_in(file), test
