"""What may go from a workspace: decided from an inventory of its records, without touching anything.

Kept are pinned runs, open runs, runs that the policy keeps, and every result that one of these shows. Of the others, a
result that may still be reused stays until it is long unused, or until the store is over its budget.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from pipelinekit.domain.upkeep import (
    DAY,
    CompletionEntry,
    Inventory,
    Place,
    Removal,
    RetentionPolicy,
    RunEntry,
    StepEntry,
)
from pipelinekit.domain.values import StoredValue

Contents = Callable[[StoredValue], Iterable[str]]  # every blob of a value, those inside its folders included


def removable_runs(inventory: Inventory, policy: RetentionPolicy, now: float) -> set[str]:
    """Runs that the policy does not keep."""
    if policy.keep_days is None and policy.keep_runs is None:
        return set()
    counts: Counter[str] = Counter()
    found = set()
    for run in sorted(inventory.runs.values(), key=lambda item: item.id, reverse=True):
        if run.removed:
            continue
        counts[run.pipeline] += 1
        young = policy.keep_days is not None and now - run.created_at <= policy.keep_days * DAY
        among_newest = policy.keep_runs is not None and counts[run.pipeline] <= policy.keep_runs
        if not (run.pinned or not run.status.final or young or among_newest):
            found.add(run.id)
    return found


def shown_completions(inventory: Inventory, kept: Iterable[str]) -> set[tuple[str, str, int]]:
    """The completions that step runs of these runs show; an open run may still look at all of its own."""
    wanted = set(kept)
    places: set[Place] = set()
    for step in inventory.steps:
        if step.run in wanted and (step.status.good or not inventory.runs[step.run].status.final):
            places.add(step.shown)
    newest: dict[Place, int] = {}
    for item in inventory.completions:
        newest[item.place] = max(newest.get(item.place, 0), item.attempt)
    return {(*place, newest[place]) for place in places if place in newest}


def oldest_open(inventory: Inventory) -> RunEntry | None:
    """The oldest run that has not ended."""
    return min(
        (run for run in inventory.runs.values() if not run.status.final), key=lambda run: run.created_at, default=None
    )


def decide(
    inventory: Inventory,
    policy: RetentionPolicy,
    now: float,
    sizes: Mapping[str, int],
    contents: Contents,
    referred: Iterable[str],
) -> Removal:
    """What is to be removed from the records.

    `sizes` are the blobs in the store; `referred` are those that stay whatever becomes of results that no kept run
    shows. Both matter only where the policy has a budget.
    """
    removed = removable_runs(inventory, policy, now)
    gone = removed | {run.id for run in inventory.runs.values() if run.removed}
    shown = shown_completions(inventory, inventory.runs.keys() - gone)
    spare = [item for item in inventory.completions if item.reusable and _identity(item) not in shown]
    revoked = []
    if policy.unused_days is not None:
        revoked = [item for item in spare if now - item.used_at > policy.unused_days * DAY]
    if policy.max_size is not None:
        dropped = set(map(_identity, revoked))
        rest = [item for item in spare if _identity(item) not in dropped]
        revoked += _over_budget(rest, policy.max_size, now, sizes, contents, referred)
    return _removal(inventory, policy, now, removed, gone, shown, revoked)


def _identity(item: CompletionEntry) -> tuple[str, str, int]:
    return item.run, item.step, item.attempt


def _removal(
    inventory: Inventory,
    policy: RetentionPolicy,
    now: float,
    removed: set[str],
    gone: set[str],
    shown: set[tuple[str, str, int]],
    revoked: list[CompletionEntry],
) -> Removal:
    """Rows that follow from what is revoked.

    A run that is open may have found a completion just before it was revoked, and record only now that it shows it. So
    a completion without use is doomed first, and deleted when every run that was open then has ended.
    """
    open_run = oldest_open(inventory)
    since = open_run.created_at if open_run else float("inf")
    unusable = set(map(_identity, revoked))
    doomed, deleted = [], []
    for item in inventory.completions:
        if item.run not in gone or _identity(item) in shown or (item.reusable and _identity(item) not in unusable):
            continue
        if since == float("inf") or (item.doomed_at is not None and item.doomed_at < since):
            deleted.append(item)
        elif item.doomed_at is None:
            doomed.append(item)
    leaving = set(map(_identity, deleted))
    stays = {item.place for item in inventory.completions if item.run in gone and _identity(item) not in leaving}
    needed = {run for run, _ in stays}
    graphs = []
    if policy.keep_days is not None:
        graphs = [graph for graph, at in inventory.compiled.items() if now - at > policy.keep_days * DAY]
    return Removal(
        tuple(sorted(removed)),
        tuple(sorted(gone - needed)),
        frozenset(stays),
        tuple(revoked),
        tuple(doomed),
        tuple(deleted),
        tuple(graphs),
    )


def _over_budget(
    spare: list[CompletionEntry],
    limit: int,
    now: float,
    sizes: Mapping[str, int],
    contents: Contents,
    referred: Iterable[str],
) -> list[CompletionEntry]:
    """Results to give up until the store fits.

    First goes what is cheap to make again for the bytes that it takes, and has not been used for long: seconds per
    byte, divided by the time since the last use.
    """
    fixed = set(referred)
    blobs = {_identity(item): _loose(item, contents, fixed, sizes) for item in spare}
    users = Counter(blob for found in blobs.values() for blob in found)
    total = sum(sizes.get(blob, 0) for blob in fixed) + sum(sizes[blob] for blob in users)

    def worth(item: CompletionEntry) -> tuple[float, float]:
        size = sum(sizes[blob] for blob in blobs[_identity(item)])
        return item.seconds / max(size, 1) / max(now - item.used_at, 1.0), item.used_at

    dropped = []
    for item in sorted(spare, key=worth):
        if total <= limit:
            break
        if not blobs[_identity(item)]:
            continue  # what lies in the records only takes no room in the store
        dropped.append(item)
        for blob in blobs[_identity(item)]:
            users[blob] -= 1
            if users[blob] == 0:
                total -= sizes[blob]
    return dropped


def _loose(item: CompletionEntry, contents: Contents, fixed: set[str], sizes: Mapping[str, int]) -> set[str]:
    """The blobs of a completion that nothing else but other results without a run hold."""
    return {blob for value in item.outputs for blob in contents(value) if blob in sizes and blob not in fixed}


def after(inventory: Inventory, removal: Removal) -> Inventory:
    """The inventory as it is when that has been removed."""
    erased = set(removal.erased)
    hidden = set(removal.removed)
    deleted = set(map(_identity, removal.deleted))
    revoked = set(map(_identity, removal.revoked))
    runs = {name: _hidden(run) if name in hidden else run for name, run in inventory.runs.items() if name not in erased}
    gone = {name for name, run in runs.items() if run.removed}
    return Inventory(
        runs,
        tuple(step for step in inventory.steps if step.run in runs and _stays(step, gone, removal.stays)),
        tuple(
            _unusable(item) if _identity(item) in revoked else item
            for item in inventory.completions
            if _identity(item) not in deleted
        ),
        {graph: at for graph, at in inventory.compiled.items() if graph not in set(removal.graphs)},
        inventory.claims,
        inventory.losses,
        inventory.published,
    )


def _stays(step: StepEntry, gone: set[str], stays: frozenset[Place]) -> bool:
    return step.run not in gone or (step.run, step.step) in stays


def _hidden(run: RunEntry) -> RunEntry:
    return RunEntry(run.id, run.pipeline, run.graph, run.status, run.created_at, (), run.pinned, removed=True)


def _unusable(item: CompletionEntry) -> CompletionEntry:
    return CompletionEntry(
        item.run,
        item.step,
        item.attempt,
        item.key,
        item.definition,
        item.outputs,
        item.seconds,
        item.used_at,
        reusable=False,
        doomed_at=item.doomed_at,
    )


def needed_values(inventory: Inventory) -> list[StoredValue]:
    """The values whose blobs must stay: of runs that are kept, what they show, what may be reused, is published."""
    kept = [run for run in inventory.runs.values() if not run.removed]
    shown = shown_completions(inventory, [run.id for run in kept])
    values = [*_published_values(inventory), *(value for run in kept for value in run.values)]
    for item in inventory.completions:
        if item.reusable or _identity(item) in shown:
            values.extend(item.outputs)
    return values


def _published_values(inventory: Inventory) -> list[StoredValue]:
    return [value for _, values in inventory.published for value in values]


def shown_values(inventory: Inventory, removed: Iterable[str]) -> list[StoredValue]:
    """The values that stay when these runs are removed, and everything that no kept run shows is given up."""
    gone = set(removed)
    kept = [run for run in inventory.runs.values() if not run.removed and run.id not in gone]
    shown = shown_completions(inventory, [run.id for run in kept])
    values = [*_published_values(inventory), *(value for run in kept for value in run.values)]
    for item in inventory.completions:
        if _identity(item) in shown:
            values.extend(item.outputs)
    return values
