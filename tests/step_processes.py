"""The step's process as its supervisor sees it, for tests that speak its protocol."""

import os
import select
import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager, suppress
from dataclasses import replace

from pipelinekit.compute.supervisor import ENTRY
from pipelinekit.domain.attempts import Attempt, Task
from pipelinekit.domain.steps import Port
from pipelinekit.domain.types import ANY
from pipelinekit.domain.values import StoredValue, plain
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.wire.attempts import attempt_to_json, event_from_json, task_to_json
from pipelinekit.wire.frames import READ_SIZE, send, take


class StepProcess:
    """A step process as its supervisor sees it; what it writes goes to files."""

    def __init__(self, folder, source, modules=(), **options):
        self.folder, self.blobs = folder, FolderBlobs(folder / "blobs")
        for name in ("blobs", "scratch", "source"):
            (folder / name).mkdir(exist_ok=True)
        for name, text in source.items():
            (folder / "source" / name).write_text(textwrap.dedent(text))
        theirs_in, self._inbox = os.pipe()
        self._outbox, theirs_out = os.pipe()
        self._logs = [(folder / name).open("w+") for name in ("stdout", "stderr")]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-u", "-c", ENTRY, str(theirs_in), str(theirs_out)],
            stdin=subprocess.DEVNULL,
            stdout=self._logs[0],
            stderr=self._logs[1],
            pass_fds=(theirs_in, theirs_out),
            cwd=folder / "scratch",
            start_new_session=True,
            **options,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        setup = {"blobs": folder / "blobs", "source": folder / "source", "scratch": folder / "scratch"}
        send(
            self._inbox,
            {
                **{name: str(path) for name, path in setup.items()},
                "pycache": str(setup["source"]) + "-pycache",
                "modules": list(modules),
            },
        )
        self._arrived = bytearray()
        self.read = [0, 0]

    def answer(self, seconds=60):
        """The next message from the process; None when it has closed its pipe."""
        while (message := take(self._arrived)) is None:
            assert select.select([self._outbox], [], [], seconds)[0], "the process said nothing"
            if not (data := os.read(self._outbox, READ_SIZE)):
                return None
            self._arrived += data
        return message

    def ready(self):
        assert self.answer() == {"ready": self.process.pid}
        return self

    def start(self, function, inputs=None, outputs=(Port("output", ANY),), step="step", kind="python", **details):
        """Send an attempt that calls a function of `steps.py`."""
        stored = {
            name: value if isinstance(value, StoredValue) else plain(value) for name, value in (inputs or {}).items()
        }
        ports = tuple(Port(name, ANY) for name in stored)
        entry = f"steps:{function}" if kind == "python" else function
        own = {name: details.pop(name) for name in ("run", "number") if name in details}
        task = Task(kind, entry, "", ports, tuple(outputs), **details)
        attempt = replace(Attempt("run", step, 1, task, stored), **own)
        send(self._inbox, {**attempt_to_json(attempt), "task": task_to_json(task)})

    def run(self, function, *words, **details):
        """Execute an attempt; how it ended."""
        self.start(function, *words, **details)
        return event_from_json(self.answer())

    def value(self, function, *words, **details):
        """Execute an attempt that must succeed; the plain data that it returned."""
        ended = self.run(function, *words, **details)
        assert ended.failure is None, ended.failure
        assert ended.damaged == ()
        return ended.outputs["output"].data()

    def failure(self, function, *words, **details):
        """Execute an attempt that must fail; its failure."""
        ended = self.run(function, *words, **details)
        assert ended.failure is not None
        assert ended.outputs == {}
        return ended.failure

    def wrote(self):
        """What it has written to standard output and error since the last time."""
        texts = []
        for position, log in enumerate(self._logs):
            log.flush()
            with open(log.name, encoding="utf-8", errors="replace") as stream:
                stream.seek(self.read[position])
                texts.append(stream.read())
                self.read[position] = stream.tell()
        return tuple(texts)

    def hang_up(self):
        """Close the pipe that attempts come by, as a supervisor does to end a process."""
        os.close(self._inbox)
        return self.process.wait(timeout=30)

    def close(self):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for handle in (self._inbox, self._outbox):
            with suppress(OSError):
                os.close(handle)
        for log in self._logs:
            log.close()


@contextmanager
def step_process(folder, source, **options):
    process = StepProcess(folder, {"steps.py": source}, **options)
    try:
        yield process.ready()
    finally:
        process.close()
