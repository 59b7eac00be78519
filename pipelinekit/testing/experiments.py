"""Experiments and run queries in memory: the twins of `storage.experiments` and `storage.run_queries`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.domain.experiments import Experiment
from pipelinekit.domain.queueing import EXPERIMENT
from pipelinekit.domain.run_queries import METRIC, Condition, RunQuery, has_tags, holds
from pipelinekit.domain.runs import CHILD, RunRecord
from pipelinekit.errors import NotFoundError, UsageError
from pipelinekit.testing.facts import MemoryMetrics
from pipelinekit.testing.queueing import MemoryRunLimits
from pipelinekit.testing.records import MemoryState
from pipelinekit.wire.values import dumps, plain_to_json


class MemoryExperiments:
    """Twin of `storage.experiments.SQLExperiments`."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def make(self, name: str) -> Experiment:
        """The experiment of this name, made when it is not there."""
        self._state.experiments.setdefault(name, 0)
        self._state.made.setdefault(name, self._state.clock.now())
        return self.get(name)

    def get(self, name: str) -> Experiment:
        """The experiment of this name."""
        state = self._state
        if name not in state.experiments:
            raise NotFoundError(f"there is no experiment {name!r}")
        times = [run.created_at for run in self._runs(name) if run.id not in state.removed]
        return Experiment(
            name,
            state.made[name],
            state.experiments[name],
            max(times, default=None),
            state.archived.get(name),
            state.described.get(name, ""),
            dict(sorted(state.experiment_tags.get(name, {}).items())),
            state.limits.get((EXPERIMENT, name), 0),
        )

    def list(self, *, archived: bool | None = False) -> Sequence[Experiment]:
        """Experiments, those with the newest runs first."""
        found = [self.get(name) for name in self._state.experiments]
        wanted = [item for item in found if archived is None or (item.archived_at is not None) is archived]
        return sorted(wanted, key=lambda item: (item.newest is None, -(item.newest or 0.0), item.name))

    def archive(self, name: str, *, archived: bool) -> None:
        """Leave an experiment out of lists, or have it in them again."""
        self.get(name)
        self._state.archived.pop(name, None)
        if archived:
            self._state.archived[name] = self._state.clock.now()

    def describe(self, name: str, description: str) -> None:
        """Say what an experiment is for."""
        self.get(name)
        self._state.described[name] = description

    def limit(self, name: str, most: int) -> None:
        """Limit how many of its runs are under way at once."""
        self.get(name)
        MemoryRunLimits(self._state).set(EXPERIMENT, name, most)

    def set_tags(self, name: str, tags: Mapping[str, str]) -> None:
        """Set tags."""
        self.get(name)
        self._state.experiment_tags.setdefault(name, {}).update(tags)

    def remove_tags(self, name: str, keys: Sequence[str]) -> None:
        """Remove tags."""
        for key in keys:
            self._state.experiment_tags.get(name, {}).pop(key, None)

    def delete(self, name: str) -> None:
        """Delete an experiment that has no runs."""
        self.get(name)
        if self._runs(name):
            raise UsageError(f"experiment {name!r} has runs and cannot be deleted")
        for told in (self._state.experiments, self._state.made, self._state.archived, self._state.experiment_tags):
            told.pop(name, None)
        MemoryRunLimits(self._state).set(EXPERIMENT, name, 0)

    def _runs(self, name: str) -> Sequence[RunRecord]:
        return [run for run in self._state.runs.values() if run.experiment == name]


class MemoryRunQueries:
    """Twin of `storage.run_queries.SQLRunQueries`."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def find(self, query: RunQuery) -> Sequence[RunRecord]:
        """The runs that a query asks for."""
        found = [run for run in self._state.runs.values() if self._fits(run, query)]
        keys: dict[str, Any] = {run.id: (self._number(run, *query.sort), run.id) for run in found}
        if not query.sort[0]:
            keys = {run.id: (run.id,) for run in found}
        found = [run for run in found if keys[run.id][0] is not None]
        found.sort(key=lambda run: keys[run.id], reverse=not query.ascending)
        names = [run.id for run in found]
        start = names.index(query.after) + 1 if query.after in names else 0
        return found[start:][: query.limit]

    def _fits(self, run: RunRecord, query: RunQuery) -> bool:
        tags = self._state.tags.get((run.id, "", False), {})
        properties = self._state.properties.get((run.id, "", False), {})
        return (
            run.id not in self._state.removed
            and query.experiment in ("", run.experiment)
            and query.pipeline in ("", run.pipeline)
            and (not query.statuses or run.status in query.statuses)
            and query.kind in ("", run.kind)
            and (query.children or query.kind or run.kind != CHILD)
            and (query.since is None or run.created_at >= query.since)
            and (query.until is None or run.created_at < query.until)
            and has_tags(tags, query.tags)
            and has_tags(properties, query.properties)
            and all(self._holds(run, item) for item in query.conditions)
        )

    def _holds(self, run: RunRecord, condition: Condition) -> bool:
        found = self._values(run, condition.of).get(condition.name)
        if found is None:
            return False
        number, text = found
        if isinstance(condition.value, float) and number is None:
            return False
        return holds(condition, number, text)

    def _number(self, run: RunRecord, of: str, name: str) -> float | None:
        found = self._values(run, of).get(name)
        return found[0] if found else None

    def _values(self, run: RunRecord, of: str) -> Mapping[str, tuple[float | None, str]]:
        if of == METRIC:
            ended = run.status.final
            told = MemoryMetrics(self._state).listed(run.id) if ended else ()
            return {
                item.name: (item.number, item.last if isinstance(item.last, str) else dumps(item.last)) for item in told
            }
        return {
            name: (_finite(value.inline), value.inline if isinstance(value.inline, str) else _text(value.inline))
            for name, value in run.arguments.items()
            if value.is_inline
        }


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _text(value: object) -> str:
    return dumps(plain_to_json(value))
