"""The step's process by its own protocol: one message in, one attempt, one result out, whatever the step does."""

import json
import os
import signal
import textwrap
from pathlib import Path

import pytest
from conftest import alive, wait_for
from seams import obey_permissions
from step_processes import StepProcess, step_process

from pipelinekit.domain.digests import digest, digest_bytes
from pipelinekit.domain.steps import Port
from pipelinekit.domain.types import ANY, PortType
from pipelinekit.domain.values import StoredValue, dict_of, list_of, plain
from pipelinekit.formats.paths import store_file, store_folder
from pipelinekit.wire.attempts import event_from_json

INT, FILE, FOLDER = PortType("int"), PortType("file"), PortType("folder")


STEPS = """
    import functools, io, logging, os, subprocess, sys, threading, warnings
    from dataclasses import dataclass
    from enum import Enum
    from pathlib import Path
    from typing import Annotated, NamedTuple, Optional

    from pipelinekit import File, Folder, step

    import helper

    class Pair(NamedTuple):
        left: int
        right: str

    @dataclass
    class Record:
        left: int
        right: str

    class Mode(Enum):
        FAST = 1

    class MyError(ValueError):
        pass

    class Outer:
        class Inner:
            @staticmethod
            def method(x):
                return x + 1

    @step
    def decorated(x: int) -> int:
        return x * 2

    def nothing(): return None
    def give(x): return x
    def add(a, b=10): return a + b
    def pair(): return Pair(1, "two")
    def record(): return Record(1, "two")
    def as_dict(): return {"left": 1, "right": "two"}
    def half(): return type("Half", (), {"left": 1})()
    def text(): return "5"
    def mode(m: Mode): return [m is Mode.FAST, type(m).__name__]
    def optional(m: Optional[Mode]): return None if m is None else m.name
    def kinds(**values): return {name: type(value).__name__ for name, value in values.items()}
    async def waits(x):
        import asyncio
        await asyncio.sleep(0)
        return x
    def many(n):
        for i in range(n):
            yield i
    def bad_hint(x: "NoSuchName"): return x

    def read(file: File, folder: Folder):
        return [file.read_text(), file.suffix, sorted(path.name for path in folder.iterdir()), type(file).__name__]
    def make_file():
        Path("out.csv").write_text("1,2")
        return File("out.csv")
    def make_folder():
        os.makedirs("out/sub")
        Path("out/sub/a").write_text("1")
        Path("out/b").write_text("2")
        return Folder("out")
    def no_file(): return File("absent.csv")
    def here(): return [os.getcwd(), sorted(os.listdir())]
    def litter():
        Path("left").write_text("behind")
        os.chdir("/")
        return 1

    def fails(x): raise MyError(f"no {x}")
    def fails_below(x): return helper.below(x)
    def chained():
        try:
            helper.below(1)
        except KeyError as error:
            raise MyError("outer") from error
    @step
    def fails_decorated(x: int) -> int:
        return helper.below(x)
    def chained_through_a_step():
        try:
            fails_decorated(1)
        except KeyError as error:
            raise MyError("outer") from error
    def group(): raise ExceptionGroup("several", [ValueError("one"), KeyError("two")])
    def silent(): raise ValueError
    def imports(): import no_such_module
    def exits(code): sys.exit(code)
    def exits_hard(code): os._exit(code)
    def interrupted(): raise KeyboardInterrupt
    def stops(): raise StopIteration("odd")
    def recursion(n): return recursion(n + 1)
    def a_lock(): return threading.Lock()
    def a_function(): return give
    def a_set(): return {1, 2}
    def deep_inside(): return {"a": [1, {"b": threading.Lock()}]}
    def odd_key(): return {(1, 2): 3}
    def circle():
        found = []
        found.append(found)
        return found

    def speaks():
        print("to stdout")
        print("to stderr", file=sys.stderr)
        os.write(1, b"by number\\n")
        logging.getLogger("mine").warning("a warning %d", 1)
        warnings.warn("careful")
        subprocess.run(["echo", "from a child"])
        sys.stdout.write("no newline")
        return 1
    def logs():
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", force=True)
        logging.info("configured")
        return 1
    def junk():
        sys.stdout.buffer.write(b"\\xff\\xfe\\x00 junk\\n")
        print("\\u00e9 \\U0001d11e")
        return 1
    def replaces():
        sys.stdout = io.StringIO()
        print("unseen")
        return 1
    def closes_error():
        sys.stderr.close()
        return 1

    def writes_input(file: File):
        file.write_text("changed")
        return 1
    def writes_input_by_force(file: File):
        os.chmod(file, 0o644)
        file.write_text("CHANGED")
        return 1
    def moves_input(file: File):
        os.rename(file, "renamed.csv")
        return File("renamed.csv")
    def same_file(file: File): return file

    def spawns():
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        return 1
    def pool(n):
        import multiprocessing
        with multiprocessing.get_context("fork").Pool(2) as workers:
            return workers.map(helper.square, range(n))
    def threads():
        found = []
        workers = [threading.Thread(target=found.append, args=(n,)) for n in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return sorted(found)
    def lingers():
        threading.Thread(target=threading.Event().wait).start()
        return 1
    def large(n): return "x" * n
    def large_bytes(n): return bytes(n)
    def large_list(n): return list(range(n))
    def variables(*names): return [os.environ.get(name) for name in ("PIPELINEKIT_RUN", "PIPELINEKIT_STEP", "MODE")]
    def pid(): return os.getpid()
    def source(): return [sys.path[0], helper.__file__]
    def no_stdin(): return sys.stdin.read()
    def handles(): return sorted(int(name) for name in os.listdir("/proc/self/fd"))
    def inherited():
        found = subprocess.run([sys.executable, "-c", "import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:-1])"],
                               capture_output=True, text=True, close_fds=False)
        return found.stdout.strip()
"""
HELPER = """
    def below(x):
        return {}[x]

    def square(n):
        return n * n
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One warm process for many attempts, as in life; it must bear them all."""
    process = StepProcess(tmp_path_factory.mktemp("steps"), {"steps.py": STEPS, "helper.py": HELPER})
    process.ready()
    yield process
    process.close()


