"""Interactive runs: a script or notebook that logs as it goes, with no pipeline and no steps."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType

from pipelinekit.classes import frozen
from pipelinekit.domain.names import check_name, run_id
from pipelinekit.domain.runs import INTERACTIVE, Failure, RunOptions, RunRecord, RunStatus
from pipelinekit.domain.values import StoredValue, folder_digest
from pipelinekit.errors import LeaseLostError, NotFoundError, PipelinekitError
from pipelinekit.formats.telling import ChildRun, Teller, Writing, keep_in, make_child
from pipelinekit.ports import Blobs, Clock, DriverRecords, RunRecords
from pipelinekit.ports.facts import FactRecords
from pipelinekit.workspace.pipelines import circumstances
from pipelinekit.workspace.runs import Run
from pipelinekit.workspace.snapshots import SourceTree

HEARTBEAT_SECONDS = 5.0
SNAPSHOT = "snapshot"


@frozen
class InteractiveStores:
    """What an interactive run is recorded in. What is opened is for it alone: each is used by one thread.

    `look` tells the files of a source folder.
    """

    owner: str
    runs: RunRecords
    driving: DriverRecords
    blobs: Blobs
    clock: Clock
    open_facts: Callable[[], FactRecords]
    open_driving: Callable[[], DriverRecords]
    look: Callable[[Path], SourceTree]


class InteractiveRun(Writing):
    """A run that this process makes: use it in a `with` statement, or call `complete` or `fail`.

    A process that ends without either leaves a run that is found to have failed.
    """

    def __init__(self, record: RunRecord, run: Run, stores: InteractiveStores) -> None:
        self._facts = stores.open_facts()
        gatherer = Teller(partial(self._facts.tell_run, record.id), partial(keep_in, stores.blobs))
        self._gatherer = gatherer
        super().__init__(self._here)
        self.id = record.id
        self.run = run
        self._record = record
        self._stores = stores
        self._done = threading.Event()
        self._types: tuple[str, ...] = ()
        threading.Thread(target=self._beat, name="pipelinekit-run", daemon=True).start()

    def child_run(self, name: str = "", tags: Mapping[str, str] | None = None) -> ChildRun:
        """A run below this one, with metrics, tags and children of its own."""
        return make_child(self._here, name, tags or {}, "")

    def flush(self) -> None:
        """Record what was told so far; otherwise that takes up to half a second, or until more is told."""
        self._gatherer.flush()

    def keep(self, name: str, value: StoredValue) -> None:
        """Keep what is in the store already with the run."""
        self._facts.put_file(self.id, name, value)

    def complete(self) -> None:
        """The run has done what it should."""
        self._end(RunStatus.COMPLETED, None)

    def fail(self, why: str = "") -> None:
        """The run did not do what it should."""
        self._end(RunStatus.FAILED, Failure("user", why or "it was said to have failed", self._types))

    def _end(self, status: RunStatus, failure: Failure | None) -> None:
        if self._done.is_set():
            return
        self.flush()
        self._done.set()
        self._facts.end_children(self._stores.owner)
        self._stores.driving.finish(self.id, self._record.epoch, status, {}, failure)

    def _here(self) -> Teller | None:
        return self._gatherer if self._gatherer.is_here and not self._done.is_set() else None

    def _beat(self) -> None:
        """Keep the lease, so that other machines see that the run is alive."""
        driving: DriverRecords | None = None
        while not self._done.wait(HEARTBEAT_SECONDS):
            with suppress(PipelinekitError):
                try:
                    driving = driving or self._stores.open_driving()
                    driving.renew(self.id, self._record.epoch)
                except LeaseLostError:
                    return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is not None:
            self._types = tuple(base.__name__ for base in kind.__mro__[:-2])
        super().__exit__(kind, error, _)

    def __repr__(self) -> str:
        return f"InteractiveRun({self.id!r})"


def begin_interactive(
    experiment: str,
    stores: InteractiveStores,
    handle: Callable[[RunRecord], Run],
    *,
    display_name: str = "",
    source: Path | None = None,
) -> InteractiveRun:
    """Record a run of this process and begin it; the files of a source folder are kept with it."""
    if source is not None and not source.is_dir():
        raise NotFoundError(f"there is no folder {str(source)!r}", hint="source_directory= names a folder of sources")
    tree = stores.look(source.absolute()) if source is not None else None
    snapshot = {SNAPSHOT: tree.keep(stores.blobs)} if tree is not None else {}
    now = stores.clock.now()
    record = RunRecord(
        run_id(int(now * 1000), int.from_bytes(os.urandom(4)) >> 7),
        0,
        check_name("experiment", experiment),
        "",
        "",
        RunStatus.QUEUED,
        now,
        options=RunOptions(),
        source=str(Path.cwd()),
        details={**circumstances(source.absolute() if source is not None else None), **snapshot},
        kind=INTERACTIVE,
        display_name=display_name,
    )
    stores.runs.create(record)
    taken = stores.driving.take(record.id, stores.owner)
    run = InteractiveRun(taken, handle(taken), stores)
    if tree is not None:  # a file of the run, too: so clean-up leaves it alone
        digest = snapshot[SNAPSHOT]
        run.keep(SNAPSHOT, StoredValue(folder_digest(digest), "folder", tree.tree().size, digest))
    return run
