"""Upkeep of records in memory: the twin of what `storage.upkeep` does in a database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipelinekit.classes import replace
from pipelinekit.domain.pipeline_drafts import PipelineDraft
from pipelinekit.domain.published_pipelines import PublishedPipeline
from pipelinekit.domain.runs import CHILD, Completion, RunStatus
from pipelinekit.domain.upkeep import (
    ClaimEntry,
    CompletionEntry,
    EventEntry,
    History,
    Inventory,
    Place,
    Removal,
    RunEntry,
    StepEntry,
)
from pipelinekit.domain.values import StoredValue
from pipelinekit.domain.vitals import CLEANED
from pipelinekit.errors import NotFoundError
from pipelinekit.testing.records import MemoryState


class MemoryUpkeep:
    """Twin of `storage.upkeep.SQLUpkeep`."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def pin(self, run: str, *, pinned: bool) -> None:
        """Keep a run whatever the policy says, or no longer."""
        if run not in self._state.runs or run in self._state.removed:
            raise NotFoundError(f"there is no run {run!r}")
        self._state.runs[run] = replace(self._state.runs[run], pinned=pinned)

    def keep_compiled(self, graph: str) -> None:
        """Note that a graph was compiled to a document."""
        self._state.compiled[graph] = self._state.clock.now()

    def inventory(self) -> Inventory:
        """Everything that names something else."""
        state = self._state
        runs = {
            name: RunEntry(
                name,
                run.pipeline,
                run.graph,
                run.status,
                run.created_at,
                (*run.arguments.values(), *run.paths.values(), *run.outputs.values(), *self._files(name)),
                run.pinned,
                name in state.removed,
            )
            for name, run in state.runs.items()
            if run.kind != CHILD
        }
        steps = tuple(
            StepEntry(
                step.run,
                step.name,
                step.status,
                step.key,
                (step.original_run, step.original_step) if step.original_run else (step.run, step.name),
                step.attempt,
            )
            for found in state.steps.values()
            for step in found.values()
        )
        claims = tuple(
            ClaimEntry(key, run, step, epoch, state.runs[run].epoch, state.runs[run].status)
            for key, (run, epoch, step) in state.claims.items()
        )
        completions = tuple(map(self._completion, state.completions))
        kept: list[PublishedPipeline | PipelineDraft] = [*state.published.values(), *state.drafts.values()]
        published = tuple((item.graph, (*item.values.values(), *item.paths.values())) for item in kept)
        return Inventory(runs, steps, completions, dict(state.compiled), claims, frozenset(state.losses), published)

    def documents(self) -> Mapping[str, int]:
        """The digest and length of every document."""
        return {digest: len(body) for digest, body in self._state.documents.items()}

    def logs(self) -> Mapping[Place, int]:
        """The length of every log."""
        return {place: sum(len(chunk.text) for chunk in chunks) for place, chunks in self._state.logs.items()}

    def remove(self, removal: Removal, documents: Iterable[str]) -> None:
        """Do what was decided."""
        state = self._state
        with state.transaction():
            now = state.clock.now()
            state.totals = {**state.totals, (CLEANED, ""): now}
            for item in removal.revoked:
                state.reusable.pop(item.key, None)
            state.doomed = {**state.doomed, **{_identity(item): now for item in removal.doomed}}
            leaving = set(map(_identity, removal.deleted))
            state.completions = [item for item in state.completions if _identity(item) not in leaving]
            state.removed = (state.removed | set(removal.removed)) - set(removal.erased)
            gone = {*removal.removed, *removal.erased, *(run for run, _ in removal.stays)}
            state.changes = {run: found for run, found in state.changes.items() if run not in gone}
            for run in gone:
                steps = state.steps.get(run, {})
                state.steps[run] = {name: step for name, step in steps.items() if (run, name) in removal.stays}
                state.events.pop(run, None)
                state.moments.pop(run, None)
            state.logs = {
                place: kept for place, kept in state.logs.items() if place[0] not in gone or place in removal.stays
            }
            self._drop_told(gone, removal.stays)
            erased = set(removal.erased)
            state.runs = {name: run for name, run in state.runs.items() if name not in erased}
            state.steps = {name: steps for name, steps in state.steps.items() if name not in erased}
            for run in state.removed & set(removal.removed):
                state.runs[run] = replace(
                    state.runs[run], arguments={}, paths={}, outputs={}, failure=None, details={}, removed=True
                )
            state.compiled = {graph: at for graph, at in state.compiled.items() if graph not in removal.graphs}
            unneeded = set(documents)
            state.documents = {digest: body for digest, body in state.documents.items() if digest not in unneeded}

    def histories(self) -> Mapping[str, History]:
        """The events of every run that is not removed."""
        found = {}
        for run in self._state.runs.keys() - self._state.removed:
            bodies = self._state.events.get(run, [])
            entries = tuple(_event(number, body) for number, body in enumerate(bodies, start=1))
            found[run] = History(len(bodies), entries)
        return found

    def damages(self) -> Sequence[str]:
        """Nothing: there is no file."""
        return ()

    def end_claims(self, keys: Iterable[str]) -> None:
        """End claims."""
        ended = set(keys)
        self._state.claims = {key: claim for key, claim in self._state.claims.items() if key not in ended}

    def lose(self, blobs: Iterable[str]) -> None:
        """Note that blobs are lost."""
        self._state.losses = self._state.losses | set(blobs)

    def regain(self, blobs: Iterable[str]) -> None:
        """Note that blobs are there again."""
        self._state.losses = self._state.losses - set(blobs)

    def _files(self, run: str, step: str = "") -> list[StoredValue]:
        """What is kept with a run, or with a step of it, and with children below."""
        found: list[StoredValue] = []
        for place, files in self._state.files.items():
            above, by = place[:2]
            while self._state.runs[above].kind == CHILD:
                above, by = self._state.runs[above].parent, self._state.runs[above].parent_step
            if above == run and step in ("", by):
                found += files.values()
        return found

    def _drop_told(self, gone: set[str], stays: frozenset[Place]) -> None:
        """Forget what was told of runs that are gone; children go with the step that made them."""
        state = self._state
        leaving = set(gone)
        for name, run in sorted(state.runs.items()):
            if run.kind == CHILD and run.parent in leaving and (run.parent, run.parent_step) not in stays:
                leaving.add(name)
        state.runs = {name: run for name, run in state.runs.items() if name in gone or name not in leaving}
        for name in ("metrics", "tags", "properties", "files"):
            told = getattr(state, name)
            kept = {key: item for key, item in told.items() if key[0] not in leaving or key[:2] in stays}
            setattr(state, name, kept)

    def _completion(self, item: Completion) -> CompletionEntry:
        return CompletionEntry(
            item.run,
            item.step,
            item.attempt,
            item.key,
            item.definition,
            (*item.outputs.values(), *self._files(item.run, item.step)),
            item.seconds,
            max(item.created_at, self._state.used.get((item.run, item.step), 0.0)),
            self._state.reusable.get(item.key) is item,
            self._state.doomed.get(_identity(item)),
        )


def _event(number: int, body: list[tuple[str, str]]) -> EventEntry:
    """An event of the twin of `storage.runs.SQLDriving`, which tells kinds by the first word alone."""
    if body and body[0][0] in ("driver", "status"):
        ended = body[0][1] if body[0][0] == "status" else ""
        return EventEntry(number, tuple(body[1:]), ended if ended and RunStatus(ended).final else "")
    return EventEntry(number, tuple(body))


def _identity(item: Completion | CompletionEntry) -> tuple[str, str, int]:
    return item.run, item.step, item.attempt
