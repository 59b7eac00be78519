"""A step that does odd things ends as itself, and the next step in the same process does not notice."""

import os
import select

import pytest
from seams import obey_permissions
from step_processes import step_process

from pipelinekit.domain.steps import Port
from pipelinekit.domain.types import PortType
from pipelinekit.formats.paths import store_file
from pipelinekit.wire.attempts import event_from_json

STEPS = """
    import decimal, functools, io, logging, os, sys, threading, warnings
    from pathlib import Path
    from pipelinekit import File, Folder, step

    COUNTER, SEEN, KNOWN, NAMES = 0, [], {"inner": {"list": []}}, set()
    log = logging.getLogger(__name__)

    class Model:
        loaded = 0
        def __init__(self): self.cache = {}

    MODEL = Model()

    def counts():
        global COUNTER
        COUNTER += 1
    def appends(): SEEN.append(1)
    def nests(): KNOWN["inner"]["list"].append(1)
    def names(): NAMES.add("x")
    def loads(): Model.loaded = 1
    def caches(): MODEL.cache["x"] = 1
    def collects(into=[]): into.append(1)
    @step
    def step_collects(into: list = []) -> int:
        into.append(1)
        return len(into)
    def own_attribute(): own_attribute.calls = 1
    def make_counter():
        count = 0
        def counter():
            nonlocal count
            count += 1
        return counter
    counter = make_counter()
    def enclosed(): counter()
    def defines():
        global NEW
        NEW = 1
    def precision(): decimal.getcontext().prec = 5
    def masks(): os.umask(0)
    def thread(): threading.Thread(target=threading.Event().wait).start()

    @functools.lru_cache
    def pure(x): return x
    def remembers(): return pure(1)
    def warns():
        warnings.warn("once")
        log.warning("said")
    def imports():
        import beside
        return beside.VALUE

    class Speechless(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    def give(x): return x
    def speechless(): raise Speechless
    def closes(): sys.stdout.close()
    def replaces(): sys.stdout = io.StringIO()
    def by_number(): os.close(1)
    def says(x): print("says", x)
    def sets(): os.environ["LEFT_BY_A_STEP"] = "behind"
    def removes(): del os.environ["HOME"]
    def path(): sys.path.insert(0, "/nowhere")
    def doubles(): return os.fork()
    def one_name():
        os.mkdir("out")
        Path("out/\\u00e9").write_text("1")
        Path("out/e\\u0301").write_text("2")
        return Folder("out")
    def backslash():
        os.mkdir("out")
        Path("out/a\\\\b").write_text("1")
        return Folder("out")
    def replaces_input(file: File):
        os.remove(file)
        Path(file).write_text("a file of its own")
        return Path(file).read_text()
"""


@pytest.fixture
def steps(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "beside.py").write_text("VALUE = 1\n")
    with step_process(tmp_path, STEPS, modules=["steps"], preexec_fn=obey_permissions) as process:
        yield process


def test_an_exception_that_cannot_be_told_is_a_failure_of_the_step(steps):
    failure = steps.failure("speechless")
    assert failure.kind == "user"
    assert "Speechless" in failure.message
    assert steps.value("give", {"x": 1}) == 1


CHANGES = ["closes", "replaces", "by_number", "sets", "removes", "path", "precision", "masks", "thread"]
STATE = ["counts", "appends", "nests", "names", "loads", "caches", "collects", "step_collects", "own_attribute"]


@pytest.mark.parametrize("function", [*CHANGES, *STATE, "enclosed", "defines"])
def test_a_process_that_a_step_leaves_otherwise_is_marked_spoiled(steps, function):
    steps.start(function)
    answer = steps.answer()
    assert event_from_json(answer).failure is None
    assert answer["spoiled"] is True


@pytest.mark.parametrize("function", ["says", "remembers", "warns", "imports"])
def test_a_process_that_a_step_leaves_as_it_was_is_not_spoiled(steps, function):
    for step in ("one", "two"):
        steps.start(function, {"x": 1} if function == "says" else {}, step=step)
        answer = steps.answer()
        assert event_from_json(answer).failure is None
        assert "spoiled" not in answer


def test_a_child_that_returns_from_the_step_sends_no_result(steps):
    steps.start("doubles", step="one")
    assert event_from_json(steps.answer()).attempt == "run/one/1"
    assert not select.select([steps._outbox], [], [], 1.0)[0], "a second result for one attempt"
    ended = steps.run("give", {"x": 1}, step="two")
    assert ended.attempt == "run/two/1"
    assert os.getpgid(steps.process.pid)


@pytest.mark.parametrize("function", ["one_name", "backslash"])
def test_an_output_that_could_not_be_restored_is_the_steps_own_fault(steps, function):
    ended = steps.run(function, outputs=[Port("output", PortType("folder"))])
    assert ended.failure is not None
    assert ended.failure.kind == "output"
    assert ended.damaged == ()


def test_an_input_may_be_replaced_by_a_file_of_its_own(steps, tmp_path):
    (tmp_path / "input.csv").write_text("content")
    file = store_file(tmp_path / "input.csv", steps.blobs, move=False)
    assert steps.value("replaces_input", {"file": file}) == "a file of its own"
    assert steps.blobs.read(file.blob) == b"content"
