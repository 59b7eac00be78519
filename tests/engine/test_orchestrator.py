"""The orchestrator: what it asks for, given what happened."""

import pytest
from graphs import Drawing
from world import Damaged, Late, Lost, World

from pipelinekit.domain.digests import digest
from pipelinekit.domain.graphs import DictOf, FirstOf, OutputRef, ParameterRef
from pipelinekit.domain.runs import Failure, RunOptions, RunStatus
from pipelinekit.domain.steps import Retry, StepOptions
from pipelinekit.domain.values import StoredValue, plain
from pipelinekit.engine.events import LookUp, Sleep

CONTINUE = RunOptions(continue_on_step_failure=True)


def diamond():
    return Drawing().node("a", 1).node("b", "a").node("c", "a").node("d", ["b", "c"])


def output(finish, name="out"):
    value = finish.outputs[name]
    return value.inline


def test_steps_run_after_what_they_need_and_the_run_completes():
    world = World()
    finish = world.run(diamond().graph(out="d"))
    assert finish.status is RunStatus.COMPLETED
    assert world.executed[0] == "a"
    assert set(world.executed[1:3]) == {"b", "c"}
    assert world.executed[3:] == ["d"]
    assert output(finish) == ["d", [["b", ["a", 1]], ["c", ["a", 1]]]]
    assert set(world.statuses.values()) == {"Completed"}


def test_a_second_run_executes_nothing_and_points_to_the_first():
    world = World()
    world.run(diamond().graph(), run="first")
    finish = world.run(diamond().graph(), run="second")
    assert world.executed == []
    assert finish.status is RunStatus.COMPLETED
    assert set(world.statuses.values()) == {"Reused"}
    assert {change.original_run for change in world.changes.values()} == {"first"}


def test_keys_that_are_ready_together_are_looked_up_together():
    world = World()
    drawing = Drawing()
    for number in range(100):
        drawing.node(f"n{number}", number, step="n")
    world.run(drawing.graph())
    assert [len(item.keys) for item in world.log if isinstance(item, LookUp)] == [100]


def test_a_change_runs_what_it_reaches_and_stops_where_outputs_are_equal():
    world = World(lambda step, inputs, attempt: 0 if step == "b" else [step, *inputs.values()])
    world.run(diamond().graph())
    changed = Drawing().node("a", 2).node("b", "a").node("c", "a").node("d", ["b", "b"]).node("e", "c")
    world.run(diamond().node("e", "c").graph())
    world.run(changed.graph())
    assert world.executed == ["a", "b", "c", "d", "e"]
    again = Drawing().node("a", 3).node("b", "a").node("c", "a").node("d", ["b", "b"]).node("e", "c")
    world.run(again.graph())
    assert world.executed == ["a", "b", "c", "e"], "b gives 0 again, so d is not executed"


def test_steps_with_one_key_execute_once_in_a_run():
    world = World()
    drawing = Drawing().node("a", 1).node("b", 1, step="a").node("c", ["a", "b"])
    world.run(drawing.graph())
    assert world.executed == ["a", "c"]
    assert world.changes["b"].original_step == "a"


def test_if_the_first_of_equal_steps_fails_the_next_one_tries():
    def once(step, inputs, attempt):
        if step == "a":
            raise ValueError("only here")
        return 1

    world = World(once)
    finish = world.run(Drawing().node("a", 1).node("b", 1, step="a").graph(), CONTINUE)
    assert world.statuses == {"a": "Failed", "b": "Completed"}
    assert finish.status is RunStatus.FAILED


def failing(*names):
    def function(step, inputs, attempt):
        if step in names:
            raise ValueError(f"{step} is broken")
        return [step, *inputs.values()]

    return function


def test_one_failure_cancels_the_rest():
    world = World(failing("b"))
    finish = world.run(diamond().graph(out="d"))
    assert finish.status is RunStatus.FAILED
    assert finish.failure.message == "step 'b' failed: b is broken"
    assert finish.outputs == {}
    assert world.statuses == {"a": "Completed", "b": "Failed", "c": "Canceled", "d": "Canceled"}


