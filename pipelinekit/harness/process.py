"""The loop of a warm step process: one message in, one attempt executed, one result out.

The process ends when its supervisor closes the pipe. Standard output and error are pipes of the supervisor's too, and
are flushed before the result is sent, so that everything the step wrote comes before it. A step that leaves the process
other than it found it has its result marked `spoiled`: the process is not given to another step.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelinekit.domain.attempts import Task, Told
from pipelinekit.harness.bytecode import keep_bytecode
from pipelinekit.harness.current import CURRENT
from pipelinekit.harness.execute import Executor, Place
from pipelinekit.harness.surroundings import Surroundings
from pipelinekit.late import late
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.wire.attempts import attempt_from_json, event_to_json, task_from_json
from pipelinekit.wire.frames import Receiver, send

if TYPE_CHECKING:
    import resource
    import traceback

    from pipelinekit.domain.metrics import Entry
    from pipelinekit.harness import scripts
else:
    resource = late("resource")
    traceback = late("traceback")
    scripts = late("pipelinekit.harness.scripts")


def serve(inbox: int, outbox: int) -> None:
    """Execute attempts until the inbox is closed."""
    receiver = Receiver(inbox)
    setup = receiver.receive()
    if setup is None:
        return
    blobs = FolderBlobs(Path(setup["blobs"]))
    source, scratch = Path(setup["source"]), Path(setup["scratch"])
    sys.path.insert(0, str(source))
    keep_bytecode(str(source), setup["pycache"])
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    _warm_up(setup["modules"])
    send(outbox, {"ready": os.getpid()})
    pid = os.getpid()
    place = Place(blobs, scratch / f"{pid}-1", source, source, (blobs.folder.parent,))
    writing = threading.Lock()  # a thread of the step's may tell something while its result is sent

    def tell(attempt: str, entries: Sequence[Entry]) -> None:
        with writing:
            send(outbox, event_to_json(Told(attempt, tuple(entries))))

    executor = Executor(place, send=tell)
    surroundings = Surroundings(source)
    gc.freeze()  # what was imported stays; looking through it again and again would cost every step
    task: Task | None = None
    while (message := receiver.receive()) is not None:
        if "task" in message:  # else it is that of the attempt before
            task = task_from_json(message["task"])
        assert task is not None
        attempt = attempt_from_json(message, task)
        given = message.pop("secrets", None)
        CURRENT.cluster = message.pop("cluster", None)
        if given:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what a crash leaves would hold them
        runner = None if task.kind == "python" else scripts.run_command
        result = event_to_json(executor.execute(attempt, runner, given))
        del given
        if os.getpid() != pid:
            os._exit(0)  # a child that the step forked has come back here; the result is its parent's to give
        if surroundings.changed():
            result["spoiled"] = True
        with writing:
            send(outbox, result)
    executor.leave()


def _warm_up(modules: list[str]) -> None:
    """Import the steps' modules ahead of need.

    What fails here fails again, with its story, in the step that needs it.
    """
    for name in modules:
        try:
            importlib.import_module(name)
        except BaseException:
            for loaded in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
                del sys.modules[loaded]


def main() -> None:
    """Entry of a step process, whose last two arguments are the numbers of two inherited pipes: inbox and outbox."""
    inbox, outbox = map(int, sys.argv[-2:])
    os.set_inheritable(inbox, False)
    os.set_inheritable(outbox, False)
    try:
        serve(inbox, outbox)
    except (BrokenPipeError, KeyboardInterrupt):
        pass
    except BaseException:
        traceback.print_exc()
        raise SystemExit(70) from None
    # what a step left running (threads, atexit hooks) must not keep the process alive
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
