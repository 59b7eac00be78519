"""How the command line says things."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelinekit.cli import output
from pipelinekit.cli.progress import LISTED, Progress
from pipelinekit.domain.runs import Reason, StepRecord, StepStatus
from pipelinekit.errors import CompileError, Fault, UsageError

CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=8)


@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1)))
def test_columns_begin_below_one_another(rows):
    lines = output.table(rows).split("\n")
    assert len(lines) == len(rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for line, row in zip(lines, rows, strict=True):
        assert line == line.rstrip()
        for column, cell in enumerate(row):
            start = sum(widths[:column]) + 2 * column
            assert line[start : start + len(cell)] == cell


def test_tables_of_nothing_and_with_a_header():
    assert output.table([]) == ""
    assert output.table([], ("a", "b")) == "a  b"
    assert output.table([("1", "2"), ("333", "4")], ("a", "b")) == "a    b\n1    2\n333  4"


def test_times_are_local(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        assert output.time_text(0.0) == "1970-01-01 05:30:00"
        assert output.time_text(None) == "-"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_reasons_are_cut_after_a_few():
    reasons = [Reason("code", word) for word in ("one", "two", "three", "four")]
    assert output.reasons_text(reasons[:2]) == "one; two"
    assert output.reasons_text(reasons) == "one; two; and 2 more"
    assert output.reasons_text(reasons, 1) == "one; and 3 more"
    assert output.reasons_text([]) == ""
    long = output.reasons_text(
        [Reason("input", "input 'x' changed at " + "[0], " * 99), Reason("code", "code changed")]
    )
    assert long.endswith("…; code changed")
    assert len(long) == output.LONGEST_REASON + len("; code changed")


@pytest.mark.parametrize(
    ("names", "same", "expected"),
    [
        (["a", "b"], len, ["a", "b"]),
        (["m[0]", "m[1]", "m[2]"], len, ["m[0-2]"]),
        (["m[0]", "m[2]", "m[10]"], len, ["m[0,2]", "m[10]"]),
        (["m[0]", "n[0]", "m[1]", "n[1]"], len, ["m[0-1]", "n[0-1]"]),
        (["m[0]"], len, ["m[0]"]),
        (["a[x]", "a[y]"], len, ["a[x]", "a[y]"]),
        (["same", "same"], len, ["same", "same"]),
        (["s/m[1]", "m[0]", "s/m[0]"], len, ["s/m[0-1]", "m[0]"]),
    ],
)
def test_elements_that_are_alike_are_told_together(names, same, expected):
    assert [name for name, _ in output.element_groups(names, str, same)] == expected


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")), st.lists))
def test_documents_are_json(document):
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()) as out:
        output.print_json(document)
    assert json.loads(out.getvalue()) == document
    assert out.getvalue().endswith("\n")


def test_an_error_is_told_to_people_and_machines(capsys):
    output.print_error(UsageError("no", hint="yes"), as_json=False)
    assert capsys.readouterr() == ("", "error: no\n  hint: yes\n")
    output.print_error(UsageError("no", hint="yes"), as_json=True)
    out, err = capsys.readouterr()
    assert json.loads(out) == {"error": {"code": "usage", "message": "no", "hint": "yes"}}
    assert err == "error: no\n  hint: yes\n"
    output.print_error(CompileError("2 faults", faults=[Fault("one", "a.py", 3, "hint"), Fault("two")]), as_json=True)
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["faults"] == [
        {"message": "one", "file": "a.py", "line": 3, "hint": "hint"},
        {"message": "two", "file": "", "line": 0, "hint": ""},
    ]
    assert err == "error: 2 faults\n  a.py:3: one (hint)\n  two\n"


def test_elements_that_complete_in_great_number_are_told_in_one_line(capsys):
    def step(name, element, seconds=0.5, reason="it has not run before"):
        completed, reasons = StepStatus.COMPLETED, (Reason("first run", reason),)
        return StepRecord("run", name, int(element >= 0), completed, element=element, seconds=seconds, reasons=reasons)

    alone, many = step("alone", -1), [step(f"many[{index}]", index) for index in range(LISTED + 1)]
    Progress(wants_live=False).changed([alone, *many])
    assert capsys.readouterr().err.splitlines() == [
        "Completed alone  500 ms  (it has not run before)",
        f"Completed many: {LISTED + 1} elements  10.5 s  (it has not run before)",
    ]
    Progress(wants_live=False).changed([*many[:-2], step("many[19]", 19, reason="input 'x' changed"), many[-1]])
    assert capsys.readouterr().err == f"Completed many: {LISTED + 1} elements  10.5 s\n"
    Progress(wants_live=False).changed(many[:LISTED])
    assert len(capsys.readouterr().err.splitlines()) == LISTED
