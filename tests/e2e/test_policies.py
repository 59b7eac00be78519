"""What authors say about reuse: age, inputs that do not count, canonical forms; and executing again to be sure."""

STEPS = """
    import random
    from typing import Annotated
    from pipelinekit import Canonical, pipeline, step

    @step(not_keyed=["threads"])
    def work(x: int, threads: int) -> int:
        return x * 2

    @step(max_age=0.001)
    def fresh(x: int) -> int:
        return x

    @step
    def shuffled(x: int) -> Annotated[list[float], Canonical(order=True, decimals=3)]:
        numbers = [x + 0.5 + random.random() / 1e6 for x in range(20)]
        random.shuffle(numbers)
        return numbers

    @step
    def dice(x: int) -> list[float]:
        return [random.random() for _ in range(4)]

    @step
    def total(numbers: list[float]) -> float:
        return sum(numbers)

    @pipeline
    def threads(x: int = 1, threads: int = 1):
        return work(x, threads)

    @pipeline
    def aging(x: int = 1):
        return fresh(x)

    @pipeline
    def canonical(x: int = 1):
        return total(shuffled(x))

    @pipeline
    def random_one(x: int = 1):
        return total(dice(x))
"""


def test_an_input_that_is_not_keyed_runs_nothing(project):
    project.write(steps=STEPS)
    assert project.executed("steps.py:threads") == ["work"]
    assert project.executed("steps.py:threads", "-p", "threads=8") == []
    assert project.executed("steps.py:threads", "-p", "x=2", "-p", "threads=8") == ["work"]
    assert [step["name"] for step in project("explain", "--json").json["steps"][0]["reasons"]] == ["x"]


def test_names_of_inputs_that_there_are_not_are_refused(project):
    project.write(
        steps="""
        from pipelinekit import pipeline, step

        @step(not_keyed=["thread"])
        def work(x: int, threads: int) -> int:
            return x

        @step(not_keyed=["x"])
        def each(x: int) -> int:
            return x

        @pipeline
        def bad():
            return work(1, 2), each.map([1, 2])
    """
    )
    words = project("run", "steps.py", code=2).err
    assert "not_keyed names 'thread'" in words
    assert "input 'x' is not keyed" in words


def test_a_result_that_is_too_old_is_made_again(project):
    project.write(steps=STEPS)
    assert project.executed("steps.py:aging") == ["fresh"]
    plan = project("plan", "steps.py:aging", "--json").json["steps"][0]
    assert (plan["decision"], plan["reasons"][0]["cause"]) == ("run", "expired")
    assert project.executed("steps.py:aging") == ["fresh"]


def test_outputs_that_differ_only_in_what_does_not_matter_are_equal(project):
    project.write(steps=STEPS)
    assert project.executed("steps.py:canonical") == ["shuffled", "total"]
    assert project.executed("steps.py:canonical", "--regenerate", "shuffled") == ["shuffled"]
    assert project("run", "steps.py:canonical", "--check").code == 0


def test_a_run_is_verified_and_what_is_not_deterministic_is_named(project):
    project.write(steps=STEPS)
    project.run("steps.py:canonical")
    told = project("runs", "verify")
    assert "2 steps executed again with equal outputs" in told.out
    project.run("steps.py:random_one")
    told = project("runs", "verify", code=1)
    assert "step 'dice': output 'output' differs from that of run" in told.out
    again = project.run("steps.py:random_one")["steps"]
    assert again[0]["reasons"][0]["cause"] == "invalidated"


def test_check_executes_twice_and_fails_when_outputs_differ(project):
    project.write(steps=STEPS)
    found = project.run("steps.py:random_one", "--check", code=1)
    assert [(step["name"], step["verified"]) for step in found["steps"]] == [("dice", "different"), ("total", "equal")]
    assert found["status"] == "Completed"


def test_a_share_is_checked_as_early_as_possible(project):
    project.write(steps=STEPS)
    assert "from 0 to 1" in project("run", "steps.py:aging", "--verify", "7", code=2).err


def test_results_are_invalidated_by_step_run_age_and_cause(project):
    project.write(steps=STEPS)
    project.run("steps.py:canonical")
    assert "which results are meant" in project("reuse", "invalidate", code=2).err
    dry = project("reuse", "invalidate", "--step", "tot*", "--dry-run", "--json").json
    assert [item["step"] for item in dry["results"]] == ["total"]
    assert project.executed("steps.py:canonical") == []
    told = project("reuse", "invalidate", "--step", "tot*", "--why", "the sum was wrong").out
    assert "1 result will no longer be reused" in told
    planned = project("plan", "steps.py:canonical", "--json").json["steps"][1]
    assert (planned["decision"], planned["reasons"][0]["cause"]) == ("run", "invalidated")
    assert "the sum was wrong" in planned["reasons"][0]["message"]
    run = project.run("steps.py:canonical")
    assert [step["status"] for step in run["steps"]] == ["Reused", "Completed"]
    by_run = project("reuse", "invalidate", "--run", run["id"], "--dry-run", "--json").json["results"]
    assert [item["step"] for item in by_run] == ["total"]
    by_cause = project("reuse", "invalidate", "--cause", "invalidated", "--dry-run", "--json").json["results"]
    assert [item["step"] for item in by_cause] == ["total"]
    assert project("reuse", "invalidate", "--older-than", "7d", "--json").json["results"] == []
    assert len(project("reuse", "invalidate", "--older-than", "0s", "--json").json["results"]) == 2
    assert project.executed("steps.py:canonical") == ["shuffled", "total"]