def test_or_only_what_depends_on_it_is_skipped():
    world = World(failing("b"))
    finish = world.run(diamond().node("e", "c").graph(d="d", e="e"), CONTINUE)
    assert finish.status is RunStatus.FAILED
    assert world.statuses == {"a": "Completed", "b": "Failed", "c": "Completed", "d": "Skipped", "e": "Completed"}
    assert set(finish.outputs) == {"e"}
    assert world.changes["d"].note == "step 'b' did not complete"


def test_failed_steps_are_not_reused():
    world = World(failing("b"))
    world.run(diamond().graph())
    world.function = failing()
    world.run(diamond().graph())
    assert "b" in world.executed
    assert "a" not in world.executed


def test_order_without_data():
    world = World(pick=lambda count: count - 1)
    world.run(Drawing().node("a", 1).node("b", 2, after=["a"]).node("c", 3, after=["b"]).graph())
    assert world.executed == ["a", "b", "c"]


def test_order_is_no_part_of_the_key():
    world = World()
    world.run(Drawing().node("a", 1).node("b", 2, after=["a"]).graph())
    world.run(Drawing().node("a", 5).node("b", 2).graph())
    assert world.executed == ["a"]


# -- retries -----------------------------------------------------------------------------------------------------------


def flaky(times, error=ConnectionError):
    def function(step, inputs, attempt):
        if attempt <= times:
            raise error("not yet")
        return attempt

    return function


def test_a_failed_attempt_is_repeated_as_the_policy_says():
    world = World(flaky(2))
    options = StepOptions(retry=Retry(3, delay=1, backoff=2, jitter=0))
    assert world.run(Drawing().node("a", 1, options=options).graph()).status is RunStatus.COMPLETED
    assert world.changes["a"].attempt == 3
    assert [item.seconds for item in world.log if isinstance(item, Sleep)] == [1, 2]


def test_the_policy_ends_and_names_its_errors():
    options = StepOptions(retry=Retry(2, delay=0, on=("OSError",)))
    world = World(flaky(9))
    assert world.run(Drawing().node("a", 1, options=options).graph()).status is RunStatus.FAILED
    assert world.changes["a"].attempt == 3
    world = World(flaky(1, ValueError))
    world.run(Drawing().node("a", 1, options=options).graph())
    assert world.changes["a"].attempt == 1


def test_lost_workers_have_a_budget_of_their_own():
    def function(step, inputs, attempt):
        if attempt <= 3:
            raise Lost
        return attempt

    world = World(function)
    assert world.run(Drawing().node("a", 1).graph()).status is RunStatus.COMPLETED
    world = World(lambda *_: (_ for _ in ()).throw(Lost()))
    assert world.run(Drawing().node("a", 1).graph()).status is RunStatus.FAILED
    assert world.changes["a"].attempt == 4


def test_each_class_of_causes_has_a_budget_of_its_own_and_a_failure_says_which_was_used_up():
    errors = [Lost, ValueError, Late, Lost, Late, ValueError, Lost, Late]
    world = World(lambda step, inputs, attempt: (_ for _ in ()).throw(errors[attempt - 1]()))
    options = StepOptions(retry=Retry(2, delay=0))
    assert world.run(Drawing().node("a", 1, options=options).graph()).status is RunStatus.FAILED
    assert (world.changes["a"].attempt, world.changes["a"].failure.kind) == (8, "timeout")
    assert world.changes["a"].note == "2 retries after attempts that took too long did not help"


def test_budgets_can_be_given_for_each_class():
    def attempts(error, retry):
        world = World(lambda *_: (_ for _ in ()).throw(error()))
        world.run(Drawing().node("a", 1, options=StepOptions(retry=retry)).graph())
        return world.changes["a"].attempt

    assert attempts(Lost, Retry(2, lost=0)) == 1
    assert attempts(Lost, Retry(0, lost=1)) == 2
    assert attempts(Late, Retry(2, delay=0, timeouts=0)) == 1
    assert attempts(Late, Retry(0, delay=0, timeouts=2, on=("OSError",))) == 3
    assert attempts(Late, Retry(2, delay=0, on=("OSError",))) == 1


def test_an_attempt_that_does_not_begin_in_time_is_stopped_and_says_so():
    graph = Drawing().node("a", 1, options=StepOptions(queue_timeout=600, retry=Retry(3))).graph()
    world = World()
    assert world.run(graph).status is RunStatus.COMPLETED, "it had begun when the time was over"
    world = World(pick=lambda count: count - 1)  # the time is over first
    assert world.run(graph).status is RunStatus.FAILED
    failure = world.changes["a"].failure
    assert (failure.kind, world.changes["a"].attempt) == ("queue", 1), "waiting once more would not help"
    assert failure.message == "attempt 1 had waited 10 min 0 s for room, as long as it may"


