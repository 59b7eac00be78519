"""What every compute target must do. Derive a test class, and give it `home`, `blobs` and `make()`."""

from __future__ import annotations

import queue
import time
from pathlib import Path

from pipelinekit.classes import replace
from pipelinekit.domain.attempts import Attempt, AttemptEnded, AttemptEvent, AttemptStarted, LogChunk, Task
from pipelinekit.domain.environments import python_identity
from pipelinekit.domain.runs import Failure
from pipelinekit.domain.snapshots import Tree, TreeEntry
from pipelinekit.domain.steps import Port, Resources
from pipelinekit.domain.types import ANY
from pipelinekit.domain.values import plain
from pipelinekit.ports import Blobs, Compute, Sink

SOURCE = """
import ctypes, os, signal, sys, time

def double(x):
    print("doubling", x)
    print("aside", file=sys.stderr)
    return x * 2

def fail(x):
    raise ConnectionResetError(f"no {x}")

def sleep(x):
    print("sleeping", flush=True)
    time.sleep(x)
    return x

def crash(x):
    print("last words", flush=True)
    os.kill(os.getpid(), getattr(signal, x))

def leave(x):
    os._exit(x)

def grow(x):
    kept = bytearray(x)
    time.sleep(5)
    return len(kept)

def fill(x):
    with open("rows", "wb") as stream:
        stream.write(b"1" * x)
    time.sleep(30)

def where(x):
    return [os.getcwd(), os.listdir("."), os.getpid(), os.environ.get("MODE"), os.environ["PIPELINEKIT_STEP"]]

def litter(x):
    open("left-behind", "w").close()
    os.environ["LEFT"] = "behind"
    os.environ.pop("HOME", None)
    sys.path.insert(0, "/left/behind")
    return 1

def surroundings(x):
    return [os.environ.get("LEFT"), "HOME" in os.environ, "/left/behind" in sys.path]

def stubborn(x):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ignoring", flush=True)
    time.sleep(60)

def forks(x):
    child = os.fork()
    if child == 0:
        time.sleep(300)
        os._exit(0)
    print("child", child, flush=True)
    time.sleep(300)

def daemon(x):
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            os.write(writing, str(os.getpid()).encode())
            time.sleep(300)
        os._exit(0)
    print("daemon", os.read(reading, 20).decode(), flush=True)
    time.sleep(x)
    return 1

def hog(x):
    print("hogging", flush=True)
    ctypes.PyDLL(None).sleep(x)  # which lets no other thread of the process go on
    return x

def leak(x):
    return [os.open("/dev/null", os.O_RDONLY) for _ in range(x)][-1]

def threads(x):
    return [os.environ[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")]

def ranked(x):
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK")
    rank = int(os.environ["RANK"])
    print("rank", rank, "of", os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), flush=True)
    if rank == x:
        raise ConnectionResetError("no more") if x == 0 else ValueError("no more")
    if x >= 0:
        time.sleep(600)
    return [os.environ[name] for name in names]

def talk(x):
    for number in range(x):
        print("line", number)
    return x
"""


def is_gone(pid: int) -> bool:
    """Whether a process has ended, though nobody may have asked how."""
    try:
        return not Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return True


class Watched:
    """Collects the events of a compute target."""

    def __init__(self) -> None:
        self.events: queue.SimpleQueue[AttemptEvent] = queue.SimpleQueue()
        self.seen: list[AttemptEvent] = []

    def until(self, wanted: int, compute: Compute, seconds: float = 60.0) -> dict[str, AttemptEnded]:
        """Wait until so many attempts have ended; how each did."""
        deadline = time.monotonic() + seconds
        while len(self.ended) < wanted:
            if time.monotonic() > deadline:
                raise AssertionError(f"only {len(self.ended)} of {wanted} attempts ended: {self.seen}")
            self.take(compute)
        return self.ended

    def until_written(self, text: str, compute: Compute, seconds: float = 30.0) -> None:
        """Wait until an attempt has written this."""
        deadline = time.monotonic() + seconds
        while text not in "".join(event.text for event in self.seen if isinstance(event, LogChunk)):
            if time.monotonic() > deadline:
                raise AssertionError(f"nobody wrote {text!r}: {self.seen}")
            self.take(compute)

    def take(self, compute: Compute) -> None:
        """Take the next event, if one comes soon."""
        compute.advance()
        try:
            self.seen.append(self.events.get(timeout=0.05))
        except queue.Empty:
            return

    @property
    def ended(self) -> dict[str, AttemptEnded]:
        """Attempts that have ended, by step. An attempt that ends twice is an error."""
        found: dict[str, AttemptEnded] = {}
        for event in self.seen:
            if isinstance(event, AttemptEnded):
                step = event.attempt.split("/")[1]
                assert step not in found, f"{event.attempt} ended twice"
                found[step] = event
        return found

    def log(self, step: str, stream: str) -> str:
        """What an attempt wrote."""
        return "".join(
            event.text
            for event in self.seen
            if isinstance(event, LogChunk) and event.attempt.split("/")[1] == step and event.stream == stream
        )


