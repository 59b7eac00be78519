"""How much time a run will still take: laws of the estimate, whatever is left to do and whatever is known."""

from graphs import Drawing
from hypothesis import given
from hypothesis import strategies as st

from pipelinekit.domain.runs import StepRecord, StepStatus
from pipelinekit.domain.steps import Resources, StepOptions
from pipelinekit.engine.estimating import Estimate, Left, estimate, what_is_left

TIMES = st.lists(st.floats(0.01, 1000), max_size=4).map(tuple)


@st.composite
def lefts(draw):
    count = draw(st.integers(1, 7))
    return {
        place: Left(
            draw(TIMES), draw(st.integers(0, 1)), tuple(draw(st.sets(st.integers(0, place - 1)))) if place else (),
            draw(st.sampled_from([0.5, 1.0, 2.0])),
        )
        for place in range(count)
    }  # fmt: skip


@given(lefts(), st.floats(1, 64))
def test_no_estimate_is_less_than_the_longest_step_or_than_all_work_shared_by_all_cores(left, slots):
    found = estimate(left, slots)
    known = [seconds for item in left.values() for seconds in item.executions]
    assert (found is None) is (not known)
    if found:
        work = sum(sum(item.executions) * min(item.cpu, slots) for item in left.values())
        assert found.seconds >= max(known) * 0.999
        assert found.seconds >= work / slots * 0.999
        assert found.seconds <= sum(known) + work, "nor is it more than one after another"
        assert found.whole is not any(item.unknown for item in left.values())


@given(lefts(), st.floats(1, 64), st.floats(1, 64))
def test_more_cores_never_take_longer_and_less_to_do_never_either(left, slots, others):
    found, more = estimate(left, min(slots, others)), estimate(left, max(slots, others))
    if found and more:
        assert more.seconds <= found.seconds * 1.001
        fewer = estimate({place: item for place, item in left.items() if place}, slots)
        assert fewer is None or fewer.seconds <= estimate(left, slots).seconds * 1.001


def record(name, node, status, **more):
    return StepRecord("run", name, node, status, **more)


def test_what_has_ended_is_not_left_and_what_runs_is_left_in_part():
    graph = Drawing().node("a", 1).node("b", "a").node("c", "b").graph()
    steps = [
        record("a", 0, StepStatus.COMPLETED),
        record("b", 1, StepStatus.RUNNING, started_at=100.0),
    ]
    left = what_is_left(graph, steps, {0: 5.0, 1: 20.0, 2: 7.0}, 108.0)
    assert left == {1: Left((12.0,), 0, (0,)), 2: Left((7.0,), 0, (1,))}
    assert estimate(left, 4) == Estimate(19.0)
    late = what_is_left(graph, steps, {1: 20.0, 2: 7.0}, 130.0)
    assert estimate(late, 4) == Estimate(7.0, whole=False), "of what takes longer than before nothing is known"
    assert estimate(what_is_left(graph, steps, {}, 108.0), 4) is None


def test_elements_count_each_and_those_that_nobody_has_counted_make_it_a_least():
    options = StepOptions(resources=Resources(cpu=2))
    graph = Drawing().node("a", [1, 2, 3], each=("x",), options=options).node("b", "a", each=("x",)).graph()
    steps = [record(f"a[{n}]", 0, StepStatus.QUEUED, element=n) for n in range(3)]
    left = what_is_left(graph, steps, {0: 10.0, 1: 1.0}, 0.0)
    assert estimate(left, 4) == Estimate(60 / 4 + 1 / 4, whole=False)


def test_it_is_said_with_no_more_digits_than_it_is_worth():
    said = [str(Estimate(seconds)) for seconds in (0.2, 7.4, 43.0, 61.0, 250.0, 5000.0, 9000.0, 50_000.0)]
    assert said == [
        "about 1 s left", "about 7 s left", "about 45 s left", "about 1 min left", "about 4 min left",
        "about 1 h 20 min left", "about 2 h 30 min left", "about 14 h left",
    ]  # fmt: skip
    assert str(Estimate(250.0, whole=False)) == "at least 4 min left"
