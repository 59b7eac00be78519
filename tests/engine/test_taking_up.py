"""Taking a run up again: whenever its driver dies, the next one comes to the same end and does nothing twice."""

from collections import Counter

from graphs import Drawing
from hypothesis import given, settings
from hypothesis import strategies as st
from world import Damaged, Late, Lost, World

from pipelinekit.domain.digests import digest
from pipelinekit.domain.graphs import FirstOf
from pipelinekit.domain.runs import RunOptions, RunStatus
from pipelinekit.domain.steps import Retry, StepOptions
from pipelinekit.domain.values import StoredValue

CONTINUE = RunOptions(continue_on_step_failure=True)


@st.composite
def drawings(draw):
    """A graph of steps, branches and mapped steps, and which of its steps fail."""
    drawing, failing, names, mapped = Drawing(), set(), [], []
    for number in range(draw(st.integers(1, 8))):
        name = f"n{number}"
        kind = draw(st.sampled_from(["step", "step", "list", "each", "each of each", "branch", "first"]))
        source = draw(st.sampled_from(names)) if names else number
        if kind == "each":
            lists = [item for item in names if item.startswith("list")]
            over = draw(st.sampled_from(lists)) if lists else [1, 2, 3]
            drawing.node(name, over, source, each=("x",))
            mapped.append(name)
        elif kind == "each of each" and mapped:
            drawing.node(name, draw(st.sampled_from(mapped)), each=("x",))
            mapped.append(name)
        elif kind == "list":
            name = f"list{number}"
            drawing.node(name, source)
        elif kind == "branch" and names:
            on = draw(st.sampled_from(names))
            drawing.node(name, source, when=(on, "==", draw(st.sampled_from([0, 1])), draw(st.booleans())))
        elif kind == "first" and names:
            items = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3))
            drawing.node(name, source)
            node = drawing.nodes[-1]
            node.inputs["y"] = FirstOf(tuple(drawing.ref(item) for item in items))
        else:
            drawing.node(name, source, number % 3)
        if kind in ("step", "each") and draw(st.integers(0, 4)) == 0:
            failing.add(name if draw(st.booleans()) else f"{name}[1]")
        names.append(name)
    return drawing.graph(**{f"out_{name}": name for name in names}), failing


def behaviour(failing):
    def function(step, inputs, attempt):
        if step in failing or step.partition("[")[0] in failing:
            raise ValueError(step)
        flat = repr(sorted(map(repr, inputs.items())))
        return [len(flat), 2, 1] if step.startswith("list") else len(flat) % 2

    return function


def good(statuses):
    """Which execution of equal steps counts is chance; that they have the result is not."""
    return {name: "good" if status in ("Completed", "Reused") else status for name, status in statuses.items()}


def outputs_of(finish):
    return {name: value.digest for name, value in finish.outputs.items()}


@settings(max_examples=300, deadline=None)
@given(drawings(), st.lists(st.integers(0, 25), min_size=1, max_size=4), st.data())
def test_a_run_that_is_taken_up_comes_to_the_same_end_and_executes_nothing_that_has_ended(drawn, deaths, data):
    graph, failing = drawn
    undisturbed = World(behaviour(failing))
    expected = undisturbed.run(graph, CONTINUE)
    world = World(behaviour(failing), lambda count: data.draw(st.integers(0, count - 1)) if count > 1 else 0)
    finish = world.run(graph, CONTINUE, die_after=deaths[0])
    begun = set(world.started)
    for turns in [*deaths[1:], None]:
        if finish is not None:
            break
        ended = {name: change for name, change in world.changes.items() if change.status.final}
        executed = len(world.executed)
        finish = world.take_up(graph, CONTINUE, die_after=turns)
        assert not ended.keys() & set(world.executed[executed:]), "a step that had ended was executed again"
        assert {name: world.changes[name] for name in ended} == ended, "a step that had ended was recorded anew"
        assert not begun & set(world.started), "two attempts have one number"
        begun |= set(world.started)
    assert finish.status is expected.status
    assert (finish.failure is None) is (expected.failure is None)
    assert outputs_of(finish) == outputs_of(expected)
    assert good(world.statuses) == good(undisturbed.statuses)
    assert not world.claimed


