"""Each row of the checklist about schedules is proven, reached, or decided."""

import pytest
from checklist.checking import command_fault, commands_of, faults_of
from checklist.rows_schedules import ROWS, SCHEDULES


def test_every_row_is_proven_and_reached_or_decided():
    assert faults_of(ROWS) == []
    assert {row.section for row in ROWS} == {SCHEDULES}


@pytest.mark.parametrize("line", commands_of(ROWS))
def test_every_command_is_there_and_gives_a_document(line):
    assert command_fault(line) == ""
