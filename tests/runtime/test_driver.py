"""The driver, on twins: what it records, what it executes, and what happens when things go wrong."""

import threading

import pytest

from pipelinekit.domain.attempts import AttemptEnded
from pipelinekit.domain.digests import digest
from pipelinekit.domain.environments import Software, variable_identity
from pipelinekit.domain.graphs import CompiledStep, Definition, Graph, Literal, Node, OutputRef
from pipelinekit.domain.runs import Completion, Failure, RunOptions, RunRecord, RunStatus, StepRecord, StepStatus
from pipelinekit.domain.steps import Port, Retry, StepOptions
from pipelinekit.domain.types import ANY
from pipelinekit.domain.values import StoredValue, plain
from pipelinekit.errors import ComputeError, LeaseLostError, NotFoundError
from pipelinekit.runtime.driver import Driver
from pipelinekit.runtime.records import Records
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.compute import ImaginaryCompute
from pipelinekit.testing.documents import MemoryDocuments, MemoryLogs
from pipelinekit.testing.facts import MemoryFacts
from pipelinekit.testing.records import (
    MemoryCarrying,
    MemoryDriving,
    MemoryReuse,
    MemoryRuns,
    MemoryState,
)
from pipelinekit.testing.stores import MemoryBlobs, MemoryFiles
from pipelinekit.wire.graphs import graph_digest, graph_text

OUT = (Port("output", ANY),)


def step(name, options=None, variables=()):
    definition = Definition("python", f"main:{name}", (), Software("py", variables=variables), OUT)
    return CompiledStep(name, definition, (Port("x", ANY),), options or StepOptions(), "")


def chain(*names, options=None, value=1):
    steps = tuple(step(name, options) for name in names)
    nodes = [Node(names[0], 0, {"x": Literal(value)})]
    nodes += [
        Node(name, position, {"x": OutputRef(position - 1, "output")}) for position, name in enumerate(names[1:], 1)
    ]
    return Graph("pipe", steps, tuple(nodes), (), (("result", OutputRef(len(names) - 1, "output")),))


class Watcher:
    def __init__(self):
        self.seen = []
        self.ran = None

    def begun(self, run, graph):
        self.ran = run

    def carried(self, carried, read):
        self.changed(read())

    def changed(self, changes):
        self.seen.extend((change.name, str(change.status)) for change in changes)

    def logged(self, chunks):
        pass

    def waits(self, why):
        self.seen.append(("", why))

    def waiting(self):
        pass


class Bench:
    """Everything a driver needs, in memory."""

    def __init__(self, answer=None):
        self.clock = HandClock()
        self.state = MemoryState(self.clock, dead={"dead"})
        self.blobs = MemoryBlobs()
        self.files = MemoryFiles()
        self.records = Records(
            MemoryRuns(self.state),
            MemoryDriving(self.state),
            MemoryReuse(self.state),
            MemoryCarrying(self.state),
            MemoryDocuments(self.state),
            MemoryLogs(self.state),
            lambda: MemoryFacts(self.state),
            self.state.transaction,
            lambda: None,
        )
        self.answer = answer or (lambda attempt, value: plain([attempt.step, value]))
        self.executed = []
        self.made = []
        self.opened = {}
        self.ended = []
        self.watcher = Watcher()

    def make_compute(self, target, sink, attempts):
        self.made.append(target)
        if target == "broken":
            raise ComputeError("it cannot be reached", hint="start it")
        return ImaginaryCompute(sink, self.clock, self.execute, self.executed)

    def execute(self, attempt):
        self.clock.turn(1.0)
        try:
            value = self.answer(attempt, attempt.inputs["x"].inline)
        except Exception as error:
            names = tuple(kind.__name__ for kind in type(error).__mro__)
            return AttemptEnded(attempt.id, self.clock.now(), 1.0, failure=Failure("user", str(error), names))
        return AttemptEnded(attempt.id, self.clock.now(), 1.0, {"output": value}, observed=self.opened)

    def submit(self, graph, options=None, name="1", detached=False):
        text = graph_text(graph)
        self.records.documents.put({graph_digest(text): text})
        record = RunRecord(
            f"{name:0>14}",
            0,
            "exp",
            graph.name,
            graph_digest(text),
            RunStatus.QUEUED,
            0.0,
            options=options or RunOptions(),
            detached=detached,
        )
        return self.records.runs.create(record).id

    def driver(self):
        return Driver(
            "me",
            self.records,
            self.blobs,
            self.clock,
            lambda: self.files,
            self.make_compute,
            lambda: self.records.driving,
            self.watcher,
            end_left=lambda target, run, for_good: self.ended.append(
                (target, for_good, str(self.records.runs.get(run).status))
            ),
        )

    def drive(self, graph, options=None, name="1"):
        self.executed.clear()
        run = self.submit(graph, options, name)
        status = self.driver().drive(run)
        self.run = self.records.runs.get(run)
        self.steps = {item.name: item for item in self.records.runs.steps(run)}
        assert self.run.status is status
        return status