@settings(max_examples=150, deadline=None)
@given(drawings(), st.integers(0, 25), st.integers(1, 10), st.booleans(), st.data())
def test_a_run_that_is_taken_up_ends_when_a_step_has_failed_or_it_is_canceled(drawn, death, turn, cancels, data):
    graph, failing = drawn
    world = World(behaviour(failing), lambda count: data.draw(st.integers(0, count - 1)) if count > 1 else 0)
    finish = world.run(graph, die_after=death)
    if finish is None:
        ended = {name: change for name, change in world.changes.items() if change.status.final}
        finish = world.take_up(graph, cancel_after=turn if cancels else None)
        assert {name: world.changes[name] for name in ended} == ended
    if any(status == "Failed" for status in world.statuses.values()):
        assert finish.status is RunStatus.FAILED
        assert finish.failure is not None
    assert not world.claimed
    assert finish.status.final


def test_attempts_of_a_dead_driver_count_but_the_one_that_it_took_with_it():
    attempts = []

    def function(step, inputs, attempt):
        attempts.append(attempt)
        raise ValueError("always")

    world = World(function)
    graph = Drawing().node("a", 1, options=StepOptions(retry=Retry(2))).graph()
    assert world.run(graph, die_after=4) is None
    assert attempts == [1, 2], "the second began, and its driver died"
    assert world.take_up(graph).status is RunStatus.FAILED
    assert attempts == [1, 2, 3, 4], "the first had failed, and so did the third and the last"


def test_an_attempt_continues_only_what_an_earlier_driver_began_and_is_not_known_to_have_ended():
    def function(step, inputs, attempt):
        raise ValueError("always")

    graph = Drawing().node("a", 1, options=StepOptions(retry=Retry(3))).graph()
    seen = set()
    for turns in range(10):
        world = World(function)
        if world.run(graph, die_after=turns) is not None:
            break
        assert not any(start.continues for start in world.started.values()), "nothing was begun before it"
        last = max(attempt for _, attempt in world.started)
        has_failed = last in world.failed.get("a", {})
        world.take_up(graph)
        continued = {attempt for (_, attempt), start in world.started.items() if start.continues}
        assert continued == (set() if has_failed else {last + 1})
        seen.add(has_failed)
    assert seen == {True, False}


def test_an_attempt_that_was_lost_is_continued_by_its_retry_and_one_that_failed_is_not():
    def function(step, inputs, attempt):
        raise Lost if attempt == 1 else ValueError

    world = World(function)
    world.run(Drawing().node("a", 1, options=StepOptions(retry=Retry(1, lost=1))).graph())
    assert [start.continues for start in world.started.values()] == [False, True, False]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([ValueError, Late, Lost, Damaged]), min_size=1, max_size=6),
    st.lists(st.integers(0, 12), max_size=5),
    st.builds(Retry, st.integers(0, 3), st.just(0.0), lost=st.integers(0, 2), damaged=st.integers(0, 2)),
)
def test_budgets_hold_however_many_drivers_die(errors, deaths, retry):
    """What an attempt failed with counts once; one that a driver took with it does not."""
    blob = digest("blob")

    def function(step, inputs, attempt):
        if step == "made":
            return StoredValue(digest("content"), "numpy", 5, blob)
        raise errors[attempt % len(errors)](blob)

    graph = Drawing().node("made", 1).node("a", "made", options=StepOptions(retry=retry)).graph()
    world = World(function)
    finish = world.run(graph, die_after=deaths[0] if deaths else None)
    for turns in [*deaths[1:], None]:
        if finish is None:
            finish = world.take_up(graph, die_after=turns)
    assert finish.status is RunStatus.FAILED
    kinds = {"user": retry.attempts, "timeout": retry.attempts, "lost": retry.lost, "input": retry.damaged}
    failed = Counter(kind for kind, _ in world.failed.get("a", {}).values())
    last = world.changes["a"].failure.kind
    assert failed[last] == kinds[last], "its budget was used up"
    assert all(failed[kind] <= most for kind, most in kinds.items())


def test_what_was_skipped_because_of_a_failure_stays_so_for_what_comes_after_it():
    """`last` would take what `other` gives if `after` had been skipped by a branch; but it failed further up."""
    drawing = Drawing().node("bad", 0).node("before", "bad").node("after", "before").node("other", 1).node("last", 2)
    drawing.nodes[-1].inputs["y"] = FirstOf((drawing.ref("after"), drawing.ref("other")))
    graph = drawing.graph(out="last")
    undisturbed, world = World(behaviour({"bad"})), World(behaviour({"bad"}))
    assert undisturbed.run(graph, CONTINUE).status is RunStatus.FAILED
    assert world.run(graph, CONTINUE, die_after=2) is None
    assert world.statuses["after"] == "Skipped"
    assert "last" not in world.statuses
    world.take_up(graph, CONTINUE)
    assert world.statuses == undisturbed.statuses
    assert world.statuses["last"] == "Skipped"
