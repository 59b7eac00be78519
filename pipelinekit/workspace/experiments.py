"""Experiments in a workspace: runs under a common name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelinekit.domain import experiments
from pipelinekit.domain.metrics import check_text
from pipelinekit.domain.names import check_name
from pipelinekit.ports.facts import ExperimentRecords
from pipelinekit.workspace.interactive import InteractiveRun
from pipelinekit.workspace.runs import Run, RunCollection

Submit = Callable[..., Run]  # a pipeline, its experiment and more; see `Workspace.submit`
Begin = Callable[[str, str, Path | None], InteractiveRun]  # an experiment, a display name, a source folder


class Experiment:
    """One experiment. It is made by the first run, or by `workspace.experiments.get(name, create=True)`."""

    def __init__(
        self, name: str, records: ExperimentRecords, runs: RunCollection, submit: Submit, begin: Begin
    ) -> None:
        self.name = name
        self._records = records
        self._runs = runs
        self._submit = submit
        self._begin = begin

    @property
    def record(self) -> experiments.Experiment:
        """The experiment as it stands. Raises NotFoundError."""
        return self._records.get(self.name)

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags by key; `set_tags` and `remove_tags` change them."""
        return self.record.tags

    def submit(self, pipeline: Any, **options: Any) -> Run:
        """Submit a pipeline or a script run; options are those of `Workspace.submit`."""
        return self._submit(pipeline, experiment=self.name, **options)

    def start_run(
        self,
        display_name: str = "",
        tags: Mapping[str, object] | None = None,
        *,
        source_directory: str | Path | None = None,
    ) -> InteractiveRun:
        """Begin an interactive run: this process logs to it, and completes it.

        What lies in `source_directory`, after its ignore file, is kept with it as its snapshot.
        """
        run = self._begin(self.name, display_name, Path(source_directory) if source_directory is not None else None)
        for key, value in (tags or {}).items():
            run.tag(key, value)
        return run

    def runs(self, **query: Any) -> Sequence[Run]:
        """Runs of the experiment; see `RunCollection.list`."""
        return self._runs.list(experiment=self.name, **query)

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags; others stay."""
        self._records.set_tags(self.name, dict(check_text("tag", key, value) for key, value in tags.items()))

    def remove_tags(self, *keys: str) -> None:
        """Remove tags."""
        self._records.remove_tags(self.name, keys)

    def describe(self, description: str) -> None:
        """Say what the experiment is for."""
        self._records.describe(self.name, description)

    def limit_runs(self, most: int) -> None:
        """Have at most so many of its runs under way at once; others wait for their turn. 0 is for no limit."""
        self._records.limit(self.name, most)

    def archive(self) -> None:
        """Leave the experiment out of lists; its runs stay. A new run of it brings it back."""
        self._records.archive(self.name, archived=True)

    def reactivate(self) -> None:
        """Have the experiment in lists again."""
        self._records.archive(self.name, archived=False)

    def delete(self) -> None:
        """Delete the experiment, which must have no runs. Raises UsageError."""
        self._records.delete(self.name)

    def __repr__(self) -> str:
        return f"Experiment({self.name!r})"


class ExperimentCollection:
    """The experiments of a workspace."""

    def __init__(self, records: ExperimentRecords, runs: RunCollection, submit: Submit, begin: Begin) -> None:
        self._records = records
        self._runs = runs
        self._submit = submit
        self._begin = begin

    def get(self, name: str, *, create: bool = True) -> Experiment:
        """The experiment of this name, made when it is not there unless `create` is off. Raises NotFoundError."""
        if create:
            self._records.make(check_name("experiment", name))
        else:
            self._records.get(name)
        return self._handle(name)

    def list(
        self, *, archived: bool | None = False, tags: Mapping[str, str | None] | None = None
    ) -> Sequence[Experiment]:
        """Experiments, those with the newest runs first; `archived` None asks for all. `tags` as for runs."""
        found = experiments.with_tags(self._records.list(archived=archived), tags or {})
        return [self._handle(item.name) for item in found]

    def _handle(self, name: str) -> Experiment:
        return Experiment(name, self._records, self._runs, self._submit, self._begin)