def test_a_run_is_driven_to_its_end_and_recorded():
    bench = Bench()
    assert bench.drive(chain("a", "b")) is RunStatus.COMPLETED
    assert bench.executed == ["a", "b"]
    assert bench.run.outputs == {"result": plain(["b", ["a", 1]])}
    assert bench.steps["b"].outputs == {"output": plain(["b", ["a", 1]])}
    assert bench.steps["a"].reasons[0].cause == "first run"
    assert (bench.steps["a"].seconds, bench.steps["a"].attempt) == (1.0, 1)
    assert bench.watcher.seen[-1] == ("b", "Completed")
    assert not bench.state.claims


def test_a_run_that_is_wholly_reused_makes_no_compute_target():
    bench = Bench()
    bench.drive(chain("a", "b"))
    bench.made.clear()
    assert bench.drive(chain("a", "b"), name="2") is RunStatus.COMPLETED
    assert (bench.executed, bench.made) == ([], [])
    assert bench.steps["b"].original_run == "00000000000001"
    assert bench.run.outputs == {"result": plain(["b", ["a", 1]])}


def test_what_changed_is_told_as_the_reason():
    bench = Bench()
    bench.drive(chain("a", "b"))
    bench.drive(chain("a", "b", value=2), name="2")
    assert [reason.message for reason in bench.steps["a"].reasons] == ["input 'x' changed: 1 -> 2"]
    assert bench.steps["b"].reasons[0].message == "input 'x' from step 'a' changed at [1]: 1 -> 2"


def test_an_output_that_is_gone_is_made_again():
    bench = Bench()
    blob, size = bench.blobs.put(b"data" * 2000)

    def answer(attempt, value):
        bench.blobs.put(b"data" * 2000)
        return StoredValue(digest("content"), "bytes", size, blob)

    bench.answer = answer
    bench.drive(chain("a"))
    bench.blobs.discard(blob)
    assert bench.drive(chain("a"), name="2") is RunStatus.COMPLETED
    assert bench.executed == ["a"]
    assert bench.steps["a"].reasons[0].cause == "missing output"
    bench.drive(chain("a"), name="3")
    assert bench.executed == []


def test_a_failure_ends_the_run_with_its_story():
    def answer(attempt, value):
        if attempt.step == "b":
            raise ValueError("b is broken")
        return plain(value)

    bench = Bench(answer)
    assert bench.drive(chain("a", "b", "c")) is RunStatus.FAILED
    assert bench.run.failure.message == "step 'b' failed: b is broken"
    assert {name: str(item.status) for name, item in bench.steps.items()} == {
        "a": "Completed",
        "b": "Failed",
        "c": "Canceled",
    }
    assert not bench.state.claims


def test_retries_wait_for_their_time():
    def answer(attempt, value):
        if attempt.number < 3:
            raise OSError("not yet")
        return plain(attempt.number)

    bench = Bench(answer)
    began = bench.clock.now()
    real = bench.clock.now
    bench.clock.now = lambda: (setattr(bench.clock, "time", bench.clock.time + 0.5), real())[1]
    assert bench.drive(chain("a", options=StepOptions(retry=Retry(3, delay=5, jitter=0)))) is RunStatus.COMPLETED
    assert bench.steps["a"].attempt == 3
    assert bench.clock.time - began > 15


def test_a_target_that_cannot_be_made_fails_its_steps_with_words():
    bench = Bench()
    assert bench.drive(chain("a", "b"), RunOptions(compute="broken")) is RunStatus.FAILED
    assert bench.steps["a"].failure.message == "it cannot be reached"
    assert bench.steps["a"].failure.hint == "start it"


