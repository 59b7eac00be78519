"""What the state machine found, each as a plain test."""

import bench
import worlds
from graphs import Drawing
from model import evaluate
from test_driver import Bench, chain, step
from world import Damaged, World

from pipelinekit.domain.digests import digest
from pipelinekit.domain.graphs import Graph, Literal, Node, OutputRef
from pipelinekit.domain.runs import RunOptions, RunStatus
from pipelinekit.domain.values import StoredValue, plain


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


def test_a_new_result_that_was_asked_for_is_made_once_for_all_steps_of_its_key():
    """The second comes when the first has ended: one run would show two results of one key."""
    bench = Bench(lambda attempt, value: plain(value))
    nodes = (Node("a", 0, {"x": Literal(1)}), Node("b", 0, {"x": OutputRef(0, "output")}))
    for name in ("1", "2"):
        options = RunOptions(regenerate=("*",))
        assert bench.drive(Graph("pipe", (step("same"),), nodes), options, name=name) is RunStatus.COMPLETED
        assert bench.executed == ["a"]
        assert (str(bench.steps["b"].status), bench.steps["b"].original_run) == ("Reused", bench.run.id)


def test_an_element_that_is_made_again_does_not_end_its_mapped_step_before_the_others():
    """`a[0]` is reused and found damaged while `a[1]` still executes: who reads all of `a` waits for both."""
    lengths, damaged = [], set()

    def function(name, inputs, attempt):
        if name.startswith("a"):
            damaged.discard(digest(["blob", inputs["x"]]))
            return StoredValue(digest(inputs["x"]), "bytes", 1, digest(["blob", inputs["x"]]))
        if name == "b[0]" and damaged:
            raise Damaged(*damaged)
        if name == "total":
            lengths.append(len(inputs["x"]))
        return 0

    def last(count):
        return next((n for n, event in enumerate(world.events) if getattr(event, "step", "") != "a[1]"), 0)

    drawing = Drawing().node("a", Literal([1, 2]), each=("x",)).node("b", "a", each=("x",)).node("total", "a")
    world = World(function, pick=last)
    world.run(drawing.graph())
    world.kept = {key: kept for key, kept in world.kept.items() if kept.step == "a[0]"}
    damaged.add(digest(["blob", 1]))
    assert world.run(drawing.graph()).status is RunStatus.COMPLETED
    assert lengths == [2, 2]
    assert sorted(world.executed) == ["a[0]", "a[1]", "b[0]", "b[0]", "b[1]", "total"]


def test_a_damaged_file_inside_a_stored_folder_is_made_again():
    functions = tuple(worlds.Function(kind, worlds.OPS[kind][0]) for kind in worlds.KINDS)
    maker, reader = worlds.Step("maker", 3), worlds.Step("reader", 1, (0,), direct=True)
    one = bench.Bench()
    try:
        world = worlds.World(functions, (maker, reader), worlds.FILES)
        assert one.drive(one.submit(world, one.options())) is RunStatus.COMPLETED
        inside = min(data for _, data, _ in evaluate(world, None)[0][0].value.files)
        path = one.stored()[inside]
        path.chmod(0o644)
        path.write_bytes(b"damaged")
        run = one.submit(world, one.options(forced="reader"))
        assert one.drive(run) is RunStatus.COMPLETED
        assert [step for owner, step in one.executed if owner == run] == ["maker", "reader"]
    finally:
        one.close()


def test_a_step_that_is_executed_anyway_makes_a_damaged_file_again():
    """`eager` is executed in each run, and is the same execution as `maker`."""
    functions = tuple(worlds.Function(kind, worlds.OPS[kind][0]) for kind in worlds.KINDS)
    file, bit = worlds.KINDS.index("file"), worlds.KINDS.index("bit")
    maker = worlds.Step("maker", file, data="b.csv")
    eager = worlds.Step("eager", file, data="b.csv", allow_reuse=False)
    reader, only = worlds.Step("reader", bit, (0, 1)), worlds.Step("only", bit, (0,))
    one = bench.Bench()
    try:
        world = worlds.World(functions, (maker, eager, reader, only), worlds.FILES)
        assert one.drive(one.submit(world, one.options())) is RunStatus.COMPLETED
        (made,) = {data for item in evaluate(world, None)[:2] for data in [item[0].value.data]}
        for forced, most in (("reader", 1), ("only", 2)):  # `only` does not wait for `eager`
            path = one.stored()[made]
            path.chmod(0o644)
            path.write_bytes(b"damaged")
            run = one.submit(world, one.options(forced=forced))
            assert one.drive(run) is RunStatus.COMPLETED
            executed = [step for owner, step in one.executed if owner == run]
            assert 1 <= len([step for step in executed if step in ("maker", "eager")]) <= most
            assert path.read_bytes() == made
    finally:
        one.close()