@pytest.fixture
def steps(shared):
    shared.wrote()
    pid = shared.process.pid
    yield shared
    assert shared.process.poll() is None, shared.wrote()
    assert shared.value("pid") == pid, "the process goes on as it was"
    left = [list(folder.iterdir()) for folder in (shared.folder / "scratch").iterdir()]
    assert left in ([], [[]]), "an attempt leaves nothing behind; an empty folder is for the next"


# -- in and out --------------------------------------------------------------------------------------------------------


VALUES = [
    None,
    True,
    0,
    -(10**30),
    1.5,
    float("inf"),
    "",
    "é\n\0",
    b"\xff",
    [1, [2.0, None]],
    {"a": {"b": []}},
    {"$float": 1},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_data_goes_in_and_comes_out(steps, value):
    ended = steps.run("give", {"x": value})
    assert ended.outputs == {"output": plain(value)}
    assert (ended.attempt, ended.failure) == ("run/step/1", None)


def test_inputs_are_given_by_name_and_defaults_stay(steps):
    assert steps.value("add", {"a": 1}) == 11
    assert steps.value("add", {"b": 1, "a": 2}) == 3
    assert steps.value("nothing") is None


def test_steps_may_be_decorated_nested_asynchronous_or_generators(steps):
    assert steps.value("decorated", {"x": 4}) == 8
    assert steps.value("Outer.Inner.method", {"x": 4}) == 5
    assert steps.value("waits", {"x": 4}) == 4
    assert steps.value("many", {"n": 3}) == [0, 1, 2]


def test_values_are_revived_by_the_annotation(steps):
    assert steps.value("mode", {"m": "FAST"}) == [True, "Mode"]
    assert steps.value("optional", {"m": "FAST"}) == "FAST"
    assert steps.value("optional", {"m": None}) is None
    assert steps.value("bad_hint", {"x": 1}) == 1


def test_large_inputs_come_by_digest(steps):
    text = json.dumps("x" * 100_000)
    blob, size = steps.blobs.put(text.encode())
    assert steps.value("kinds", {"x": StoredValue(digest("x" * 100_000), size=size, blob=blob)}) == {"x": "str"}
    blob, size = steps.blobs.put(b"y" * 10_000)
    assert steps.value("kinds", {"x": StoredValue(digest(b"y" * 10_000), "bytes", size, blob)}) == {"x": "bytes"}


def test_files_and_folders_come_by_digest(steps, tmp_path):
    (tmp_path / "data" / "sub").mkdir(parents=True)
    (tmp_path / "data" / "a.txt").write_text("content")
    inputs = {
        "file": store_file(tmp_path / "data" / "a.txt", steps.blobs, move=False),
        "folder": store_folder(tmp_path / "data", steps.blobs, move=False),
    }
    assert steps.value("read", inputs) == ["content", ".txt", ["a.txt"], "File"]


def test_lists_and_dicts_of_stored_values(steps, tmp_path):
    (tmp_path / "a.txt").write_text("content")
    file = store_file(tmp_path / "a.txt", steps.blobs, move=False)
    assert steps.value("kinds", {"x": list_of([file, plain(1)])}) == {"x": "list"}
    assert steps.value("kinds", {"x": dict_of({"k": file})}) == {"x": "dict"}


@pytest.mark.parametrize("function", ["pair", "record"])
def test_several_outputs_are_stored_by_name(steps, function):
    ports = (Port("left", INT), Port("right", PortType("str")))
    assert steps.run(function, outputs=ports).outputs == {"left": plain(1), "right": plain("two")}


def test_no_declared_output_stores_nothing(steps):
    assert steps.run("large", {"n": 10}, outputs=()).outputs == {}


def test_files_and_folders_that_a_step_made_are_stored(steps):
    file = steps.run("make_file", outputs=[Port("output", FILE)]).outputs["output"]
    assert (file.format, file.suffix, steps.blobs.read(file.blob)) == ("file", ".csv", b"1,2")
    folder = steps.run("make_folder", outputs=[Port("output", FOLDER)]).outputs["output"]
    assert b'"b"' in steps.blobs.read(folder.blob)
    assert b"sub/a" in steps.blobs.read(folder.blob)


@pytest.mark.parametrize(
    ("function", "size"), [("large", 5_000_000), ("large_bytes", 20_000_000), ("large_list", 400_000)]
)
def test_large_outputs_are_blobs_and_the_message_stays_small(steps, function, size):
    steps.start(function, {"n": size})
    message = steps.answer()
    assert len(json.dumps(message)) < 1000
    value = event_from_json(message).outputs["output"]
    assert value.blob
    assert steps.blobs.missing([value.blob]) == set()
    assert len(steps.blobs.read(value.blob)) == value.size >= size


def test_each_attempt_has_a_folder_of_its_own(steps):
    folder, entries = steps.value("here")
    assert Path(folder).parent == steps.folder / "scratch"
    assert entries == []
    steps.value("litter")
    again, entries = steps.value("here")
    assert again != folder
    assert entries == []


def test_variables_are_those_of_the_attempt(steps):
    assert steps.value("variables", step="one", variables={"MODE": "fast"}) == ["run", "one", "fast"]
    assert steps.value("variables", step="two") == ["run", "two", None]


def test_modules_come_from_the_source_folder_and_the_process_keeps_warm(steps):
    place, helper = steps.value("source")
    assert place == str(steps.folder / "source")
    assert helper == str(steps.folder / "source" / "helper.py")
    assert steps.value("pid") == steps.process.pid


# -- what a step returns that it must not ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "kind", "words"),
    [
        ("text", INT, "the step returned something else than it declared: expected int, got str '5'"),
        ("nothing", INT, "the step returned something else than it declared: expected int, got None"),
        ("a_lock", ANY, "value is a _thread.lock, which cannot be stored"),
        ("a_function", ANY, "value is a builtins.function, which cannot be stored"),
        ("a_set", ANY, "value is a builtins.set, which cannot be stored"),
        ("no_file", FILE, "returned the path 'absent.csv', where there is nothing"),
        ("make_folder", FILE, "returned the path 'out', where there is a folder"),
        ("make_file", FOLDER, "returned the path 'out.csv', where there is a file"),
    ],
)
def test_a_value_that_cannot_be_stored_is_told(steps, function, kind, words):
    failure = steps.failure(function, outputs=[Port("output", kind)])
    assert failure.kind == "output"
    assert words in failure.message


