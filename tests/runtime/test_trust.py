"""Executing again to be sure, and results that age: the driver on records in memory."""

from dataclasses import replace

import pytest
from test_driver import Bench, chain

from pipelinekit.domain.runs import Completion, RunOptions, RunStatus
from pipelinekit.domain.steps import StepOptions
from pipelinekit.domain.values import plain
from pipelinekit.engine.fingerprint import Fingerprint, observed_key
from pipelinekit.runtime.planner import plan


def key_of(graph):
    return Fingerprint(graph.steps[0].definition).key({"x": plain(1).digest})


def statuses(bench):
    return {step.name: (str(step.status), step.verified) for step in bench.records.runs.steps(bench.run.id)}


def counting(changes=()):
    """An answer that differs from execution to execution of the steps in `changes`."""
    calls = {}

    def answer(attempt, value):
        calls[attempt.step] = calls.get(attempt.step, 0) + 1
        return plain([value, calls[attempt.step]]) if attempt.step in changes else plain(value)

    return answer


def test_hits_that_are_verified_are_executed_and_compared():
    bench = Bench()
    bench.drive(chain("a", "b"))
    bench.executed.clear()
    assert bench.drive(chain("a", "b"), RunOptions(verify=1.0), name="2") is RunStatus.COMPLETED
    assert bench.executed == ["a", "b"]
    assert statuses(bench) == {"a": ("Completed", "equal"), "b": ("Completed", "equal")}
    assert bench.records.runs.steps(bench.run.id)[0].reasons[0].cause == "verify"
    bench.executed.clear()
    bench.drive(chain("a", "b"), name="3")
    assert bench.executed == []


def test_a_result_that_differs_is_no_longer_reused_and_says_why():
    bench = Bench(counting(["a"]))
    bench.drive(chain("a", "b"))
    bench.drive(chain("a", "b"), RunOptions(verify=1.0), name="2")
    steps = bench.records.runs.steps(bench.run.id)
    assert statuses(bench)["a"] == ("Completed", "different")
    assert steps[0].note.startswith("output 'output' differs from that of run ")
    assert steps[1].reasons[0].cause == "input"
    bench.executed.clear()
    bench.drive(chain("a", "b"), name="3")
    assert bench.executed[0] == "a"
    why = bench.records.runs.steps(bench.run.id)[0].reasons[0]
    assert why.cause == "invalidated"
    assert "output 'output' differs" in why.message
    bench.executed.clear()
    bench.drive(chain("a", "b"), name="4")
    assert bench.executed == [], "the newest result is as good as any"


def test_a_share_of_hits_is_verified():
    names = [f"s{number}" for number in range(40)]
    graph = chain(*names)
    free = replace(graph, nodes=tuple(replace(node, inputs=graph.nodes[0].inputs) for node in graph.nodes))
    bench = Bench()
    bench.drive(free)
    bench.executed.clear()
    bench.drive(free, RunOptions(verify=0.5), name="2")
    found = statuses(bench)
    verified = [name for name, state in found.items() if state == ("Completed", "equal")]
    assert 5 < len(verified) < 35
    assert bench.executed == verified
    assert all(state in (("Completed", "equal"), ("Reused", "")) for state in found.values())


@pytest.mark.parametrize("changes", [(), ("b",)])
def test_check_executes_every_step_twice(changes):
    bench = Bench(counting(changes))
    assert bench.drive(chain("a", "b"), RunOptions(check=True)) is RunStatus.COMPLETED
    assert bench.executed == ["a", "a", "b", "b"]
    wanted = "different" if changes else "equal"
    assert statuses(bench) == {"a": ("Completed", "equal"), "b": ("Completed", wanted)}
    bench.executed.clear()
    bench.drive(chain("a", "b"), name="2")
    assert bench.executed == list(changes)


def test_check_compares_hits_with_one_more_execution():
    bench = Bench()
    bench.drive(chain("a", "b"))
    bench.executed.clear()
    bench.drive(chain("a", "b"), RunOptions(check=True), name="2")
    assert bench.executed == ["a", "b"]


