"""The driver of one run: takes it, carries over what stands as it stood, and takes turns over the rest.

It keeps nothing that is not in the records: killed at any moment, it leaves a run that another driver takes up again,
or that can be told to be lost, and completions that the next run reuses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from pipelinekit.classes import field, frozen
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.runs import Failure, RunRecord, RunStatus, StepRecord, StepStatus
from pipelinekit.errors import LeaseLostError, NotFoundError, UsageError
from pipelinekit.late import late
from pipelinekit.runtime.carrying import Carried, carry_over
from pipelinekit.runtime.records import Records
from pipelinekit.typed import TYPE_CHECKING
from pipelinekit.wire.graphs import parse_graph

if TYPE_CHECKING:
    from pipelinekit.engine import orchestrator
    from pipelinekit.ports import Blobs, Clock
    from pipelinekit.runtime import performer, queueing, turns
    from pipelinekit.runtime.observer import Observer
else:
    orchestrator = late("pipelinekit.engine.orchestrator")
    performer = late("pipelinekit.runtime.performer")
    queueing = late("pipelinekit.runtime.queueing")
    turns = late("pipelinekit.runtime.turns")


OnWork = Callable[[RunRecord, Graph], None]


@frozen
class Begun:
    """A run that a driver has taken, with what it took over: from an earlier run, or from a driver of it that died."""

    run: RunRecord
    graph: Graph
    carried: Carried
    recorded: Sequence[StepRecord] = ()
    failed: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)


class SomethingNewError(Exception):
    """A run that was taken to be the same as an earlier one is not; what was begun is to be taken back."""


class MustWaitError(Exception):
    """It is not the run's turn yet, for this reason; it is queued as before."""


