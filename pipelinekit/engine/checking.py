"""Rules that the records of a workspace keep at all times, checked on an inventory; ARCHITECTURE.md numbers them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from pipelinekit.classes import frozen
from pipelinekit.domain.graphs import Graph, predecessors
from pipelinekit.domain.runs import RunStatus, StepStatus
from pipelinekit.domain.upkeep import CompletionEntry, History, Inventory, RunEntry, StepEntry, StoreFault

_BEGUN = (StepStatus.QUEUED, StepStatus.RUNNING, StepStatus.COMPLETED, StepStatus.REUSED)  # inputs were put together
_BACKUP = "this cannot be mended; the run's own record is wrong: restore the records from a backup, or remove the run"


@frozen
class Order:
    """What comes before what in a graph, by name; and which nodes are mapped."""

    before: Mapping[str, tuple[str, ...]]
    mapped: frozenset[str]


def order_of(graph: Graph) -> Order:
    """The order of a graph's nodes."""
    names = [node.name for node in graph.nodes]
    before = {node.name: tuple(names[position] for position in predecessors(node)) for node in graph.nodes}
    return Order(before, frozenset(node.name for node in graph.nodes if node.each))


def record_faults(
    inventory: Inventory, histories: Mapping[str, History], orders: Mapping[str, Order] | None = None
) -> Iterator[StoreFault]:
    """Everything in the records that contradicts something else in them. `orders` are those of graphs by digest."""
    steps: dict[str, list[StepEntry]] = {}
    for step in inventory.steps:
        steps.setdefault(step.run, []).append(step)
    for run in inventory.runs.values():
        if run.removed:
            continue
        own = steps.get(run.id, [])
        if run.id in histories:
            yield from _event_faults(run, own, histories[run.id])
            if orders and run.graph in orders:
                yield from _order_faults(run, histories[run.id], orders[run.graph])
        yield from _status_faults(run, own)
    yield from _shown_faults(inventory)
    yield from _completion_faults(inventory)
    yield from _claim_faults(inventory)


def _event_faults(run: RunEntry, steps: list[StepEntry], history: History) -> Iterator[StoreFault]:
    """I1: events have no gaps, a run ends once, and what the events say is what the records say."""
    where = f"run {run.id}"
    numbers = [event.sequence for event in history.events]
    if numbers[:1] not in ([], [1]) or any(after != before + 1 for before, after in pairwise(numbers)):
        yield StoreFault("I1", where, "its events have gaps", _BACKUP)
    elif len(numbers) != history.counted:
        yield StoreFault("I1", where, f"it counts {history.counted} events, but has {len(numbers)}", _BACKUP)
    ends = [event for event in history.events if event.ended]
    if len(ends) > 1 or (ends and ends[0] is not history.events[-1]):
        yield StoreFault("I1", where, "its events go on after its end", _BACKUP)
    elif ends and ends[0].ended != run.status:
        yield StoreFault("I1", where, f"it ended as {ends[0].ended}, but is recorded as {run.status}", _BACKUP)
    elif ends:
        told = {name: status for event in history.events for name, status in event.steps}
        wrong = [step for step in steps if told.get(step.step) != step.status]
        if wrong:
            words = f"step {wrong[0].step!r} is {wrong[0].status}, but became {told.get(wrong[0].step, 'nothing')}"
            yield StoreFault("I1", where, words, _BACKUP)


def _order_faults(run: RunEntry, history: History, order: Order) -> Iterator[StoreFault]:
    """I4: no step began before all that comes before it had ended; by the order of events, so that no clock matters.

    Of two mapped nodes elements follow elements, which is not looked into.
    """
    elements: dict[str, set[str]] = {}
    for name in {name for event in history.events for name, _ in event.steps}:
        node = name.rpartition("[")[0]
        elements.setdefault(node if node in order.mapped else name, set()).add(name)
    ended: set[str] = set()
    begun: set[str] = set()
    for event in history.events:
        ended.update(name for name, status in event.steps if StepStatus(status).final)
        for name, status in event.steps:
            if status not in _BEGUN or name in begun:
                continue
            begun.add(name)
            node = name.rpartition("[")[0]
            mapped = node in order.mapped
            earlier = [
                item for item in order.before.get(node if mapped else name, ()) if not (mapped and item in order.mapped)
            ]
            open_ones = sorted(set().union(*(elements.get(item, {item}) for item in earlier)) - ended)
            if open_ones:
                words = f"it began before step {open_ones[0]!r}, which comes before it, had ended"
                yield StoreFault("I4", f"step {name!r} of run {run.id}", words, _BACKUP)


def _status_faults(run: RunEntry, steps: list[StepEntry]) -> Iterator[StoreFault]:
    """I3: the status of a run follows from those of its steps."""
    unfinished = [step.step for step in steps if not step.status.final]
    if run.status.final and unfinished:
        yield StoreFault("I3", f"run {run.id}", f"it has ended, but step {unfinished[0]!r} has not", _BACKUP)
    broken = [step for step in steps if step.status in (StepStatus.FAILED, StepStatus.CANCELED)]
    if run.status is RunStatus.COMPLETED and broken:
        words = f"it completed, but step {broken[0].step!r} is {broken[0].status}"
        yield StoreFault("I3", f"run {run.id}", words, _BACKUP)


def _shown_faults(inventory: Inventory) -> Iterator[StoreFault]:
    """I2: a step run that is good has a completion whose outputs it shows.

    One that was mapped over nothing has none, and no key.
    """
    made = {item.place for item in inventory.completions}
    for step in inventory.steps:
        if step.status.good and step.key and step.shown not in made:
            yield StoreFault(
                "I2",
                f"step {step.step!r} of run {step.run}",
                f"it is {step.status}, but the outputs of step {step.shown[1]!r} of run {step.shown[0]} are not there",
                "run the pipeline again",
            )


def _completion_faults(inventory: Inventory) -> Iterator[StoreFault]:
    """I5: a result that may be reused belongs to a step run with its key."""
    keys = {(step.run, step.step): step.key for step in inventory.steps}
    for item in inventory.completions:
        if item.reusable and keys.get(item.place) != item.key:
            yield StoreFault(
                "I5",
                _named(item),
                "it may be reused, but its step run has another key, or is not there",
                repair="it is not reused any more",
            )


def _claim_faults(inventory: Inventory) -> Iterator[StoreFault]:
    """I6 and I12: a claim is held by an open run, under an epoch that this has had."""
    for claim in inventory.claims:
        where = f"claim of step {claim.step!r} of run {claim.run}"
        if claim.status is None or claim.status.final:
            words = "its run has ended" if claim.status else "its run is not there"
            yield StoreFault("I12", where, words, repair="it is ended")
        elif claim.run_epoch is not None and claim.epoch > claim.run_epoch:
            words = f"it was made under epoch {claim.epoch}, but the run has only had {claim.run_epoch}"
            yield StoreFault("I6", where, words, repair="it is ended")


def _named(item: CompletionEntry) -> str:
    return f"result of step {item.step!r} of run {item.run}"


def mended_claims(inventory: Inventory) -> list[str]:
    """The keys of claims that nobody can hold."""
    return [
        claim.key
        for claim in inventory.claims
        if claim.status is None or claim.status.final or (claim.run_epoch is not None and claim.epoch > claim.run_epoch)
    ]


def unowned_keys(inventory: Inventory) -> set[str]:
    """The keys of results that may be reused and belong to no step run."""
    keys = {(step.run, step.step): step.key for step in inventory.steps}
    return {item.key for item in inventory.completions if item.reusable and keys.get(item.place) != item.key}
