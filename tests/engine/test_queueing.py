"""Who goes first: laws of the line in which runs wait, whatever is under way and whatever the limits are."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipelinekit.domain.queueing import COMPUTE, EXPERIMENT, OpenRun, limited
from pipelinekit.engine.queueing import held_back, in_turn

NAMES = st.sampled_from("abc")
RUNS = st.lists(
    st.builds(OpenRun, st.integers(0, 99).map(str), NAMES, NAMES, st.integers(-2, 2), st.booleans()),
    max_size=12,
    unique_by=lambda run: run.id,
)
LIMITS = st.dictionaries(
    st.builds(limited, st.sampled_from([EXPERIMENT, COMPUTE]), NAMES), st.integers(1, 4), max_size=4
)


@given(RUNS, LIMITS)
def test_no_limit_is_passed_and_nobody_waits_without_a_reason(runs, limits):
    going, held = in_turn(runs, limits), held_back(runs, limits)
    waiting = {run.id for run in runs if not run.under_way}
    assert waiting == {*going, *held}
    assert not held.keys() & set(going)
    before = Counter(group for run in runs if run.under_way for group in run.groups)
    after = before + Counter(group for run in runs if run.id in going for group in run.groups)
    for group, most in limits.items():
        assert after[group] <= max(most, before[group])
    for run in runs:
        if run.id in held:
            assert any(after[group] >= limits[group] for group in run.groups if group in limits)


@given(RUNS)
def test_without_limits_all_go_by_priority_and_then_by_age(runs):
    line = sorted((run for run in runs if not run.under_way), key=lambda run: (-run.priority, run.id))
    assert in_turn(runs, {}) == [run.id for run in line]


@given(RUNS, LIMITS, st.data())
def test_a_run_that_has_to_wait_goes_once_those_before_it_and_under_way_have_ended(runs, limits, data):
    held = sorted(held_back(runs, limits))
    if held:
        chosen = data.draw(st.sampled_from(held))
        assert in_turn([run for run in runs if run.id == chosen], limits) == [chosen]


def test_the_reason_says_what_is_under_way_and_what_goes_before():
    limits = {limited(EXPERIMENT, "x"): 2, limited(COMPUTE, "Pool"): 1}
    running = [OpenRun("1", "x", "local", under_way=True), OpenRun("2", "x", "local", under_way=True)]
    assert held_back([*running, OpenRun("3", "x", "local"), OpenRun("4", "x", "local")], limits) == {
        "3": "2 runs of experiment 'x' are under way, at most 2",
        "4": "2 runs of experiment 'x' are under way and 1 goes before it, at most 2",
    }
    line = [running[0], OpenRun("3", "x", "pool"), OpenRun("4", "x", "local"), OpenRun("5", "y", "POOL")]
    assert held_back(line, limits) == {
        "4": "1 run of experiment 'x' is under way and 1 goes before it, at most 2",
        "5": "1 run on compute target 'pool' goes before it, at most 1",
    }
