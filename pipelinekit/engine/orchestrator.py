"""The run in progress: events in, instructions out.

No clock, thread, store or log: the same events always give the same instructions. Steps become ready when everything
before them has ended; a ready step is looked up under its key, then claimed, then executed. Elements of mapped steps
join the works when their lists are known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from pipelinekit.domain.attempts import AttemptEnded, AttemptStarted, attempt_id
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.runs import Completion, Failure, Reason, RunOptions, RunStatus, StepRecord, StepStatus
from pipelinekit.domain.types import PathRef
from pipelinekit.domain.values import StoredValue
from pipelinekit.engine.carrying import CarriedStep
from pipelinekit.engine.events import (
    CancelRequested,
    Claimed,
    Event,
    Expand,
    Expanded,
    Finish,
    Instruction,
    LookedUp,
    Observed,
    Sleep,
    Stop,
    Woken,
)
from pipelinekit.engine.expansion import Elements, elements_of, has_lists, make_children, uneven
from pipelinekit.engine.fingerprint import Fingerprint, observed_key
from pipelinekit.engine.outbox import Outbox
from pipelinekit.engine.resuming import Recorded
from pipelinekit.engine.retries import after_damage, after_failure, never_began
from pipelinekit.engine.verification import Expected, is_chosen, undeclared, verdict
from pipelinekit.engine.work import Resolver, State, Work, broken_cause, link, makers_of, of_step, reopen, take_over

HELD_POLL = 0.5  # seconds between two looks at a key that another run executes


class Orchestrator:
    """Decides what one run does next.

    `arguments` are the values of the pipeline's parameters, `paths` those of the paths written in the graph, `carried`
    the nodes by position that were carried over from an earlier run, `recorded` the step runs of this very run, where
    an earlier driver died, with their attempts that had
    `failed`. Call `start` once, then `handle` for every event, and carry out what they return in its
    order.
    """

    def __init__(
        self,
        run: str,
        graph: Graph,
        arguments: Mapping[str, StoredValue],
        options: RunOptions,
        paths: Mapping[PathRef, StoredValue] | None = None,
        carried: Mapping[int, CarriedStep] | None = None,
        recorded: Iterable[StepRecord] = (),
        failed: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    ) -> None:
        self.run = run
        self.graph = graph
        self.options = options
        self.works = [
            Work(node.name, node, position, graph.steps[node.step]) for position, node in enumerate(graph.nodes)
        ]
        self.by_name = {work.name: work for work in self.works}
        self.resolver = Resolver(arguments, paths or {}, self.works)
        self.fingerprints = [Fingerprint(step.definition) for step in graph.steps]
        self.stopping = False
        self.canceled = False
        self._ended_by: Failure | None = None  # why the run was canceled, where nobody asked for it
        self.finished: RunStatus | None = None
        self.failure: Failure | None = None
        self._failed = ""  # the step that it tells of
        self._any_broken = False
        self._attempts: dict[str, Work] = {}  # those that execute, by id
        self._leaders: dict[str, Work] = {}
        self._shared: dict[str, list[Work]] = {}
        self._ready: deque[Work] = deque()
        self._out = Outbox(run)
        self._made: dict[str, Work] = {}  # by key what this run has executed, where new results were asked for
        self._recorded = Recorded(recorded, self.works, failed or {})
        take_over(self.works, carried or {})
        self.open = sum(not (work.state is State.DONE or self._stands(work)) for work in self.works)
        link(self.works)

    def start(self) -> list[Instruction]:
        """The first instructions."""
        self._stop_after_failure()
        self._ready.extend(work for work in self.works if work.waiting == 0 and work.state is State.WAITING)
        return self._answer()

    def handle(self, *events: Event) -> list[Instruction]:
        """Take events in, in their order, and say what to do about them."""
        for event in events:
            self._take(event)
        return self._answer()

    def _take(self, event: Event) -> None:
        match event:
            case LookedUp():
                self._looked_up(event)
            case Claimed():
                self._claimed(event)
            case Expanded():
                self._expanded(event)
            case AttemptStarted():
                self._started(event)
            case AttemptEnded():
                self._ended(event)
            case Woken(step=step, attempt=attempt):
                self._woken(self.by_name[step], attempt)
            case CancelRequested(failure=failure):
                self.canceled, self._ended_by = True, failure
                self._stop_all(failure.message if failure else "the run was canceled")

    # -- ready works -----------------------------------------------------------------------------------------------

    def _answer(self) -> list[Instruction]:
        while self._ready:
            self._consider(self._ready.popleft())
        if self.open == 0 and self.finished is None:
            self._finish()
        return self._out.take()

    def _consider(self, work: Work) -> None:
        """Everything before this work has ended: skip it, expand it, or look its key up."""
        if work.state is not State.WAITING:
            return
        if self.stopping:
            self._end(work, StepStatus.CANCELED)
            return
        if self._any_broken and (cause := broken_cause(work, self.works)):
            work.broken = True
            self._end(work, StepStatus.SKIPPED, note=cause)
            return
        if work.parent is None:
            for condition in work.node.conditions:
                holds = self.resolver.holds(condition)
                if isinstance(holds, Failure):
                    self._fail(work, holds)
                    return
                if not holds:
                    self._end(work, StepStatus.SKIPPED, note="its condition does not hold")
                    return
            if work.mapped and has_lists(work, self.resolver, self.works):
                self._expand(work)
                return
        inputs = None if work.mapped else self.resolver.inputs(work)
        if inputs is not None:
            work.inputs = inputs
            self._identify(work)
        else:
            self._end(work, StepStatus.SKIPPED, note="an input comes from a step that was skipped")

    def _identify(self, work: Work) -> None:
        digests = work.step.keyed({port: value.digest for port, value in work.inputs.items()})
        work.key = self.fingerprints[work.node.step].key(digests)
        made = None if work.forced else self._made.get(work.key)
        if not work.step.options.allow_reuse:
            work.reasons = (Reason("reuse off", "the step does not allow reuse"),)
            self._dispatch(work)
        elif made is not None and made.state is State.DONE:
            self._reuse(work, made.completion(self.run))
        elif work.forced or self.options.regenerates(work.name, work.node.name):
            work.forced = True
            work.reasons = work.reasons or (Reason("regenerate", "a new result was asked for"),)
            self._claim(work)
        else:
            work.state = State.LOOKING
            self._out.look_up(work)

    # -- mapped works ----------------------------------------------------------------------------------------------

    def _expand(self, work: Work) -> None:
        elements, lists, failure = elements_of(work, self.resolver, self.works)
        if failure is not None:
            self._fail(work, failure)
        elif lists:
            work.state = State.EXPANDING
            self._out.ask(Expand(work.name, lists))
        else:
            self._open(work, elements)

    def _expanded(self, event: Expanded) -> None:
        work = self.by_name[event.step]
        if work.state is not State.EXPANDING:
            return
        elements, _, failure = elements_of(work, self.resolver, self.works, event.elements)
        if event.failure or failure:
            self._fail(work, event.failure or failure or Failure("internal", "no elements"))
        elif self.stopping:
            self._end(work, StepStatus.CANCELED)
        else:
            self._open(work, elements)

    def _open(self, work: Work, elements: Elements) -> None:
        if (failure := uneven(elements)) is not None:
            self._fail(work, failure)
            return
        children = make_children(work, elements)
        work.children = children
        work.state = State.OPEN
        work.open_children = sum(not self._stands(child) for child in children)
        self.open += work.open_children
        for child in children:
            self.by_name[child.name] = child
            if child.waiting == 0:
                self._ready.append(child)
        self._tell(work.sharers)
        if not children:
            self._end(work, StepStatus.COMPLETED)
        elif work.open_children == 0:
            self._end_parent(work)
        self._stop_after_failure()

    def _stands(self, work: Work) -> bool:
        """Whether a work has ended under an earlier driver of this run; then it stands as it is recorded."""
        if not self._recorded.stand(work):
            return False
        self._any_broken = self._any_broken or work.broken
        if work.status is StepStatus.FAILED and work.failure:
            self._note_failure(work, work.failure)
        return True

    # -- look up and claim -----------------------------------------------------------------------------------------

    def _looked_up(self, event: LookedUp) -> None:
        by_name, looking = self.by_name, State.LOOKING
        for name, completion in event.found.items():
            work = by_name[name]
            if work.state is not looking:
                continue
            if self._is_verified(work):
                work.expected = Expected(completion.outputs, f"run {completion.run}")
                work.reasons = (Reason("verify", f"the result of run {completion.run} is executed again and compared"),)
                work.forced = work.rethinks = True
                self._claim(work)
            else:
                self._reuse(work, completion)
        for name, reasons in event.reasons.items():
            work = by_name[name]
            if work.state is looking:
                work.reasons = reasons
                work.forced = work.rethinks = name in event.unusable
                self._claim(work)

    def _is_verified(self, work: Work) -> bool:
        """Whether a hit of this work is executed again."""
        options = self.options
        return options.check or (options.verify > 0.0 and is_chosen(self.run, work.name, options.verify))

    def _claim(self, work: Work) -> None:
        leader = self._leaders.get(work.key)
        if leader is not None and leader is not work:
            work.state = State.HELD
            self._shared.setdefault(work.key, []).append(work)
            self._show(work, StepStatus.QUEUED, f"waits for step {leader.name!r}, which executes the same key")
            return
        self._leaders[work.key] = work
        work.state = State.CLAIMING
        self._out.claim(work)

    def _claimed(self, event: Claimed) -> None:
        for name in event.granted:
            work = self.by_name[name]
            work.claimed = True
            if work.state is State.CLAIMING and not self.stopping:
                self._dispatch(work)
            elif work.state is not State.DONE:
                self._end(work, StepStatus.CANCELED)
        for name, completion in event.landed.items():
            work = self.by_name[name]
            if work.state is State.CLAIMING:
                self._reuse(work, completion)
        for name, holder in event.held.items():
            work = self.by_name[name]
            if work.state is State.CLAIMING and self.stopping:
                self._end(work, StepStatus.CANCELED)
            elif work.state is State.CLAIMING:
                work.state = State.HELD
                self._show(work, StepStatus.QUEUED, f"waits for {holder}, which executes the same key")
                self._out.ask(Sleep(name, HELD_POLL))

    def _woken(self, work: Work, attempt: int) -> None:
        if attempt:
            if work.state is State.EXECUTING and work.attempt == attempt and work.status is StepStatus.QUEUED:
                work.overdue = True
                self._out.ask(Stop(work.name, attempt))
        elif work.state is State.HELD:
            if work.rethinks:
                work.forced = work.rethinks = False
                work.expected = None
            self._identify(work)  # whoever held the key may have left a result
        elif work.state is State.SLEEPING:
            self._dispatch(work)

    def _reuse(self, work: Work, completion: Completion) -> None:
        work.outputs = completion.outputs
        work.original = (completion.run, completion.step)
        work.filed_key = completion.key if completion.key != work.key else ""
        work.seconds = completion.seconds
        work.reasons = ()
        self._end(work, StepStatus.REUSED)

    # -- execution -------------------------------------------------------------------------------------------------

    def _dispatch(self, work: Work) -> None:
        start = work.begin()
        self._attempts[attempt_id(self.run, work.name, work.attempt)] = work
        self._show(work, StepStatus.QUEUED, "")
        self._out.ask(start)
        if longest := work.step.options.queue_timeout:
            self._out.ask(Sleep(work.name, longest, work.attempt))

    def _started(self, event: AttemptStarted) -> None:
        if (work := self._attempts.get(event.attempt)) is not None:
            work.started_at = event.at
            self._show(work, StepStatus.RUNNING, "")

    def _ended(self, event: AttemptEnded) -> None:
        work = self._attempts.pop(event.attempt, None)
        if work is None:
            return  # it was told before
        work.ended_at, work.seconds = event.at, event.seconds
        if event.failure is None:
            self._succeeded(work, event)
        elif work.stopping or self.stopping:
            work.failure = event.failure
            self._end(work, StepStatus.CANCELED)
        elif work.overdue and event.failure.kind == "canceled":
            self._fail(work, never_began(work))
        elif not self._rewind(work, event):
            self._retry_or_fail(work, event.failure)

    def _succeeded(self, work: Work, event: AttemptEnded) -> None:
        """Take the outputs, or execute the work once more where that is asked for, and compare."""
        outputs = event.outputs
        work.opened.update(event.observed)
        if self.options.check and work.expected is None and not self.stopping:
            work.expected = Expected(outputs, "its first execution")
            self._dispatch(work)
            return
        notes = undeclared(work.opened, event.hosts)
        if work.expected is not None:
            work.verified, note = verdict(work.expected, outputs)
            notes.insert(0, note)
            work.expected = None
        if work.opened:
            digests = work.step.keyed({port: value.digest for port, value in work.inputs.items()})
            work.filed_key = observed_key(self.fingerprints[work.node.step].digest, digests, work.opened)
            self._out.ask(Observed(work.name, work.filed_key, work.inputs, dict(work.opened)))
        work.outputs = outputs
        self._end(work, StepStatus.COMPLETED, "; ".join(notes))

    def _retry_or_fail(self, work: Work, failure: Failure) -> None:
        delay, failure, note = after_failure(work, failure, self.run)
        if delay is None:
            self._fail(work, failure, note)
            return
        work.state = State.SLEEPING
        work.failure, work.left = failure, failure.is_lost
        self._show(work, StepStatus.QUEUED, f"attempt {work.attempt} failed, the next one starts in {delay:.1f} s")
        self._out.ask(Sleep(work.name, delay))

    def _rewind(self, work: Work, event: AttemptEnded) -> bool:
        """Make damaged inputs again: their producers execute anew, unless they do already, and this work waits.

        False when there are none, or nobody can make them.
        """
        makers = makers_of(work, self.works, set(event.damaged)) if event.damaged else []
        if not makers or event.failure is None:
            return False
        if (failure := after_damage(work, event.failure)) is not None:
            self._fail(work, failure)
            return True
        work.failure = event.failure
        work.state = State.WAITING
        self._drop_claim(work)
        self._show(work, StepStatus.QUEUED, "an input was damaged and is made again")
        for earlier in makers:
            earlier.followers.append(work)
            work.waiting += 1
            if earlier.state is State.DONE:
                reopen(earlier)
                self.open += 1
                self._ready.append(earlier)
        return True

    # -- ends ------------------------------------------------------------------------------------------------------

    def _show(self, work: Work, status: StepStatus, note: str) -> None:
        work.status, work.note = status, note
        self._out.record(work)

    def _fail(self, work: Work, failure: Failure, note: str = "") -> None:
        work.failure = failure
        self._note_failure(work, failure)
        self._end(work, StepStatus.FAILED, note)
        self._stop_after_failure()

    def _note_failure(self, work: Work, failure: Failure) -> None:
        if self.failure is None:
            self._failed = work.name
            self.failure = of_step(work.name, failure)

    def _stop_after_failure(self) -> None:
        if self.failure is not None and not self.options.continue_on_step_failure:
            self._stop_all(f"step {self._failed!r} failed")

    def _end(self, work: Work, status: StepStatus, note: str = "") -> None:
        work.state = State.DONE
        if status is StepStatus.FAILED or status is StepStatus.CANCELED:
            work.broken = True
        else:
            work.failure = None
        self._any_broken = self._any_broken or work.broken
        work.status, work.note = status, note
        if not work.children and not self._recorded.has_elements(work):
            self._out.record(work)
        self.open -= 1
        self._settle_key(work)
        work.inputs = {}
        if work.parent is not None:
            self._child_ended(work.parent)
        self._tell(work.followers)
        if work.children is None:
            self._tell(work.sharers)

    def _tell(self, works: list[Work]) -> None:
        for work in works:
            work.waiting -= 1
            if work.waiting == 0:
                self._ready.append(work)
        works.clear()

    def _settle_key(self, work: Work) -> None:
        """Let go of the key: whoever waited for it in this run takes the result, or tries in turn."""
        if self._leaders.get(work.key) is not work:
            return
        del self._leaders[work.key]
        if work.status is not StepStatus.COMPLETED:
            self._drop_claim(work)
        elif self.options.regenerate:
            self._made[work.key] = work
        for other in self._shared.pop(work.key, ()):
            if other.state is not State.HELD:
                continue
            if work.status.good:
                self._reuse(other, work.completion(self.run))
            else:
                self._claim(other)

    def _drop_claim(self, work: Work) -> None:
        if work.claimed:
            self._out.release(work.key)
            work.claimed = False
        if self._leaders.get(work.key) is work:
            del self._leaders[work.key]

    def _child_ended(self, parent: Work) -> None:
        parent.open_children -= 1
        if parent.open_children == 0 and parent.state is not State.DONE:
            self._end_parent(parent)

    def _end_parent(self, parent: Work) -> None:
        parent.broken = any(child.broken for child in parent.children or ())
        self._end(parent, parent.worst_status)

    def _stop_all(self, why: str) -> None:
        """End everything that has not ended: what executes is stopped, the rest is canceled at once."""
        if self.stopping:
            return
        self.stopping = True
        for work in list(self.by_name.values()):
            if work.state is State.EXECUTING:
                work.stopping = True
                self._out.ask(Stop(work.name, work.attempt))
            elif work.state not in (State.DONE, State.OPEN, State.CLAIMING):
                self._end(work, StepStatus.CANCELED, why)

    def _finish(self) -> None:
        statuses = {work.status for work in self.works}
        failure = self.failure
        if self.failure is not None:
            self.finished = RunStatus.FAILED
        elif self.canceled and StepStatus.CANCELED in statuses:
            self.finished, failure = RunStatus.CANCELED, self._ended_by
        else:
            self.finished = RunStatus.COMPLETED
        self._out.ask(Finish(self.finished, self.resolver.sound(self.graph.outputs), failure))
