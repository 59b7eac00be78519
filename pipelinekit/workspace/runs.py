"""Runs in a workspace: handles that wait, look and load."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pipelinekit.classes import frozen
from pipelinekit.domain.names import check_file_name
from pipelinekit.domain.runs import KINDS, MAY_WAIT, RunRecord, RunStatus, StepRecord, StepStatus
from pipelinekit.domain.steps import parse_duration
from pipelinekit.errors import NotFoundError, RunFailedError, UsageError
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any
from pipelinekit.wire.runs import failure_to_json, whole_document

if TYPE_CHECKING:
    import datetime

    from pipelinekit.domain import durations as phases
    from pipelinekit.domain import metrics as points
    from pipelinekit.domain import run_queries
    from pipelinekit.domain import standing as states
    from pipelinekit.engine.estimating import Estimate
    from pipelinekit.formats import telling
    from pipelinekit.ports import Blobs, LogRecords, RunRecords
    from pipelinekit.ports.facts import FactRecords, MetricRecords, RunQueries
    from pipelinekit.wire import values
    from pipelinekit.workspace import outputs as stored
    from pipelinekit.workspace import run_children as children
    from pipelinekit.workspace import run_logs
else:
    phases = late("pipelinekit.domain.durations")
    points = late("pipelinekit.domain.metrics")
    run_queries = late("pipelinekit.domain.run_queries")
    states = late("pipelinekit.domain.standing")
    stored = late("pipelinekit.workspace.outputs")
    children = late("pipelinekit.workspace.run_children")
    run_logs = late("pipelinekit.workspace.run_logs")
    telling = late("pipelinekit.formats.telling")
    values = late("pipelinekit.wire.values")

SHORTEST_WAIT = 0.02  # seconds between two looks at a run, at first
LONGEST_WAIT = 0.5


@frozen
class RunStores:
    """What runs are shown from. `recover` sees to runs that nobody drives; what follows is opened if needed.

    `changing` are runs and facts by which users change them, where that is noted.
    """

    runs: RunRecords
    logs: LogRecords
    blobs: Blobs
    recover: Callable[[], object]
    facts: Callable[[], FactRecords]
    metrics: Callable[[], MetricRecords]
    queries: Callable[[], RunQueries]
    estimate: Callable[[RunRecord, Sequence[StepRecord]], Estimate | None]
    changing: Callable[[], tuple[RunRecords, FactRecords]]


class Told:
    """What is told of a run or of a step run besides outputs: tags, properties, files, metrics, children.

    `shown` is the place of the execution that is shown: of a reused step that of its original.
    """

    def __init__(self, stores: RunStores, place: tuple[str, str], shown: tuple[str, str] | None = None) -> None:
        self._stores = stores
        self._place = place
        self._shown = shown or place

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags by key; `set_tags` and `remove_tags` change them."""
        run, step = self._shown
        return self._stores.facts().tags(run, step=step)

    @property
    def properties(self) -> Mapping[str, str]:
        """Properties by key; one that is set stays as it is."""
        run, step = self._shown
        return self._stores.facts().properties(run, step=step)

    @property
    def files(self) -> Mapping[str, stored.Output]:
        """Files and folders that were kept, by name."""
        run, step = self._shown
        found = self._stores.facts().files(run, step=step)
        return {name: stored.Output(name, value, self._stores.blobs) for name, value in found.items()}

    @property
    def children(self) -> Sequence[Run]:
        """Child runs that the code of the step made, or that an interactive run has, in their order."""
        run, step = self._shown
        return [Run(record, self._stores) for record in self._stores.facts().children(run, step=step)]

    def download(self, folder: str | Path, prefix: str = "") -> dict[str, Path]:
        """Copy the files whose names begin so into a folder; their places by name. Raises NotFoundError for none."""
        found = {name: output for name, output in self.files.items() if name.startswith(prefix)}
        if not found:
            there = ", ".join(self.files) or "none"
            raise NotFoundError(f"there is no file {prefix!r} with run {self._place[0]}", hint=f"there are: {there}")
        return {name: output.save(stored.below(folder, name)) for name, output in found.items()}

    def upload(self, name: str, path: str | Path) -> stored.Output:
        """Keep a file or folder under this name, whatever stands there now. Raises NotFoundError."""
        place, (run, step) = Path(path), self._place
        if not place.exists():
            raise NotFoundError(f"there is no file {str(path)!r} to keep with run {run}")
        value = values.value_from_json(telling.keep_in(self._stores.blobs, place))
        self._stores.changing()[1].put_file(run, check_file_name(name), value, step=step)
        return stored.Output(name, value, self._stores.blobs)

    def metrics(self) -> dict[str, Any]:
        """Metrics by name: one value, a list of values, a table as a dict of columns, a matrix, an image's file.

        A run of one step, such as a script run, has those of the step, too.
        """
        return {metric.name: self._value(metric) for metric in self._metrics()}

    def series(self, name: str) -> points.Series:
        """All points of a series, with steps and times. Raises NotFoundError."""
        found = [metric for metric in self._metrics() if metric.name == name and metric.kind == points.SERIES]
        if not found:
            names = ", ".join(dict.fromkeys(metric.name for metric in self._metrics()))
            raise NotFoundError(f"there is no series {name!r}", hint=f"there are: {names or 'none'}")
        return self._stores.metrics().series(found[-1])

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags; others stay."""
        self._set_tags(tags, self._stores.changing()[1])

    def _set_tags(self, tags: Mapping[str, object], facts: FactRecords) -> None:
        checked = checked_tags(tags)
        run, step = self._place
        if len({**self.tags, **checked}) > points.MOST_TAGS:
            raise UsageError(f"run {run} would have more than {points.MOST_TAGS} tags", hint="remove some first")
        facts.set_tags(run, checked, step=step)

    def remove_tags(self, *keys: str) -> None:
        """Remove tags."""
        run, step = self._place
        self._stores.changing()[1].remove_tags(run, keys, step=step)

    def add_properties(self, properties: Mapping[str, object]) -> None:
        """Add properties; one that is there stays as it is."""
        checked = dict(points.check_text("property", key, value) for key, value in properties.items())
        run, step = self._place
        if len({**self.properties, **checked}) > points.MOST_TAGS:
            raise UsageError(
                f"run {run} would have more than {points.MOST_TAGS} properties", hint="use tags for what may go again"
            )
        self._stores.changing()[1].add_properties(run, checked, step=step)

    def _metrics(self) -> Sequence[points.Metric]:
        run, step = self._shown
        return self._stores.metrics().of_step(run, step)

    def _value(self, metric: points.Metric) -> Any:
        if metric.kind == points.SERIES:
            values = self._stores.metrics().series(metric).values
            return values[0] if len(values) == 1 else list(values)
        if metric.kind == points.ROWS:
            return self._stores.metrics().rows(metric)
        if metric.kind == points.IMAGE:
            return self.files.get(f"images/{metric.name}")
        return self._stores.metrics().body(metric)


class StepRun(Told):
    """One step of a run, as it stands when looked at."""

    def __init__(self, record: StepRecord, stores: RunStores) -> None:
        super().__init__(stores, (record.run, record.name), log_place(record))
        self.record = record

    @property
    def name(self) -> str:
        """The step's name in the run."""
        return self.record.name

    @property
    def status(self) -> StepStatus:
        """Where the step stands."""
        return self.record.status

    @property
    def outputs(self) -> Mapping[str, stored.Output]:
        """The step's outputs; a reused step shows those of its original."""
        found = self.record.outputs.items()
        return {name: stored.Output(name, value, self._stores.blobs) for name, value in found}

    def logs(self) -> str:
        """What the step wrote; a reused step shows what its original wrote."""
        return "".join(chunk.text for _, chunk in self._stores.logs.read(*self._shown))

    def __repr__(self) -> str:
        return f"StepRun({self.name!r}, {self.status})"


