"""How commands end: 0 done, 1 the run failed, 2 wrong use, 130 canceled; and never with a traceback of ours."""

import os
import signal
import subprocess
import sys
from functools import partial

import pytest
from conftest import wait_for

from pipelinekit.storage.sqlite_library import sqlite3

STEPS = """
    import sys
    from pipelinekit import pipeline, step

    @step
    def one(x: int) -> int:
        return x

    @step
    def fail(x: int) -> int:
        raise ValueError("no")

    @step
    def leave(x: int) -> int:
        sys.exit(0)

    @pipeline
    def good(x: int = 1):
        return one(x)

    @pipeline
    def bad(x: int = 1):
        return fail(x)

    @pipeline
    def left(x: int = 1):
        return leave(x)
"""


@pytest.fixture
def steps(project):
    return project.write(steps=STEPS)


def test_what_is_done_ends_with_0(steps):
    for words in (("run", "steps.py:good"), ("plan", "steps.py:bad"), ("runs", "show")):
        steps(*words, code=0)


def test_a_run_that_failed_ends_with_1(steps):
    steps("run", "steps.py:bad", code=1)
    steps("run", "steps.py:left", "--in-process", code=1)
    steps("run", "steps.py:bad", "--in-process", "--continue-on-step-failure", code=1)
    steps("runs", "resume", code=1)
    steps("runs", "logs", code=0)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("frob",), "there is no command 'frob'"),
        (("rnu", "steps.py:good"), "did you mean run"),
        (("run", "step.py"), "hint: did you mean 'steps.py'?"),
        (("run", "steps"), "hint: did you mean 'steps.py'?"),
        (("run", "."), "hint: give the .py file in it"),
        (("run", "steps.py:good", "x=2"), "hint: values of parameters are given as -p x=2"),
        (("--frob",), "unknown option '--frob'"),
        (("run",), "FILE[:PIPELINE]"),
        (("run", "steps.py:good", "--frob"), "unrecognized arguments: --frob"),
        (("run", "steps.py:good", "--jso"), "unrecognized arguments: --jso"),
        (("run", "steps.py:good", "other"), "unrecognized arguments: other"),
        (("run", "steps.py:good", "-p"), "expected one argument"),
        (("runs",), "hint: VERB is one of list, show, logs,"),
        (("runs", "frob"), "frob"),
        (("runs", "list", "--limit", "many"), "--limit"),
        (("runs", "list", "--status", "Odd"), "--status"),
        (("runs", "logs", "a", "b", "c"), "unrecognized arguments: c"),
        (("graph",), "FILE"),
        (("graph", "steps.py:good", "-o", "graph.png"), "names no kind of picture"),
        (("graph", "latest", "-p", "x=1"), "leave -p out"),
        (("compile", "steps.py:good", "-o", "absent/graph.json"), "cannot be written"),
        (("graph", "steps.py:good", "-o", "absent/graph.svg"), "cannot be written"),
        (("--workspace",), "expected one argument"),
        (("run", "steps.py:good", "--workspace"), "expected one argument"),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_is_wrong(steps, words, part):
    found = steps(*words, code=2)
    assert part in found.err
    assert found.out == ""


def test_records_that_cannot_be_used_end_with_1(steps):
    steps("run", "steps.py:good", "--in-process")
    connection = sqlite3.connect(steps.home / "records.db")
    connection.execute("pragma user_version = 99")
    connection.close()
    for words in (("run", "steps.py:good"), ("runs", "list")):
        assert "newer than" in steps(*words, code=1).err
        assert steps(*words, "--json", code=1).json["error"]["code"] == "storage"


def test_a_workspace_that_is_a_file_is_told(steps):
    (steps.folder / "taken").write_text("")
    found = steps("runs", "list", "--workspace", "taken", code=2)
    assert "there is no workspace" in found.err


def test_an_interrupt_before_the_run_ends_with_130(project):
    project.write(main="import time\nfrom pathlib import Path\nPath('begun').touch()\ntime.sleep(600)\n")
    for command in ("plan", "run", "compile"):
        (project.folder / "begun").unlink(missing_ok=True)
        # a shell that starts the tests in the background may have them ignore interrupts, and so what they start
        heeding = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
        process = project.start(command, "main.py", preexec_fn=heeding)
        wait_for((project.folder / "begun").exists, 30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 130, err
        assert (out, err) == ("", "interrupted\n")


def test_an_interrupt_of_a_run_in_this_process_ends_with_130(project):
    project.write(
        main="""
        import time
        from pathlib import Path
        from pipelinekit import pipeline, step

        @step
        def slow(mark: str) -> int:
            Path(mark).touch()
            time.sleep(600)

        @pipeline
        def main(mark: str):
            return slow(mark)
        """
    )
    mark = project.folder / "begun"
    process = project.start("run", "main.py", "--in-process", "-p", f"mark={mark}")
    wait_for(mark.exists, 30)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert project("runs", "show", "--json").json["status"] == "Canceled"


# -- pipes -------------------------------------------------------------------------------------------------------------


def with_closed_pipe(project, *words):
    """Run a command whose standard output nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [sys.executable, "-P", "-m", "pipelinekit", *words],
            cwd=project.folder,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)


def test_a_reader_that_left_ends_a_command_quietly(steps):
    steps("run", "steps.py:good", "--in-process")
    for words in (
        ("runs", "list"),
        ("runs", "list", "--json"),
        ("runs", "show"),
        ("settings",),
        ("graph", "latest"),
        ("plan", "steps.py:good"),
        ("explain",),
        ("compile", "steps.py:good"),
    ):
        done = with_closed_pipe(steps, *words)
        assert (done.returncode, done.stderr) == (1, ""), words


def test_a_run_is_carried_out_though_nobody_reads_its_summary(steps):
    done = with_closed_pipe(steps, "run", "steps.py:good")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert steps("runs", "show", "--json").json["status"] == "Completed"


def test_the_head_of_a_long_list_is_enough(steps):
    steps("run", "steps.py:good", "--in-process")
    command = f"'{sys.executable}' -P -m pipelinekit compile steps.py:good | head -c 10; echo; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=steps.folder, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == '{"descript'
    assert done.stdout.splitlines()[-1] in ("0", "1")
    assert done.stderr == ""


def test_what_the_authors_module_leaves_to_the_end_of_the_process_is_done(project):
    """The process ends without taking itself apart; exit functions, buffers and threads get their turn all the same."""
    project.write(
        main="""
            import atexit, sys, threading, time
            from pipelinekit import pipeline, step

            @step
            def one(x: int) -> int:
                return x

            @pipeline
            def main(x: int = 1, thread: bool = False):
                atexit.register(lambda: print("the end", file=sys.stderr))
                if thread:
                    threading.Thread(target=lambda: (time.sleep(0.5), print("the thread", file=sys.stderr))).start()
                return one(x)
        """
    )
    assert project("run", "main.py").err.endswith("the end\n")
    assert "everything was reused" in (done := project("run", "main.py")).out
    assert done.err.endswith("the end\n")
    threaded = project("run", "main.py", "-p", "thread=true").err
    assert threaded.endswith("the thread\nthe end\n")