def test_a_step_may_run_on_a_target_of_its_own():
    bench = Bench()
    graph = chain("a", "b")
    own = Graph(
        graph.name, (graph.steps[0], step("b", StepOptions(compute="elsewhere"))), graph.nodes, (), graph.outputs
    )
    bench.drive(own, RunOptions(compute="here"))
    assert bench.made == ["here", "elsewhere"]


def test_a_run_can_be_canceled_by_whoever_sees_its_record():
    bench = Bench()
    bench.answer = lambda attempt, value: (bench.records.runs.request_cancel(attempt.run), plain(value))[1]
    assert bench.drive(chain("a", "b")) in (RunStatus.CANCELED, RunStatus.COMPLETED)
    assert bench.run.cancel_requested


def test_a_driver_can_be_told_to_cancel():
    bench = Bench()
    driver = bench.driver()
    turns = driver.turns(driver.begin(run := bench.submit(chain("a", "b"))))

    def answer(attempt, value):
        turns.cancel()
        return plain(value)

    bench.answer = answer
    assert turns.drive() is RunStatus.CANCELED
    assert {item.name: str(item.status) for item in bench.records.runs.steps(run)} == {
        "a": "Completed",
        "b": "Canceled",
    }


def left(bench, *changes, detached=True):
    """A run on a cluster, of two steps, as a driver has left it that has died."""
    run = bench.submit(chain("a", "b"), RunOptions(compute="cluster"), detached=detached)
    taken = bench.records.driving.take(run, "dead")
    bench.records.driving.record(run, taken.epoch, [change(run, *words) for words in changes])
    return run


def change(run, name, status, failure=None):
    return StepRecord(run, name, "ab".index(name), status, digest(name), attempt=1, failure=failure)


def test_nothing_of_a_canceled_run_is_begun_and_what_was_left_is_ended_before_its_end_is_recorded():
    bench = Bench()
    run = left(bench, ("a", StepStatus.RUNNING))
    bench.records.runs.request_cancel(run)
    assert bench.records.driving.recover(0) == [run]
    assert bench.driver().drive(run) is RunStatus.CANCELED
    assert (bench.executed, bench.made) == ([], [])
    assert bench.ended == [("cluster", True, "CancelRequested")]


def test_a_run_that_fails_ends_what_was_left_and_one_that_goes_on_does_not():
    bench = Bench()
    broken = Failure("user", "it broke")
    run = left(bench, ("a", StepStatus.FAILED, broken), ("b", StepStatus.RUNNING))
    assert bench.records.driving.recover(0) == [run]
    assert bench.driver().drive(run) is RunStatus.FAILED
    assert bench.ended == [("cluster", False, "Running")]
    bench = Bench()
    run = left(bench, ("a", StepStatus.RUNNING))
    assert bench.records.driving.recover(0) == [run]
    assert bench.driver().drive(run) is RunStatus.COMPLETED
    assert bench.ended == []


def test_what_was_left_is_ended_where_a_run_fails_before_its_first_turn_as_well():
    bench = Bench()
    blob, size = bench.blobs.put(b"[1, 2]")
    value = StoredValue(digest("list"), blob=blob, size=size)
    nodes = Node("make", 0, {"x": Literal(5)}), Node("m", 1, {"x": OutputRef(0, "output")}, each=("x",))
    run = bench.submit(Graph("pipe", (step("make"), step("m")), nodes), RunOptions(compute="cluster"), detached=True)
    taken = bench.records.driving.take(run, "dead")
    made = StepRecord(run, "make", 0, StepStatus.COMPLETED, digest("make"), attempt=1, outputs={"output": value})
    done = Completion(digest("make"), run, "make", {"output": value}, 1.0, 1)
    elements = [
        StepRecord(run, f"m[{index}]", 1, status, digest(index), attempt=1, failure=failure, element=index)
        for index, (status, failure) in enumerate(
            [(StepStatus.FAILED, Failure("user", "it broke")), (StepStatus.RUNNING, None)]
        )
    ]
    bench.records.driving.record(run, taken.epoch, [made, *elements], [done])
    assert bench.records.driving.recover(0) == [run]
    assert bench.driver().drive(run) is RunStatus.FAILED
    assert bench.ended == [("cluster", False, "Failed")]


