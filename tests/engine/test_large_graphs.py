"""Graphs that are very deep or very wide: nothing that reads or decides them counts on how deep Python may call."""

import pytest
from graphs import compiled
from world import World

from pipelinekit.domain.graphs import Graph, ListOf, Literal, Node, OutputRef
from pipelinekit.domain.runs import RunStatus
from pipelinekit.wire.graphs import graph_text, parse_graph


def chain(count):
    inputs = [Literal(0), *(OutputRef(number, "output") for number in range(count - 1))]
    return [Node(f"n{number}", 0, {"x": given}) for number, given in enumerate(inputs)]


def fan(count):
    leaves = [Node(f"n{number}", 0, {"x": Literal(number)}) for number in range(count)]
    return [*leaves, Node("join", 1, {"x": ListOf(tuple(OutputRef(number, "output") for number in range(count)))})]


@pytest.mark.parametrize(("nodes", "value"), [(chain(10_000), 10_000), (fan(50_000), 50_000)], ids=["deep", "wide"])
def test_a_graph_of_ten_thousand_in_a_row_or_fifty_thousand_into_one_is_read_and_run(nodes, value):
    steps = (compiled("next"), compiled("count"))
    graph = Graph("pipe", steps, tuple(nodes), (), (("output", OutputRef(len(nodes) - 1, "output")),))
    assert parse_graph(graph_text(graph)) == graph

    def function(step, inputs, _):
        return len(inputs["x"]) if step == "join" else inputs["x"] + 1

    finish = World(function).run(graph)
    assert finish.status is RunStatus.COMPLETED
    assert finish.outputs["output"].inline == value