# -- policies ----------------------------------------------------------------------------------------------------------


def test_a_step_that_does_not_allow_reuse_runs_every_time_and_stops_the_wave_where_it_gives_the_same():
    world = World()
    graph = Drawing().node("a", 1, options=StepOptions(allow_reuse=False)).node("b", "a").graph()
    world.run(graph)
    world.run(graph)
    assert world.executed == ["a"]
    assert world.changes["a"].reasons[0].cause == "reuse off"


@pytest.mark.parametrize(
    ("patterns", "executed"), [(("*",), ["a", "b", "c", "d"]), (("b",), ["b"]), (("[bc]",), ["b", "c"]), (("x*",), [])]
)
def test_steps_can_be_regenerated_by_pattern(patterns, executed):
    world = World()
    world.run(diamond().graph())
    world.run(diamond().graph(), RunOptions(regenerate=patterns))
    assert world.executed == executed


# -- branches ----------------------------------------------------------------------------------------------------------


def branching(value):
    drawing = Drawing().node("score", value)
    drawing.node("yes", "score", when=("score", ">", 5)).node("no", "score", when=("score", ">", 5, True))
    drawing.node("more", "yes").node("both", ["yes", "no"])
    graph = drawing.graph(both="both")
    return type(graph)(
        graph.name,
        graph.steps,
        graph.nodes,
        (),
        (("first", FirstOf((OutputRef(1, "output"), OutputRef(2, "output")))), *graph.outputs),
        "",
    )


def test_the_branch_that_is_not_taken_is_skipped_with_what_needs_it():
    world = World(lambda step, inputs, attempt: inputs["x"] if step == "score" else [step, *inputs.values()])
    finish = world.run(branching(9))
    assert finish.status is RunStatus.COMPLETED
    assert world.statuses == {
        "score": "Completed",
        "yes": "Completed",
        "no": "Skipped",
        "more": "Completed",
        "both": "Completed",
    }
    assert output(finish, "first") == ["yes", 9]
    assert output(finish, "both") == ["both", [["yes", 9]]], "a skipped step leaves lists"
    finish = world.run(branching(1))
    assert world.statuses == {
        "score": "Completed",
        "yes": "Skipped",
        "no": "Completed",
        "more": "Skipped",
        "both": "Completed",
    }
    assert output(finish, "first") == ["no", 1]
    assert world.changes["yes"].note == "its condition does not hold"
    assert world.changes["more"].note == "an input comes from a step that was skipped"


def test_what_only_waits_for_a_skipped_step_runs():
    world = World()
    world.run(Drawing().node("a", 0).node("b", 1, when=(False,)).node("c", 2, after=["b"]).graph())
    assert world.statuses == {"a": "Completed", "b": "Skipped", "c": "Completed"}


@pytest.mark.parametrize(
    ("op", "value", "holds"),
    [
        ("is", None, True),
        ("==", 3, True),
        ("!=", 3, False),
        ("<", 4, True),
        ("<=", 3, True),
        (">", 3, False),
        (">=", 3.0, True),
    ],
)
def test_conditions_compare(op, value, holds):
    world = World(lambda step, inputs, attempt: 3)
    world.run(Drawing().node("a", 1).node("b", 1, step="other", when=("a", op, value)).graph())
    assert (world.statuses["b"] == "Completed") is holds


def test_a_condition_that_cannot_be_told_fails_its_step():
    world = World(lambda step, inputs, attempt: "text")
    finish = world.run(Drawing().node("a", 1).node("b", 1, when=("a", "<", 4)).graph())
    assert finish.status is RunStatus.FAILED
    assert "a condition cannot be told" in world.changes["b"].failure.message


# -- mapped steps ------------------------------------------------------------------------------------------------------


def test_elements_of_a_list_are_steps_of_their_own():
    world = World(lambda step, inputs, attempt: [1, 2, 3] if step == "source" else inputs["x"])
    drawing = Drawing().node("source", 0).node("double", "source", each=["x"]).node("join", "double")
    finish = world.run(drawing.graph(out="join"))
    assert world.executed == ["source", "double[0]", "double[1]", "double[2]", "join"]
    assert output(finish) == [1, 2, 3]
    assert "double" not in world.statuses
    assert [change.element for name, change in world.changes.items() if name.startswith("double")] == [0, 1, 2]


