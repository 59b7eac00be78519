"""Attempts on their way to nodes: laws that hold whatever nodes do and say, in any order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelinekit.domain.attempts import Attempt, AttemptEnded, Task
from pipelinekit.domain.steps import Port, Resources
from pipelinekit.domain.types import ANY
from pipelinekit.domain.values import plain
from pipelinekit.engine.placing import BUNDLE_MAX, IN_FLIGHT, RETURNS, Placing


def attempt(number, entry="main:short", **details):
    task = Task("python", entry, "snapshot", (), (Port("output", ANY),), **details)
    return Attempt("run", f"s{number}", 1, task, {})


def attempts(count, **details):
    return [attempt(number, **details) for number in range(count)]


def ended(attempt, seconds=0.01, **outputs):
    return AttemptEnded(attempt, 1.0, seconds, outputs or {"output": plain(1)})


def send(placing):
    """Everything that may travel now, by key."""
    sent = {}
    while bundle := placing.next_bundle():
        key = f"{bundle[0].id}#{len(sent)}"
        placing.sent(key, bundle)
        sent[key] = bundle
    return sent


def ids(bundles):
    return [item.id for bundle in bundles for item in bundle]


def test_one_attempt_is_a_message_until_they_turn_out_to_be_short():
    placing = Placing(2)
    placing.add(attempts(1000))
    first = send(placing)
    assert [len(bundle) for bundle in first.values()] == [1] * 2 * IN_FLIGHT
    for key, bundle in first.items():
        placing.came_back(key)
        assert placing.ended(ended(bundle[0].id, 0.001)) is not None
    sizes = [len(bundle) for bundle in send(placing).values()]
    assert all(20 < size <= BUNDLE_MAX for size in sizes)
    assert placing.waiting == 996 - sum(sizes)


def test_what_asks_for_other_resources_or_may_have_killed_a_node_travels_apart():
    placing = Placing(1)
    placing.add([attempt(0)])
    ((key, bundle),) = send(placing).items()
    placing.came_back(key)
    placing.ended(ended(bundle[0].id, 0.001))
    placing.add([*attempts(4)[1:], attempt(4, resources=Resources(cpu=2)), attempt(5), attempt(6, dask_client=True)])
    several, wide = send(placing).items()
    assert [item.step for item in several[1]] == ["s1", "s2", "s3"]
    assert [item.step for item in wide[1]] == ["s4"]
    placing.came_back(several[0])
    placing.started("run/s1/1")
    assert placing.node_died(several[1]) == (None, []), "which of them it died over is not known"
    seen = []
    while sent := send(placing):
        for key, bundle in sent.items():
            seen.append([item.step for item in placing.came_back(key)])
            for item in bundle:
                placing.ended(ended(item.id, 0.001))
    assert seen == [["s1"], ["s2"], ["s3"], ["s5"], ["s6"]], "now they go one by one"


def test_an_attempt_that_was_begun_alone_is_what_its_node_died_over_and_others_go_back():
    placing = Placing(1)
    placing.add(attempts(1))
    for _ in range(RETURNS):
        ((key, bundle),) = send(placing).items()
        placing.came_back(key)
        assert placing.node_died(bundle) == (None, []), "it had not been begun"
    ((key, bundle),) = send(placing).items()
    placing.started(bundle[0].id)
    assert placing.node_died(placing.came_back(key)) == (bundle[0], [])


def test_what_a_node_says_of_attempts_that_are_not_open_here_is_not_told():
    placing = Placing(1)
    mine = attempts(2)
    placing.add(mine)
    assert placing.ended(ended("another/s0/1")) is None
    assert placing.ended(ended("run/s0/2")) is None, "an attempt that there is not yet"
    assert not placing.started("another/s0/1")
    assert not placing.is_ours("another/s0/1")
    assert placing.is_ours("run/s0/7"), "what it prints is kept with its run"
    assert placing.ended(ended(mine[0].id)) == ended(mine[0].id)
    assert placing.ended(ended(mine[0].id)) is None, "it was told before"
    found = placing.ended(ended(mine[1].id, other=plain(1)))
    assert found.outputs == {}
    assert found.failure.message == "its node says that it gave 'other', but the step declares 'output'"


def test_what_nobody_wants_any_more_does_not_travel_again():
    placing = Placing(1)
    mine = attempts(4)
    placing.add(mine)
    sent = send(placing)
    assert len(sent) == IN_FLIGHT
    assert placing.stop([item.id for item in mine]) == (["run/s2/1", "run/s3/1"], ["run/s0/1", "run/s1/1"])
    (first, one), (second, two) = sent.items()
    placing.came_back(first)
    placing.came_back(second)
    assert placing.not_begun(one, {one[0].id}) == [one[0].id]
    assert placing.node_died(two) == (None, [two[0].id])
    assert send(placing) == {}
    assert placing.stop(["run/s9/1"]) == ([], [])


WHATEVER = st.lists(st.tuples(st.sampled_from(["end", "die", "lose", "leave", "stop", "add"]), st.integers(0, 50)))


@settings(max_examples=200, deadline=None)
@given(slots=st.integers(1, 4), course=WHATEVER)
def test_whatever_nodes_do_each_attempt_is_told_once_and_is_in_one_place(slots, course):
    placing = Placing(slots)
    placing.add(attempts(20))
    known, told, sent = {item.id for item in attempts(20)}, [], send(placing)
    for what, choice in course:
        key = sorted(sent)[choice % len(sent)] if sent else None
        bundle = placing.came_back(key) if key and what in ("end", "die", "lose", "leave") else []
        sent.pop(key, None) if bundle else None
        unwanted = []
        if what == "end":
            told += [item.id for item in bundle if placing.ended(ended(item.id))]
        elif what == "lose":
            unwanted = [item.id for item in bundle]
        elif what == "die":
            if choice % 2 and bundle:
                placing.started(bundle[0].id)
            guilty, unwanted = placing.node_died(bundle)
            unwanted = [*unwanted, *([guilty.id] if guilty else [])]
        elif what == "leave":
            unwanted = placing.not_begun(bundle, {item.id for item in bundle})
        elif what == "stop":
            unwanted, on_their_way = placing.stop([f"run/s{choice}/1"])
            assert not on_their_way or on_their_way[0] in ids(sent.values())
        else:
            placing.add([attempt(1000 + len(known))])
            known.add(f"run/s{1000 + len(known)}/1")
        told += [item for item in unwanted if placing.drop(item)]
        sent.update(send(placing))
        assert placing.on_their_way == len(sent) <= slots * IN_FLIGHT
        travelling = ids(sent.values())
        assert len(set(travelling)) == len(travelling)
        assert placing.waiting + len(travelling) + len(told) == len(known), "each is queued, or travels, or was told of"
        assert len(set(told)) == len(told)
        assert not set(told) & set(travelling)
