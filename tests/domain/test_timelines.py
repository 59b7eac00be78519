"""Timelines: when steps waited and ran, and what the end of the run waited for."""

from graphs import Drawing

from pipelinekit.domain.durations import Durations
from pipelinekit.domain.runs import RunRecord, RunStatus, StepRecord, StepStatus
from pipelinekit.domain.timelines import timeline


def run(ended=None):
    return RunRecord("r", 1, "exp", "pipe", "graph", RunStatus.RUNNING, 100.0, started_at=100.0, ended_at=ended)


def done(graph, name, started, ended, *, element=-1, status=StepStatus.COMPLETED):
    node = [node.name for node in graph.nodes].index(name.partition("[")[0])
    return StepRecord("r", name, node, status, "key", 1, started_at=started, ended_at=ended, element=element)


def of(graph, steps, ended=None, now=200.0):
    durations = {step.name: Durations(1.0, 0.5, 0.0) for step in steps}
    return timeline(run(ended), graph, steps, durations, now)


def critical(found):
    return [bar.name for bar in sorted(found.bars, key=lambda bar: bar.ended) if bar.is_critical]


def test_the_end_of_a_run_waits_for_the_slower_of_two_branches():
    graph = Drawing().node("a", 1).node("b", "a").node("c", "a").node("d", ["b", "c"]).graph()
    steps = [
        done(graph, "a", 101.0, 102.0), done(graph, "b", 103.0, 104.0),
        done(graph, "c", 103.0, 109.0), done(graph, "d", 110.0, 111.0),
    ]  # fmt: skip
    found = of(graph, steps, 111.5)
    assert critical(found) == ["a", "c", "d"]
    assert found.seconds == 11.5
    bar = next(bar for bar in found.bars if bar.name == "c")
    assert (bar.since, bar.begun, bar.called, bar.ended) == (2.0, 3.0, 3.5, 9.0)


def test_a_step_that_was_not_executed_is_looked_through():
    graph = Drawing().node("a", 1).node("b", "a").node("c", "b").graph()
    reused = StepRecord("r", "b", 1, StepStatus.REUSED, "key")
    found = of(graph, [done(graph, "a", 101.0, 102.0), reused, done(graph, "c", 103.0, 104.0)])
    assert critical(found) == ["a", "c"]
    assert found.others == {StepStatus.REUSED: 1}


def test_an_element_waits_for_the_element_that_it_is_made_of_only():
    graph = Drawing().node("a", [1, 2], each=("x",)).node("b", "a", each=("x",)).graph()
    steps = [
        done(graph, "a[0]", 101.0, 102.0, element=0), done(graph, "a[1]", 101.0, 109.0, element=1),
        done(graph, "b[0]", 102.0, 120.0, element=0), done(graph, "b[1]", 110.0, 111.0, element=1),
    ]  # fmt: skip
    assert critical(of(graph, steps)) == ["a[0]", "b[0]"]


def test_what_still_runs_has_run_until_now():
    graph = Drawing().node("a", 1).graph()
    found = of(graph, [done(graph, "a", 101.0, None, status=StepStatus.RUNNING)], now=130.0)
    assert (found.bars[0].ended, found.seconds) == (30.0, 30.0)


def test_of_many_steps_the_critical_and_the_longest_are_shown():
    drawing = Drawing()
    for number in range(50):
        drawing.node(f"n{number}", number)
    drawing.node("short", "n3").node("last", "short")
    graph = drawing.graph()
    steps = [done(graph, f"n{number}", 101.0, 102.0 + number) for number in range(50)]
    steps += [done(graph, "short", 160.0, 160.1), done(graph, "last", 161.0, 161.1)]
    names = {bar.name for bar in of(graph, steps).shown(10)}
    assert names == {"n3", "short", "last", *(f"n{number}" for number in range(43, 50))}