class Driver:
    """Drives runs, one at a time; what is to be opened or made is so only if something is left to decide.

    `at_end` is called in the transaction that ends a run.
    `on_work` is told of a run in which something is. `misfit` says why this machine has not the software that a step
    was keyed with.
    """

    def __init__(
        self,
        owner: str,
        records: Records,
        blobs: Blobs,
        clock: Clock,
        open_files: turns.OpenFiles,
        make_compute: turns.MakeCompute,
        open_driving: turns.OpenDriving,
        observer: Observer,
        at_end: performer.AtEnd | None = None,
        on_work: OnWork | None = None,
        misfit: performer.Misfit | None = None,
        end_left: turns.EndLeft | None = None,
    ) -> None:
        self._owner = owner
        self._records = records
        self._blobs = blobs
        self._clock = clock
        self._open_files = open_files
        self._make_compute = make_compute
        self._open_driving = open_driving
        self._observer = observer
        self._at_end = at_end
        self._on_work = on_work
        self._misfit = misfit
        self._end_left = end_left

    def drive(self, run_id: str, graph: Graph | None = None) -> RunStatus:
        """Take the run and drive it to its end; see `begin`."""
        try:
            begun: Begun | None = self.begin(run_id, graph)
        except MustWaitError:
            begun = self.begin_in_turn(run_id, graph)
        if begun is None:
            return self._records.runs.get(run_id).status
        left = self.turns(begun)
        return left.drive() if left else RunStatus.COMPLETED

    def hold(self, run_id: str) -> None:
        """Keep a place for a queued run until it is its turn; nobody else drives it meanwhile."""
        self._records.driving.hold(run_id, self._owner)

    def begin_in_turn(
        self, run_id: str, graph: Graph | None = None, tell: Callable[[str], object] = len
    ) -> Begun | None:
        """Take a queued run as soon as limits let it go; None when it was canceled before.

        `tell` is called with what it waits for.
        """
        while queueing.wait_for_turn(run_id, self._owner, self._records, tell):
            try:
                return self.begin(run_id, graph)
            except MustWaitError:
                continue  # another was quicker
            except LeaseLostError:
                if self._records.runs.get(run_id).status is not RunStatus.CANCELED:
                    raise
                break
        return None

    def leave(self, run_id: str) -> None:
        """Leave a run queued that was given to this driver, as it is not its turn any more."""
        self._records.driving.leave(run_id, "")

    def begin(self, run_id: str, graph: Graph | None = None, *, is_same: bool = False) -> Begun:
        """Take the run, and take over what stands as it stood; a run in which nothing is new ends so.

        `graph` is the run's graph where it is at hand; else it is read from the records. Raises LeaseLostError when the
        run belongs to another driver. With `is_same` nobody has looked whether what the run names is in the store, as
        an earlier run names it: raises SomethingNewError when none does. Raises MustWaitError when something is left to
        do, and limits hold the run back.
        """
        records = self._records
        run = records.driving.take(run_id, self._owner)
        if graph is None or any(step.options.secrets for step in graph.steps):
            graph = self._graph(run)  # a submission binds secrets to their versions of then
        try:
            return self._begun(run, graph, is_same=is_same)
        except MustWaitError:
            records.driving.put_back(run.id, run.epoch)
            raise

    def _begun(self, run: RunRecord, graph: Graph, *, is_same: bool) -> Begun:
        """Take over what stands."""
        records = self._records
        if run.epoch > 1 and (recorded := records.runs.steps(run.id)):
            self._refuse_early(run)
            return Begun(run, graph, _standing(recorded), recorded, records.driving.failed(run.id))
        with records.batch():
            carried = carry_over(run, graph, records.carrying, records.reuse, records.documents, self._blobs)
            if is_same and not carried.is_same:
                raise SomethingNewError
            if carried.outputs is None:
                self._refuse_early(run)
            else:
                records.driving.finish(run.id, run.epoch, RunStatus.COMPLETED, carried.outputs, None)
                if self._at_end:
                    self._at_end(run, graph)
        return Begun(run, graph, carried)

    def _refuse_early(self, run: RunRecord) -> None:
        if not run.cancel_requested and (why := self._records.runs.waits(run.id).get(run.id)):
            raise MustWaitError(why)

    def turns(self, begun: Begun) -> turns.Turns | None:
        """What is left to do, once what was begun is recorded; None when nothing is."""
        run, graph, carried = begun.run, begun.graph, begun.carried
        self._observer.begun(run, graph)
        if carried.counts:
            self._observer.carried(carried, lambda: self._records.runs.steps(run.id))
        if carried.outputs is not None:
            return None
        if self._on_work is not None:
            self._on_work(run, graph)
        return turns.Turns(
            run,
            orchestrator.Orchestrator(
                run.id, graph, run.arguments, run.options, run.paths, carried.steps, begun.recorded, begun.failed
            ),
            self._performer(run, graph),
            self._records,
            self._clock,
            self._make_compute,
            self._open_driving,
            self._observer,
            self._end_left,
        )

    def _performer(self, run: RunRecord, graph: Graph) -> performer.Performer:
        stores = self._records, self._blobs, self._clock, self._open_files()
        return performer.Performer(run, graph, *stores, self._at_end, self._misfit)

    def _graph(self, run: RunRecord) -> Graph:
        """The run's graph from the records. A run whose graph cannot be read has failed: nobody else could, either."""
        found = self._records.documents.get([run.graph])
        try:
            if run.graph not in found:
                raise NotFoundError(f"the graph {run.graph} of run {run.id} is not in the records")
            return parse_graph(found[run.graph], f"the graph of run {run.id}")
        except (NotFoundError, UsageError) as error:
            failure = Failure("internal", error.message, hint=error.hint)
            self._records.driving.finish(run.id, run.epoch, RunStatus.FAILED, {}, failure)
            raise


def _standing(recorded: Sequence[StepRecord]) -> Carried:
    """What an earlier driver of this very run has brought to an end, for whoever watches."""
    ended = [step for step in recorded if step.status.final]
    saved = sum(step.seconds for step in ended if step.status is StepStatus.REUSED)
    return Carried(Counter(step.status for step in ended), saved)
