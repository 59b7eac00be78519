"""What schedules run: checked when a schedule is made, and called when it fires."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

from pipelinekit.domain.audit import Origin
from pipelinekit.domain.data_changes import DataChange
from pipelinekit.domain.parameters import Parameter, read_values
from pipelinekit.domain.runs import RunStatus
from pipelinekit.domain.schedules import SCHEDULE, SCHEDULE_DUE, Schedule, ScheduleSpec, Target, Tick
from pipelinekit.domain.templates import render, template_faults
from pipelinekit.domain.types import DATASET, DATASTORE, PortType, parse_text, problem, read_json
from pipelinekit.engine.walls import iso
from pipelinekit.errors import Fault, NotFoundError, ParameterError, PipelinekitError
from pipelinekit.workspace.audit import AuditLog
from pipelinekit.workspace.datasets import DatasetCollection
from pipelinekit.workspace.datastores import DatastoreCollection
from pipelinekit.workspace.pipeline_endpoints import PipelineEndpointCollection, PipelineEndpointHandle
from pipelinekit.workspace.published_pipelines import Call, PublishedPipelineCollection, PublishedPipelineHandle
from pipelinekit.workspace.runs import RunCollection

ACTOR = "schedules"  # who does what in the audit log that nobody asked for
_LATER = {"due": "2026-01-31T09:30:00+00:00", "due_date": "2026-01-31", "previous_success": "2026-01-30T09:30:00+00:00"}
_AT_FIRST = {**_LATER, "previous_success": ""}  # what templates may stand for, to try parameters with


class ScheduleTargets:
    """Endpoints and published pipelines, as what schedules run."""

    def __init__(
        self,
        pipelines: Callable[[], PublishedPipelineCollection],
        endpoints: Callable[[], PipelineEndpointCollection],
        datastores: Callable[[], DatastoreCollection],
        datasets: Callable[[], DatasetCollection],
    ) -> None:
        self._pipelines = pipelines
        self._endpoints = endpoints
        self._datastores = datastores
        self._datasets = datasets

    def find(self, target: Target) -> PipelineEndpointHandle | PublishedPipelineHandle:
        """What a schedule runs, as it is now. Raises NotFoundError."""
        if target.endpoint:
            return self._endpoints().get(target.endpoint)
        return self._pipelines().get(target.pipeline)

    def faults(self, spec: ScheduleSpec) -> list[Fault]:
        """Everything that is wrong with what a schedule runs, watches, and gives to its runs."""
        found = [*self._watched_faults(spec.trigger)] if isinstance(spec.trigger, DataChange) else []
        if bool(spec.target.endpoint) == bool(spec.target.pipeline):
            return found  # told by `domain.schedules`
        try:
            target = self.find(spec.target)
            pipeline = pipeline_of(target)
            target.record.check_active()
            pipeline.record.check_active()
        except PipelinekitError as error:
            return [*found, Fault(error.message, hint=error.hint)]
        return found + parameter_faults(pipeline, spec)

    def _watched_faults(self, trigger: DataChange) -> Iterator[Fault]:
        try:
            if trigger.datastore:
                self._datastores().get(trigger.datastore)
            if trigger.dataset:
                self._datasets().get(trigger.dataset)
        except PipelinekitError as error:
            yield Fault(error.message, hint=error.hint)


class ScheduleLauncher:
    """Implements `ports.Launcher`: runs are those of an endpoint's default version when they fire, or of a pipeline."""

    def __init__(self, targets: ScheduleTargets, runs: RunCollection) -> None:
        self._targets = targets
        self._runs = runs

    def submit(self, schedule: Schedule, tick: Tick, parameters: Mapping[str, Any]) -> str:
        """Record a run."""
        spec = schedule.spec
        target = self._targets.find(spec.target)
        due = iso(UTC, tick.due)
        call = Call(
            spec.experiment,
            continue_on_step_failure=spec.continue_on_step_failure or None,
            priority=spec.priority or None,
            properties={SCHEDULE: schedule.id, SCHEDULE_DUE: due},
            details={"user": f"schedule {schedule.name}", "via": "schedule", "schedule": _told(schedule, tick, due)},
        )
        given = read_given(pipeline_of(target).parameters, parameters)
        return target.record_call(given, call).id

    def statuses(self, runs: Iterable[str]) -> Mapping[str, RunStatus]:
        """How runs stand."""
        found = {}
        for run in runs:
            try:
                found[run] = self._runs.status_of(run)  # others see to dead drivers: that looks at all open runs
            except NotFoundError:  # removed by a clean-up
                continue
        return found

    def cancel(self, run: str) -> None:
        """Ask for a run to be canceled."""
        self._runs.cancel(run)