def test_the_place_inside_a_value_is_told(steps):
    failure = steps.failure("deep_inside")
    assert failure.kind == "output"
    assert "_thread.lock" in failure.message
    assert "Format('joblib')" in failure.hint
    assert "key of type tuple" in steps.failure("odd_key").message
    assert "sorted list" in steps.failure("a_set").hint


@pytest.mark.parametrize(("function", "found"), [("as_dict", "dict"), ("half", "Half"), ("nothing", "NoneType")])
def test_outputs_that_are_missing_are_named(steps, function, found):
    failure = steps.failure(function, outputs=[Port("left", INT), Port("right", ANY)])
    assert failure.kind == "output"
    missing = "right" if function == "half" else "left"
    assert failure.message == f"the step declared the outputs left, right, but returned a {found} without {missing!r}"


def test_a_value_that_holds_itself_is_a_failure(steps):
    assert "RecursionError" in steps.failure("circle").message


# -- what a step raises ------------------------------------------------------------------------------------------------


def test_an_exception_is_told_with_its_classes_and_the_authors_frames(steps):
    failure = steps.failure("fails", {"x": 3})
    assert (failure.kind, failure.message) == ("user", "MyError: no 3")
    assert failure.types[:3] == ("steps.MyError", "ValueError", "Exception")
    assert failure.traceback.startswith("Traceback")
    assert 'File "steps.py"' in failure.traceback
    assert "in fails" in failure.traceback


