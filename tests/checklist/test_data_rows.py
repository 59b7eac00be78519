"""Every row of the checklist of data has tests and commands, or a reason."""

import pytest
from checking import command_fault, commands_of, faults_of
from rows_data import ROWS


def test_each_row_is_proven_or_decided():
    assert faults_of(ROWS) == []


@pytest.mark.parametrize("line", commands_of(ROWS))
def test_each_command_is_there_and_gives_a_document(line):
    assert command_fault(line) == ""