def test_a_new_element_costs_one_execution():
    world = World(lambda step, inputs, attempt: list(range(world.size)) if step == "source" else inputs["x"])
    drawing = (
        Drawing()
        .node("source", 0, options=StepOptions(allow_reuse=False))
        .node("double", "source", each=["x"])
        .node("join", "double")
    )
    world.size = 3
    world.run(drawing.graph())
    world.size = 4
    world.run(drawing.graph())
    assert world.executed == ["source", "double[3]", "join"]


def test_mapping_over_a_mapped_step_goes_on_element_by_element():
    world = World(lambda step, inputs, attempt: [1, 2] if step == "source" else inputs["x"], pick=lambda count: 0)
    drawing = Drawing().node("source", 0).node("m", "source", each=["x"]).node("n", "m", each=["x"])
    world.run(drawing.graph())
    order = world.executed
    assert set(order) == {"source", "m[0]", "m[1]", "n[0]", "n[1]"}
    assert order.index("n[0]") > order.index("m[0]")


def test_an_element_whose_source_failed_is_skipped_and_the_others_go_on():
    def function(step, inputs, attempt):
        if step == "m[1]":
            raise ValueError("bad element")
        return [1, 2, 3] if step == "source" else inputs["x"]

    world = World(function)
    drawing = Drawing().node("source", 0).node("m", "source", each=["x"]).node("n", "m", each=["x"]).node("join", "n")
    world.run(drawing.graph(), CONTINUE)
    assert world.statuses["n[0]"] == world.statuses["n[2]"] == "Completed"
    assert world.statuses["m[1]"] == "Failed"
    assert world.statuses["n[1]"] == "Skipped"
    assert world.statuses["join"] == "Skipped"


def test_shared_inputs_and_lists_written_in_the_pipeline():
    world = World()
    drawing = Drawing().node("model", 1).node("score", [10, 20], "model", each=["x"])
    world.run(drawing.graph())
    assert world.executed == ["model", "score[0]", "score[1]"]
    assert world.changes["score[1]"].outputs["output"].inline == ["score", 20, ["model", 1]]


def test_an_empty_list_completes_with_an_empty_list():
    world = World(lambda step, inputs, attempt: [] if step == "source" else inputs["x"])
    finish = world.run(Drawing().node("source", 0).node("m", "source", each=["x"]).node("join", "m").graph(out="join"))
    assert world.statuses == {"source": "Completed", "m": "Completed", "join": "Completed"}
    assert output(finish) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [(5, "is a int, not a list"), ({"a": 1}, "is a dict, not a list"), ("ab", "is a str, not a list")],
)
def test_mapping_over_something_else_fails_with_words(value, words):
    world = World(lambda step, inputs, attempt: value)
    finish = world.run(Drawing().node("source", 0).node("m", "source", each=["x"]).graph())
    assert finish.status is RunStatus.FAILED
    assert words in world.changes["m"].failure.message


def test_lists_of_different_lengths_fail_with_their_lengths():
    world = World()
    finish = world.run(Drawing().node("m", [1, 2], [1], each=["x", "y"]).graph())
    assert (
        finish.failure.message == "step 'm' failed: the lists that are mapped over differ in length: x has 2, y has 1"
    )


def test_a_big_list_is_read_by_the_world():
    big = StoredValue(digest("big"), "json", 9999, digest("blob"))
    world = World(lambda step, inputs, attempt: big if step == "source" else inputs["x"])
    world.big = {digest("blob"): [7, 8]}
    world.run(Drawing().node("source", 0).node("m", "source", each=["x"]).graph())
    assert world.executed == ["source", "m[0]", "m[1]"]


# -- cancel ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(1, 8))
def test_a_canceled_run_ends_with_every_step_ended(turn):
    world = World()
    finish = world.run(diamond().graph(), cancel_after=turn)
    assert finish.status in (RunStatus.CANCELED, RunStatus.COMPLETED)
    assert set(world.statuses) == {"a", "b", "c", "d"}
    assert set(world.statuses.values()) <= {"Completed", "Canceled"}
    assert not world.claimed, "claims must be given up"


