"""One warm step process: started in a group of its own, spoken to through pipes, ended for certain.

Everything here blocks; a supervisor calls it from the thread that carries an attempt.
"""

from __future__ import annotations

import codecs
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pipelinekit.classes import frozen
from pipelinekit.compute import watchdog
from pipelinekit.domain.attempts import Attempt, Task
from pipelinekit.late import late
from pipelinekit.wire.attempts import attempt_to_json, task_to_json
from pipelinekit.wire.frames import READ_SIZE, pack, take

if TYPE_CHECKING:
    from pipelinekit.engine import masking
else:
    masking = late("pipelinekit.engine.masking")

GRACE_SECONDS = 5.0  # between TERM and KILL
TICK_SECONDS = 0.2
SCRATCH_SECONDS = 1.0  # between two looks at what a step keeps on disk
LOG_LIMIT = 8 * 1024 * 1024 + READ_SIZE  # bytes forwarded of one attempt: a little more than records keep
LAST_LINES = 10

OnLog = Callable[[str, str], None]
OnTick = Callable[[], None]
OnTold = Callable[[Mapping[str, Any]], None]


@frozen
class Death:
    """How a step process ended during an attempt.

    `cause` is `timeout`, `memory`, `scratch`, `canceled`, or empty for its own.
    """

    cause: str
    exit_code: int | None
    signal: str
    peak_memory: int
    last_lines: str


