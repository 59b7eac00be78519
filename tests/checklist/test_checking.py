"""The checklist's own checks find what they are there for."""

import pytest
from checklist.checking import Promise, Row, command_fault, commands_of, faults_of, faults_of_promises

HERE = "checklist/test_checking.py::test_a_good_row_has_no_fault"
GOOD = Row("0. Example", "works", (HERE,), ("runs list --tag best",))


def test_a_good_row_has_no_fault():
    decided = Row("0. Example", "decided", instead="Nothing of the kind: it makes sense in a rented cloud only.")
    assert faults_of([GOOD, decided]) == []
    assert commands_of([GOOD, GOOD]) == ["runs list --tag best"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (Row("0. Example", "nothing"), "needs tests and commands"),
        (Row("0. Example", "unreached", (HERE,)), "needs tests and commands"),
        (Row("0. Example", "unproven", (), ("runs list",)), "needs tests and commands"),
        (Row("0. Example", "absent", (HERE + "s",), ("runs list",)), "there is no test"),
        (Row("0. Example", "short", instead="No."), "no sentence"),
        (GOOD, "2 times"),
    ],
)
def test_what_is_wrong_with_a_row_is_told(row, words):
    (fault,) = faults_of([GOOD, row])
    assert words in fault


@pytest.mark.parametrize(
    ("line", "words"),
    [("absent list", "there is no command"), ("runs absent", "invalid choice"), ("runs list --absent", "unrecognized")],
)
def test_a_command_that_there_is_not_is_told(line, words):
    assert words in command_fault(line)


@pytest.mark.parametrize("line", ["runs show", "experiments tag trials --set a=b", "run main.py -p epochs=3"])
def test_a_command_that_there_is_has_no_fault(line):
    assert command_fault(line) == ""


KEPT = Promise("the server dies", "Everything that was acknowledged is there after that.", (HERE,))


@pytest.mark.parametrize(
    ("promise", "words"),
    [
        (Promise("nothing"), "needs what holds"),
        (Promise("unshown", "Everything that was acknowledged is there after that."), "needs what holds"),
        (Promise("absent", KEPT.holds, (HERE + "s",)), "there is no test"),
        (Promise("twice", KEPT.holds, (HERE, HERE)), "names a test twice"),
        (Promise("short", "It holds.", (HERE,)), "no sentence"),
        (KEPT, "2 times"),
    ],
)
def test_what_is_wrong_with_a_promise_is_told(promise, words):
    assert faults_of_promises([KEPT]) == []
    (fault,) = faults_of_promises([KEPT, promise])
    assert words in fault
