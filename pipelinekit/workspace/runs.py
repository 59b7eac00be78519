"""Runs in a workspace: handles that wait, look and load."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelinekit.domain.runs import RunRecord, RunStatus, StepRecord, StepStatus
from pipelinekit.domain.types import shorten
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import NotFoundError, RunFailedError, UsageError
from pipelinekit.formats.paths import place_file, place_folder
from pipelinekit.late import late
from pipelinekit.ports import Blobs, LogRecords, RunRecords
from pipelinekit.wire.runs import whole_document
from pipelinekit.wire.values import plain_to_json

if TYPE_CHECKING:
    import tempfile

    from pipelinekit.formats import loading
else:
    tempfile = late("tempfile")
    loading = late("pipelinekit.formats.loading")

SHORTEST_WAIT = 0.02  # seconds between two looks at a run, at first
LONGEST_WAIT = 0.5

Recover = Callable[[], object]  # fails the runs whose driver is dead


class Output:
    """One stored output: its content digest and size at once, the value itself by `load`."""

    def __init__(self, name: str, value: StoredValue, blobs: Blobs) -> None:
        self.name = name
        self.digest = value.digest
        self.format = value.format
        self.size = value.size
        self.suffix = value.suffix
        self._value = value
        self._blobs = blobs

    def load(self, kind: Any = None) -> Any:
        """The value in memory, as class `kind` where there is a choice (`pandas.DataFrame`, `pyarrow.Table`).

        Files and folders are given as copies in a temporary folder; `save` puts them where you want them.
        """
        folder = Path(tempfile.mkdtemp(prefix="pipelinekit-"))
        return loading.load_value(self._value, kind, self._blobs, folder / self.name, share=False)

    def save(self, path: str | Path) -> Path:
        """Copy a file or folder output to a path."""
        target = Path(path)
        if self._value.format == "file":
            place_file(self._value.blob, target, self._blobs, share=False)
        elif self._value.format == "folder":
            place_folder(self._value.blob, target, self._blobs, share=False)
        else:
            raise UsageError(f"output {self.name!r} is stored as {self.format}, not as a file", hint="use load()")
        return target

    def document(self) -> dict[str, Any]:
        """What the output is, as JSON data; small plain data with its value."""
        document: dict[str, Any] = {"format": self.format, "digest": self.digest, "size": self.size}
        if self._value.is_at_hand:
            document["value"] = plain_to_json(self._value.data())
        return document

    def text(self) -> str:
        """What the output is, in a few words."""
        return shorten(self._value.data()) if self._value.is_at_hand else self.digest

    def __repr__(self) -> str:
        return f"Output({self.name!r}, {self.format}, {self.digest})"


class StepRun:
    """One step of a run, as it stands when looked at."""

    def __init__(self, record: StepRecord, blobs: Blobs, logs: LogRecords) -> None:
        self.record = record
        self._blobs = blobs
        self._logs = logs

    @property
    def name(self) -> str:
        """The step's name in the run."""
        return self.record.name

    @property
    def status(self) -> StepStatus:
        """Where the step stands."""
        return self.record.status

    @property
    def outputs(self) -> Mapping[str, Output]:
        """The step's outputs; a reused step shows those of its original."""
        return {name: Output(name, value, self._blobs) for name, value in self.record.outputs.items()}

    def logs(self) -> str:
        """What the step wrote; a reused step shows what its original wrote."""
        run, step = log_place(self.record)
        return "".join(chunk.text for _, chunk in self._logs.read(run, step))

    def __repr__(self) -> str:
        return f"StepRun({self.name!r}, {self.status})"


class Run:
    """A run in the workspace. Properties show it as it is in the records now."""

    def __init__(self, record: RunRecord, runs: RunRecords, blobs: Blobs, logs: LogRecords, recover: Recover) -> None:
        self.id = record.id
        self._record = record
        self._runs = runs
        self._blobs = blobs
        self._logs = logs
        self._recover = recover

    @property
    def record(self) -> RunRecord:
        """The run's record; read again until it is final. A run whose driver has died is found to have failed."""
        if not self._record.status.final:
            self._recover()
            self._record = self._runs.get(self.id)
        return self._record

    @property
    def status(self) -> RunStatus:
        """Where the run stands."""
        return self.record.status

    @property
    def steps(self) -> Sequence[StepRun]:
        """The steps recorded so far, in the order of the graph."""
        return [StepRun(record, self._blobs, self._logs) for record in self._runs.steps(self.id)]

    @property
    def outputs(self) -> Mapping[str, Output]:
        """What the pipeline returned, by name; empty until the run has ended."""
        return {name: Output(name, value, self._blobs) for name, value in self.record.outputs.items()}

    def step(self, name: str) -> StepRun:
        """One step by name. Raises NotFoundError."""
        found = {step.name: step for step in self.steps}
        if name not in found:
            raise NotFoundError(
                f"run {self.id} has no step {name!r}", hint=f"its steps: {', '.join(found) or 'none yet'}"
            )
        return found[name]

    def wait(self, timeout: float | None = None, *, raise_on_error: bool = True) -> Run:
        """Wait until the run has ended; returns the run itself.

        Raises RunFailedError when it did not complete, unless told otherwise, and TimeoutError after `timeout` seconds.
        Interrupting the wait leaves the run as it is.
        """
        until = None if timeout is None else time.monotonic() + timeout
        pause = SHORTEST_WAIT
        while not self.status.final:
            if until is not None and time.monotonic() > until:
                raise TimeoutError(f"run {self.id} is still {self.status} after {timeout:g} s")
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_WAIT)
        if raise_on_error and self.status is not RunStatus.COMPLETED:
            failure = self.record.failure
            words = failure.message if failure else f"it ended as {self.status}"
            raise RunFailedError(
                f"run {self.id} did not complete: {words}", hint=f"see 'pipelinekit runs show {self.id}'"
            )
        return self

    def cancel(self) -> None:
        """Ask the run to end."""
        self._runs.request_cancel(self.id)

    def document(self) -> dict[str, Any]:
        """The run and its steps as JSON data."""
        return whole_document(self.record, self._runs.steps(self.id))

    def __repr__(self) -> str:
        return f"Run({self.id!r}, {self.record.pipeline!r}, {self.record.status})"


class RunCollection:
    """The runs of a workspace."""

    def __init__(self, runs: RunRecords, blobs: Blobs, logs: LogRecords, recover: Recover) -> None:
        self._runs = runs
        self._blobs = blobs
        self._logs = logs
        self._recover = recover

    def get(self, run: str = "latest") -> Run:
        """The run of this id or unique beginning of one; the newest by default. Raises NotFoundError."""
        return self.handle(self._runs.get(run))

    def list(
        self, *, experiment: str = "", status: RunStatus | None = None, before: str = "", limit: int = 50
    ) -> list[Run]:
        """Runs, newest first."""
        found = self._runs.list(experiment=experiment, status=status, before=before, limit=limit)
        return [self.handle(record) for record in found]

    def handle(self, record: RunRecord) -> Run:
        """A handle on a record."""
        return Run(record, self._runs, self._blobs, self._logs, self._recover)


def log_place(record: StepRecord) -> tuple[str, str]:
    """The run and step whose log a step shows."""
    if record.status is StepStatus.REUSED:
        return record.original_run, record.original_step
    return record.run, record.name