class Watchdog:
    """The process that ends our step processes when this one dies; see `watchdog`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", watchdog.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, watchdog.MARK: ""},  # below a step it outlives that, to end what is below itself
        )

    def tell(self, sign: str, process: StepProcess) -> None:
        """Add (`+`) or drop (`-`) a step process with its group."""
        with suppress(BrokenPipeError, ValueError, OSError):
            _pipe(self._process.stdin).write(f"{sign}{process.pid} {process.mark}\n".encode())
            _pipe(self._process.stdin).flush()

    def close(self) -> None:
        """End the watchdog; groups that are still listed end with it."""
        with suppress(OSError):
            _pipe(self._process.stdin).close()
        self._process.wait(timeout=10)


class StepProcess:
    """A process that executes one attempt after another, all from one snapshot and one environment."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], setup: Mapping[str, Any], folder: Path):
        self.mark = os.urandom(8).hex()  # by which whoever leaves its group is known
        inbox_read, self._inbox = os.pipe()
        self._outbox, outbox_write = os.pipe()
        try:
            self._process = subprocess.Popen(
                [*command, str(inbox_read), str(outbox_write)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(inbox_read, outbox_write),
                start_new_session=True,
                env={**environment, watchdog.MARK: self.mark},
                cwd=folder,
            )
        finally:
            os.close(inbox_read)
            os.close(outbox_write)
        self.pid = self._process.pid
        self._scratch = Path(setup["scratch"])
        self._stop_cause = ""
        self._kill_at: float | None = None
        self._received = bytearray()
        self._selector = selectors.DefaultSelector()
        self._decoders = {}
        for stream, pipe in (("stdout", self._process.stdout), ("stderr", self._process.stderr)):
            handle = _pipe(pipe).fileno()
            os.set_blocking(handle, False)
            self._decoders[stream] = codecs.getincrementaldecoder("utf-8")("replace")
            self._selector.register(handle, selectors.EVENT_READ, stream)
        os.set_blocking(self._outbox, False)
        self._selector.register(self._outbox, selectors.EVENT_READ, "result")
        self._task: Task | None = None
        self._wrote = False
        self._masks: masking.Masks | None = None  # of the secrets that this process was ever given
        self._log = _Log()
        self._until: float | None = None
        self._write(setup)

    # -- one attempt -------------------------------------------------------------------------------------------------

    def begin(
        self, attempt: Attempt, given: Mapping[str, str] | None = None, cluster: Mapping[str, Any] | None = None
    ) -> None:
        """Let the process execute an attempt; `carry` waits for its end.

        `given` are the values of its secrets, which are masked in what it writes. `cluster` says how its code can be a
        client of the Dask cluster that it runs on.
        """
        if given:
            self._masks = self._masks or masking.Masks()
            self._masks.add(given)
        self._log = _Log(self._masks)
        self._wrote = False
        self._write_attempt(attempt, given, cluster)
        self._until = time.monotonic() + attempt.task.timeout if attempt.task.timeout else None

    def carry(self, on_log: OnLog, on_told: OnTold, on_tick: OnTick) -> dict[str, Any] | Death:
        """Wait for the end of the attempt that was begun: its result message, or how the process died instead.

        `on_log` gets what it writes as it appears, `on_told` each message of what its code tells of the run; `on_tick`
        is called now and then while it runs. Where one of these raises, nothing has come of it yet: it is carried on
        by who calls this again.
        """
        memory, scratch = self._limits
        look_at = time.monotonic()
        self._log.send = on_log
        while True:
            result = self._poll(TICK_SECONDS)
            if result is not None and result.get("event") == "told":
                on_told(result)
            elif result is not None and "ready" not in result:
                if self._wrote:
                    self._drain()
                    self._log.end()
                return result
            now = time.monotonic()
            if self._is_dead():
                death = self._bury()
                for message in self._left():
                    on_told(message)
                return death
            if self._until is not None and now > self._until and not self._stop_cause:
                self.stop("timeout")
            if memory and not self._stop_cause and group_memory(self.pid) > memory:
                self.stop("memory", grace=0.0)
            if scratch and now > look_at and not self._stop_cause:
                look_at = now + SCRATCH_SECONDS
                if sum(map(own_bytes, self._folders())) > scratch:
                    self.stop("scratch", grace=0.0)
            if self._kill_at is not None and now > self._kill_at:
                self._signal(signal.SIGKILL)
            self._log.flush_if_due(now)
            on_tick()

    def clear(self) -> None:
        """Remove what the process, which has ended, kept on disk."""
        for folder in self._folders():
            shutil.rmtree(folder, ignore_errors=True)

    def _folders(self) -> list[Path]:
        """The folders that the process has worked in, as it names them."""
        return list(self._scratch.glob(f"{self.pid}-*"))

    def stop(self, cause: str, grace: float = GRACE_SECONDS) -> None:
        """Ask the process to end, and kill it after the grace. May be called from any thread."""
        if not self._stop_cause:
            self._stop_cause = cause
        self._kill_at = time.monotonic() + grace
        self._signal(signal.SIGKILL if grace == 0 else signal.SIGTERM)

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to end."""
        return bool(self._stop_cause)

    def close(self, *, now: bool = False) -> None:
        """End an idle process: by closing its pipe, then by force. Who has left its group is ended by its mark."""
        with suppress(OSError):
            os.close(self._inbox)
        if not now:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1.0)
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._close_pipes()

    # -- inside ------------------------------------------------------------------------------------------------------

    @property
    def _limits(self) -> tuple[int, int]:
        """Bytes of memory and of files that the attempt may use; 0 for no limit."""
        assert self._task is not None
        return self._task.resources.memory_bytes, self._task.resources.scratch_bytes

    def _write_attempt(
        self, attempt: Attempt, given: Mapping[str, str] | None, cluster: Mapping[str, Any] | None
    ) -> None:
        """Send an attempt, and its task where that is not the one that was sent before."""
        message = attempt_to_json(attempt)
        if given:
            message["secrets"] = dict(given)
        if cluster and attempt.task.dask_client:
            message["cluster"] = dict(cluster)
        if attempt.task is not self._task:
            self._task = attempt.task
            message["task"] = task_to_json(attempt.task)
        self._write(message)

    def _write(self, message: Mapping[str, Any]) -> None:
        view = memoryview(pack(message))
        with suppress(BrokenPipeError):  # a dead process is noticed by what it does not answer
            while view:
                view = view[os.write(self._inbox, view) :]

    def _poll(self, seconds: float) -> dict[str, Any] | None:
        """Wait for output; the next message that has arrived whole, if any."""
        message: dict[str, Any] | None = take(self._received)
        if message is not None:
            self._wrote = True  # perhaps: nobody has looked since it came
        else:
            for key, _ in self._selector.select(seconds):  # what was written before a result is there with it
                self._wrote = self._wrote or key.data != "result"
                self._take(key.fd, key.data)
            message = take(self._received)
        return message

    def _take(self, handle: int, stream: str) -> bool:
        try:
            data = os.read(handle, READ_SIZE)
        except BlockingIOError:
            return False
        if not data:
            self._selector.unregister(handle)
            return False
        if stream == "result":
            self._received += data
        else:
            self._log.add(stream, self._decoders[stream].decode(data))
        return True

    def _drain(self) -> None:
        """Take what has been written so far: the step's output lies before its result."""
        for key in list(self._selector.get_map().values()):
            if key.data != "result":
                while self._take(key.fd, key.data):
                    continue

    def _left(self) -> Iterator[dict[str, Any]]:
        """What a dead process had told, and nobody has taken yet."""
        while (message := take(self._received)) is not None:
            if message.get("event") == "told":
                yield message

    def _is_dead(self) -> bool:
        handles = {key.data for key in self._selector.get_map().values()}
        return "result" not in handles or self._has_exited()

    def _has_exited(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _bury(self) -> Death:
        """Wait for the dead process, end what is left of its group, and tell how it died."""
        until = time.monotonic() + 1.0
        while not self._has_exited() and time.monotonic() < until:
            time.sleep(0.01)  # its pipe has closed, so that it ends at any moment; else it is ended
        self._signal(signal.SIGKILL)
        _, status, usage = os.wait4(self.pid, 0)
        watchdog.end_marked({self.mark})
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._drain()
        while "result" in {key.data for key in self._selector.get_map().values()} and self._take(
            self._outbox, "result"
        ):
            continue
        self._log.end()
        code = self._process.returncode
        self._close_pipes()
        with suppress(OSError):
            os.close(self._inbox)
        return Death(
            self._stop_cause,
            code if code >= 0 else None,
            signal.Signals(-code).name if code < 0 else "",
            usage.ru_maxrss * 1024,
            self._log.last_lines(),
        )

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _close_pipes(self) -> None:
        self._selector.close()
        with suppress(OSError):
            os.close(self._outbox)
        _pipe(self._process.stdout).close()
        _pipe(self._process.stderr).close()


class _Log:
    """What one attempt writes: masked, sent on in batches, cut at a limit, with its last lines kept for a crash."""

    def __init__(self, masks: masking.Masks | None = None) -> None:
        self.send: OnLog | None = None
        self._masked = {} if masks is None else {name: masking.StreamMask(masks) for name in ("stdout", "stderr")}
        self._parts: list[tuple[str, str]] = []
        self._size = 0
        self._flushed_at = time.monotonic()
        self._tail = ""

    def add(self, stream: str, text: str) -> None:
        self._add(stream, self._masked[stream].feed(text) if self._masked else text)

    def _add(self, stream: str, text: str) -> None:
        self._tail = (self._tail + text)[-4096:]
        if self._size > LOG_LIMIT or not text:
            return
        self._size += len(text)
        if self._parts and self._parts[-1][0] == stream:
            text = self._parts.pop()[1] + text
        self._parts.append((stream, text))
        if len(text) > READ_SIZE:
            self.flush()

    def flush_if_due(self, now: float) -> None:
        if self._parts and now - self._flushed_at > TICK_SECONDS:
            self.flush()

    def flush(self) -> None:
        parts, self._parts = self._parts, []
        self._flushed_at = time.monotonic()
        for stream, text in parts:
            if self.send:
                self.send(stream, text)

    def end(self) -> None:
        """Send everything: the attempt has ended."""
        for stream, masked in self._masked.items():
            self._add(stream, masked.end())
        self.flush()

    def last_lines(self) -> str:
        return "\n".join(self._tail.splitlines()[-LAST_LINES:])


def group_memory(group: int) -> int:
    """Bytes of memory that the processes of a group hold together."""
    total = 0
    page = os.sysconf("SC_PAGE_SIZE")
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        with suppress(OSError, ValueError, IndexError):
            fields = Path(entry.path, "stat").read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[2]) == group:
                total += int(fields[21]) * page
    return total


def own_bytes(folder: Path) -> int:
    """Bytes on disk of the files below a folder, without those that share theirs with others, as inputs do."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                state = os.lstat(os.path.join(parent, name))
                total += state.st_blocks * 512 if state.st_nlink == 1 else 0
    return total


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