class ScheduleNotifier:
    """Implements `ports.Notifier`: whoever looks after the service is told, and the audit log keeps it."""

    def __init__(self, audit: AuditLog, tell: Callable[[str], None]) -> None:
        self._audit = audit
        self._tell = tell

    def failed(self, schedule: Schedule, tick: Tick) -> None:
        """Tell of a run that failed or could not be started."""
        what = f"run {tick.run} failed" if tick.run else f"no run could be started ({tick.reason})"
        words = f"schedule {schedule.name!r}, due {iso(UTC, tick.due)}: {what}"
        names = ", ".join(schedule.spec.notify)
        self._audit.note("schedules.failed", schedule.name, by=Origin(ACTOR), reason=f"{what}; for {names}")
        self._tell(f"{words}; for {names}")


def pipeline_of(target: PipelineEndpointHandle | PublishedPipelineHandle) -> PublishedPipelineHandle:
    """The published pipeline that a call means now."""
    return target.pipeline() if isinstance(target, PipelineEndpointHandle) else target


def read_given(parameters: Sequence[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values that JSON data or texts stand for. Raises ParameterError naming everything that does not fit."""
    return read_values(parameters, given, _read, no_files="schedules run on any machine, and files lie on one")


def parameter_faults(pipeline: PublishedPipelineHandle, spec: ScheduleSpec) -> list[Fault]:
    """What is wrong with the parameters of a schedule, with its templates filled in as at the first and later runs."""
    if template_faults(spec.parameters):
        return []  # told by `domain.schedules`; they cannot be filled in
    given = dict(spec.parameters)
    if isinstance(spec.trigger, DataChange) and spec.trigger.parameter:
        given[spec.trigger.parameter] = _sample(spec.trigger)
    faults: dict[str, Fault] = {}
    for values in (_LATER, _AT_FIRST):
        try:
            read_given(pipeline.parameters, render(given, values))
        except ParameterError as error:
            for fault in error.faults:
                faults.setdefault(fault.message, fault)
    for described in pipeline.document()["parameters"]:
        name = described["name"]
        if described["required"] and name not in given:
            words = f"parameter {name!r} ({described['type']}) has no value and no default"
            faults.setdefault(words, Fault(words, hint="give it a value, which may be a template"))
        if described.get("fixed") and name in given:
            words = f"parameter {name!r} is fixed in the published pipeline"
            faults.setdefault(words, Fault(words, hint="leave it out, or publish the pipeline with another value"))
    return list(faults.values())


def _read(kind: PortType, value: Any) -> Any:
    """A value as its type asks for it. Texts stand for numbers, too: templates and command lines give nothing else."""
    if value == "" and problem(kind, value) and not problem(kind, None):
        return None  # there was no earlier run
    try:
        return read_json(kind, value)
    except ValueError:
        if not isinstance(value, str):
            raise
        return parse_text(kind, value)


def _sample(trigger: DataChange) -> str:
    """What a run may be given of a change."""
    return f"{DATASET}{trigger.dataset}@1" if trigger.dataset else f"{DATASTORE}{trigger.datastore}/{trigger.path}"


def _told(schedule: Schedule, tick: Tick, due: str) -> dict[str, Any]:
    """What a run tells of the schedule that started it."""
    return {"id": schedule.id, "name": schedule.name, "version": tick.spec_version, "due": due, "origin": tick.origin}
