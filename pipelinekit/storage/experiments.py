"""Experiments in the database. They are made by the first run that names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipelinekit.domain.experiments import Experiment
from pipelinekit.domain.queueing import EXPERIMENT
from pipelinekit.errors import NotFoundError, UsageError
from pipelinekit.ports import Clock
from pipelinekit.storage.database import Database
from pipelinekit.storage.queueing import SQLRunLimits


class SQLExperiments:
    """Implements `ports.ExperimentRecords` on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._limits = SQLRunLimits(database)

    def make(self, name: str) -> Experiment:
        """The experiment of this name, made when it is not there."""
        self._database.write("make_experiment", (name, self._clock.now()))
        return self.get(name)

    def get(self, name: str) -> Experiment:
        """The experiment of this name."""
        found = self._find(name)
        if not found:
            raise NotFoundError(
                f"there is no experiment {name!r}", hint="'pipelinekit experiments list --all' shows them"
            )
        return found[0]

    def list(self, *, archived: bool | None = False) -> Sequence[Experiment]:
        """Experiments, those with the newest runs first; `archived` None asks for all."""
        return [item for item in self._find("") if archived is None or (item.archived_at is not None) is archived]

    def archive(self, name: str, *, archived: bool) -> None:
        """Leave an experiment out of lists, or have it in them again."""
        self.get(name)
        self._database.write("archive_experiment", (self._clock.now() if archived else None, name))

    def describe(self, name: str, description: str) -> None:
        """Say what an experiment is for."""
        self.get(name)
        self._database.write("describe_experiment", (description, name))

    def limit(self, name: str, most: int) -> None:
        """Limit how many of its runs are under way at once; 0 for no limit."""
        self.get(name)
        self._limits.set(EXPERIMENT, name, most)

    def set_tags(self, name: str, tags: Mapping[str, str]) -> None:
        """Set tags; others stay."""
        self.get(name)
        self._database.write_many("put_experiment_tag", [(name, key, value) for key, value in tags.items()])

    def remove_tags(self, name: str, keys: Sequence[str]) -> None:
        """Remove tags; those that are not there need not be."""
        self._database.write_many("drop_experiment_tag", [(name, key) for key in keys])

    def delete(self, name: str) -> None:
        """Delete an experiment that has no runs. Raises UsageError when it has some."""
        with self._database.transaction():
            self.get(name)
            if self._database.write("delete_experiment", (name,)) == 0:
                raise UsageError(
                    f"experiment {name!r} has runs and cannot be deleted",
                    hint=f"archive it: 'pipelinekit experiments archive {name}'; clean-up ('gc') removes runs",
                )
            self._database.write("delete_experiment_tags", (name,))
            self._limits.set(EXPERIMENT, name, 0)

    def _find(self, name: str) -> Sequence[Experiment]:
        tags: dict[str, dict[str, str]] = {}
        for row in self._database.read("tags_of_experiments", (name, name)):
            tags.setdefault(row["experiment"], {})[row["key"]] = row["value"]
        return [
            Experiment(
                row["name"],
                row["created_at"],
                row["runs"],
                row["newest"],
                row["archived_at"],
                row["description"],
                tags.get(row["name"], {}),
                row["most"] or 0,
            )
            for row in self._database.read("experiments_like", (name, name))
        ]