def test_frames_of_helpers_stay_and_those_of_pipelinekit_do_not(steps):
    for function, words in (("fails_below", {"x": 1}), ("chained", {}), ("chained_through_a_step", {})):
        failure = steps.failure(function, words)
        assert 'File "helper.py", line 3, in below' in failure.traceback
        assert "pipelinekit" not in failure.traceback
        assert "importlib" not in failure.traceback
        assert str(steps.folder) not in failure.traceback
    assert "direct cause" in failure.traceback
    assert failure.message.startswith("MyError: outer (because of KeyError: ")


def test_a_decorated_step_shows_no_frame_of_ours(steps):
    assert "pipelinekit" not in steps.failure("decorated", {"x": None}).traceback


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("silent", "ValueError"),
        ("group", "ExceptionGroup: several (2 sub-exceptions)"),
        ("stops", "StopIteration: odd"),
        ("imports", "ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_exceptions_of_all_kinds(steps, function, message):
    failure = steps.failure(function)
    assert (failure.kind, failure.message) == ("user", message)


def test_missing_modules_come_with_advice(steps):
    assert "must lie in the source folder" in steps.failure("imports").hint


def test_endless_recursion_is_an_ordinary_failure(steps):
    failure = steps.failure("recursion", {"n": 0})
    assert failure.message.startswith("RecursionError")
    assert len(failure.traceback) < 20_000


@pytest.mark.parametrize("code", [0, 1, None, "a message"])
def test_leaving_is_a_failure_whatever_the_code(steps, code):
    failure = steps.failure("exits", {"code": code})
    assert failure.kind == "user"
    assert failure.message == f"the step called sys.exit({code!r})"
    assert "return from the step" in failure.hint
    assert failure.types[0] == "SystemExit"


def test_an_interrupt_is_a_cancellation(steps):
    assert steps.failure("interrupted").kind == "canceled"


@pytest.mark.parametrize(("entry", "words"), [("absent", "has no attribute 'absent'"), ("Outer.absent", "'absent'")])
def test_a_function_that_is_not_there_is_told(steps, entry, words):
    failure = steps.failure(entry)
    assert failure.kind == "user"
    assert words in failure.message


def test_wrong_arguments_are_told(steps):
    assert "unexpected keyword argument 'z'" in steps.failure("give", {"x": 1, "z": 2}).message


def test_a_missing_or_damaged_input_is_named(steps):
    absent = digest_bytes(b"absent")
    ended = steps.run("give", {"x": StoredValue(digest(b"absent"), "bytes", 6, absent)})
    assert (ended.failure.kind, ended.damaged) == ("input", (absent,))
    blob, size = steps.blobs.put(b"precious")
    place = steps.blobs.path(blob)
    os.chmod(place, 0o600)
    place.write_bytes(b"PRECIOUS")
    ended = steps.run("give", {"x": StoredValue(digest(b"precious"), "bytes", size, blob)})
    assert (ended.failure.kind, ended.damaged) == ("input", (blob,))


# -- what a step writes ------------------------------------------------------------------------------------------------


def test_everything_it_writes_is_there_before_its_result(steps):
    steps.value("speaks")
    out, err = steps.wrote()
    assert out.splitlines()[0] == "to stdout"
    assert {"by number", "from a child", "no newline"} <= set(out.splitlines())
    assert "to stderr" in err
    assert "a warning 1" in err
    assert "UserWarning: careful" in err


def test_logging_is_captured(steps):
    steps.value("logs")
    assert "INFO configured" in steps.wrote()[1]


def test_bytes_that_are_no_text_do_no_harm(steps):
    steps.value("junk")
    out, _ = steps.wrote()
    assert " junk\n" in out
    assert "é 𝄞" in out


def test_standard_input_is_empty(steps):
    assert steps.value("no_stdin") == ""


# -- what a step does to its surroundings ------------------------------------------------------------------------------


@pytest.fixture
def alone(tmp_path):
    """A process of its own, for steps that do not leave it as it was."""
    process = StepProcess(tmp_path, {"steps.py": STEPS, "helper.py": HELPER}, preexec_fn=obey_permissions)
    yield process.ready()
    process.close()


@pytest.fixture
def file(alone, tmp_path):
    (tmp_path / "input.csv").write_text("content")
    return store_file(tmp_path / "input.csv", alone.blobs, move=False)


def test_an_input_may_not_be_written_to(alone, file):
    failure = alone.failure("writes_input", {"file": file})
    assert failure.message.startswith("PermissionError")
    assert alone.blobs.read(file.blob) == b"content"


def test_an_input_that_was_changed_by_force_spoils_the_result_and_is_noticed(alone, file):
    failure = alone.failure("writes_input_by_force", {"file": file})
    assert failure.kind == "output"
    assert "the step changed its input file file.csv in place" in failure.message
    assert "copy it" in failure.hint
    ended = alone.run("same_file", {"file": file})
    assert (ended.failure.kind, ended.damaged) == ("input", (file.blob,))


def test_an_input_may_be_moved_or_returned(alone, file):
    for function in ("moves_input", "same_file"):
        ended = alone.run(function, {"file": file}, outputs=[Port("output", FILE)])
        assert ended.outputs["output"].blob == file.blob
    assert alone.blobs.read(file.blob) == b"content"


def test_a_step_that_replaces_or_closes_a_stream_ends_well(alone):
    assert alone.value("replaces") == 1
    assert alone.value("closes_error") == 1
    assert alone.value("give", {"x": 2}) == 2


def test_children_and_threads_of_a_step_do_no_harm(alone):
    assert alone.value("spawns") == 1
    assert alone.value("threads") == [0, 1, 2]
    assert alone.value("pool", {"n": 4}) == [0, 1, 4, 9]
    assert alone.value("give", {"x": 2}) == 2


def test_children_do_not_inherit_the_pipes_of_the_protocol(alone):
    handles = json.loads(alone.value("inherited"))
    assert set(handles) <= {0, 1, 2, 3}, "the fourth is the folder that is being listed"


def test_a_process_that_leaves_closes_its_pipe(alone):
    alone.start("exits_hard", {"code": 7})
    assert alone.answer() is None
    assert alone.process.wait(timeout=30) == 7


def test_the_process_ends_when_its_supervisor_hangs_up(alone):
    assert alone.value("give", {"x": 1}) == 1
    assert alone.hang_up() == 0


def test_threads_that_a_step_left_running_do_not_keep_the_process(alone):
    assert alone.value("lingers") == 1
    assert alone.hang_up() == 0


def test_a_supervisor_that_is_gone_before_the_result_ends_the_process(alone):
    alone.start("large", {"n": 10})
    os.close(alone._inbox)
    os.close(alone._outbox)
    alone.process.wait(timeout=30)
    assert "Traceback" not in alone.wrote()[1]
    alone._inbox, alone._outbox = os.pipe()


def test_a_terminated_process_is_gone_with_its_attempt(alone, tmp_path):
    source = tmp_path / "source" / "helper.py"
    source.write_text("import pathlib, time\ndef below(x):\n    pathlib.Path(x).touch()\n    time.sleep(600)\n")
    mark = tmp_path / "begun"
    alone.start("fails_below", {"x": str(mark)})
    wait_for(mark.exists, 30)
    alone.process.terminate()
    assert alone.answer() is None
    assert alone.process.wait(timeout=30) == -signal.SIGTERM
    assert not alive(alone.process.pid)


def test_a_damaged_message_ends_the_process_and_says_why(alone):
    os.write(alone._inbox, b"\0\0\0\x04nope")
    assert alone.answer() is None
    assert alone.process.wait(timeout=30) == 70
    assert "Traceback" in alone.wrote()[1]


def test_half_a_message_is_no_attempt(alone):
    os.write(alone._inbox, b"\0\0\1\0half")
    assert alone.hang_up() == 0


# -- warming up --------------------------------------------------------------------------------------------------------


def test_modules_are_imported_ahead_of_need(tmp_path):
    source = "from pathlib import Path\nPath(__file__).with_name('imported').touch()\ndef one():\n    return 1\n"
    with step_process(tmp_path, source, modules=["steps"]) as process:
        assert (tmp_path / "source" / "imported").exists()
        assert process.value("one") == 1


def test_what_fails_while_warming_up_is_told_by_the_step(tmp_path):
    with step_process(tmp_path, "import sys\nsys.exit('not today')\n", modules=["steps", "no_such_module"]) as process:
        failure = process.failure("one")
        assert (failure.kind, failure.message) == ("user", "the step called sys.exit('not today')")


def test_a_module_that_cannot_be_parsed_is_told_by_the_step(tmp_path):
    with step_process(tmp_path, "def one(:\n", modules=["steps"]) as process:
        failure = process.failure("one")
        assert failure.message.startswith("SyntaxError")
        assert 'File "steps.py", line 1' in failure.traceback


# -- scripts and commands ----------------------------------------------------------------------------------------------


def test_a_command_gets_inputs_and_leaves_outputs_at_paths(steps):
    words = (
        "sh",
        "-c",
        'echo "$0 got $1" > "$2"; echo done',
        ["in-", {"input": "x"}],
        {"input": "x"},
        {"output": "out"},
    )
    ended = steps.run("sh", {"x": "word"}, kind="command", outputs=[Port("out", FILE)], arguments=words)
    assert ended.failure is None
    assert steps.blobs.read(ended.outputs["out"].blob) == b"in-word got word\n"
    assert steps.wrote()[0] == "done\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sh", "-c", "exit 3"), "the command ended with exit code 3"),
        (("sh", "-c", "kill -9 $$"), "the command was ended by signal SIGKILL"),
        (("no-such-command-anywhere",), "the command 'no-such-command-anywhere' was not found"),
        (("/",), "the command '/' may not be executed"),
    ],
)
def test_commands_that_fail_are_told(steps, words, message):
    failure = steps.failure("command", kind="command", outputs=[Port("out", FILE)], arguments=words)
    assert failure.kind == "user"
    assert message in failure.message


def test_an_output_that_a_command_did_not_write_is_named(steps):
    failure = steps.failure("true", kind="command", outputs=[Port("out", FILE)], arguments=("true",))
    assert (failure.kind, failure.message) == ("output", "output 'out' was not written")


def test_a_script_runs_in_a_copy_of_its_folder(tmp_path):
    script = """
        import os, sys
        from pathlib import Path
        Path("changed.txt").write_text("x")
        Path(sys.argv[1]).write_text(",".join(sorted(os.listdir())) + os.environ["PIPELINEKIT_INPUT_x"])
    """
    with step_process(tmp_path, "") as process:
        (tmp_path / "source" / "script.py").write_text(textwrap.dedent(script))
        ended = process.run(
            "script.py", {"x": 5}, kind="script", outputs=[Port("out", FILE)], arguments=({"output": "out"},)
        )
        assert ended.failure is None, ended.failure
        assert process.blobs.read(ended.outputs["out"].blob) == b"changed.txt,script.py,steps.py5"
    assert not (tmp_path / "source" / "changed.txt").exists()
