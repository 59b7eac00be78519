"""The plan: the same decisions as the run, with nothing started."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_driver import Bench, chain, step

from pipelinekit.domain.attempts import AttemptEnded
from pipelinekit.domain.graphs import Condition, Graph, ListOf, Literal, Node, OutputRef
from pipelinekit.domain.runs import RunOptions
from pipelinekit.domain.steps import StepOptions
from pipelinekit.domain.values import plain
from pipelinekit.runtime.planner import plan


def planned(bench, graph, options=None):
    records = bench.records
    before = dict(bench.state.runs), dict(bench.state.claims)
    words = (
        graph,
        {},
        {},
        options or RunOptions(),
        records.reuse,
        records.documents,
        bench.blobs,
        bench.clock,
        bench.files,
    )
    steps = plan(*words)
    bare = plan(*words, explained=False)
    assert [(item.name, item.decision) for item in bare] == [(item.name, item.decision) for item in steps]
    assert (bench.state.runs, bench.state.claims) == before
    return {item.name: item for item in steps}


def decisions(bench, graph, options=None):
    return {name: item.decision for name, item in planned(bench, graph, options).items()}


def test_before_the_first_run_everything_runs():
    bench = Bench()
    assert decisions(bench, chain("a", "b")) == {"a": "run", "b": "run"}


def test_after_a_run_everything_is_reused_with_its_time():
    bench = Bench()
    bench.drive(chain("a", "b"))
    found = planned(bench, chain("a", "b"))
    assert {name: item.decision for name, item in found.items()} == {"a": "reuse", "b": "reuse"}
    assert (found["b"].seconds, found["b"].original) == (1.0, (bench.run.id, "b"))


def test_what_depends_on_a_change_may_be_reused():
    bench = Bench()
    bench.drive(chain("a", "b"))
    found = planned(bench, chain("a", "b", value=2))
    assert {name: item.decision for name, item in found.items()} == {"a": "run", "b": "maybe"}
    assert found["a"].reasons[0].message == "input 'x' changed: 1 -> 2"
    assert found["b"].reasons[0].message == "it depends on what comes out of a"
    assert found["a"].seconds == 1.0


def test_a_step_behind_an_open_condition_may_run():
    bench = Bench()
    graph = chain("a", "b")
    guarded = replace(graph.nodes[1], conditions=(Condition(OutputRef(0, "output")),))
    found = planned(bench, replace(graph, nodes=(graph.nodes[0], guarded)))
    assert (found["a"].decision, found["b"].decision) == ("run", "maybe")
    assert found["b"].reasons[0].message == "whether it runs at all depends on what comes out of a"


def test_policies_are_the_same_as_in_a_run():
    bench = Bench()
    volatile = chain("a", "b", options=StepOptions(allow_reuse=False))
    bench.drive(volatile)
    assert decisions(bench, volatile) == {"a": "run", "b": "run"}
    bench.drive(chain("c", "d"), name="2")
    assert decisions(bench, chain("c", "d"), RunOptions(regenerate=("d",))) == {"c": "reuse", "d": "run"}


def test_steps_with_one_key_run_once():
    bench = Bench()
    graph = Graph("pipe", (step("a"),), (Node("a", 0, {"x": Literal(1)}), Node("a-2", 0, {"x": Literal(1)})))
    assert decisions(bench, graph) == {"a": "run", "a-2": "maybe"}


def test_elements_are_planned_one_by_one_once_their_list_is_known():
    bench = Bench(lambda attempt, value: plain([1, 2]) if attempt.step == "a" else plain(value))
    graph = Graph(
        "pipe",
        (step("a"), step("m")),
        (Node("a", 0, {"x": Literal(1)}), Node("m", 1, {"x": OutputRef(0, "output")}, each=("x",))),
    )
    assert decisions(bench, graph) == {"a": "run", "m[…]": "run"}
    bench.drive(graph)
    assert decisions(bench, graph) == {"a": "reuse", "m[0]": "reuse", "m[1]": "reuse"}


@pytest.mark.parametrize("seed", range(3))
@settings(max_examples=60, deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=4))
def test_a_plan_never_lies(seed, edits):
    """What is predicted to be reused is reused; what runs was predicted to run, or to run perhaps."""
    values = [seed, 0, 0, 0, 0]

    def answer(attempt, value):
        return plain(sum(value) % 2 if isinstance(value, list) else value)

    def graph():
        steps = tuple(step(f"s{number}v{values[number]}") for number in range(5))
        nodes = [Node("n0", 0, {"x": Literal([seed, 1])})]
        for number in range(1, 5):
            refs = tuple(OutputRef(earlier, "output") for earlier in range(number) if (earlier + number) % 2)
            nodes.append(Node(f"n{number}", number, {"x": ListOf((*refs, Literal(number)))}))
        return Graph("pipe", steps, tuple(nodes))

    def execute(attempt):
        value = attempt.inputs["x"]
        flat = [item.inline for item in value.items] if value.format == "list" else value.inline
        return AttemptEnded(attempt.id, 0.0, 1.0, {"output": plain(sum(flat) % 2)})

    bench = Bench(answer)
    bench.execute = execute
    for round_number, edit in enumerate([None, *edits]):
        if edit is not None:
            values[edit[0]] = edit[1]
        found = decisions(bench, graph())
        bench.drive(graph(), name=str(round_number))
        for name, item in bench.steps.items():
            if found[name] == "reuse":
                assert str(item.status) == "Reused"
            if str(item.status) == "Completed":
                assert found[name] in ("run", "maybe")
            if found[name] == "run":
                assert name in bench.executed or str(item.status) == "Reused"
