"""A graph's text: the same data as its plain JSON, one node on each line."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelinekit.domain.graphs import Condition, DictOf, FirstOf, Graph, ListOf, Literal, Node, OutputRef, ParameterRef
from pipelinekit.domain.types import PathRef
from pipelinekit.wire.graphs import graph_text, node_lines, parse_graph
from pipelinekit.wire.values import dumps

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
PLAIN = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
LEAVES = (
    st.builds(Literal, PLAIN | st.builds(PathRef, st.text(), st.booleans()))
    | st.builds(ParameterRef, st.text())
    | st.builds(OutputRef, st.just(0), st.text())
)
BINDINGS = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(ListOf, st.lists(inner).map(tuple))
        | st.builds(FirstOf, st.lists(inner).map(tuple))
        | st.builds(DictOf, st.lists(st.tuples(st.text(), inner)).map(tuple))
    ),
    max_leaves=5,
)
NODES = st.builds(
    Node,
    st.text(),
    st.just(0),
    st.dictionaries(st.text(), BINDINGS, max_size=4),
    st.just(()) | st.just((0,)),
    st.just(()) | st.builds(Condition, BINDINGS, st.just("=="), BINDINGS, st.booleans()).map(lambda item: (item,)),
    st.just(()) | st.lists(st.text(), max_size=2).map(tuple),
    st.text(),
    st.integers(0, 9999),
)


@given(st.lists(NODES, min_size=1, max_size=4), st.text(), st.text())
def test_text_is_canonical_json_with_each_node_on_its_line(nodes, name, description):
    graph = Graph(name, (), tuple(nodes), description=description)
    text = graph_text(graph)
    assert text.isascii()
    document = json.loads(text)
    frame, lines = node_lines(text)
    assert lines == [dumps(node) for node in document["nodes"]]
    assert json.loads(frame) == {**document, "nodes": []}
    assert text.replace("\n", "") == dumps(document)


@pytest.mark.parametrize("value", [True, 1, 1.0, "1", -1, 10**30])
def test_literals_that_compare_equal_keep_their_kinds(value):
    first = Node("a", 0, {"x": Literal(value)})
    text = graph_text(Graph("g", (), (first,)))
    (found,) = json.loads(text)["nodes"]
    assert found["inputs"] == {"x": {"value": value}}
    assert type(found["inputs"]["x"]["value"]) is type(value)


def test_a_text_of_one_line_is_read_too():
    """Documents of earlier releases have no line ends."""
    text = Path(__file__).with_name("golden_graph.json").read_text(encoding="ascii")
    assert "\n" in text
    assert parse_graph(text.replace("\n", "")) == parse_graph(text)
