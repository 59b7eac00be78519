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
    import io, os, sys
    from pathlib import Path
    from pipelinekit import File, Folder

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
    with step_process(tmp_path, STEPS, preexec_fn=obey_permissions) as process:
        yield process


def test_an_exception_that_cannot_be_told_is_a_failure_of_the_step(steps):
    failure = steps.failure("speechless")
    assert failure.kind == "user"
    assert "Speechless" in failure.message
    assert steps.value("give", {"x": 1}) == 1


@pytest.mark.parametrize("function", ["closes", "replaces", "by_number", "sets", "removes", "path"])
def test_a_process_that_a_step_leaves_otherwise_is_marked_spoiled(steps, function):
    steps.start(function)
    answer = steps.answer()
    assert event_from_json(answer).failure is None
    assert answer["spoiled"] is True


def test_a_process_that_a_step_leaves_as_it_was_is_not_spoiled(steps):
    steps.start("says", {"x": 1})
    assert "spoiled" not in steps.answer()


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
