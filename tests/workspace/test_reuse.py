"""What reuse saved, by run and by week, and the causes for which steps ran."""

import datetime

import pytest

from pipelinekit.domain.accounting import StepUse
from pipelinekit.domain.runs import StepStatus
from pipelinekit.workspace.reuse import Account, Cause, statistics


def use(run, day, seconds, *causes):
    at = datetime.datetime.fromisoformat(f"{day}T12:00:00").timestamp()
    return StepUse(run, "p", at, StepStatus.COMPLETED if causes else StepStatus.REUSED, seconds, causes)


def test_steps_are_counted_by_run_and_by_week():
    found = statistics(
        [
            use("1", "2026-01-04", 10.0, "first run"),
            use("2", "2026-01-05", 10.0),
            use("2", "2026-01-05", 2.0, "code"),
            use("3", "2026-01-25", 10.0),
        ]
    )
    assert found.total == Account("total", "", 2, 2, 20.0, 12.0)
    assert found.runs == (
        Account("3", "p", 1, 0, 10.0, 0.0),
        Account("2", "p", 1, 1, 10.0, 2.0),
        Account("1", "p", 0, 1, 0.0, 10.0),
    )
    assert found.weeks == (
        Account("2025-12-29", "", 0, 1, 0.0, 10.0),
        Account("2026-01-05", "", 1, 1, 10.0, 2.0),
        Account("2026-01-12"),
        Account("2026-01-19", "", 1, 0, 10.0, 0.0),
    )


def test_causes_are_ranked_by_what_they_cost():
    rest = [use("1", "2026-01-05", 6.0, "code"), use("1", "2026-01-05", 4.0, "code", "input")]
    found = statistics([*(use("1", "2026-01-05", 1.0, "input") for _ in range(2)), *rest])
    assert found.causes == (Cause("code", 2, 8.0), Cause("input", 3, 4.0))


def test_nothing_gives_nothing():
    found = statistics([])
    assert (found.runs, found.weeks, found.causes) == ((), (), ())


def test_the_command_shows_bars_and_causes(project):
    project.write(
        main="""
            from pipelinekit import pipeline, step

            @step
            def one(x: int) -> int:
                return x

            @step
            def two(x: int, y: int = 1) -> int:
                return x + y

            @pipeline
            def main(x: int = 1, y: int = 1):
                return two(one(x), y)
        """
    )
    for words in ((), (), ("-p", "y=2")):
        project.run("main.py", *words, "--in-process")
    said = project("reuse", "stats").out
    assert said.startswith("3 runs: 3 steps reused, which saved ")
    (week,) = [line for line in said.splitlines() if "█" in line]
    assert week.count("█") == 30
    assert datetime.date.fromisoformat(week.split()[0]).weekday() == 0
    assert {"first run", "parameter"} <= {line[2:13].strip() for line in said.splitlines()}
    document = project("reuse", "stats", "--json", "--since", "1w").json
    assert {item["cause"]: item["steps"] for item in document["causes"]} == {"first run": 2, "parameter": 1}
    assert [(item["reused"], item["executed"]) for item in document["runs"]] == [(1, 1), (2, 0), (0, 2)]
    assert document["total"]["saved"] == pytest.approx(sum(item["saved"] for item in document["runs"]))
    assert project("reuse", "stats", "--since", "2999-01-01").out == "no steps ran in this time\n"
    assert "is no time" in project("reuse", "stats", "--since", "once", code=2).err
