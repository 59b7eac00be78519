"""Secrets inside a step's process: given by name while the attempt runs, and told by nothing that leaves it."""

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from pipelinekit import PipelinekitError, get_secret, get_secrets, step
from pipelinekit.domain.attempts import Attempt, Task
from pipelinekit.domain.steps import Port
from pipelinekit.domain.types import ANY
from pipelinekit.harness.execute import Executor, Place
from pipelinekit.harness.secrets import PIECE, given_secrets, handed_on, mask, refuse_file
from pipelinekit.storage.blobs import FolderBlobs

VALUE = "correct-horse-battery"
GIVEN = {"PASSWORD": VALUE, "my-token": "staple\nof two lines"}


@pytest.fixture
def executor(tmp_path):
    (tmp_path / "blobs").mkdir()
    made = Executor(Place(FolderBlobs(tmp_path / "blobs"), tmp_path / "scratch", tmp_path), {}.get)
    yield made
    made.leave()


def execute(executor, function, given=GIVEN):
    """Execute a function as an attempt that is given secrets."""
    executor._find = lambda _: function
    task = Task("python", "m:f", "", (), (Port("output", ANY),), secrets=dict.fromkeys(given, 1))
    return executor.execute(Attempt("run", "load", 1, task, {}), given=given)


def test_a_step_gets_what_it_was_given(executor):
    def load():
        return [len(get_secret("PASSWORD")), get_secrets(["my-token"])["my-token"].count("\n"), len(get_secrets(GIVEN))]

    assert execute(executor, load).outputs["output"].data() == [len(VALUE), 1, 2]


def test_threads_of_a_step_get_it_too_and_nobody_after_it(executor):
    found, leave = [], threading.Event()

    def ask():
        found.append(get_secret("PASSWORD"))
        leave.wait(timeout=60)
        try:
            get_secret("PASSWORD")
        except PipelinekitError as error:
            found.append(error.message)

    thread = threading.Thread(target=ask)

    def load():
        thread.start()
        while not found:
            thread.join(0.01)

    execute(executor, load)
    leave.set()
    thread.join(timeout=60)
    assert found == [VALUE, "step 'load' asked for the secret 'PASSWORD', which it does not declare"]


def test_what_is_not_declared_is_told_with_what_is(executor):
    failure = execute(executor, lambda: get_secrets(["PASSWORD", "A", "B"])).failure
    assert failure.kind == "user"
    assert failure.message == (
        "step 'load' asked for the secret 'A', 'B', which it does not declare (it was given 'PASSWORD')"
    )
    assert failure.hint == 'declare it: secrets=["PASSWORD", "my-token", "A", "B"]'


def test_outside_of_a_step_there_is_none_but_in_a_test():
    @step(secrets=["PASSWORD"])
    def load() -> int:
        return len(get_secret("PASSWORD"))

    with pytest.raises(PipelinekitError, match="secret 'PASSWORD' was asked for outside of a step") as error:
        load()
    assert "given_secrets" in error.value.hint
    with given_secrets(GIVEN):
        assert load() == len(VALUE)
        with given_secrets({"PASSWORD": "inner"}):
            assert load() == 5
        assert load() == len(VALUE)
        assert mask(f"it is {VALUE}") == "it is ***"
    assert mask(f"it is {VALUE}") == f"it is {VALUE}"


def test_failures_tell_nothing(executor):
    def fail():
        password = get_secret("PASSWORD")
        kind = type(f"Kind_{password}", (Exception,), {})
        raise kind(f"it is {password!r}, {password[::-1]}")

    failure = execute(executor, fail).failure
    assert VALUE not in str(failure)
    assert "it is '***', " in failure.message
    assert "***" in failure.types[0]
    assert "***" in failure.traceback


def test_names_of_files_that_it_opens_tell_nothing(executor):
    with tempfile.TemporaryDirectory(dir="/tmp") as place:  # what is opened in /dev is the system's, and not noted
        (Path(place) / f"data-{VALUE}").write_text("x")
        ended = execute(executor, lambda: len((Path(place) / f"data-{get_secret('PASSWORD')}").read_text()))
        assert list(ended.observed) == [f"file:{place}/data-***"], "a file of that name is never found: a sure miss"


@pytest.mark.parametrize(
    "told",
    [
        lambda value: value,
        lambda value: f"postgres://me:{value}@host/",
        lambda value: [1, {"deep": [value]}],
        lambda value: {value: 1},
        lambda value: value.encode(),
    ],
)
def test_an_output_in_the_records_that_tells_it_is_refused(executor, told):
    failure = execute(executor, lambda: told(get_secret("PASSWORD"))).failure
    assert failure.kind == "output"
    assert failure.message.startswith("output 'output' holds the value of secret 'PASSWORD'")
    assert VALUE not in str(failure)


def test_other_outputs_are_kept(executor):
    assert execute(executor, lambda: ["PASSWORD", len(VALUE), "correct-horse"]).failure is None


def test_other_processes_inherit_files_in_memory_and_no_value(tmp_path):
    script = """
import os, sys
from pipelinekit import get_secret
print(repr([get_secret("PASSWORD"), get_secret("my-token"), open(sys.argv[1]).read(), os.listdir(".")]))
"""
    with given_secrets(GIVEN), handed_on() as (paths, variables, handles):
        assert variables == {
            "PIPELINEKIT_SECRET_PASSWORD": paths["PASSWORD"],
            "PIPELINEKIT_SECRET_my_token": paths["my-token"],
        }
        assert VALUE not in str(paths)
        done = subprocess.run(
            [sys.executable, "-c", script, paths["PASSWORD"]],
            env={**os.environ, **variables},
            pass_fds=handles,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
    assert done.stdout == f"{[VALUE, GIVEN['my-token'], VALUE, []]!r}\n", done.stderr
    for handle in handles:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(handle)


def test_a_file_that_holds_a_value_is_not_kept(tmp_path):
    """Wherever in the file, and in a folder, too."""
    value = b"correct horse battery"
    (tmp_path / "below").mkdir()
    file = tmp_path / "below" / "file"
    with given_secrets({"PASSWORD": "correct horse battery\n"}):
        for before in (0, PIECE - 5, PIECE, 2 * PIECE - 1):
            file.write_bytes(b"." * before + value + b"...")
            for path in (file, tmp_path):
                with pytest.raises(PipelinekitError, match="holds the value of secret 'PASSWORD'"):
                    refuse_file(path)
        file.write_bytes(value[:-1] + b".")
        refuse_file(tmp_path)