def test_a_result_ages():
    bench = Bench()
    graph = chain("a", "b", options=StepOptions(max_age=60.0))
    bench.drive(graph)
    bench.executed.clear()
    bench.clock.turn(50)
    bench.drive(graph, name="2")
    assert bench.executed == []
    bench.clock.turn(20)
    bench.drive(graph, name="3")
    assert bench.executed == ["a", "b"]
    assert bench.records.runs.steps(bench.run.id)[0].reasons[0].cause == "expired"
    bench.executed.clear()
    bench.clock.turn(50)
    bench.drive(graph, name="4")
    assert bench.executed == [], "its age counts from the newest execution"


def opening(bench, **files):
    """Let every execution open these files, and have them be so on this machine."""
    symbols = {f"file:{name}": digest for name, digest in files.items()}
    bench.opened = symbols
    bench.files.now.update(symbols)


def test_files_that_were_opened_undeclared_count_from_then_on():
    bench = Bench()
    opening(bench, config="one")
    bench.drive(chain("a"))
    assert "opened config without declaring it" in bench.steps["a"].note
    bench.drive(chain("a"), name="2")
    assert bench.executed == []
    assert bench.steps["a"].note == ""
    opening(bench, config="two")
    bench.drive(chain("a"), name="3")
    assert bench.executed == ["a"]
    assert [reason.message for reason in bench.steps["a"].reasons] == [
        "config, which it opened without declaring it, changed"
    ]
    opening(bench, config="one")
    bench.drive(chain("a"), name="4")
    assert bench.executed == [], "going back reruns nothing"


def test_each_execution_counts_what_it_opened_itself():
    bench = Bench()
    opening(bench, first="1")
    bench.drive(chain("a"))
    bench.opened = {"file:second": "2"}
    bench.files.now["file:second"] = "2"
    bench.drive(chain("a", value=5), name="2")
    bench.drive(chain("a"), name="3")
    assert bench.executed == []
    bench.files.now["file:second"] = "other"
    bench.drive(chain("a"), name="4")
    assert bench.executed == [], "it never opened the second file"
    bench.drive(chain("a", value=5), name="5")
    assert bench.executed == ["a"]


def test_a_file_that_changes_between_look_and_execution_counts_as_it_was_read():
    bench = Bench()
    bench.files.now["file:config"] = "before"
    bench.opened = {"file:config": "after"}
    bench.drive(chain("a"))
    bench.files.now["file:config"] = "after"
    bench.drive(chain("a"), name="2")
    assert bench.executed == []


def test_undeclared_files_are_in_the_plan_too():
    bench = Bench()
    opening(bench, config="one")
    bench.drive(chain("a"))
    records = bench.records

    def decided():
        found = plan(
            chain("a"), {}, {}, RunOptions(), records.reuse, records.documents, bench.blobs, bench.clock, bench.files
        )
        return found[0].decision, [reason.cause for reason in found[0].reasons]

    assert decided() == ("reuse", [])
    bench.files.now["file:config"] = "two"
    assert decided() == ("run", ["undeclared"])


def test_whoever_waits_for_a_key_takes_a_result_that_was_filed_with_undeclared_files():
    bench = Bench()
    opening(bench, config="one")
    other = bench.submit(chain("a"), name="1")
    records = bench.records
    taken = records.driving.take(other, "another")
    key = key_of(chain("a"))
    records.reuse.claim(other, taken.epoch, {"a": key}, frozenset())
    run = bench.submit(chain("a"), name="2")
    driver = bench.driver()

    def finish(chunks=None):
        definition = chain("a").steps[0].definition.digest()
        filed = observed_key(definition, {"x": plain(1).digest}, bench.opened)
        records.reuse.observe(definition, list(bench.opened))
        done = Completion(filed, other, "a", {"output": plain("theirs")}, claim=key)
        records.driving.record(other, taken.epoch, [], [done])
        bench.watcher.waiting = lambda: bench.clock.turn(1)
        bench.clock.turn(1)

    bench.watcher.waiting = finish
    assert driver.drive(run) is RunStatus.COMPLETED
    assert bench.executed == []
    assert records.runs.steps(run)[0].original_run == other
