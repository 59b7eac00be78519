"""Child runs of a run: its own, those that the code of its steps made, and those below them."""

from __future__ import annotations

from collections.abc import Iterator

from pipelinekit.domain.runs import PIPELINE, RunRecord
from pipelinekit.ports import RunRecords
from pipelinekit.ports.facts import FactRecords


def children_of(
    run: RunRecord, runs: RunRecords, facts: FactRecords, *, recursive: bool
) -> Iterator[tuple[int, RunRecord]]:
    """Child runs in their order, with how deep each lies; a reused step shows the children of its original."""
    return _below(run, 0, runs, facts, recursive=recursive)


def _below(
    run: RunRecord, depth: int, runs: RunRecords, facts: FactRecords, *, recursive: bool
) -> Iterator[tuple[int, RunRecord]]:
    places = [(run.id, "")] if run.kind != PIPELINE else []
    if run.kind == PIPELINE:
        places = [(step.original_run or run.id, step.original_step or step.name) for step in runs.steps(run.id)]
    for owner, step in dict.fromkeys(places):
        for child in facts.children(owner, step=step):
            yield depth, child
            if recursive:
                yield from _below(child, depth + 1, runs, facts, recursive=True)