@pytest.mark.parametrize("detached", [True, False])
@pytest.mark.parametrize("goes_on", [True, False])
def test_what_was_lost_is_ended_where_its_run_fails(detached, goes_on):
    class Losing(ImaginaryCompute):
        def start(self, attempts):
            for attempt in attempts:
                self._sink(AttemptEnded(attempt.id, bench.clock.now(), 1.0, failure=Failure("lost", "cut off")))

    bench = Bench()
    bench.make_compute = lambda target, sink, attempts: Losing(sink, bench.clock, bench.execute, bench.executed)
    options = RunOptions(compute="cluster", continue_on_step_failure=goes_on)
    run = bench.submit(chain("a", options=StepOptions(retry=Retry(1, delay=0))), options, detached=detached)
    real = bench.clock.now
    bench.clock.now = lambda: (setattr(bench.clock, "time", bench.clock.time + 0.5), real())[1]
    assert bench.driver().drive(run) is RunStatus.FAILED
    assert bool(bench.ended) is detached


def test_elements_of_a_canceled_run_stand_for_their_mapped_step():
    bench = Bench()
    nodes = (Node("m", 0, {"x": Literal([1, 2])}, each=("x",)),)
    run = bench.submit(Graph("pipe", (step("m"),), nodes), RunOptions(compute="cluster"), detached=True)
    taken = bench.records.driving.take(run, "dead")
    elements = [
        StepRecord(run, f"m[{index}]", 0, status, digest(index), attempt=1, element=index)
        for index, status in enumerate([StepStatus.COMPLETED, StepStatus.RUNNING])
    ]
    bench.records.driving.record(run, taken.epoch, elements)
    bench.records.runs.request_cancel(run)
    assert bench.records.driving.recover(0) == [run]
    assert bench.driver().drive(run) is RunStatus.CANCELED
    found = [(item.name, str(item.status), item.note) for item in bench.records.runs.steps(run)]
    assert found == [("m[0]", "Completed", ""), ("m[1]", "Canceled", "the run was canceled")]


def test_who_aborts_a_run_may_have_interrupted_who_closes_a_target():
    bench, held, closed = Bench(), threading.Lock(), threading.Event()
    waited_in_vain = []

    class Locking(ImaginaryCompute):
        def close(self, *, now=False):
            if held.acquire(timeout=10):
                held.release()
            else:
                waited_in_vain.append(now)
            closed.set()

    bench.make_compute = lambda target, sink, attempts: Locking(sink, bench.clock, bench.execute, bench.executed)
    driver = bench.driver()
    turns = driver.turns(driver.begin(bench.submit(chain("a"))))

    def answer(attempt, value):
        with held:
            turns.abort()
            assert not closed.is_set()
        assert closed.wait(10)
        return plain(value)

    bench.answer = answer
    assert turns.drive() is RunStatus.COMPLETED
    assert waited_in_vain == []


def test_a_run_that_another_driver_holds_is_not_driven():
    bench = Bench()
    run = bench.submit(chain("a"))
    bench.records.driving.take(run, "another")
    with pytest.raises(LeaseLostError):
        bench.driver().drive(run)
    assert bench.executed == []


def test_a_driver_that_lost_its_run_records_nothing_more():
    bench = Bench()
    run = bench.submit(chain("a", "b"))

    def answer(attempt, value):
        bench.state.dead.add("me")
        bench.records.driving.take(run, "another")
        return plain("late")

    bench.answer = answer
    with pytest.raises(LeaseLostError):
        bench.driver().drive(run)
    assert not bench.state.completions
    assert bench.state.runs[run].owner == "another"


def test_variables_that_changed_since_compilation_are_refused(monkeypatch):
    monkeypatch.setenv("MODE", "slow")
    bench = Bench()
    one = step("a", variables=(("MODE", variable_identity("MODE", "fast")),))
    assert bench.drive(Graph("pipe", (one,), (Node("a", 0, {"x": Literal(1)}),))) is RunStatus.FAILED
    assert bench.executed == []
    assert "environment variable MODE is not what it was" in bench.steps["a"].failure.message


def test_a_graph_that_is_gone_is_told():
    bench = Bench()
    run = bench.submit(chain("a"))
    bench.state.documents.clear()
    with pytest.raises(NotFoundError, match="is not in the records"):
        bench.driver().drive(run)
    found = bench.records.runs.get(run)
    assert found.status is RunStatus.FAILED, "nobody else could drive it"
    assert "is not in the records" in found.failure.message


def test_events_are_complete_and_in_order():
    bench = Bench()
    bench.drive(chain("a", "b"))
    last = {}
    for event in bench.state.events[bench.run.id]:
        last.update(event)
    assert last["a"] == last["b"] == "Completed"
    assert last["status"] == "Completed"
