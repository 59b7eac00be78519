"""How many nodes there are to be: laws of the decision, whatever is queued and whatever there is."""

from hypothesis import given
from hypothesis import strategies as st

from pipelinekit.engine.scaling import NodeUse, nodes_needed, nodes_to_give_back, target_nodes

USES = st.lists(st.floats(0, 5000), max_size=12).map(
    lambda idle: [NodeUse(str(number), seconds) for number, seconds in enumerate(idle)]
)
NEEDS = st.dictionaries(
    st.tuples(st.tuples(st.just("cpu"), st.sampled_from([0.5, 1.0, 2.0, 3.0, 8.0]))), st.integers(1, 50), max_size=4
)
LIMITS = st.tuples(st.integers(0, 5), st.integers(1, 15)).filter(lambda pair: pair[0] <= pair[1])


def test_as_many_nodes_as_the_work_fills():
    one, big = (("cpu", 1.0),), (("cpu", 3.0), ("memory", 4.0))
    node = {"cpu": 4.0, "memory": 8.0}
    assert nodes_needed({}, node) == 0
    assert nodes_needed({one: 4}, node) == 1
    assert nodes_needed({one: 5}, node) == 2
    assert nodes_needed({big: 3}, node) == 3, "no two of them fit into a node"
    assert nodes_needed({one: 2, big: 1}, node) == 2
    assert nodes_needed({(("gpu", 1.0),): 9}, node) == 0, "what fits into none calls for none"
    assert nodes_needed({(): 3}, node) == 3


@given(asked=NEEDS, more=NEEDS, cores=st.sampled_from([1.0, 2.0, 4.0]))
def test_more_work_never_takes_fewer_nodes_and_none_takes_none(asked, more, cores):
    node = {"cpu": cores}
    both = {needs: asked.get(needs, 0) + more.get(needs, 0) for needs in {*asked, *more}}
    assert nodes_needed(asked, node) <= nodes_needed(both, node)
    fits = any(cores >= needs[0][1] for needs in asked)
    assert (nodes_needed(asked, node) > 0) == fits
    assert nodes_needed(asked, node) <= sum(asked.values())


@given(needed=st.integers(0, 100), uses=USES, limits=LIMITS, patience=st.floats(0, 5000))
def test_limits_hold_and_no_node_at_work_is_given_back(needed, uses, limits, patience):
    least, most = limits
    target = target_nodes(needed, uses, least, most, patience)
    assert least <= target <= most
    assert target >= min(needed, most)
    going = nodes_to_give_back(uses, target)
    idle = {use.name: use.idle_seconds for use in uses}
    assert all(idle[name] > 0 for name in going)
    left = len(uses) - len(going)
    assert left >= min(target, len(uses))
    busy = sum(use.idle_seconds == 0 for use in uses)
    assert left == max(min(target, len(uses)), busy), "what may go goes"
    if len(uses) <= most:
        assert all(idle[name] >= patience for name in going), "no node goes before its time"
    stays = [seconds for name, seconds in idle.items() if name not in going and seconds > 0]
    assert not going or not stays or min(idle[name] for name in going) >= max(stays), "the longest idle go first"
