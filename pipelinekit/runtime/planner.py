"""What a run would do: the orchestrator itself, fed with look-ups and nothing else.

The plan cannot disagree with the run: both are the same decisions about the same keys.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from pipelinekit.classes import frozen
from pipelinekit.domain.graphs import Graph, predecessors, sources
from pipelinekit.domain.planning import PlannedStep
from pipelinekit.domain.runs import Reason, RunOptions, StepRecord, StepStatus
from pipelinekit.domain.types import PathRef
from pipelinekit.domain.values import StoredValue, plain
from pipelinekit.engine.events import Claim, Expand, Expanded, Instruction, LookUp, Start
from pipelinekit.engine.orchestrator import Orchestrator
from pipelinekit.engine.work import State, Work
from pipelinekit.formats.loading import load_plain
from pipelinekit.ports import Blobs, Clock, Documents, Files, ReuseRecords
from pipelinekit.runtime.decisions import Decisions


def plan(
    graph: Graph,
    arguments: Mapping[str, StoredValue],
    paths: Mapping[PathRef, StoredValue],
    options: RunOptions,
    reuse: ReuseRecords,
    documents: Documents,
    blobs: Blobs,
    clock: Clock,
    files: Files,
    *,
    explained: bool = True,
) -> list[PlannedStep]:
    """The decision for every step, in the order of the graph. Starts and writes nothing.

    Where it is not `explained`, reasons and seconds are no more than what is known without asking for them.
    """
    decisions = Decisions(graph, "", reuse, documents, blobs, clock, files, explains=explained)
    orchestrator = Orchestrator("plan", graph, arguments, options, paths)
    _simulate(orchestrator, decisions, blobs)
    works = [work for work in orchestrator.by_name.values() if not work.children]
    works.sort(key=lambda work: (work.position, work.element))
    times = reuse.definitions(decisions.definition_digests)
    left = [work.name for work in works if work.state is not State.DONE] if explained else []
    earlier = reuse.previous(graph.name, left) if left else {}
    changes = decisions.changes({work.name: earlier[work.name] for work in works if _waits(work, earlier)})
    planned = []
    for work in works:
        history = History(
            times.get(decisions.definition_digest(work.name)), earlier.get(work.name), changes.get(work.name, ())
        )
        planned.append(_planned(work, orchestrator, history))
    return planned


@frozen
class History:
    """What is known of a step from earlier runs.

    `known` are the seconds that its very code took, None when that never ran; `earlier` is the newest step run of its
    name, and `changes` what differs from that, inputs apart.
    """

    known: float | None
    earlier: StepRecord | None
    changes: tuple[Reason, ...]


def _waits(work: Work, earlier: Mapping[str, StepRecord]) -> bool:
    """Whether a step's inputs depend on what would be executed, and it has a past to compare with."""
    return work.state in (State.WAITING, State.EXPANDING) and work.name in earlier


def _simulate(orchestrator: Orchestrator, decisions: Decisions, blobs: Blobs) -> None:
    """Answer every question about what is there; leave what would be executed open."""
    waiting: deque[Instruction] = deque(orchestrator.start())
    while waiting:
        match waiting.popleft():
            case LookUp() as asked:
                waiting.extend(orchestrator.handle(decisions.look_up(asked)))
            case Expand(step=step, lists=lists):
                elements = {
                    port: tuple(plain(item) for item in load_plain(value, blobs)) for port, value in lists.items()
                }
                waiting.extend(orchestrator.handle(Expanded(step, elements)))
            case Claim() | Start() | _:
                continue


def _planned(work: Work, orchestrator: Orchestrator, history: History) -> PlannedStep:
    seconds = history.known
    if seconds is None and history.earlier is not None:
        seconds = history.earlier.seconds
    if work.state is State.DONE and work.status is StepStatus.REUSED:
        return PlannedStep(work.name, "reuse", (), work.seconds, work.original)
    if work.state is State.DONE:
        return PlannedStep(work.name, "skip", (Reason("condition", work.note),))
    name = f"{work.name}[…]" if work.mapped else work.name
    if work.state in (State.CLAIMING, State.EXECUTING):
        return PlannedStep(name, "run", work.reasons, seconds)
    if work.state is State.HELD:
        return PlannedStep(name, "maybe", (Reason("upstream", work.note),), seconds)
    if why := _open_condition(work, orchestrator):
        return PlannedStep(name, "maybe", (Reason("condition", why),), seconds)
    options = work.step.options
    if not options.allow_reuse:
        return PlannedStep(name, "run", (Reason("reuse off", "the step does not allow reuse"),), seconds)
    if orchestrator.options.regenerates(work.name, work.node.name):
        return PlannedStep(name, "run", (Reason("regenerate", "a new result was asked for"),), seconds)
    if history.known is None:
        unseen = Reason("first run", "this code has not run before, in this software")
        return PlannedStep(name, "run", history.changes or (unseen,), seconds)
    open_before = [
        orchestrator.works[position].name
        for position in sorted(predecessors(work.node))
        if orchestrator.works[position].state is not State.DONE
    ]
    listed = ", ".join(open_before[:3]) + (f" and {len(open_before) - 3} more" if len(open_before) > 3 else "")
    return PlannedStep(name, "maybe", (Reason("upstream", f"it depends on what comes out of {listed}"),), seconds)


def _open_condition(work: Work, orchestrator: Orchestrator) -> str:
    """Which outputs must be known before it can be told whether the step runs at all; empty when they are."""
    positions = {position for item in work.node.conditions for side in item.sides for position in sources(side)}
    names = [
        orchestrator.works[position].name
        for position in sorted(positions)
        if orchestrator.works[position].state is not State.DONE
    ]
    return f"whether it runs at all depends on what comes out of {', '.join(names)}" if names else ""