class ComputeContract:
    """The suite for every target."""

    home: Path
    blobs: Blobs

    def make(self, sink: Sink) -> Compute:
        """A target that uses `home` and `blobs`; closed by the test."""
        raise NotImplementedError

    def attempt(self, step: str, function: str, value: object, **details: object) -> Attempt:
        """An attempt that calls a function of `SOURCE`."""
        blob, size = self.blobs.put(SOURCE.encode())
        snapshot, _ = self.blobs.put(Tree.of([TreeEntry("contract_steps.py", blob, size)]).manifest())
        task = Task(
            "python",
            f"contract_steps:{function}",
            snapshot,
            (Port("x", ANY),),
            (Port("output", ANY),),
            python=python_identity(),
            **details,  # type: ignore[arg-type]
        )
        return Attempt("run", step, 1, task, {"x": plain(value)})

    def run(self, *attempts: Attempt) -> Watched:
        """Execute attempts to their ends."""
        watched = Watched()
        compute = self.make(watched.events.put)
        try:
            compute.start(attempts)
            watched.until(len(attempts), compute)
        finally:
            compute.close()
        return watched

    def test_attempts_give_outputs_and_what_they_wrote(self) -> None:
        watched = self.run(self.attempt("a", "double", 4), self.attempt("b", "double", "x"))
        assert watched.ended["a"].outputs == {"output": plain(8)}
        assert watched.ended["b"].outputs == {"output": plain("xx")}
        assert watched.ended["a"].failure is None
        assert watched.log("a", "stdout") == "doubling 4\n"
        assert watched.log("a", "stderr") == "aside\n"
        started = {event.attempt for event in watched.seen if isinstance(event, AttemptStarted)}
        assert started == {"run/a/1", "run/b/1"}

    def test_an_exception_is_a_failure_with_the_authors_frames(self) -> None:
        failure = self.run(self.attempt("a", "fail", 3)).ended["a"].failure
        assert failure is not None
        assert (failure.kind, failure.message) == ("user", "ConnectionResetError: no 3")
        assert failure.types[:2] == ("ConnectionResetError", "ConnectionError")
        assert 'contract_steps.py", line 10, in fail' in failure.traceback
        assert "pipelinekit/harness" not in failure.traceback

    def test_each_attempt_has_an_empty_folder_and_variables_of_its_own(self) -> None:
        watched = self.run(
            self.attempt("litter", "litter", 1), self.attempt("where", "where", 1, variables={"MODE": "fast"})
        )
        folder, entries, _, mode, step = watched.ended["where"].outputs["output"].inline
        assert entries == []
        assert (mode, step) == ("fast", "where")
        assert not Path(folder).exists()

    def test_what_an_attempt_changes_around_it_reaches_no_other(self) -> None:
        names = [f"look{number}" for number in range(4)]
        found = self.run(self.attempt("litter", "litter", 1), *(self.attempt(n, "surroundings", 1) for n in names))
        for name in names:
            assert found.ended[name].outputs["output"].inline == [None, True, False]

    def test_many_short_attempts_all_end_once(self) -> None:
        watched = self.run(*(self.attempt(f"n{number}", "double", number) for number in range(150)))
        outputs = {step: event.outputs["output"].inline for step, event in watched.ended.items()}
        assert outputs == {f"n{number}": number * 2 for number in range(150)}

    def test_attempts_that_have_not_begun_can_be_stopped(self) -> None:
        watched = Watched()
        compute = self.make(watched.events.put)
        try:
            attempts = [self.attempt(f"n{number}", "sleep", 0.3) for number in range(12)]
            compute.start(attempts)
            compute.stop([attempt.id for attempt in attempts[6:]])
            ended = watched.until(12, compute)
        finally:
            compute.close()
        assert all(ended[f"n{number}"].failure is None for number in range(6))
        canceled = [ended[f"n{number}"].failure for number in range(6, 12)]
        assert all(failure is not None and failure.kind == "canceled" for failure in canceled)