class Run(Told):
    """A run in the workspace. Properties show it as it is in the records now."""

    def __init__(self, record: RunRecord, stores: RunStores) -> None:
        super().__init__(stores, (record.id, ""))
        self.id = record.id
        self.callback_secret = ""  # of a call at a server that was just made: what signs the news of its end
        self._record = record

    @property
    def record(self) -> RunRecord:
        """The run's record; read again until it is final. A run whose driver has died is taken up again, or failed."""
        if not self._record.status.final:
            self._stores.recover()
            self._record = self._stores.runs.get(self.id)
        return self._record

    @property
    def seen(self) -> RunRecord:
        """The record as it was read last: for lists, of which each would be read once more."""
        return self._record

    @property
    def status(self) -> RunStatus:
        """Where the run stands."""
        return self.record.status

    @property
    def steps(self) -> Sequence[StepRun]:
        """The steps recorded so far, in the order of the graph."""
        return [StepRun(record, self._stores) for record in self._stores.runs.steps(self.id)]

    @property
    def outputs(self) -> Mapping[str, stored.Output]:
        """What the pipeline returned, by name; empty until the run has ended."""
        found = self.record.outputs.items()
        return {name: stored.Output(name, value, self._stores.blobs) for name, value in found}

    def all_children(
        self,
        *,
        recursive: bool = True,
        status: RunStatus | str | None = None,
        tags: Mapping[str, str | None] | None = None,
    ) -> Sequence[Run]:
        """Child runs, and with `recursive` those below them, each behind its parent; only those that fit."""
        stores = self._stores
        below = children.children_of(self.record, stores.runs, stores.facts(), recursive=recursive)
        found = [Run(record, stores) for _, record in below if status in (None, record.status)]
        return [run for run in found if not tags or run_queries.has_tags(run.tags, tags)]

    @property
    def parent(self) -> Run | None:
        """The run that this one is a child of."""
        parent = self.record.parent
        return Run(self._stores.runs.get(parent), self._stores) if parent else None

    def mark(self, tags: Mapping[str, object], display_name: str = "") -> None:
        """Give a run that was just recorded its tags and its name, as part of that; nothing where there are none."""
        if tags:
            self._set_tags(tags, self._stores.facts())
        if display_name:
            self._stores.facts().rename(self.id, display_name=display_name)
            self._record = self._stores.runs.get(self.id)

    def describe(self, *, display_name: str | None = None, description: str | None = None) -> None:
        """Change how the run is shown; what is not given stays."""
        self._stores.changing()[1].rename(self.id, display_name=display_name, description=description)
        self._record = self._stores.runs.get(self.id)

    def all_metrics(self) -> dict[str, dict[str, Any]]:
        """Metrics of the run under an empty name, those of its steps by step, and those of child runs by their ids."""
        own = self._stores.metrics().of_run(self.id)
        found: dict[str, dict[str, Any]] = {"": {metric.name: self._value(metric) for metric in own}}
        for step, metric in self._stores.metrics().of_steps(self.id):
            found.setdefault(step, {})[metric.name] = self._value(metric)
        found.update((child.id, told) for child in self.all_children() if (told := child.metrics()))
        return found

    def _metrics(self) -> Sequence[points.Metric]:
        return self._stores.metrics().listed(self.id)

    def step(self, name: str) -> StepRun:
        """One step by name. Raises NotFoundError."""
        found = {step.name: step for step in self.steps}
        if name not in found:
            raise NotFoundError(
                f"run {self.id} has no step {name!r}", hint=f"its steps: {', '.join(found) or 'none yet'}"
            )
        return found[name]

    def logs(self) -> str:
        """What an interactive or child run wrote; of a pipeline what its steps wrote, each below its name."""
        steps = [step.record for step in self.steps]
        return "".join(run_logs.with_headings(run_logs.RunLogs(self._stores.logs, self.record).new(steps)))

    def wait(self, timeout: float | None = None, *, raise_on_error: bool = True, show_output: bool = False) -> Run:
        """Wait until the run has ended; returns the run itself. With `show_output` logs are written as they appear.

        Raises RunFailedError when it did not complete, unless told otherwise, and TimeoutError after `timeout` seconds.
        Interrupting the wait leaves the run as it is.
        """
        shown = run_logs.RunLogs(self._stores.logs, self._record)
        last = ""
        longest = None if timeout is None else parse_duration(timeout)
        until = None if longest is None else time.monotonic() + longest
        pause = SHORTEST_WAIT
        while not (ended := self.status.final) or show_output:
            if show_output:
                last = self._show(shown, last)
            if ended:
                break
            if until is not None and time.monotonic() > until:
                raise TimeoutError(f"run {self.id} is still {self.status} after {longest:g} s")
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_WAIT)
        if raise_on_error and self.status is not RunStatus.COMPLETED:
            failure = self.record.failure
            words = failure.message if failure else f"it ended as {self.status}"
            raise RunFailedError(
                f"run {self.id} did not complete: {words}",
                hint=f"see 'pipelinekit runs show {self.id}'",
                run=self.id,
                status=str(self.status),
                error=failure_to_json(failure),
            )
        return self

    def _show(self, logs: run_logs.RunLogs, last: str) -> str:
        """Write what is new; the step that wrote last."""
        told = list(logs.new([step.record for step in self.steps]))
        sys.stdout.writelines(run_logs.with_headings(told, last))
        sys.stdout.flush()
        return told[-1][0] if told else last

    def cancel(self) -> None:
        """Ask the run to end. It is canceled once nothing of it is at work."""
        self._stores.changing()[0].request_cancel(self.id)
        self._stores.recover()

    @property
    def standing(self) -> str:
        """How the run stands, in words: what waits for what, or why it ended as it did."""
        record = self.record
        return states.standing(record, self._stores.runs.steps(self.id) if record.graph else (), self.waits)

    @property
    def waits(self) -> str:
        """Why limits hold the run back, or none of its steps can begin; empty where that is not so."""
        return self._stores.runs.waits().get(self.id, "") if self._record.status in MAY_WAIT else ""

    def durations(self) -> Mapping[str, phases.Durations]:
        """Where the time went: of the run under an empty name, and of the steps that it executed by name."""
        return self._durations(self._stores.runs.steps(self.id))

    def _durations(self, steps: Sequence[StepRecord]) -> Mapping[str, phases.Durations]:
        executed = any(map(phases.is_executed, steps))
        of_steps = phases.step_durations(steps, self._stores.runs.changes(self.id)) if executed else {}
        return {"": phases.run_durations(self.record, of_steps, steps), **of_steps}

    def document(self) -> dict[str, Any]:
        """The run and its steps as JSON data."""
        steps, record = self._stores.runs.steps(self.id), self.record
        document = whole_document(record, steps, self._durations(steps))
        if why := self.waits:
            document["waits"] = why
        if found := self._estimate(record, steps):
            document.update(estimated_seconds_left=round(found.seconds, 1), estimate=str(found))
        return document

    @property
    def estimate(self) -> Estimate | None:
        """How long the run will still take, from earlier executions; None where nothing is known of that."""
        record = self.record
        return self._estimate(record, self._stores.runs.steps(self.id)) if not record.status.final else None

    def _estimate(self, record: RunRecord, steps: Sequence[StepRecord]) -> Estimate | None:
        return self._stores.estimate(record, steps) if record.status is RunStatus.RUNNING else None

    def __repr__(self) -> str:
        return f"Run({self.id!r}, {self.record.pipeline!r}, {self.record.status})"