# -- single flight -----------------------------------------------------------------------------------------------------


def test_a_key_that_another_run_executes_is_waited_for_and_then_reused():
    world = World()
    graph = Drawing().node("a", 1).graph()
    other = World()
    other.run(graph, run="other")
    key = next(iter(other.kept))
    world.held[key] = "step 'a' of run other"
    looks = []

    def pick(count):
        looks.append(count)
        if len(looks) == 3:
            world.kept.update(other.kept)
            world.held.clear()
        return 0

    world.pick = pick
    world.run(graph)
    assert world.executed == []
    assert world.statuses == {"a": "Reused"}
    assert ("a", "Queued") in world.history


def test_a_key_whose_holder_died_is_taken_over():
    world = World()
    graph = Drawing().node("a", 1).graph()
    probe = World()
    probe.run(graph)
    world.held[next(iter(probe.kept))] = "a run that dies"
    looks = []

    def pick(count):
        looks.append(count)
        if len(looks) == 4:
            world.held.clear()
        return 0

    world.pick = pick
    world.run(graph)
    assert world.executed == ["a"]


# -- damaged inputs ----------------------------------------------------------------------------------------------------


def test_a_damaged_input_is_made_again_by_its_producer():
    blob = digest("blob")
    broken = {"yes"}

    def function(step, inputs, attempt):
        if step == "a":
            return StoredValue(digest("content"), "numpy", 5, blob)
        if step in ("b", "c") and broken:
            broken.clear()
            raise Damaged(blob)
        return step

    world = World(function)
    finish = world.run(diamond().graph())
    assert finish.status is RunStatus.COMPLETED
    assert world.executed.count("a") == 2
    assert world.executed.count("d") == 1


def test_endless_damage_ends_with_a_failure():
    blob = digest("blob")

    def function(step, inputs, attempt):
        if step == "a":
            return StoredValue(digest("content"), "numpy", 5, blob)
        raise Damaged(blob)

    world = World(function)
    finish = world.run(Drawing().node("a", 1).node("b", "a").graph())
    assert finish.status is RunStatus.FAILED
    assert world.executed.count("b") == 6
    words = "an input was damaged again, after it had been made again 5 times: damaged"
    assert (world.changes["b"].failure.kind, world.changes["b"].failure.message) == ("input", words)
    once = Drawing().node("a", 1).node("b", "a", options=StepOptions(retry=Retry(0, damaged=1))).graph()
    world.run(once)
    assert world.executed.count("b") == 2


# -- values ------------------------------------------------------------------------------------------------------------


def test_parameters_and_dicts_reach_their_steps():
    world = World()
    drawing = Drawing().node("a", 1)
    graph = drawing.graph()
    node = type(graph.nodes[0])("b", 0, {"x": ParameterRef("alpha"), "y": DictOf((("k", OutputRef(0, "output")),))})
    graph = type(graph)(graph.name, graph.steps, (*graph.nodes, node))
    seen = {}
    world.function = lambda step, inputs, attempt: seen.setdefault(step, inputs) and 1
    world.run(graph, arguments={"alpha": plain(0.5)})
    assert seen["b"]["x"] == 0.5


# -- shape -------------------------------------------------------------------------------------------------------------


def test_a_chain_of_ten_thousand_steps():
    drawing = Drawing()
    drawing.steps.append(__import__("graphs").compiled("n"))
    from pipelinekit.domain.graphs import Graph, Literal, Node

    nodes = [Node("n0", 0, {"x": Literal(0)})]
    nodes += [Node(f"n{number}", 0, {"x": OutputRef(number - 1, "output")}) for number in range(1, 10_000)]
    world = World(lambda step, inputs, attempt: inputs["x"] + 1)
    finish = world.run(Graph("chain", tuple(drawing.steps), tuple(nodes), (), (("out", OutputRef(9_999, "output")),)))
    assert output(finish) == 10_000
    assert world.run(Graph("chain", tuple(drawing.steps), tuple(nodes))).status is RunStatus.COMPLETED
    assert world.executed == []


def test_failures_carry_their_story():
    world = World(failing("a"))
    finish = world.run(Drawing().node("a", 1).graph())
    assert finish.failure == Failure(
        "user", "step 'a' failed: a is broken", ("ValueError", "Exception", "BaseException", "object")
    )