class IsolatedContract(ComputeContract):
    """What targets must do besides that execute steps in processes of their own."""

    def test_a_running_attempt_is_stopped(self) -> None:
        watched = Watched()
        compute = self.make(watched.events.put)
        try:
            attempt = self.attempt("a", "sleep", 60)
            compute.start([attempt])
            watched.until_written("sleeping", compute)
            began = time.monotonic()
            compute.stop([attempt.id])
            failure = watched.until(1, compute)["a"].failure
        finally:
            compute.close()
        assert failure is not None
        assert failure.kind == "canceled"
        assert time.monotonic() - began < 10

    def test_a_dead_process_is_told_with_its_signal_and_last_lines(self) -> None:
        failure = self.run(self.attempt("a", "crash", "SIGSEGV")).ended["a"].failure
        assert failure is not None
        assert (failure.kind, failure.signal, failure.exit_code) == ("user", "SIGSEGV", None)
        assert failure.peak_memory > 1_000_000
        assert "last words" in failure.traceback

    def test_a_process_that_was_killed_is_lost(self) -> None:
        failure = self.run(self.attempt("a", "crash", "SIGKILL")).ended["a"].failure
        assert failure is not None
        assert (failure.kind, failure.signal) == ("lost", "SIGKILL")

    def test_a_process_that_exits_is_told_with_its_code(self) -> None:
        watched = self.run(self.attempt("a", "leave", 7), self.attempt("b", "double", 1))
        failure = watched.ended["a"].failure
        assert failure is not None
        assert (failure.kind, failure.exit_code) == ("user", 7)
        assert watched.ended["b"].failure is None, "others are not touched"

    def test_libraries_get_as_many_threads_as_the_step_asked_for_cores(self) -> None:
        wide = self.attempt("wide", "threads", 0, resources=Resources(cpu=2))
        ended = self.run(self.attempt("one", "threads", 0), wide).ended
        assert ended["one"].outputs["output"].inline == ["1", "1", "1"]
        assert ended["wide"].outputs["output"].inline == ["2", "2", "2"]

    def test_one_on_several_nodes_is_that_of_rank_0_and_all_tell_what_they_write(self) -> None:
        watched = self.run(self.attempt("a", "ranked", -1, nodes=2), self.attempt("b", "double", 4))
        assert watched.ended["a"].outputs == {"output": plain(["0", "2", "0", "1", "0"])}, watched.ended["a"].failure
        first, second = sorted(watched.log("a", "stdout").splitlines(), key=len)
        assert second == f"[rank 1] {first.replace('rank 0', 'rank 1')}"
        assert watched.ended["b"].outputs == {"output": plain(8)}
        assert [event.attempt for event in watched.seen if isinstance(event, AttemptStarted)].count("run/a/1") == 1

    def test_the_rank_that_fails_ends_the_others_and_is_told(self) -> None:
        attempts = [self.attempt(f"n{rank}", "ranked", rank, nodes=2) for rank in range(2)]
        failures = [event.failure or Failure("", "") for _, event in sorted(self.run(*attempts).ended.items())]
        assert [failure.kind for failure in failures] == ["user", "user"]
        assert [failure.message for failure in failures] == [
            "rank 0: ConnectionResetError: no more",
            "rank 1: ValueError: no more",
        ]

    def test_one_on_several_nodes_is_canceled_as_a_whole(self) -> None:
        watched = Watched()
        compute = self.make(watched.events.put)
        try:
            attempt = self.attempt("a", "ranked", 9, nodes=2)
            compute.start([attempt])
            watched.until_written("[rank 1] rank 1 of", compute)
            compute.stop([attempt.id])
            failure = watched.until(1, compute)["a"].failure
        finally:
            compute.close()
        assert failure is not None
        assert (failure.kind, failure.message) == ("canceled", "the attempt was canceled")

    def test_more_nodes_than_there_can_be_are_refused_or_are_processes_here(self) -> None:
        failure = self.run(self.attempt("a", "ranked", -1, nodes=3)).ended["a"].failure
        words = "step 'a' can never run here: it asks for 3 nodes, there are never more than 2"
        assert failure is None or (failure.kind, failure.message) == ("compute", words)

    def test_a_timeout_ends_the_attempt(self) -> None:
        failure = self.run(self.attempt("a", "sleep", 60, timeout=0.5)).ended["a"].failure
        assert failure is not None
        assert (failure.kind, failure.message) == ("timeout", "the step ran longer than its timeout of 0.5 s")

    def test_a_step_that_lets_no_thread_of_its_process_go_on_is_ended_in_time_and_holds_nobody_up(self) -> None:
        hogs = [self.attempt("late", "hog", 60, timeout=0.5), self.attempt("a", "hog", 1)]
        ended = self.run(*hogs, self.attempt("b", "double", 4)).ended
        assert (ended["late"].failure or Failure("", "")).kind == "timeout"
        assert ended["a"].outputs == {"output": plain(1)}
        assert ended["b"].outputs == {"output": plain(8)}

    def test_what_a_step_has_begun_in_a_session_of_its_own_ends_with_it(self) -> None:
        watched = Watched()
        compute = self.make(watched.events.put)
        try:
            stopped = self.attempt("a", "daemon", 300)
            compute.start([stopped, self.attempt("b", "daemon", 0)])
            watched.until_written("daemon ", compute)
            while not (watched.log("a", "stdout") and watched.log("b", "stdout")):
                watched.take(compute)
            compute.stop([stopped.id])
            watched.until(2, compute)
            begun = [int(watched.log(step, "stdout").split()[-1]) for step in "ab"]
            assert is_gone(begun[0]), "its step was stopped"
        finally:
            compute.close()
        deadline = time.monotonic() + 30
        while not is_gone(begun[1]):  # its step had ended well: it ends with the step's process
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def test_a_process_in_which_many_files_were_left_open_is_not_used_again(self) -> None:
        ended = self.run(*(self.attempt(f"n{number}", "leak", 200) for number in range(6))).ended
        assert max(event.outputs["output"].inline for event in ended.values()) < 350, "the last of them, by its number"

    def test_too_much_memory_ends_the_attempt(self) -> None:
        resources = Resources(memory="150MiB")
        failure = self.run(self.attempt("a", "grow", 400_000_000, resources=resources)).ended["a"].failure
        assert failure is not None
        assert (failure.kind, failure.message) == ("memory", "the step used more than its 150 MiB of memory")

    def test_too_much_on_disk_ends_the_attempt(self) -> None:
        resources = Resources(scratch="1MiB")
        failure = self.run(self.attempt("a", "fill", 4_000_000, resources=resources)).ended["a"].failure
        assert failure is not None
        assert (failure.kind, failure.message) == ("scratch", "the step kept more than its 1 MiB in its working folder")

    def test_processes_are_used_again(self) -> None:
        watched = self.run(*(self.attempt(f"n{number}", "where", 1) for number in range(40)))
        pids = {event.outputs["output"].inline[2] for event in watched.ended.values()}
        assert len(pids) < 20

    def test_idle_attempts_go_when_no_others_wait(self) -> None:
        idle = [replace(self.attempt(f"idle{number}", "sleep", 0.05), idle=True) for number in range(3)]
        watched = self.run(*idle, *[self.attempt(f"n{number}", "sleep", 0.05) for number in range(8)])
        assert all(step.startswith("n") for step in list(watched.ended)[:6]), list(watched.ended)

    def test_a_flood_of_output_is_cut(self) -> None:
        watched = self.run(self.attempt("a", "talk", 900_000))
        assert watched.ended["a"].failure is None
        assert watched.log("a", "stdout").startswith("line 0\nline 1\n")
        assert len(watched.log("a", "stdout")) < 10_000_000