class RunCollection:
    """The runs of a workspace."""

    def __init__(self, stores: RunStores) -> None:
        self._stores = stores

    def get(self, run: str = "latest") -> Run:
        """The run of this id or unique beginning of one; the newest by default. Raises NotFoundError."""
        if not isinstance(run, str):
            raise UsageError(f"{run!r} is not the id of a run", hint="give its id, or the beginning of it, as text")
        return self.handle(self._stores.runs.get(run))

    def waits(self) -> Mapping[str, str]:
        """Which runs limits hold back, and which run and have no step that can begin, each with the reason."""
        return self._stores.runs.waits()

    def cancel(self, run: str) -> RunRecord:
        """Ask a run to end; how it stands then. Its driver is not looked for."""
        return self._stores.changing()[0].request_cancel(self._stores.runs.get(run).id)

    def status_of(self, run: str) -> RunStatus:
        """Where a run stands in the records; its driver is not looked for. Raises NotFoundError."""
        return self._stores.runs.get(run).status

    def list(
        self,
        *,
        experiment: str = "",
        pipeline: str = "",
        kind: str = "",
        status: RunStatus | str | None = None,
        tags: Mapping[str, str | None] | None = None,
        properties: Mapping[str, str | None] | None = None,
        since: datetime.datetime | float | None = None,
        until: datetime.datetime | float | None = None,
        where: str | Sequence[str] = (),
        sort: str = "",
        ascending: bool = False,
        children: bool = False,
        after: str = "",
        limit: int = 50,
    ) -> Sequence[Run]:
        """Runs, newest first, or sorted by a metric or parameter (`sort="metric.loss"`).

        `kind` is `pipeline`, `interactive` or `child`. Tags and properties whose value is None may have any. Runs were
        made from `since` on, and before `until`: a `datetime`, or seconds since 1970. `where` are conditions such as
        `"metric.loss<0.3"` and `"param.model=tree"`. `after` is the id of the run that the list goes on behind.
        """
        query = run_queries.RunQuery(
            experiment=experiment,
            pipeline=pipeline,
            kind=_one_of("kind", kind, KINDS),
            statuses=(RunStatus(_one_of("status", status, RunStatus)),) if status else (),
            tags=run_queries.check_pairs("tags", tags),
            properties=run_queries.check_pairs("properties", properties),
            since=run_queries.check_time(since),
            until=run_queries.check_time(until),
            conditions=tuple(map(run_queries.parse_condition, [where] if isinstance(where, str) else where)),
            sort=run_queries.parse_sort(sort),
            ascending=ascending,
            children=children,
            after=self._stores.runs.get(after).id if after else "",
            limit=limit,
        )
        return self.find(query)

    def find(self, query: run_queries.RunQuery) -> Sequence[Run]:
        """The runs that a query asks for, once those whose driver has died are seen to. Raises UsageError."""
        run_queries.check_limit(query.limit)
        self._stores.recover()
        return [self.handle(record) for record in self._stores.queries().find(query)]

    def handle(self, record: RunRecord) -> Run:
        """A handle on a record."""
        return Run(record, self._stores)


def _one_of(what: str, given: str, known: Iterable[str]) -> str:
    """What is given, if there is one. Raises UsageError."""
    there = list(map(str, known))
    if given and str(given) not in there:
        raise UsageError(f"there is no {what} {given!r} of runs", hint=f"there are: {', '.join(there)}")
    return str(given)


def checked_tags(tags: Mapping[str, object]) -> dict[str, str]:
    """Tags as texts within their limits. Raises UsageError."""
    if not tags:
        return {}
    return dict(points.check_text("tag", key, value) for key, value in run_queries.check_pairs("tags", tags).items())


def log_place(record: StepRecord) -> tuple[str, str]:
    """The run and step whose log a step shows."""
    if record.status is StepStatus.REUSED:
        return record.original_run, record.original_step
    return record.run, record.name


def refuse_without_graph(run: RunRecord) -> None:
    """Raise UsageError for a run that has no pipeline: an interactive one, or a child."""
    if not run.graph:
        raise UsageError(
            f"run {run.id} has no pipeline: its {'parent' if run.parent else 'process'} made it as it went",
            hint="'pipelinekit runs show' and 'runs metrics' say what there is of it",
        )
