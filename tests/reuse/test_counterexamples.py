"""What the state machine found, each as a plain test."""

from graphs import Drawing
from test_driver import Bench, chain, step
from world import World

from pipelinekit.domain.graphs import Graph, Literal, Node, OutputRef
from pipelinekit.domain.runs import RunOptions, RunStatus
from pipelinekit.domain.values import plain


def test_a_step_mapped_over_a_skipped_list_is_skipped():
    drawing = Drawing().node("no", 0).node("list", [1, 2], when=("no",)).node("each", "list", each=("x",))
    world = World(lambda name, inputs, attempt: inputs["x"])
    assert world.run(drawing.node("after", "each").graph()).status is RunStatus.COMPLETED
    assert world.statuses == {"no": "Completed", "list": "Skipped", "each": "Skipped", "after": "Skipped"}


def test_nothing_is_executed_on_the_list_of_a_mapped_step_that_never_opened():
    def function(name, inputs, attempt):
        if name == "bad":
            raise ValueError(name)
        return inputs["x"]

    drawing = Drawing().node("bad", 0).node("each", Literal([1, 2]), after=("bad",), each=("x",))
    drawing.node("again", "each", each=("x",)).node("after", "again")
    world = World(function)
    assert world.run(drawing.graph(), RunOptions(continue_on_step_failure=True)).status is RunStatus.FAILED
    assert world.executed == ["bad"]
    assert world.statuses == {"bad": "Failed", "each": "Skipped", "again": "Skipped", "after": "Skipped"}


def test_a_step_whose_input_makes_its_key_that_of_the_step_before_is_reused():
    bench = Bench(lambda attempt, value: plain(value))
    nodes = (Node("a", 0, {"x": Literal(1)}), Node("b", 0, {"x": OutputRef(0, "output")}))
    bench.drive(Graph("pipe", (step("same"),), nodes))
    assert bench.executed == ["a"]
    assert (str(bench.steps["b"].status), bench.steps["b"].original_step) == ("Reused", "a")
    assert bench.drive(chain("c"), name="2") is RunStatus.COMPLETED
